"""What may differ between CPU and GPU, and why.

Pictures are made smaller by other code, so that confidences differ by about one part in a hundred. Where two boxes of one object
are as near to each other as that, suppression may leave the other one: then the box that is left is no box that the CPU did not
see, but its second one. So what the GPU tells is compared with all the CPU's candidates, before suppression, by less than a pixel.

With another box for a frame, somebody who walks along a line may be seen beyond it in another frame; not before or after he was
close to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from countline.detect.geometry import pairwise_iou
from countline.types import Analytics, Detections, Frame

PIXELS, CONFIDENCE, SURE = 1.0, 0.02, 0.5
CLOSE = 0.03
"""Of the picture's height: from the line, which has a safe region of its own against trembling boxes."""


def assert_alike(want: Detections, candidates: Detections, got: Detections) -> None:
    """``want``, ``candidates``: of the CPU after and before suppression; ``got``: of the GPU, of the same frame."""
    sure = want.confidence >= SURE
    assert not sure.any() or (pairwise_iou(want.xyxy[sure], got.xyxy).max(axis=1) > 0.6).all(), "an object has no box"
    for box, confidence in zip(got.xyxy, got.confidence):
        if confidence < SURE:
            continue
        same = np.abs(candidates.xyxy - box).max(axis=1) < PIXELS
        off = np.abs(candidates.confidence[same] - confidence)
        assert same.any(), f"the CPU has no candidate at {box}"
        assert off.min() < CONFIDENCE
        winner = pairwise_iou(box[None], want.xyxy)[0]
        strongest = want.confidence[winner > 0.6]
        assert len(strongest), f"{box} is no object of the CPU's"
        assert confidence > strongest.max() - CONFIDENCE, "a box won that was no match for the CPU's"


class Near:
    """A consumer of the CPU's frames: which tracks crossed, in order, and the frames in which each was close to the line or it was
    unsure where it stood."""

    def __init__(self, level: float = 0.55) -> None:
        self.crossed: list[int] = []
        self.frames: dict[int, set[int]] = {}
        self._level = level

    def __call__(self, frame: Frame, analytics: Analytics) -> None:
        info = frame.info
        tracks: Any = analytics.tracks
        for track, box in zip(tracks.track_id.tolist(), tracks.xyxy.tolist()):
            if abs(box[3] / info.height - self._level) < CLOSE:
                self.frames.setdefault(track, set()).add(info.number)
        for event in analytics.events:
            if event.kind == "crossing" and event.track_id is not None:
                self.crossed.append(event.track_id)
