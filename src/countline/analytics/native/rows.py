"""The objects of one round (at most one frame of each source) as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from countline.types import FrameTracks

if TYPE_CHECKING:
    from countline.analytics.native.state import SourceState

__all__ = [
    "MOST_EXTENT",
    "Arrival",
    "Findings",
    "Group",
    "Hit",
    "Rows",
    "anchor_points",
    "boxes_anchors",
    "group",
    "sound",
    "stack",
]

F8 = NDArray[np.float64]
MOST_EXTENT = 1e3
"""Boxes larger than so many pictures are no boxes."""


@dataclass(slots=True)
class Rows:
    """N objects. What differs by frame only is a scalar where the round has a single frame, else (N,)."""

    slots: NDArray[np.intp]
    box: F8
    """(N, 4) left, top, right, bottom, normalised."""
    plan: Any
    """Index of the plan: int or (N,)."""
    aspect: Any
    """Width / height of the picture: float or (N,)."""
    clock: Callable[[], Any]
    """Gives ns on the source's steady clock: int or (N,)."""
    class_id: NDArray[Any]
    extent: F8
    """(N, 2) width and height, normalised."""
    size: F8
    """(N,) longer side of the box in picture heights."""
    anchors: F8
    """(2, N, A) x and y of each anchor point in use, in picture heights."""

    def __len__(self) -> int:
        return len(self.slots)


@dataclass(slots=True)
class Group:
    """What the frames of a round have in common with those of the next while the same sources show the same objects."""

    sources: list[SourceState]
    slots: NDArray[np.intp]
    starts: list[int]
    """Where each source's objects begin among all; last, how many there are."""
    plan: Any
    aspect: Any
    """As in Rows."""
    scale: F8
    """(4,) or (N, 4) width, height, width, height of the picture in pixels."""

    def clock(self) -> Any:
        """As in Rows."""
        if len(self.sources) == 1:
            return self.sources[0].clock
        return np.repeat(np.array([s.clock for s in self.sources], np.int64), np.diff(self.starts))


def group(arrivals: Sequence[Arrival], slots: Sequence[NDArray[np.intp]]) -> Group:
    """The group of frames whose objects have these slots."""
    sources = [a.source for a in arrivals]
    if len(sources) == 1:
        s = sources[0]
        return Group(sources, slots[0], [0, len(slots[0])], s.plan, s.aspect, s.scale)
    counts = [len(at) for at in slots]
    return Group(
        sources,
        np.concatenate(slots),
        np.cumsum([0, *counts]).tolist(),
        np.repeat(np.array([s.plan for s in sources], np.intp), counts),
        np.repeat(np.array([s.aspect for s in sources]), counts),
        np.repeat(np.array([s.scale for s in sources]), counts, axis=0),
    )


def stack(arrivals: Sequence[Arrival], scale: F8) -> tuple[F8, NDArray[np.int32]]:
    """(N, 4) normalised boxes and (N,) classes of all objects of all frames; ``scale`` as in Group."""
    if len(arrivals) == 1:
        tracks = arrivals[0].item.tracks
        return tracks.xyxy / scale, tracks.class_id
    boxes = np.concatenate([a.item.tracks.xyxy for a in arrivals])
    return boxes / scale, np.concatenate([a.item.tracks.class_id for a in arrivals])


def sound(box: F8) -> NDArray[np.bool_]:
    """(N,) whether normalised boxes are boxes: finite, not inside out, not absurdly large."""
    extent = box[:, 2:] - box[:, :2]
    fine = (extent >= 0) & (extent < MOST_EXTENT)  # NaN makes both comparisons false
    return np.asarray(fine.all(axis=1))


@dataclass(slots=True)
class Hit:
    """Something that a rule found for one object in this round."""

    row: int
    rule: int
    """Local index of the rule among those of its kind."""
    value: float = 0.0
    along: float = 1.0
    """How far along its movement in this frame, 0..1."""


class Arrival:
    """One frame on its way through a round."""

    __slots__ = ("fresh", "item", "moment", "places", "slots", "source", "steady")

    def __init__(self, source: SourceState, item: FrameTracks) -> None:
        self.source = source
        self.item = item
        self.places: list[int] | None = None
        """Places in the frame of the objects that are evaluated; None: all."""
        self.steady = item.tracks.track_id.tobytes() == source.present_ids
        """The same objects in the same order as in the frame before."""
        if self.steady:
            self.slots = source.present_list
            self.fresh = False
        else:
            get = source.ids.get
            self.slots = [get(i, -1) for i in self.ids]
            self.fresh = -1 in self.slots
        self.moment = (source.clock, source.number, source.time, source.frames)

    def __len__(self) -> int:
        return len(self.item.tracks.track_id)

    @property
    def ids(self) -> list[int]:
        """Track ids of the frame's objects."""
        ids: list[int] = self.item.tracks.track_id.tolist()
        return ids


@dataclass(slots=True)
class Findings:
    """What the rules of each kind found in a round."""

    lines: list[Hit]
    regions: list[Hit]
    directions: list[Hit]
    speeding: list[Hit]
    speeds: F8 | None
    """(N,) km/h, NaN where unknown; None where no rule measures speeds."""


def anchor_points(box: F8, extent: F8, aspect: Any, anchors: F8) -> F8:
    """(2, N, A) anchor points in picture heights, of (N, 4) normalised boxes and their (N, 2) widths and heights."""
    # (N, 2, A): position + size * fraction, for both axes at once.
    points = box[:, :2, None] + extent[:, :, None] * anchors.T
    points[:, 0] *= aspect[:, None] if isinstance(aspect, np.ndarray) else aspect
    result: F8 = points.transpose(1, 0, 2)
    return result


def boxes_anchors(box: F8, aspect: Any, anchors: F8) -> F8:
    """The same of boxes alone."""
    return anchor_points(box, box[:, 2:] - box[:, :2], aspect, anchors)
