"""The street clip that the demo runs on, shipped as package data."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from countline.errors import SourceError

__all__ = ["clip_path"]


def clip_path() -> Path:
    """Path of ``street.mp4``: 30 s of pedestrians from above, H.264, 768x576, 10 frames/s.

    Its container carries a fixed creation time, so event times are equal on every machine. Raises SourceError when the
    package was installed without its data or into an archive that keeps no files on disk.
    """
    path = Path(str(files("countline.demo").joinpath("street.mp4")))
    if not path.is_file():
        raise SourceError(
            "the demo clip is not installed",
            where=str(path),
            fix="install countline from a wheel that was not repacked, or make the clip with tools/make_clip.py",
        )
    return path
