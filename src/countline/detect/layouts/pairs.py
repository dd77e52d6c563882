"""Scores and boxes before suppression, as two outputs: PP-YOLOE, YOLOv4, SSD and their kin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from countline.detect.layouts.base import Array, Form, Layout, Raw, pixels
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import MOST_QUERIES, Outputs, TrialRun, background, pairs_of
from countline.detect.preprocess import Preprocess

__all__ = ["FAMILY"]


def _boxes_scores(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(cells, classes) scores and (cells, 4) boxes before suppression, in pixels or parts of the picture. SSD's first class is
    the background: where labels name it, it is never found."""
    scores, boxes = arrays[0], arrays[1].reshape(-1, 4)
    scores = scores if layout.transposed else scores.T
    if layout.name == "ssd":
        scores = scores[-layout.classes :]
        if layout.classes == len(arrays[0].T):
            scores = np.concatenate([np.zeros_like(scores[:1]), scores[1:]])
    scale = 1 if layout.name == "boxes-scores" else pixels(size)
    return Raw(scores, lambda index: boxes[index] * scale)


def _several(outputs: Outputs) -> Iterator[Layout]:
    classes = outputs.classes
    for pair in pairs_of(outputs):
        order, columns = (pair.scores, pair.boxes), pair.columns
        if pair.beside and not pair.boxes_first:
            if classes in (None, columns):
                yield Layout("boxes-scores", columns, order=order)
            if pair.rows > MOST_QUERIES:
                if classes in (None, columns):
                    yield Layout("boxes-scores-parts", columns, order=order)
                # With the background among the labels, or without.
                if columns > 1 and classes in (None, columns, columns - 1):
                    yield Layout("ssd", classes or columns - 1, order=order)
        if pair.across and classes in (None, pair.rows) and pair.rows != columns:
            yield Layout("boxes-scores", pair.rows, order=order, transposed=True)


def _fit(layout: Layout, run: TrialRun) -> Layout | None:
    return layout if background(run.table) == (layout.name == "ssd") else None


FAMILY = Family(
    (
        Form("boxes-scores", _boxes_scores, corners=True),
        Form("boxes-scores-parts", _boxes_scores, Preprocess(letterbox=False), corners=True),
        Form(
            "ssd",
            _boxes_scores,
            Preprocess(scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3, letterbox=False),
            corners=True,
        ),
    ),
    several=_several,
    fit=_fit,
)
