"""A ConfigMap of Kubernetes that changes is an edit: its files are links into a folder that is swapped as a whole."""

from __future__ import annotations

import os
from pathlib import Path

from countline.pipeline.reloader import Watch


def mount(folder: Path, version: str, text: str) -> Path:
    """As the kubelet does it: a folder for each version, and a link to the newest, renamed over the old one."""
    (folder / version).mkdir()
    (folder / version / "countline.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(version)
    os.replace(folder / "..data_tmp", folder / "..data")
    path = folder / "countline.yaml"
    if not path.is_symlink():
        path.symlink_to("..data/countline.yaml")
    return path


def looks(watch: Watch) -> list[bool]:
    return [watch.changed() for _ in range(3)]


def test_a_configmap_that_changes_is_seen_and_one_that_is_only_mounted_anew_is_not(tmp_path: Path) -> None:
    path = mount(tmp_path, "..1", "outputs: [stdout]\n")
    watch = Watch(lambda: [path])
    assert looks(watch) == [False, False, False]
    mount(tmp_path, "..2", "outputs: [stdout]\n")
    assert looks(watch) == [False, False, False]
    mount(tmp_path, "..3", "outputs: [stdout]\nwatch: true\n")
    assert looks(watch).count(True) == 1
