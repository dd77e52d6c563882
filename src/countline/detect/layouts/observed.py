"""What is known of a model's outputs: shapes, names, the operations that make them, and the numbers of a trial run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.graph import Provenance
from countline.detect.layouts.base import Size, cells

Shape = tuple[int, ...]

TASKS = {"detect": "yolov8", "segment": "yolov8-seg", "pose": "yolov8-pose", "obb": "yolov8-obb"}
"""Ultralytics' task of a model -> the layout of its plain export."""

NANODET_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
YOLO_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
MOST_QUERIES = 1000
"""Most rows that a transformer's queries have; anchors are more."""
MOST_OBJECTS = 5000
"""Most rows of an output that lists objects."""
COCO = 80


@dataclass(frozen=True)
class FileFacts:
    """What a model file states about its outputs beside their shapes."""

    task: str = ""
    """A key of :data:`TASKS`; '' when the file states none."""
    keypoints: int = 0
    """Numbers that the keypoints of each object have together; 0: not stated."""
    keypoint: int = 3
    """Numbers of one: x, y and, mostly, how visible it is."""
    integers: frozenset[str] = frozenset()
    """Names of the outputs that hold integers."""
    provenance: Mapping[str, Mapping[int, Provenance]] = field(default_factory=dict)
    """Name of an output -> number of its channels -> how it is made."""

    def of(self, name: str, channels: int) -> Provenance:
        return self.provenance.get(name, {}).get(channels, Provenance())


@dataclass(frozen=True)
class Output:
    """One output of three dimensions, read as (cells, channels) or as its transpose."""

    at: int
    count: int
    channels: int
    transposed: bool
    """Cells come after the channels."""
    provenance: Provenance
    grid: tuple[int, ...] | None
    """Strides with as many cells, or a third as many, as there are rows."""
    anchored: bool
    """There are three rows for each cell."""

    @property
    def dense(self) -> bool:
        """There is one row for each cell of a grid."""
        return self.grid is not None and not self.anchored

    def lists(self, size: Size) -> bool:
        """Rows may be objects. What has as many columns as a grid has cells is all cells, channels first."""
        if self.grid is not None or self.transposed or self.count > MOST_OBJECTS:
            return False
        return grid_of(self.channels, size) is None


@dataclass(frozen=True)
class Outputs:
    """All outputs of a model."""

    shapes: Sequence[Shape]
    """Of a real run, with the dimension of the batch."""
    names: Sequence[str]
    size: Size
    """Of the input."""
    classes: int | None
    """Number of labels where known."""
    wanted: str
    """The declared layout, or 'auto'."""
    facts: FileFacts
    masks: int
    """Channels of mask prototypes among the outputs; 0: none."""

    def may_be(self, name: str) -> bool:
        """Whether this layout is declared, or none is."""
        return self.wanted in ("auto", name)

    def flat(self) -> list[int]:
        """Positions of the outputs that have three dimensions."""
        return [i for i, shape in enumerate(self.shapes) if len(shape) == 3]


@dataclass(frozen=True)
class TrialRun:
    """The outputs of a trial run, for one layout."""

    outputs: Sequence[NDArray[Any]]
    """In the model's order, with the dimension of the batch."""
    table: NDArray[Any]
    """The first output of the layout, of the first frame."""
    name: str
    """Its name."""
    facts: FileFacts
    labels: int | None
    declared: bool
    """The user declared this layout."""


def name_has(name: str, words: Sequence[str]) -> bool:
    return any(word in name.lower() for word in words)


@dataclass(frozen=True)
class Pair:
    """Two outputs that may be scores and boxes."""

    scores: int
    """Position of the first."""
    boxes: int
    rows: int
    columns: int
    """Of the scores."""
    beside: bool
    """A row of scores for each row of boxes."""
    across: bool
    """A column of scores for each row of boxes."""
    boxes_first: bool
    """Their names say that the first holds the boxes and the second the scores."""
    corners: bool
    """The boxes are corners for sure, as YOLOv4's (cells, 1, 4) are."""


def pairs_of(outputs: Outputs) -> Iterator[Pair]:
    """All pairs of outputs whose second has four columns."""
    corners = [len(s) == 4 and s[2:] == (1, 4) for s in outputs.shapes]
    shapes = [(s[0], s[1], 4) if c else s for s, c in zip(outputs.shapes, corners)]
    flat = [i for i, shape in enumerate(shapes) if len(shape) == 3]
    for a, b in permutations(flat, 2):
        (_, rows, columns), (_, rows_b, columns_b) = shapes[a], shapes[b]
        if columns_b == 4:
            first = columns == 4 and boxes_by_name(outputs.names[a], outputs.names[b])
            yield Pair(a, b, rows, columns, rows == rows_b, columns == rows_b, first, corners[b])


def boxes_by_name(first: str, second: str) -> bool:
    """Whether, of two outputs of four columns, the names call the first one boxes or the second one scores."""
    boxes, scores = ("box", "dets", "loc"), ("logit", "label", "score", "cls", "class", "conf")
    return name_has(first, boxes) or name_has(second, scores)


def grid_of(count: int, size: tuple[int, int]) -> tuple[int, ...] | None:
    """Strides with as many cells, or a third as many."""
    return next((s for s in YOLO_STRIDES if count in (cells(size, s), 3 * cells(size, s))), None)


def cuts_of(provenance: Provenance) -> tuple[set[int], set[int]]:
    """Channels at which an output is concatenated, from the end of the box on, and those at which it may be without that being known."""
    joined: set[int] = set()
    unseen: set[int] = set()
    end = 0
    for part in provenance.parts:
        if part.cut or not part.last:
            unseen.update(range(end + 1, end + part.width))
        end += part.width
        joined.add(end)
    joined.discard(end)
    return {c for c in joined if c >= 4}, unseen


def agrees(output: Output, *cuts: int, known: int | None = None) -> bool:
    """Whether an output whose parts end at the channels ``cuts`` may be concatenated as this one is: at none but these channels, and
    at each of them, as far as is known. Channels from ``known`` on are stated by the file and not compared."""
    if not output.provenance.parts:
        return True
    joined, unseen = cuts_of(output.provenance)
    joined = {c for c in joined if known is None or c <= known}
    wanted = set(cuts) - {output.channels}
    return joined <= wanted and wanted <= joined | unseen


def classes_of(output: Output, outputs: Outputs) -> int | None:
    """Number of classes behind four numbers of the box: that of the labels, else of the part that follows the box."""
    if outputs.classes is not None:
        return outputs.classes
    joined, _ = cuts_of(output.provenance)
    if 4 in joined:
        return min((c for c in joined if c > 4), default=output.channels) - 4
    return COCO if output.channels - 4 == COCO else None


def exponential(output: Output) -> bool:
    """Whether the box is made with an exponential, as YOLOX's is (NanoDet's and Ultralytics' are not)."""
    return "Exp" in output.provenance.ops


def keypoint_of(name: str, extra: int, facts: FileFacts) -> int:
    """Numbers of one keypoint (2 or 3), where ``extra`` columns are keypoints; 0: they are none."""
    if name not in ("yolov8-pose", "end2end") or not extra:
        return 0
    if facts.keypoints:
        return facts.keypoint if facts.keypoints == extra else 0
    return (3 if extra % 3 == 0 else 2) if name == "yolov8-pose" or facts.task == "pose" else 0


def keypoints_fit(extra: int, known: int) -> bool:
    """Whether ``extra`` numbers can be keypoints; ``known``: how many numbers the file says they have together, 0: it does not."""
    return extra == known if known else extra >= 4 and (extra % 3 == 0 or extra % 2 == 0)


def background(scores: NDArray[np.floating]) -> bool:
    """Whether the first of the columns of these scores (cells, columns), of a real run, is the background of a softmax: the
    scores of a cell make 1, and nearly everywhere it wins."""
    if len(scores) <= MOST_QUERIES or scores.shape[1] < 2 or scores.min() < 0:
        return False
    sums = bool((np.abs(scores.sum(axis=1) - 1) < 0.02).all())
    return sums and float((scores.argmax(axis=1) == 0).mean()) > 0.5
