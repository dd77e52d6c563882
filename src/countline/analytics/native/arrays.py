"""Objects as arrays, and what is found of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["F8", "MOST_EXTENT", "Hit", "Object", "Rows", "anchor_points", "boxes_anchors", "sound"]

F8 = NDArray[np.float64]
MOST_EXTENT = 1e3
"""Boxes larger than so many pictures are no boxes."""


class Object(NamedTuple):
    """One object of a micro-batch, for plain Python."""

    slot: int
    box: list[float]
    """Left, top, right, bottom, normalised."""
    plan: int
    aspect: float
    class_id: int


@dataclass(slots=True)
class Rows:
    """N objects. What differs by frame only is a scalar where the micro-batch has a single frame, else (N,)."""

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

    def object(self, row: int) -> Object:
        """One of them, for plain Python."""
        if isinstance(self.plan, np.ndarray):
            plan, aspect = int(self.plan[row]), float(self.aspect[row])
        else:
            plan, aspect = self.plan, self.aspect
        return Object(int(self.slots[row]), self.box[row].tolist(), plan, aspect, int(self.class_id[row]))


def sound(box: F8) -> NDArray[np.bool_]:
    """(N,) whether normalised boxes are boxes: finite, not inside out, not absurdly large."""
    extent = box[:, 2:] - box[:, :2]
    fine = (extent >= 0) & (extent < MOST_EXTENT)  # NaN makes both comparisons false
    return np.asarray(fine.all(axis=1))


@dataclass(slots=True)
class Hit:
    """Something that a rule found for one object in this micro-batch."""

    row: int
    column: int
    """Index of the rule at its source: among those of its shape (lines, areas), else among those of its kind."""
    value: float = 0.0
    along: float = 1.0
    """How far along its movement in this frame, 0..1."""


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
