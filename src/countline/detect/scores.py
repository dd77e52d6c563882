"""What the class scores of a real run tell of themselves: which activation they have, and whether one column is no class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countline.detect.graph import Made
from countline.detect.layouts import Layout
from countline.detect.recognise import MOST_QUERIES

__all__ = ["activated", "background"]


def activated(
    layout: Layout, logits: NDArray[np.floating], name: str, made: Made, labels: int | None, declared: bool
) -> Layout | None:
    """A layout 'detr' with the activation of its class scores: ``logits`` (queries, columns) of a real run.

    Softmax where most queries are 'no object' by their last column. A network whose last column does not win was trained
    with a sigmoid; a column more than labels then is unused (RF-DETR, known by its name, or ``declared``), or a label is
    missing: None.
    """
    columns = logits.shape[1]
    unused = name.lower() == "labels"  # RF-DETR's name; it has a column for 'no object', and never uses it
    wins = float((logits.argmax(axis=1) == columns - 1).mean()) if columns > 1 and len(logits) else 0.0
    probabilities = made.last in ("Sigmoid", "Softmax", "HardSigmoid") or (
        logits.size > 0 and logits.min() >= 0 and logits.max() <= 1
    )
    nothing = columns == labels + 1 if labels else columns == 92 or wins > 0.8
    if nothing and wins > 0.5 and not unused:
        kept = not probabilities
        return replace(layout, softmax=kept, probabilities=not kept, classes=columns - 1, imagenet=True)
    if labels and columns > labels and not (unused or declared):
        return None
    return replace(layout, probabilities=probabilities, classes=labels or columns, imagenet=unused)


def background(scores: NDArray[np.floating]) -> bool:
    """Whether the first of the columns of these scores (cells, columns), of a real run, is the background of a softmax: the
    scores of a cell make 1, and nearly everywhere it wins."""
    if len(scores) <= MOST_QUERIES or scores.shape[1] < 2 or scores.min() < 0:
        return False
    sums = bool((np.abs(scores.sum(axis=1) - 1) < 0.02).all())
    return sums and float((scores.argmax(axis=1) == 0).mean()) > 0.5
