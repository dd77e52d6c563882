"""Group boxes: one box round two objects that are followed already.

Where two stand or drive close together, detectors now and then give one box for both, beside their own or in their place. It is
nobody's: matched to one of the two it would make his track jump to the middle, and leave the other one to be found anew. So a
detection that holds most of two or more tracks, all seen lately, each clearly smaller than it and beside another, is left aside.

It is no group box where it is the box of a track itself, since a large object may stand before two small ones; nor where two
pass each other, as then it is the box of the one in front.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline.track.overlap import shared
from countline.types import Tracks

__all__ = ["Groups"]

_HELD = 0.8
"""Part of a track's box that must lie within."""
_SMALLER = 0.7
"""Area of a track's box, as a part of the detection's, up to which it is clearly smaller."""
_CRUMB = 0.2
"""The same, from which it is a part: what is smaller is a thing that somebody stands before."""
_OWN = 0.4
"""Overlap (IoU) with another track from which the detection is that one's."""
_PASSING = 0.5
"""Part of the smaller one's box that two must have in common to be passing each other: then it is the box of the one in front."""
_CLOSING = 0.25
"""Widths by which their ways since the last frame differ, from which they do."""
_LATELY = 500_000_000
"""ns for which a track that is not seen counts as there: longer, and the one box is all that is left of both."""

F4 = NDArray[np.float32]


class _Gone(NamedTuple):
    """A track that was seen lately."""

    track: int
    class_id: int
    box: F4
    pts: int
    """Of its last frame."""


class Groups:
    """Tells group boxes among the detections of one source."""

    def __init__(self) -> None:
        self._now: Tracks | None = None
        self._gone: list[_Gone] = []
        """Those seen lately that are not in the last frame."""
        self._pts = 0

    def remember(self, tracks: Tracks, pts: int) -> None:
        """The tracks of a frame."""
        before = self._now
        if before is not None and (self._gone or before.track_id.tobytes() != tracks.track_id.tobytes()):
            there, ids = set(tracks.track_id.tolist()), before.track_id.tolist()
            if not there.issuperset(ids):
                columns = ids, before.class_id.tolist(), before.xyxy
                self._gone += [
                    _Gone(track, kind, box, self._pts) for track, kind, box in zip(*columns) if track not in there
                ]
            self._gone = [one for one in self._gone if one.track not in there and 0 <= pts - one.pts <= _LATELY]
        self._now, self._pts = tracks, pts

    def find(
        self, boxes: F4, classes: NDArray[np.int32], pts: int, velocity: Callable[[int], F4], far: bool = False
    ) -> list[int]:
        """Rows of (N, 4) detections at ``pts`` ns, xyxy in pixels, that are group boxes.

        ``velocity`` gives (2,) pixels a second of the middle of a track, by its id; it is asked if somebody may be in a group box,
        or if all may be ``far`` from where they were.
        """
        now = self._now
        if now is None or len(now) + len(self._gone) < 2 or not len(boxes):
            return []
        tracks = now.xyxy
        if self._gone:
            tracks = np.concatenate([tracks, np.array([one.box for one in self._gone])])
        if not far and not len(self.several(boxes, tracks, len(now))):
            return []
        ids = now.track_id.tolist()
        kinds = np.concatenate([now.class_id, np.array([one.class_id for one in self._gone], np.int32)])
        ids += [one.track for one in self._gone]
        since = np.array([self._pts] * len(now) + [one.pts for one in self._gone])
        moved = (
            np.array([velocity(track) for track in ids], np.float32) * ((pts - since) / 1e9).astype(np.float32)[:, None]
        )
        tracks = tracks + np.tile(moved, 2)
        found = []
        for row in self.several(boxes, tracks, len(now)):
            alike = kinds == classes[row]
            if _is_group(boxes[row], tracks[alike], moved[alike]):
                found.append(row)
        return found

    @staticmethod
    def several(boxes: F4, tracks: F4, now: int) -> list[int]:
        """Rows of boxes that hold the middles of several smaller tracks, of which the first ``now`` are near to where they are said
        to be."""
        left, top, right, bottom = np.ascontiguousarray(boxes.T)[:, :, None]
        x0, y0, x1, y1 = np.ascontiguousarray(tracks.T)
        # Mostly nobody is much larger than others.
        holds = (x1 - x0) * (y1 - y0) <= np.float32(_SMALLER) * (right - left) * (bottom - top)
        if not holds.any():
            return []
        u, v = (x0 + x1) * np.float32(0.5), (y0 + y1) * np.float32(0.5)
        if now < len(tracks):  # those out of sight may have come nearer by their own size
            wide, high = x1 - x0, y1 - y0
            wide[:now], high[:now] = 0, 0
            holds &= (left - wide < u) & (u < right + wide) & (top - high < v) & (v < bottom + high)
        else:
            holds &= left < u
            holds &= u < right
            holds &= top < v
            holds &= v < bottom
        several: list[int] = (holds.sum(axis=1) > 1).nonzero()[0].tolist()
        return several


def _is_group(box: F4, tracks: F4, moved: F4) -> bool:
    """``tracks``: (n, 4) where those of its class are; ``moved``: (n, 2) by how much their middles moved since the last frame."""
    if len(tracks) < 2:
        return False
    common = shared(box[None], tracks)[0]
    size = float(np.prod(box[2:] - box[:2]))
    sizes = np.prod(tracks[:, 2:] - tracks[:, :2], axis=1)
    parts = (common >= _HELD * sizes) & (sizes <= _SMALLER * size) & (sizes >= _CRUMB * size)
    if parts.sum() < 2 or (~parts & (common >= _OWN * (size + sizes - common))).any():
        return False
    held, area = tracks[parts], sizes[parts]
    beside = shared(held, held) < _PASSING * np.minimum(area, area[:, None])
    way = moved[parts][:, None] - moved[parts][None]
    closing = np.hypot(way[..., 0], way[..., 1]) > _CLOSING * (held[:, 2] - held[:, 0]).min()
    return bool((beside & ~closing).any())
