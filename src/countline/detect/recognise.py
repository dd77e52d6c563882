"""Which layouts a model's outputs may have: by what the file says of itself, how the outputs are made, and their shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from countline.detect import layouts_deepstream
from countline.detect.graph import Made
from countline.detect.layouts import Layout, cells

__all__ = ["MOST_QUERIES", "TASKS", "Told", "recognise"]

Shape = tuple[int, ...]

TASKS = {"detect": "yolov8", "segment": "yolov8-seg", "pose": "yolov8-pose", "obb": "yolov8-obb"}
"""Ultralytics' words for what a model does, with the layouts of its plain exports."""

_NANODET_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_YOLO_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
_EFFICIENTDET_STRIDES = (8, 16, 32, 64, 128)
MOST_QUERIES = 1000
"""Most rows that a transformer's queries have; anchors are more."""
_MOST_OBJECTS = 5000
"""Most rows of an output that lists objects."""
_COCO = 80


@dataclass(frozen=True)
class Told:
    """What a file says of its outputs beside their shapes."""

    task: str = ""
    """A key of :data:`TASKS`; '' when nothing is said."""
    keypoints: int = 0
    """Numbers that the keypoints of each object have together; 0: not told."""
    keypoint: int = 3
    """Numbers of one: x, y and, mostly, how visible it is."""
    integers: frozenset[str] = frozenset()
    """Outputs of integers."""
    made: Mapping[str, Mapping[int, Made]] = field(default_factory=dict)
    """Making of each output by the number of its channels."""

    def of(self, name: str, channels: int) -> Made:
        return self.made.get(name, {}).get(channels, Made())


@dataclass(frozen=True)
class _Output:
    """One output of three dimensions, looked at in one direction."""

    at: int
    count: int
    channels: int
    turned: bool
    """Cells come after the channels."""
    made: Made
    grid: tuple[int, ...] | None
    """Strides with as many cells, or a third as many, as there are rows."""


@dataclass(frozen=True)
class _Seen:
    classes: int | None
    wanted: str
    told: Told
    masks: int
    """Channels of mask prototypes among the outputs; 0: none."""


def recognise(
    shapes: Sequence[Shape],
    names: Sequence[str],
    size: tuple[int, int],
    classes: int | None,
    wanted: str,
    told: Told | None = None,
) -> list[Layout]:
    """Layouts that fit the outputs (shapes of a real run); more than one: ambiguous, none: unknown.

    ``classes`` is the number of labels where known, ``wanted`` the declared layout or 'auto'. Where the number of classes
    of a list of found objects is not known, the layout has 0.
    """
    told = told or Told()
    masks = next((shape[1] for shape in shapes if len(shape) == 4 and shape[1] < min(shape[2:])), 0)
    seen = _Seen(classes, wanted, told, masks)
    exported = [*layouts_deepstream.candidates(shapes, names, size, classes, wanted)]
    if any(len(layout.order) > 1 for layout in exported):
        return exported
    anchored = [*_anchored(shapes, names, size, classes)]
    found = anchored or [*_pairs(shapes, names, size, classes), *_found_objects(shapes, names, classes, told)]
    found += _levels(shapes, names, size, classes)
    for at, shape in enumerate(shapes):
        if len(shape) == 3 and not (at and found) and not anchored:
            found += _whole(shape, at, names[at], size, seen)
    found += exported
    return [layout for layout in dict.fromkeys(found) if wanted in ("auto", layout.name)]


def _pairs(
    shapes: Sequence[Shape], names: Sequence[str], size: tuple[int, int], classes: int | None
) -> Iterator[Layout]:
    """Scores and boxes as two outputs."""
    yolov4 = [len(s) == 4 and s[2:] == (1, 4) for s in shapes]  # its boxes are corners for sure
    shapes = [(s[0], s[1], 4) if corners else s for s, corners in zip(shapes, yolov4)]
    flat = [i for i, shape in enumerate(shapes) if len(shape) == 3]
    for a in flat:
        for b in flat:
            if a == b:
                continue
            (_, rows, columns), (_, rows_b, columns_b) = shapes[a], shapes[b]
            boxes_first = columns == 4 and _boxes_by_name(names[a], names[b])
            fits = classes is None or columns - classes in (0, 1)
            if rows == rows_b and columns_b == 4 and fits and not (boxes_first or yolov4[b]):
                yield Layout("detr", classes or columns, order=(a, b))
            if rows == rows_b and columns_b == 4 and classes in (None, columns) and not boxes_first:
                yield Layout("boxes-scores", columns, order=(a, b))
            if rows == rows_b > MOST_QUERIES and columns_b == 4 and not boxes_first:
                if classes in (None, columns):
                    yield Layout("boxes-scores-parts", columns, order=(a, b))
                if columns > 1 and classes in (
                    None,
                    columns,
                    columns - 1,
                ):  # with the background among the labels, or without
                    yield Layout("ssd", classes or columns - 1, order=(a, b))
            if columns == rows_b and columns_b == 4 and classes in (None, rows) and rows != columns:
                yield Layout("boxes-scores", rows, order=(a, b), turned=True)
            for strides in _NANODET_STRIDES:
                if columns == columns_b == cells(size, strides) and rows_b % 4 == 0 and rows_b >= 8 and classes == rows:
                    yield Layout("nanodet", rows, strides, order=(a, b))


def _anchored(
    shapes: Sequence[Shape], names: Sequence[str], size: tuple[int, int], classes: int | None
) -> Iterator[Layout]:
    """EfficientDet: scores and shifts of its nine anchors of each cell, and the anchors."""
    rows = 9 * cells(size, _EFFICIENTDET_STRIDES)
    flat = [i for i, shape in enumerate(shapes) if len(shape) == 3 and shape[1] == rows]
    anchors = [i for i in flat if shapes[i][2] == 4 and _says(names[i], ("anchor", "prior"))]
    shifts = [i for i in flat if shapes[i][2] == 4 and i not in anchors and _says(names[i], ("reg", "box", "loc"))]
    scores = [i for i in flat if i not in anchors + shifts and classes in (None, shapes[i][2])]
    if len(anchors) == len(shifts) == len(scores) == 1:
        order = (*scores, *shifts, *anchors)
        yield Layout("efficientdet", shapes[scores[0]][2], _EFFICIENTDET_STRIDES, order=order, shared=tuple(anchors))


def _levels(
    shapes: Sequence[Shape], names: Sequence[str], size: tuple[int, int], classes: int | None
) -> Iterator[Layout]:
    """PicoDet's or NanoDet's heads as they are: for each stride scores, and distributions of the sides."""
    for strides in _NANODET_STRIDES:
        heads = [_of_stride(shapes, size, stride) for stride in strides]
        if any(len(level) != 2 for level in heads) or sum(map(len, heads)) != len(shapes):
            continue
        widths = [set(level.values()) for level in heads]
        if any(width != widths[0] for width in widths) or len(widths[0]) != 2:
            continue
        for sides in sorted(widths[0] & {32, 44, 64, 68}):
            (count,) = widths[0] - {sides}
            if classes in (None, count):
                scores = [next(i for i, width in level.items() if width == count) for level in heads]
                boxes = [next(i for i, width in level.items() if width == sides) for level in heads]
                name = "nanodet" if all(_says(names[i], ("dis_pred",)) for i in boxes) else "picodet"
                yield Layout(name, count, strides, order=(*scores, *boxes))


def _of_stride(shapes: Sequence[Shape], size: tuple[int, int], stride: int) -> dict[int, int]:
    """Outputs that may be heads of this stride, with their channels."""
    rows, columns = -(-size[1] // stride), -(-size[0] // stride)
    found: dict[int, int] = {}
    for i, shape in enumerate(shapes):
        if len(shape) == 4 and shape[2:] == (rows, columns):
            found[i] = shape[1]
        elif len(shape) == 3 and rows * columns in shape[1:]:
            found[i] = shape[2] if shape[1] == rows * columns else shape[1]
    return found


def _found_objects(shapes: Sequence[Shape], names: Sequence[str], classes: int | None, told: Told) -> Iterator[Layout]:
    """Objects after suppression, as boxes, scores and class numbers apart, or as PaddleDetection's or YOLOv7's table."""
    for at, shape in enumerate(shapes):
        if len(shape) == 2 and shape[1] == 6:
            yield Layout("paddle", classes or 0, order=(at,), unbatched=True)
            yield Layout("end2end", classes or 0, order=(at,), unbatched=True)
        if len(shape) == 2 and shape[1] == 7:
            yield Layout("yolov7-end2end", classes or 0, order=(at,), unbatched=True)
        if shape[-1:] != (4,) or len(shape) not in (2, 3):
            continue
        rest = [
            i for i, s in enumerate(shapes) if s == shape[:-1] and i != at and not _says(names[i], ("size", "num_"))
        ]
        numbers = [i for i in rest if names[i] in told.integers or _says(names[i], ("class", "label", "cls"))]
        scores = [i for i in rest if _says(names[i], ("score", "conf", "prob")) and i not in numbers[:1]]
        scores = scores or [i for i in rest if i not in numbers]
        if len(numbers) == 1 and len(scores) == 1:
            forms = ("detections", "detections-parts")
            for name in ("detections-tf",) if names[at].startswith("detection_boxes") else forms:
                order = (at, scores[0], numbers[0])
                yield Layout(name, classes or 0, order=order, unbatched=len(shape) == 2)


def _says(name: str, words: Sequence[str]) -> bool:
    return any(word in name.lower() for word in words)


def _boxes_by_name(first: str, second: str) -> bool:
    """The names say that the first of two outputs of four columns holds the boxes, or do not say that it does not."""
    boxes, scores = ("box", "dets", "loc"), ("logit", "label", "score", "cls", "class", "conf")
    return _says(first, boxes) or _says(second, scores)


def _whole(shape: Shape, at: int, name: str, size: tuple[int, int], seen: _Seen) -> list[Layout]:
    """All in one output of three dimensions; others beside it (masks, raw feature maps) are left alone."""
    found: list[Layout] = []
    unusual: list[Layout] = []
    for turned, (count, channels) in ((False, shape[1:]), (True, shape[:0:-1])):
        if channels < 5:
            continue
        output = _Output(at, count, channels, turned, seen.told.of(name, channels), _grid(count, size))
        for layout in _of_one(output, size, seen):
            # Ultralytics' dense exports have channels first, all others cells first.
            usual = turned if layout.name.startswith("yolov8") else not turned
            (found if usual else unusual).append(layout)
    if seen.wanted == "auto":
        # A label too few makes YOLOX of another's channels, a label too many the reverse.
        sure = ("nanodet", "yolov5") if seen.classes is None else ("nanodet", "yolov5", "yolov8")
        unusual = [layout for layout in unusual if layout.name in sure]
    return found or unusual


def _grid(count: int, size: tuple[int, int]) -> tuple[int, ...] | None:
    """Strides with as many cells, or a third as many."""
    return next((s for s in _YOLO_STRIDES if count in (cells(size, s), 3 * cells(size, s))), None)


def _of_one(output: _Output, size: tuple[int, int], seen: _Seen) -> Iterator[Layout]:
    dense = output.grid is not None
    if dense and output.count == 3 * cells(size, output.grid or ()):
        yield from _yolov5(output, seen)
    elif dense:
        yield from _yolox(output, seen)
        yield from _nanodet(output, seen)
        yield from _yolov8(output, seen)
    elif seen.told.task and output.turned and output.count > output.channels:
        yield from _yolov8(output, seen)  # strides that are not known here: the task tells enough
    # What has as many columns as a grid has cells is all cells, channels first.
    if not dense and not output.turned and output.count <= _MOST_OBJECTS and _grid(output.channels, size) is None:
        yield from _listed(output, seen)


def _cuts(made: Made) -> tuple[set[int], set[int]]:
    """Channels at which an output is joined, from the box's end on, and those at which it may be joined unseen."""
    joined: set[int] = set()
    unseen: set[int] = set()
    end = 0
    for part in made.parts:
        if part.cut or not part.last:
            unseen.update(range(end + 1, end + part.width))
        end += part.width
        joined.add(end)
    joined.discard(end)
    return {c for c in joined if c >= 4}, unseen


def _agrees(output: _Output, *cuts: int, known: int | None = None) -> bool:
    """An output of these parts may be joined as this one is: nothing that is one for the layout is joined, and what the
    layout keeps apart is joined, as far as can be seen. From the channel ``known`` on the file says what there is."""
    if not output.made.parts:
        return True
    joined, unseen = _cuts(output.made)
    joined = {c for c in joined if known is None or c <= known}
    wanted = set(cuts) - {output.channels}
    return joined <= wanted and wanted <= joined | unseen


def _classes(output: _Output, seen: _Seen) -> int | None:
    """Number of classes behind four numbers of the box: that of the labels, else of the part that follows the box."""
    if seen.classes is not None:
        return seen.classes
    joined, _ = _cuts(output.made)
    if 4 in joined:
        return min((c for c in joined if c > 4), default=output.channels) - 4
    return _COCO if output.channels - 4 == _COCO else None


def _exp(output: _Output) -> bool:
    """The box is made with an exponential, as YOLOX's is, and NanoDet's and Ultralytics' are not."""
    return "Exp" in output.made.ops


def _yolox(output: _Output, seen: _Seen) -> Iterator[Layout]:
    if seen.told.task:
        return
    n = output.channels - 5
    if n < 1 or seen.classes not in (None, n) or not _agrees(output, 4, 5):
        return
    strides = output.grid or ()
    for name in ("yolox", "yolox-decoded", "yolov6"):
        # Which of the latter two it is, its numbers say.
        if name == "yolox-decoded" or (name == "yolox" and not _exp(output)) or name == seen.wanted:
            yield Layout(name, n, strides, order=(output.at,), turned=output.turned)


def _nanodet(output: _Output, seen: _Seen) -> Iterator[Layout]:
    if seen.told.task or output.grid == (4, 8, 16, 32):
        return
    known = [seen.classes] if seen.classes else [_COCO] if output.channels in (112, 124) else []
    for classes in known:
        if (output.channels - classes) / 4 in (8, 11, 16, 17):
            yield Layout("nanodet", classes, output.grid or (), order=(output.at,), turned=output.turned)


def _yolov5(output: _Output, seen: _Seen) -> Iterator[Layout]:
    n = seen.classes or output.channels - 5 - seen.masks
    if n >= 1 and output.channels - 5 - n in (0, seen.masks):
        yield Layout(
            "yolov5",
            n,
            output.grid or (),
            order=(output.at,),
            turned=output.turned,
            extra=output.channels - 5 - n,
        )


def _yolov8(output: _Output, seen: _Seen) -> Iterator[Layout]:
    """Box, classes, and what the task adds; what stands behind the classes must be known, not guessed from its number."""
    rest = output.channels - 4
    n = _classes(output, seen)
    if n is None:
        n = rest - {"yolov8": 0, "yolov8-obb": 1, "yolov8-seg": seen.masks or 32}.get(seen.wanted, rest)
    extra = rest - n
    if n < 1 or extra < 0 or (_exp(output) and not output.turned):
        return
    said = TASKS.get(seen.told.task, "") or (seen.wanted if seen.wanted != "auto" else "")
    joined = 4 + n in _cuts(output.made)[0]
    for name, fits, sure in (
        ("yolov8", extra == 0, True),
        ("yolov8-seg", extra > 0 and extra == (seen.masks or 32), bool(seen.masks)),
        ("yolov8-obb", extra == 1, joined),
        ("yolov8-pose", _keypoints(extra, seen.told.keypoints), joined and not seen.masks),
    ):
        known = 4 + n if name == "yolov8-pose" and seen.told.keypoints else None
        if fits and (said == name if said else sure) and _agrees(output, 4, 4 + n, known=known):
            keypoint, turned = _keypoint(name, extra, seen.told), not output.turned
            yield Layout(name, n, output.grid or (), order=(output.at,), turned=turned, extra=extra, keypoint=keypoint)


def _keypoint(name: str, extra: int, told: Told) -> int:
    """Numbers of one of the keypoints that ``extra`` numbers are."""
    if name not in ("yolov8-pose", "end2end") or not extra:
        return 0
    if told.keypoints:
        return told.keypoint if told.keypoints == extra else 0
    return (3 if extra % 3 == 0 else 2) if name == "yolov8-pose" or told.task == "pose" else 0


def _keypoints(extra: int, told: int) -> bool:
    return extra == told if told else extra >= 4 and (extra % 3 == 0 or extra % 2 == 0)


def _listed(output: _Output, seen: _Seen) -> Iterator[Layout]:
    """Rows are objects: after suppression, or the queries of a transformer."""
    n = _classes(output, seen)
    if n and output.channels == 4 + n and _agrees(output, 4):
        yield Layout("rtdetr", n, order=(output.at,))
    extra = output.channels - 6
    task = seen.told.task
    if task in ("pose", "segment") or seen.wanted == "end2end":
        fits = extra == seen.told.keypoints if task == "pose" and seen.told.keypoints else extra >= 0
    else:
        fits = extra == (task == "obb" or seen.wanted == "end2end-obb")
    if fits:
        name = "end2end-obb" if extra == 1 and (task == "obb" or seen.wanted == "end2end-obb") else "end2end"
        keypoint = _keypoint(name, extra, seen.told)
        yield Layout(name, seen.classes or 0, order=(output.at,), extra=extra, keypoint=keypoint)
