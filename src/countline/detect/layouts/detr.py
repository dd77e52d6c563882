"""Transformers' queries: DETR, RT-DETR, D-FINE, DEIM and RF-DETR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countline.detect.graph import Provenance
from countline.detect.layouts.base import Array, Form, Layout, Raw, centred, pixels
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import (
    Output,
    Outputs,
    TrialRun,
    agrees,
    background,
    classes_of,
    pairs_of,
)
from countline.detect.preprocess import Preprocess

__all__ = ["FAMILY"]


def _detr(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(queries, classes) logits and (queries, 4) boxes in parts of the picture."""
    logits, part = arrays
    if layout.softmax:
        weight = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (weight / weight.sum(axis=1, keepdims=True))[:, :-1]
    elif layout.probabilities:
        scores = logits
    else:
        with np.errstate(over="ignore"):
            scores = 1 / (1 + np.exp(-logits))
    return Raw(scores[:, : layout.classes].T, lambda index: centred(part[index] * pixels(size)))


def _rtdetr(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(queries, 4 + classes): box in parts of the picture, class scores."""
    table = arrays[0]
    return Raw(table[:, 4 : 4 + layout.classes].T, lambda index: centred(table[index, :4] * pixels(size)))


def _activated(
    layout: Layout, logits: NDArray[np.floating], name: str, provenance: Provenance, labels: int | None, declared: bool
) -> Layout | None:
    """A layout 'detr' with the activation of its class scores: ``logits`` (queries, columns) of a real run.

    Softmax where most queries are 'no object' by their last column. A network whose last column does not win was trained
    with a sigmoid; a column more than labels then is unused (RF-DETR, known by its name, or ``declared``), or a label is
    missing: None.
    """
    columns = logits.shape[1]
    unused = name.lower() == "labels"  # RF-DETR's name; it has a column for 'no object', and never uses it
    wins = float((logits.argmax(axis=1) == columns - 1).mean()) if columns > 1 and len(logits) else 0.0
    probabilities = provenance.last in ("Sigmoid", "Softmax", "HardSigmoid") or (
        logits.size > 0 and logits.min() >= 0 and logits.max() <= 1
    )
    nothing = columns == labels + 1 if labels else columns == 92 or wins > 0.8
    if nothing and wins > 0.5 and not unused:
        softmax = not probabilities
        return replace(layout, softmax=softmax, probabilities=not softmax, classes=columns - 1, imagenet=True)
    if labels and columns > labels and not (unused or declared):
        return None
    return replace(layout, probabilities=probabilities, classes=labels or columns, imagenet=unused)


def _several(outputs: Outputs) -> Iterator[Layout]:
    for pair in pairs_of(outputs):
        fits = outputs.classes is None or pair.columns - outputs.classes in (0, 1)
        if pair.beside and fits and not (pair.boxes_first or pair.corners):
            yield Layout("detr", outputs.classes or pair.columns, order=(pair.scores, pair.boxes))


def _single(output: Output, outputs: Outputs) -> Iterator[Layout]:
    n = classes_of(output, outputs) if output.lists(outputs.size) else None
    if n and output.channels == 4 + n and agrees(output, 4):
        yield Layout("rtdetr", n, order=(output.at,))


def _fit(layout: Layout, run: TrialRun) -> Layout | None:
    if layout.name != "detr":
        return layout
    if background(run.table):
        return None
    provenance = run.facts.of(run.name, run.table.shape[1])
    return _activated(layout, run.table, run.name, provenance, run.labels, run.declared)


FAMILY = Family(
    (Form("detr", _detr, Preprocess(letterbox=False)), Form("rtdetr", _rtdetr, Preprocess(letterbox=False))),
    several=_several,
    single=_single,
    fit=_fit,
)
