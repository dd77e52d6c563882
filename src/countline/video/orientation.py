"""How a picture has to be turned and mirrored to stand upright: display matrices of containers, EXIF of images."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["UPRIGHT", "Orientation", "Orientations", "of_exif", "of_matrix", "orientation_of"]


class Orientation(NamedTuple):
    """One of the eight ways in which a picture can lie: rows and columns are exchanged or not, then columns and rows
    are reversed or not."""

    transposed: bool = False
    columns: bool = False
    """Reversed from left to right, after the exchange."""
    rows: bool = False
    """Reversed from top to bottom, after the exchange."""

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The (height, width, channels) picture upright; a view.

        >>> Orientation(transposed=True, columns=True).apply(np.array([[[1], [2]], [[3], [4]]], np.uint8))[..., 0]
        array([[3, 1],
               [4, 2]], dtype=uint8)
        """
        if self.transposed:
            image = image.swapaxes(0, 1)
        return image[:: -1 if self.rows else 1, :: -1 if self.columns else 1]

    @property
    def mirrored(self) -> bool:
        """It cannot be put right by turning alone."""
        return self.transposed ^ self.columns ^ self.rows

    @property
    def degrees(self) -> int:
        """Degrees counter-clockwise by which it is turned, after mirroring from left to right where ``mirrored``.

        >>> [orientation.degrees for orientation in map(of_exif, range(1, 9))]
        [0, 0, 180, 180, 90, 270, 270, 90]
        """
        if not self.transposed:
            return 180 if self.rows else 0
        return 90 if self.rows != self.mirrored else 270

    def words(self) -> str:
        """For people; empty for an upright picture."""
        parts = ["mirrored"] if self.mirrored else []
        return " and ".join(parts + ([f"turned by {self.degrees}°"] if self.degrees else []))


UPRIGHT = Orientation()
_EXIF = (
    UPRIGHT, Orientation(columns=True), Orientation(columns=True, rows=True), Orientation(rows=True),
    Orientation(transposed=True), Orientation(True, columns=True), Orientation(True, True, True), Orientation(True, rows=True),
)  # fmt: skip


def of_exif(value: int) -> Orientation:
    """EXIF's orientation 1 to 8; anything else is upright, as readers take it."""
    return _EXIF[value - 1] if 1 <= value <= 8 else UPRIGHT


def of_matrix(matrix: bytes) -> Orientation | None:
    """FFmpeg's display matrix: nine int32, ``x' = a x + c y, y' = b x + d y`` for a, b, _, c, d, ... None for a matrix
    that is none of the eight (an angle between, no size)."""
    if len(matrix) < 36:
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
    # Scaled and slightly inexact ones occur; a side that is a hundredth of the other is no angle.
    if a and d and abs(b) * 100 <= abs(a) and abs(c) * 100 <= abs(d):
        return Orientation(False, a < 0, d < 0)
    if b and c and abs(a) * 100 <= abs(b) and abs(d) * 100 <= abs(c):
        return Orientation(True, c < 0, b < 0)
    return None


def orientation_of(frame: Any, coded: bytes = b"") -> Orientation:
    """How a decoded frame has to be turned. ``coded``: what it was decoded from, for the formats that carry EXIF."""
    degrees = int(frame.rotation) % 360
    try:
        # By name: what iterating gives has changed between versions of PyAV.
        return of_matrix(bytes(frame.side_data["DISPLAYMATRIX"])) or UPRIGHT
    except KeyError:
        return UPRIGHT
    except ValueError:  # a kind that this PyAV has no name for, EXIF itself; then none of them can be read
        pass
    found = of_exif(_orientation_tag(coded))
    if degrees == _FFMPEG_DEGREES[found]:
        return found
    return _TURNS.get(degrees, UPRIGHT)


class Orientations:
    """The orientation of each frame of one stream.

    To ask PyAV for what stands beside a frame ties frame and answer together, so that both are kept until Python's garbage
    collector comes by: every source would hold tens of pictures. So it is asked only for a stream's first frame, where size
    or rotation are others than before, and for images that carry EXIF, or follow one that does.
    """

    def __init__(self) -> None:
        self._known = UPRIGHT
        self._of: tuple[int, int, int, bool] | None = None

    def of(self, frame: Any, coded: bytes = b"") -> Orientation:
        """As :func:`orientation_of`."""
        own = b"Exif\0\0" in coded if coded[:2] == b"\xff\xd8" else bool(coded)
        looks = frame.width, frame.height, int(frame.rotation), own
        if own or looks != self._of:
            self._known, self._of = orientation_of(frame, coded), looks
        return self._known


_TURNS = {0: UPRIGHT, 90: _EXIF[7], 180: _EXIF[2], 270: _EXIF[5]}
# What av_display_rotation_get makes of each, which does not see a mirror.
_FFMPEG_DEGREES = dict(zip(_EXIF, (0, 180, 180, 0, 270, 270, 90, 90), strict=True))


def _orientation_tag(coded: bytes) -> int:
    """EXIF orientation in a JPEG, PNG, WebP or TIFF; 1 where there is none or it is broken."""
    try:
        for block in _exif_blocks(coded):
            return _tag(block)
    except (struct.error, IndexError):
        pass
    return 1


def _exif_blocks(coded: bytes) -> Iterator[bytes]:
    if coded[:2] == b"\xff\xd8":
        place = 2
        while coded[place] == 0xFF:
            mark, size = struct.unpack_from(">xBH", coded, place)
            if mark == 0xDA:  # the picture itself
                return
            if mark == 0xE1 and coded[place + 4 : place + 10] == b"Exif\0\0":
                yield coded[place + 10 : place + 2 + size]
            place += 2 + size
    elif coded[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _chunks(coded, 8, ">I4s", b"eXIf", 4, 1)
    elif coded[:4] == b"RIFF" and coded[8:12] == b"WEBP":
        yield from _chunks(coded, 12, "<4sI", b"EXIF", 0, 2)
    elif coded[:4] in (b"II*\0", b"MM\0*"):
        yield coded


def _chunks(coded: bytes, place: int, head: str, name: bytes, tail: int, even: int) -> Iterator[bytes]:
    """Bodies of the chunks called ``name``: each is a head, a body padded to ``even`` bytes and a tail."""
    while place + 8 <= len(coded):
        fields = struct.unpack_from(head, coded, place)
        size = next(f for f in fields if isinstance(f, int))
        if name in fields:
            yield coded[place + 8 : place + 8 + size].removeprefix(b"Exif\0\0")
        place += 8 + size + size % even + tail


def _tag(block: bytes) -> int:
    """Orientation in the first directory of a TIFF."""
    order = "<" if block[:2] == b"II" else ">"
    (place,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, place)
    for number in range(min(count, 1000)):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", block, place + 2 + 12 * number)
        if tag == 0x112 and kind == 3:
            return int(value)
    return 1
