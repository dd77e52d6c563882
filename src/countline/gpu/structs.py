"""Arguments of the kernels, as NumPy types: the same structs as in ``kernels.cu``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.types import DevicePlanes

__all__ = [
    "BGR", "BOXES", "KEPT", "PICTURE", "ROW", "TABLE", "THREADS", "WANTED", "device_picture", "fill_boxes", "host_picture",
]  # fmt: skip

TRANSPOSED, COLUMNS, ROWS, DEEP, BGR = 1, 2, 4, 8, 16
THREADS, WANTED, KEPT, ROW = 1024, 1000, 300, 8
"""Threads of a block of ``choose``, most candidates, most objects of a frame, numbers of an object: those of ``kernels.cu``."""

PICTURE = np.dtype(
    [
        ("luma", "u8"), ("chroma", "u8"), ("pitch", "i4"), ("chroma_pitch", "i4"), ("width", "i4"), ("height", "i4"),
        ("wide", "i4"), ("high", "i4"), ("across", "f4"), ("down", "f4"), ("half_across", "f4"), ("half_down", "f4"),
        ("flags", "i4"), ("offset", "f4"), ("gain", "f4"), ("red_v", "f4"), ("green_u", "f4"), ("green_v", "f4"),
        ("blue_u", "f4"), ("unused", "i4"),
    ]
)  # fmt: skip
TABLE = np.dtype([("base", "u8"), ("frame", "i8"), ("channel", "i8"), ("cell", "i8")])
BOXES = np.dtype(
    [
        ("table", TABLE), ("kind", "i4"), ("bins", "i4"), ("levels", "i4"), ("cells", "i4"), ("begins", "i4", 6),
        ("columns", "i4", 6), ("steps", "i4", 6), ("width", "f4"), ("height", "f4"),
    ]
)  # fmt: skip

# Share of red and blue in the luma: ITU-R BT.601, 709, 2020; SMPTE 240M.
_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593), "smpte240m": (0.212, 0.087)}


def _colours(matrix: str, full: bool) -> tuple[float, ...]:
    """offset, gain, red_v, green_u, green_v, blue_u for samples of 8 bits."""
    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    chroma = 1.0 if full else 255 / 224
    of_v, of_u = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    return (0.0 if full else 16.0, 1.0 if full else 255 / 219, of_v, of_u * blue / green, of_v * red / green, of_u)


def device_picture(row: Any, planes: DevicePlanes, content: tuple[int, int], *, average: bool) -> None:
    """Fill a row of :data:`PICTURE`. ``content``: width, height that the upright picture gets. ``average``: over all pixels that
    become one; else between the four next to it."""
    wide, high = content
    own = (high, wide) if planes.transposed else (wide, high)
    across, down = planes.width / own[0], planes.height / own[1]
    flags = (
        TRANSPOSED * planes.transposed + COLUMNS * planes.columns + ROWS * planes.rows + DEEP * (planes.form == "p016")
    )
    row["luma"], row["chroma"] = planes.luma, planes.chroma
    row["pitch"], row["chroma_pitch"] = planes.pitch, planes.chroma_pitch
    row["width"], row["height"], row["wide"], row["high"] = planes.width, planes.height, wide, high
    row["across"], row["down"] = across, down
    row["half_across"], row["half_down"] = (across, down) if average else (1, 1)
    row["flags"] = flags
    for name, value in zip(
        ("offset", "gain", "red_v", "green_u", "green_v", "blue_u"), _colours(planes.matrix, planes.full)
    ):
        row[name] = value


def host_picture(row: Any, address: int, pitch: int, content: tuple[int, int]) -> None:
    """Fill a row of :data:`PICTURE` for BGR pixels of the input's size that were copied to ``address``."""
    row["luma"], row["pitch"], row["flags"] = address, pitch, BGR
    row["wide"], row["high"] = content


def fill_boxes(
    target: NDArray[Any], *, kind: int, bins: int, cells: int, size: tuple[int, int], strides: tuple[int, ...]
) -> None:
    """Fill a :data:`BOXES` but for its table. ``size``: width, height of the input; ``strides``: of the grids whose cells follow
    each other."""
    begin = 0
    for level, step in enumerate(strides[:6]):
        columns, rows = -(-size[0] // step), -(-size[1] // step)
        target["begins"][0, level], target["columns"][0, level], target["steps"][0, level] = begin, columns, step
        begin += columns * rows
    target["kind"], target["bins"], target["levels"], target["cells"] = kind, bins, min(len(strides), 6), cells
    target["width"], target["height"] = size
