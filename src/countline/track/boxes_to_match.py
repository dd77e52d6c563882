"""Boxes as tracks are matched with them: one that ends at the chest is matched as the full one that it is a part of.

Where somebody walks in front of another, the box of the one behind may be a third of its height for a while
(:mod:`countline.track.occlusion`). It then overlaps the one in front more than the place where its own track is awaited, so the track
takes the box of the one in front, or none, and ids are exchanged or begun anew. Heads still show. So a box that somebody may hide
from below, and that begins where the head of a track is awaited, is matched with the height that this track had, unless another
box lies where that track is awaited. What is reported is not changed by it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from countline.track.occlusion import ACROSS, GAP, LOWER, SHORT, floor
from countline.track.overlap import overlap
from countline.types import Tracks

__all__ = ["behind", "boxes_to_match"]

HEAD = (0.35, 0.15)
"""By how much of a track's width and usual height the head of a box may miss the place where that of the track is awaited."""
AWAITED = 0.5
"""Overlap (IoU) from which a box lies where a track is awaited."""
_LEAST = 0.999 / SHORT
"""Usual height of a track, as a multiple of a box's, from which the box may be a part of it, and a little less."""


def behind(boxes: NDArray[np.float32]) -> list[int]:
    """Rows of (N, 4) xyxy boxes that another one, which reaches farther down, may hide from below."""
    left, top, right, bottom = np.ascontiguousarray(boxes.T)
    high, wide = bottom - top, right - left
    front = bottom > (bottom + LOWER * high)[:, None]
    front &= top < (bottom + GAP * high)[:, None]
    front &= np.minimum(right, right[:, None]) - np.maximum(left, left[:, None]) > (ACROSS * wide)[:, None]
    rows: list[int] = front.any(axis=1).nonzero()[0].tolist()
    return rows


def boxes_to_match(
    boxes: NDArray[np.float32],
    past: Sequence[tuple[int, Tracks]],
    heights: Callable[[float], Mapping[int, float]],
    pts: int,
    patience: int,
) -> NDArray[np.float32]:
    """(N, 4) xyxy in pixels of the detections of a frame -> the same boxes as they are to be matched. Where nobody hides
    another, the given array itself.

    ``past``: pts and tracks of the last frames, oldest first; ``heights``: usual heights by id, see
    :meth:`countline.track.memory.TrackMemory.heights`; ``pts`` of this frame, and ``patience``, for which tracks are awaited, in ns.
    """
    if not past or len(boxes) < 2 or not len(rows := behind(boxes)):
        return boxes
    short = boxes.take(rows, axis=0)
    tall = heights(_LEAST * float((short[:, 3] - short[:, 1]).min()))
    if not tall:  # mostly: nobody is so tall that one of the boxes may be a part of him
        return boxes
    ways = _ways([(then, tracks) for then, tracks in past if 0 < pts - then <= patience], tall)
    if not ways:
        return boxes
    usual = np.array([tall[number] for number in ways], np.float32)
    return _completed(boxes, rows, np.array([_ahead(*way, pts) for way in ways.values()], np.float32), usual)


_Way = tuple[int, list[float], int, list[float]]
"""pts and box of the last sighting, and of the first that is remembered."""


def _ways(past: Iterable[tuple[int, Tracks]], wanted: Container[int]) -> dict[int, _Way]:
    ways: dict[int, _Way] = {}
    for then, tracks in past:
        for number, box in zip(tracks.track_id.tolist(), tracks.xyxy.tolist()):
            if number not in wanted:
                continue
            first = ways.get(number)
            ways[number] = (then, box, then, box) if first is None else (then, box, first[2], first[3])
    return ways


def _ahead(then: int, box: list[float], first: int, before: list[float], pts: int) -> list[float]:
    """Where a box that was at ``before`` at ``first`` and here ``then`` is at ``pts``, if it goes on; its size unchanged."""
    if then == first:
        return box
    part = (pts - then) / (2 * (then - first))
    across = (box[0] + box[2] - before[0] - before[2]) * part
    down = (box[1] + box[3] - before[1] - before[3]) * part
    return [box[0] + across, box[1] + down, box[2] + across, box[3] + down]


def _completed(
    boxes: NDArray[np.float32], rows: Sequence[int], ahead: NDArray[np.float32], usual: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N, 4) xyxy in pixels of the detections of a frame -> the same boxes, those of ``rows`` (somebody may hide them) completed to the
    height of the track whose head is awaited there.

    ``ahead``: (M, 4) where the tracks seen lately are by now; ``usual``: (M,) their usual heights, 0 where unknown.
    """
    short = boxes.take(rows, axis=0)
    tall = short[:, 3] - short[:, 1]
    wide = np.maximum(ahead[:, 2] - ahead[:, 0], 1)
    across = np.abs(short[:, 0, None] + short[:, 2, None] - ahead[:, 0] - ahead[:, 2]) / (2 * wide)
    up = np.abs(short[:, 1, None] - ahead[:, 1]) / np.maximum(usual, 1)
    fits = (tall[:, None] < SHORT * usual) & (across < HEAD[0]) & (up < HEAD[1])
    if not fits.any():
        return boxes
    fits[:, (overlap(boxes, ahead) > AWAITED).any(axis=0)] = False
    apart = np.where(fits, across / HEAD[0] + up / HEAD[1], np.inf)
    result: NDArray[np.float32] = boxes.copy()
    for at, track in zip(*(index.tolist() for index in fits.nonzero())):
        if apart[at, track] <= min(apart[at].min(), apart[:, track].min()):
            row = rows[at]
            lowest = floor(boxes, row, float(usual[track]))
            if lowest is not None:
                result[row, 3] = min(float(boxes[row, 1] + usual[track]), lowest)
    return result
