#!/usr/bin/env python3
"""Fetch ``vtest.avi`` (pedestrians from above, 768x576, 10 fps, 795 frames) from Debian's package opencv-doc.

    python tools/fetch_vtest.py --out DIR

Needs a Debian or Ubuntu machine with ``apt-get`` and ``dpkg`` (no root) and about 250 MB of room while it
works; the result is kept in ``.cache/`` of the repository, so that a second call is free. Prints the path of the video.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache"
SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
"""Of the video; the same file is in every opencv-doc since OpenCV 2.4."""
INSIDE = "usr/share/doc/opencv-doc/examples/data/vtest.avi"


class Unavailable(RuntimeError):
    """The video cannot be had on this machine; the text says why and what to do."""


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(cache: Path = CACHE) -> Path:
    """Path of the video in ``cache``, fetched if it is not there yet. Raises Unavailable."""
    video = cache / "vtest.avi"
    if video.is_file() and digest(video) == SHA256:
        return video
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise Unavailable(
                f"{program} is not on this machine: the video comes from Debian's package opencv-doc. "
                f"Get the package elsewhere and put its /{INSIDE} at {video}"
            )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        work = Path(folder)
        _run(["apt-get", "-q", "download", "opencv-doc"], work)
        packages = list(work.glob("opencv-doc_*.deb"))
        if not packages:
            raise Unavailable("apt-get download left no opencv-doc package; run `apt-get update` and try again")
        _run(["dpkg", "-x", str(packages[0]), "x"], work)
        found = work / "x" / INSIDE
        if not found.is_file():
            raise Unavailable(f"{packages[0].name} does not hold /{INSIDE}")
        if digest(found) != SHA256:
            raise Unavailable(f"{packages[0].name} holds another vtest.avi than the one that figures were made with")
        found.replace(video)
    return video


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(
            f"`{' '.join(command)}` failed: {last}\nRun `apt-get update` (as root), check the network, try again"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch vtest.avi from Debian's package opencv-doc.")
    parser.add_argument("--out", type=Path, help="folder to copy it to; unless given it stays in .cache/")
    arguments = parser.parse_args()
    try:
        video = fetch()
    except Unavailable as error:
        print(f"fetch_vtest: {error}", file=sys.stderr)
        return 1
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        copy = arguments.out / "vtest.avi"
        if copy.resolve() != video.resolve():
            shutil.copy2(video, copy)
        video = copy
    print(video)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
