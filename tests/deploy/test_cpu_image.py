"""The CPU image, built and run: counts as the package does, without root, on a root file system that cannot be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import containers
import pytest
import yaml
from containers import Container, Image
from deploying import DOCKER

REASON = containers.missing()
pytestmark = [
    pytest.mark.images,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(bool(REASON), reason=REASON or "can be built"),
]
TAG = "localhost/countline-test:cpu"
VOLUME = "/var/lib/countline"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    tag = containers.given_image()
    if not tag:
        tag = TAG
        containers.build("cpu", tag)
    with containers.unpacked(tag) as made:
        print(f"the image has {made.size / 2**20:.0f} MiB, its base included")
        yield made


def configuration(**source: Any) -> dict[str, Any]:
    """That of docker/compose.yaml, with a file in place of Kafka."""
    config: dict[str, Any] = yaml.safe_load((DOCKER / "compose" / "countline.yaml").read_text())
    config["sources"][0] = {"name": "street", "uri": "/clips/street.mp4", "device_id": "device_test", **source}
    config["outputs"] = [{"file": {"path": f"{VOLUME}/out.jsonl"}}]
    return config


@pytest.fixture
def container(image: Image, clip: Path, tmp_path: Path) -> Iterator[Container]:
    """With a volume, as an engine would make it, and the clip."""
    volume, etc, clips = tmp_path / "volume", tmp_path / "etc", image.root / "clips"
    volume.mkdir(mode=0o700)
    etc.mkdir()
    etc.chmod(0o755)
    clips.mkdir(exist_ok=True)
    (clips / clip.name).touch()
    os.chown(volume, *(int(number) for number in image.config["User"].split(":")))
    made = Container(image, {"/etc/countline:ro": etc, VOLUME: volume, f"/clips/{clip.name}:ro": clip})
    yield made
    made.close()


def configured(container: Container, config: dict[str, Any]) -> Path:
    """Writes the configuration; returns the volume."""
    path = container.mounts["/etc/countline:ro"] / "countline.yaml"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o644)
    return container.mounts[VOLUME]


def test_it_says_what_it_is(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.config["Healthcheck"]["Test"] == ["CMD", "countline", "health", "-q"], "not dropped by the builder"
    assert VOLUME in image.config["Volumes"]
    assert "9464/tcp" in image.config["ExposedPorts"]


def test_nothing_of_the_machine_that_built_it_is_in_it(image: Image) -> None:
    assert not [entry for entry in image.config["Env"] if "CA_BUNDLE" in entry or "INDEX" in entry]
    trusted = containers.certificates()
    if trusted:
        assert not (image.root / "run" / "secrets" / "ca.pem").exists()
    assert not (image.root / "src").exists()
    assert not list(image.root.glob("opt/countline/lib/python*/site-packages/pip"))


def test_it_counts_as_the_package_does_and_leaves_its_outbox_on_the_volume(container: Container, clip: Path) -> None:
    config = configuration()
    volume = configured(container, config)
    process = container.start()
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    summary = json.loads(said.splitlines()[-1])

    config["sources"][0]["uri"] = str(clip)
    config["outputs"] = [{"file": {"path": "out.jsonl"}}]
    Path("here.yaml").write_text(yaml.safe_dump(config))
    here = subprocess.run(
        [sys.executable, "-m", "countline", "run", "here.yaml", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    mine = json.loads(here.stdout.splitlines()[-1])
    assert summary["sources"]["street"]["lines"] == mine["sources"]["street"]["lines"]
    assert sum(line["total"] for line in summary["sources"]["street"]["lines"].values()) > 5
    values = [json.loads(line)["analyticsModule"] for line in (volume / "out.jsonl").read_text().splitlines()]
    assert values == [json.loads(line)["analyticsModule"] for line in Path("out.jsonl").read_text().splitlines()]
    assert (volume / "outbox").stat().st_uid == 10001


def test_its_health_check_tells_and_it_ends_in_order(container: Container, image: Image) -> None:
    configured(container, configuration(loop=True, realtime=True))
    process = container.start()
    check = image.config["Healthcheck"]["Test"][1:]
    end = time.monotonic() + 120
    while (
        container.execute(*check).returncode != 0 or container.execute("countline", "health", "--ready").returncode != 0
    ):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.2)
    ready = container.execute("countline", "health", "--ready", "--json")
    assert json.loads(ready.stdout)["checks"]["sources"]["detail"] == "1 live"

    os.kill(container.first(), signal.SIGTERM)  # as `docker stop` does
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert json.loads(said.splitlines()[-1])["type"] == "summary"


def test_it_writes_nowhere_but_on_its_volume_and_in_tmp(container: Container) -> None:
    configured(container, configuration(loop=True, realtime=True))
    container.start()
    for place in ("/x", "/opt/countline/x", "/etc/countline/x", "/etc/passwd", "/usr/bin/x"):
        tried = container.execute("sh", "-c", f"echo x >> {place}")
        assert tried.returncode != 0, place
        assert "Read-only file system" in tried.stderr or "Permission denied" in tried.stderr
    assert container.execute("sh", "-c", f"echo x > {VOLUME}/x && echo x > /tmp/x").returncode == 0
    assert container.execute("id", "-u").stdout.strip() == "10001"
    assert "CapEff:\t0000000000000000" in container.execute("cat", "/proc/1/status").stdout
    mounted = container.execute("cat", "/proc/self/mounts").stdout.splitlines()
    assert [line.split()[3].split(",")[0] for line in mounted if line.split()[1] == "/"][-1:] == ["ro"]


def test_without_a_configuration_it_says_what_to_do(container: Container) -> None:
    process = container.start()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 2
    assert "/etc/countline/countline.yaml: no such file" in said
    assert "Traceback" not in said
