"""Those who come out of hiding on somebody else's body.

Detectors leave second boxes on parts of whom they see: an upper body, a bag, legs. A track that is not there yet gets no id for one
(:func:`countline.track.overlap.singles`). One that is out of sight is paired with it as with any other box, and goes on as whoever it
lies on: it crosses lines with him. So who comes back within the box of somebody who is in sight is not told until he has left it. A
child before a grown-up is: if it was away only for a moment and is as high as it was, at once; else a second later, when most second
boxes are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countline.track.overlap import parts

__all__ = ["Sighting", "within"]

AWAY = 250_000_000
"""ns for which a track was not seen whose return is asked about."""
HERE = 150_000_000
"""ns within which those were seen who are in sight. Where frames are farther apart nobody is."""
BRIEFLY = 500_000_000
"""ns for which somebody was away only for a moment."""
ALIKE = 0.1
"""Part by which he may then be higher or lower than he was."""
STEADY = 1_000_000_000
"""ns after his return from which one who lies within another is told in spite of it."""


class Sighting(Protocol):
    """What is remembered of a track."""

    seen: int
    """pts of the last frame it was seen in."""
    high: float
    """Height of its box there, pixels."""
    part: int | None
    """pts since which it lies within somebody, and is not told; who remembers it forgets that when it is told."""


def within(
    tracks: Sequence[Sighting | None], boxes: NDArray[np.float32], classes: NDArray[np.int32], pts: int
) -> NDArray[np.bool_] | None:
    """(n,) which of the tracks, out of sight until now, are seen at ``pts`` ns in (n, 4) boxes that are parts of those of others of their
    class who are in sight; None: none of them. A track of which nothing is remembered is None. Notes since when they do."""
    back = [at for at, one in enumerate(tracks) if one is not None and pts - one.seen > AWAY]
    here = [at for at, one in enumerate(tracks) if one is not None and pts - one.seen < HERE] if back else []
    if not here:
        return None
    result = np.zeros(len(tracks), bool)
    same = classes[back][:, None] == classes[here]
    result[back] = (parts(boxes[back], boxes[here]) & same).any(axis=1)
    for at in result.nonzero()[0].tolist():
        one = tracks[at]
        if one is None or _told(one, float(boxes[at, 3] - boxes[at, 1]), pts):
            result[at] = False
        elif one.part is None:
            one.part = pts
    return result if result.any() else None


def _told(one: Sighting, high: float, pts: int) -> bool:
    """Whether it is told though it lies within somebody."""
    flickers = pts - one.seen < BRIEFLY and abs(high - one.high) <= ALIKE * one.high
    return flickers or (one.part is not None and pts - one.part >= STEADY)
