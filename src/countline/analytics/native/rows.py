"""The objects of one round (at most one frame of each source) as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from countline.types import FrameTracks

if TYPE_CHECKING:
    from countline.analytics.native.state import SourceState

__all__ = ["Arrival", "Findings", "Hit", "Rows", "anchor_points", "boxes_anchors"]

F8 = NDArray[np.float64]


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
    clock: Any
    """ns on the source's steady clock: int or (N,)."""
    class_id: NDArray[Any]
    size: F8
    """(N,) longer side of the box in picture heights."""
    anchors: F8
    """(2, N, A) x and y of each anchor point in use, in picture heights."""

    def __len__(self) -> int:
        return len(self.slots)

    def pick(self, table: NDArray[Any], row: NDArray[np.intp], *index: Any) -> NDArray[Any]:
        """Entries of a table whose first axis is the plan, for chosen rows."""
        plan = self.plan if isinstance(self.plan, int) else self.plan[row]
        result: NDArray[Any] = table[(plan,) + index]  # noqa: RUF005 - mypy takes a star here for Python 3.11
        return result

    def at(self, value: Any, row: NDArray[np.intp]) -> Any:
        """A per-frame value for chosen rows."""
        return value[row] if isinstance(value, np.ndarray) else value


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

    __slots__ = ("fresh", "ids", "item", "moment", "places", "slots", "source", "steady")

    def __init__(self, source: SourceState, item: FrameTracks) -> None:
        self.source = source
        self.item = item
        self.ids: list[int] = item.tracks.track_id.tolist()
        self.places: list[int] | None = None
        """Places in the frame of the objects that are evaluated; None: all."""
        self.steady = self.ids == source.present_ids
        """The same objects in the same order as in the frame before."""
        if self.steady:
            self.slots = source.present_list
        else:
            get = source.ids.get
            self.slots = [get(i, -1) for i in self.ids]
        self.fresh = not self.steady and -1 in self.slots
        self.moment = (source.clock, source.number, source.time)


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
