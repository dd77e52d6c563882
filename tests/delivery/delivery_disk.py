"""Disks that fill."""

from __future__ import annotations

import contextlib
from pathlib import Path


def fill(folder: Path) -> None:
    """Leave no room on a file system."""
    with contextlib.suppress(OSError), open(folder / "ballast", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
