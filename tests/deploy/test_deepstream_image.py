"""The image with Jupyter, built and run on a bare Debian in place of NVIDIA's: all in it but DeepStream itself works."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import containers
import pytest
from containers import Container, Image

REASON = containers.missing() or ("another image is tried" if containers.given_image() else "")
pytestmark = [
    pytest.mark.images,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(bool(REASON), reason=REASON or "can be built"),
]
TAG = "localhost/countline-test:deepstream"
TOKEN = "a-token-of-this-test"
ASK = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).status)"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    containers.build("deepstream", TAG)
    with containers.unpacked(TAG) as made:
        yield made


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    """With Jupyter at work."""
    mounts = {}
    for place in ("/home/countline", "/work"):
        folder = tmp_path / place.strip("/").replace("/", "-")
        folder.mkdir()
        os.chown(folder, *(int(number) for number in image.config["User"].split(":")))
        mounts[place] = folder
    image.config["Env"].append(f"JUPYTER_TOKEN={TOKEN}")
    made = Container(image, mounts)
    made.start()
    yield made
    made.close()


def asked(container: Container, path: str) -> subprocess.CompletedProcess[str]:
    return container.execute("python3", "-c", ASK, f"http://127.0.0.1:8888{path}")


def test_jupyter_answers_whoever_has_the_token_and_nobody_else(container: Container, image: Image) -> None:
    check = image.config["Healthcheck"]["Test"][1:]
    end = time.monotonic() + 240
    while container.execute(*check).returncode != 0:
        assert container.process is not None
        assert container.process.poll() is None, container.process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.5)
    assert "HTTP Error 403" in asked(container, "/api/contents").stderr
    assert asked(container, f"/api/contents?token={TOKEN}").stdout.strip() == "200"
    assert container.execute("id", "-u").stdout.strip() == "1000"


def test_countline_is_beside_it_and_says_what_of_deepstream_is_missing(container: Container) -> None:
    """On NVIDIA's image nothing is."""
    done = container.execute("countline", "deepstream", "check")
    assert "Traceback" not in done.stdout + done.stderr
    assert "deepstream" in (done.stdout + done.stderr).lower()
    imported = container.execute("python3", "-c", "import gi, countline.deepstream, jupyterlab; print('fine')")
    assert imported.stdout.strip() == "fine", imported.stderr
