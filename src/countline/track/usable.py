"""Which detections a tracker can follow."""

from __future__ import annotations

import numpy as np

from countline.types import Detections

__all__ = ["usable"]

_WIDEST = 1e7
"""No picture has so many pixels in a row."""


def usable(detections: Detections, low: float) -> Detections:
    """The detections that can be followed: of boxes that can be, from the confidence ``low`` on."""
    box, confidence = detections.xyxy, detections.confidence
    # Comparisons are false for what is not a number; and no picture is as wide as infinity.
    if (
        len(box)
        and (box[:, 2:] > box[:, :2]).all()
        and np.vdot(box, box) < _WIDEST**2 / 2  # then each is within
        and (least := confidence.min()) >= low
        and least > 0
    ):
        return detections  # mostly all of them
    sound = (
        (box[:, 2:] > box[:, :2]).all(axis=1)
        & (confidence > 0)
        & (confidence >= low)
        & (np.abs(box).max(axis=1, initial=0) < _WIDEST)
    )
    return detections[sound]
