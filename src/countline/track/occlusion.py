"""Feet that somebody in front hides.

A detector draws a box around what it sees. Where somebody walks in front of another, the box of the one behind ends at the
chest for a few frames, and its bottom edge, by which rules know where an object stands, jumps up by half a person and back
again: over a line, if one lies there, and back. People and cars do not become shorter for half a second. So a box that is
much lower than its track has been, for where it is by now (:mod:`countline.track.perspective`), and whose bottom edge lies behind
another track that reaches farther down, is completed downward to the height it had; never beyond the bottom of the one in front, who
stands nearer to the camera, and whose own feet may be hidden by a third. Where the detector misses the one in front for a moment, the
one behind is hidden still. And a box that loses its lower part from one moment to the next is hidden, whoever is in front: he may be
missed at that very moment, and a post or a bush is nobody.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countline.track.perspective import Perspective

__all__ = ["ACROSS", "GAP", "LOWER", "SHORT", "HeightFilter", "Remembered", "complete", "floor"]

SHORT = 0.8
"""Part of the usual height below which a box may be cut off. Between 0.7 and 0.9 counts hardly change."""
SAMPLES = 10
"""Heights that are remembered of a track; the middle one is the usual height, so that a few odd boxes do not matter."""
APART = 90_000_000
"""ns at least between two of them: they tell of about a second at any frame rate."""
ENOUGH = 3
"""Heights from which the usual one is known."""
ACROSS = 0.3
"""Part of the box's width that the one in front must hide."""
LOWER = 0.05
"""By how much of the usual height the one in front must reach farther down."""
GAP = 0.1
"""How far below the box, in usual heights, the one in front may begin: boxes of those who hide each other nearly touch."""
LINGERS = 500_000_000
"""ns for which somebody who was hidden still is, if his box is as low and the one in front is not seen for a moment."""
SUDDEN = 200_000_000
"""ns within which a box that loses its lower part was hidden by something, whether that is seen or not."""
ROSE = 0.5
"""Part of what it lost by which its bottom must have risen meanwhile: one who leaves over the lower edge loses the upper part."""
STAYS = 2
"""How many times as long as otherwise one is hidden behind whom the detector sees all the while."""
EDGE = 0.03
"""A box whose top is so near to the picture's edge, in usual heights, is leaving: it becomes lower in earnest."""


class Remembered(Protocol):
    """What :func:`complete` asks of what a track remembers: :class:`HeightFilter`, or the kernel's."""

    hidden: int

    @property
    def usual(self) -> float: ...

    @property
    def whole(self) -> int: ...

    def seen(self, height: float, pts: int) -> None: ...

    def clear(self) -> None: ...


class HeightFilter:
    """How high the boxes of one track were lately."""

    __slots__ = ("_known", "hidden", "least", "perspective", "sampled", "top", "usual", "values", "whole")

    def __init__(self) -> None:
        self.values: deque[tuple[float, float]] = deque(maxlen=SAMPLES)
        """Heights, and where the upper edge was, pixels."""
        self.usual = self.least = 0.0
        """The middle one of them, as it is where the box is now, and the part of it below which a box may be cut off, pixels; 0
        while there are too few."""
        self.top = 0.0
        """Upper edge of the box, pixels."""
        self.perspective = Perspective()
        """Of its class, which learns from what is seen whole."""
        self._known = 0.0, 0.0
        """The middle one of the heights, when the last was remembered, and the upper edge at that moment, pixels."""
        self.sampled = -APART
        """pts of the last of them, ns."""
        self.hidden = -(2**62)
        """pts at which somebody was last seen in front."""
        self.whole = 0
        """pts at which it was last seen whole."""

    def __repr__(self) -> str:
        return f"{self.usual:.0f} px"

    def look(self, top: float, perspective: Perspective) -> None:
        """Its box has its upper edge here, pixels."""
        self.top, self.perspective = top, perspective
        if self.usual:
            (self.usual,) = perspective.scaled((self._known,), top)
            self.least = SHORT * self.usual

    def seen(self, height: float, pts: int) -> None:
        """It was seen whole, so many pixels high."""
        self.whole = pts
        if not 0 <= pts - self.sampled < APART:
            self.sampled = pts
            self.values.append((height, self.top))
            self.perspective.learn(self.top, height)
            if len(self.values) >= ENOUGH:
                heights = sorted(self.perspective.scaled(self.values, self.top))
                self.usual = heights[len(heights) // 2]
                self.least = SHORT * self.usual
                self._known = self.usual, self.top

    def clear(self) -> None:
        """It has become another height in earnest."""
        self.values.clear()
        self.usual = self.least = 0.0


def complete(
    boxes: NDArray[np.float32],
    low: Iterable[tuple[int, Remembered]],
    pts: int,
    patience: int,
    before: Callable[[int], float] = lambda row: -math.inf,
) -> NDArray[np.float32]:
    """(N, 4) xyxy in pixels of the tracks of one frame, and the rows of those that are lower than :attr:`HeightFilter.least` with what
    their tracks remember -> the same boxes, those that somebody hides from below completed downward. Where none is, the given
    array itself.

    ``pts`` in ns; who was not seen whole for ``patience`` ns (or :data:`STAYS` times as long, where somebody in front is seen) has
    become lower in earnest. ``before`` gives by row the bottom
    of the track's last box.
    """
    result = boxes
    # Who stands nearer to the camera first: the feet of the one behind end at theirs, and not where their box is cut off.
    for row, known in sorted(low, key=lambda one: -(float(boxes[one[0], 1]) + one[1].usual)):
        lowest = floor(result, row, known.usual)
        if lowest is not None or _suddenly(known, boxes[row], before(row), pts):
            known.hidden = pts
        if lowest is None and 0 <= pts - known.hidden <= LINGERS and float(boxes[row, 1]) >= EDGE * known.usual:
            lowest = math.inf
        if lowest is not None:
            if pts - known.whole <= patience * (1 if lowest == math.inf else STAYS):
                if result is boxes:
                    result = boxes.copy()
                result[row, 3] = min(float(boxes[row, 1]) + known.usual, lowest)
                continue
            known.clear()
        known.seen(float(boxes[row, 3] - boxes[row, 1]), pts)
    return result


def _suddenly(known: Remembered, box: NDArray[np.float32], before: float, pts: int) -> bool:
    """Whether a box whose bottom was at ``before`` was whole a moment ago, and has lost its lower part."""
    lost = known.usual - float(box[3] - box[1])
    return 0 < pts - known.whole <= SUDDEN and before - float(box[3]) > ROSE * lost


def floor(boxes: NDArray[np.float32], row: int, usual: float) -> float | None:
    """Bottom of the lowest box that hides this one from below; None if none does."""
    left, top, right, bottom = boxes[row].tolist()
    if top < EDGE * usual:
        return None
    hidden = np.minimum(boxes[:, 2], right) - np.maximum(boxes[:, 0], left)
    front = (
        (boxes[:, 3] > bottom + LOWER * usual)
        & (boxes[:, 1] < bottom + GAP * usual)
        & (hidden > ACROSS * (right - left))
    )
    return float(boxes[front, 3].max()) if front.any() else None
