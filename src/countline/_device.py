"""Pixels that lie on a device. NumPy only, as :mod:`countline.types`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DevicePlanes"]


@dataclass(frozen=True, slots=True)
class DevicePlanes:
    """Where the planes of a decoded picture lie: a full luma plane, and a chroma plane of half the size with U and V side by
    side. Valid for as long as the object is held."""

    device: int
    """Number of the GPU."""
    form: Literal["nv12", "p016"]
    """8 bits a sample, or 16 of which the highest are used (P010, P016)."""
    luma: int
    """Device address."""
    chroma: int
    pitch: int
    """Bytes from one row of luma to the next."""
    chroma_pitch: int
    width: int
    """Pixels, as the decoder gives the picture, not turned."""
    height: int
    matrix: Literal["bt601", "bt709", "bt2020", "smpte240m"] = "bt601"
    """How luma and chroma were made of red, green and blue."""
    full: bool = False
    """All values are used, not 16 to 235."""
    transposed: bool = False
    """To stand upright, rows and columns are exchanged,"""
    columns: bool = False
    """then reversed from left to right,"""
    rows: bool = False
    """and from top to bottom."""
    owner: object = None
    """What keeps the memory."""
