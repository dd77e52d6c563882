"""Every package that is installed has a licence that fits, and code of the GPL that comes along is never run."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from email.message import Message
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    pytest.importorskip("packaging")
    spec = importlib.util.spec_from_file_location("countline_licences", ROOT / "tools" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_installed_package_has_a_licence_that_is_known_and_fits(licences: ModuleType) -> None:
    assert licences.faults() == []
    core = licences.needed(set())
    assert {"av", "numpy", "pydantic", "pyyaml"} <= set(core)
    assert not any("GPL" in licences.licence(package) for package in core.values())


def test_the_page_of_licences_is_true() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "licences.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


class Package:
    """A distribution with this metadata."""

    files: list[Any] = []

    def __init__(self, **fields: str) -> None:
        self.metadata = Message()
        for name, value in fields.items():
            self.metadata[name.replace("_", "-")] = value


@pytest.mark.parametrize(
    ("fields", "licence", "fit", "fit_as_extra"),
    [
        ({"License_Expression": "MIT"}, "MIT", True, True),
        ({"License": "Apache 2.0"}, "Apache-2.0", True, True),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD-3-Clause", True, True),
        ({"License_Expression": "GPL-3.0-or-later"}, "GPL-3.0-or-later", False, False),
        ({"License_Expression": "AGPL-3.0"}, "AGPL-3.0", False, False),
        ({"License": "GPLv2"}, "GPLv2", False, False),
        ({"Classifier": "License :: OSI Approved :: GNU Public License (GPL)"}, "GNU Public License (GPL)", False, False),
        ({"License_Expression": "MIT AND GPL-2.0-only"}, "MIT AND GPL-2.0-only", False, False),
        ({"License_Expression": "MIT OR GPL-2.0-only"}, "MIT OR GPL-2.0-only", True, True),
        ({"License_Expression": "MPL-2.0 AND (Apache-2.0 OR GPL-3.0)"}, "MPL-2.0 AND (Apache-2.0 OR GPL-3.0)", True, True),
        ({"License_Expression": "LGPL-3.0-only"}, "LGPL-3.0-only", False, True),
        ({"License_Expression": "LicenseRef-Proprietary"}, "LicenseRef-Proprietary", False, False),
        ({"License": "ask us"}, "", False, False),
        ({}, "", False, False),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_found(
    licences: ModuleType, fields: dict[str, str], licence: str, fit: bool, fit_as_extra: bool
) -> None:
    found = licences.licence(Package(**fields))
    assert found == licence
    assert licences.fits(found, extra=False) is fit
    assert licences.fits(found, extra=True) is fit_as_extra


def test_the_port_of_sort_is_never_loaded(clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("countline.track.bytetrack")
    if importlib.util.find_spec("pyxtrackers") is None:
        pytest.skip("pyxtrackers is not installed")
    code = f"""
import sys, countline as cl
data = {{"sources": [{{"name": "a", "uri": {str(clip)!r}}}], "detector": {{"interval": 30}}, "tracker": {{"kind": "bytetrack"}},
        "rules": {{"lines": [{{"name": "l", "points": [[0.1, 0.5], [0.9, 0.5]]}}]}}, "outbox": "memory",
        "outputs": [{{"file": {{"path": {str(tmp_path / "out.jsonl")!r}}}}}]}}
cl.run(data)
mapped = open("/proc/self/maps").read()
assert "pyxtrackers/bytetrack" in mapped
for part in ("sort", "ocsort", "cli"):
    assert "pyxtrackers/" + part not in mapped, part
    assert not any(name.startswith("pyxtrackers." + part) for name in sys.modules), part
assert "pyxtrackers" not in sys.modules
import pyxtrackers  # who wants the whole of it gets it
assert pyxtrackers.Sort and pyxtrackers.BYTETracker is sys.modules["pyxtrackers.bytetrack.bytetrack"].BYTETracker
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.strip().endswith("fine"), done.stderr


def test_a_bytetrack_that_asks_for_other_trackers_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "pyxtrackers"
    (package / "bytetrack").mkdir(parents=True)
    (package / "sort").mkdir()
    (package / "__init__.py").write_text("raise SystemExit('the whole package was run')\n")
    (package / "sort" / "__init__.py").write_text("")
    (package / "bytetrack" / "__init__.py").write_text("")
    (package / "bytetrack" / "bytetrack.py").write_text("import pyxtrackers.sort\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from countline.track.bytetrack import tracker_class\n"
        "try: tracker_class()\nexcept ImportError as error: print(error)\n"
        "assert 'pyxtrackers' not in sys.modules and not any('Guard' in type(f).__name__ for f in sys.meta_path)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pyxtrackers.sort is not used by countline" in done.stdout, done.stderr


def test_encoders_of_the_gpl_are_never_called(tmp_path: Path) -> None:
    import av
    import numpy as np

    from countline.video.writer import VideoWriter

    for name in ("a.mp4", "a.mkv", "a.mov", "a.avi"):
        writer = VideoWriter(tmp_path / name)
        for i in range(5):
            writer.write(np.full((48, 64, 3), 40 * i, np.uint8), i * 100_000_000)
        writer.close()
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].codec_context.name in ("vp9", "mpeg4")
            assert len(list(container.decode(video=0))) == 5
    for file in (ROOT / "src" / "countline").rglob("*.py"):
        words = (
            node.value
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)
        )
        assert not any(isinstance(word, str) and word.startswith(("libx26", "x264", "x265")) for word in words), file
