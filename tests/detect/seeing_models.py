"""Small ONNX models that find the bright block of a picture and tell it in the exact form of a real export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import ArrayPicture

SIZE = 320
CELLS = (SIZE // 8) ** 2 + (SIZE // 16) ** 2 + (SIZE // 32) ** 2
BLOCK = [150, 100, 180, 140]


def block() -> Frame:
    """A dark picture, 320 x 240, with a bright block at :data:`BLOCK`."""
    image = np.full((240, 320, 3), 20, np.uint8)
    image[100:140, 150:180] = 235
    return Frame(FrameInfo(SourceInfo("blocks"), 0, 0, 0, 320, 240), ArrayPicture(image))


class Seeing:
    """Builds a model step by step; :attr:`xyxy`, :attr:`centred` and :attr:`parts` are (1, 1, 4) tensors: the block in pixels
    of the input, as centre and sides, and these in parts of it.

    ``inputs`` beside the picture with their shapes, ``size`` width and height, ``form`` the picture's: 'float', 'half',
    'uint8', with 'rows' for NHWC, 'open' for dimensions that may vary, 'alone' for none of the batch."""

    def __init__(
        self,
        inputs: Mapping[str, Sequence[int | str]] | None = None,
        *,
        size: tuple[int, int] = (SIZE, SIZE),
        form: str = "float",
    ) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.others = dict(inputs or {})
        self.size = size
        self.form = form.split()
        self.picture = self._picture()
        edges = self._edges()
        self.xyxy = self.join(*edges, axis=2)
        left, top, right, bottom = edges
        half = self.constant(np.float32(0.5))
        middle = [self.op("Mul", self.op("Add", a, b), half) for a, b in ((left, right), (top, bottom))]
        sides = [self.op("Sub", b, a) for a, b in ((left, right), (top, bottom))]
        self.centred = self.op("Identity", self.join(*middle, *sides, axis=2))
        self.parts = self.op("Div", self.centred, self.given([*size, *size]))

    def _picture(self) -> str:
        """The input as (1, 3, height, width) of floats."""
        picture = "images" if "float" in self.form else self.op("Cast", "images", to=TensorProto.FLOAT)
        picture = self.op("Unsqueeze", picture, self.constant([0])) if "alone" in self.form else picture
        return self.op("Transpose", picture, perm=[0, 3, 1, 2]) if "rows" in self.form else picture

    def _input(self) -> onnx.ValueInfoProto:
        width, height = ("w", "h") if "open" in self.form else self.size
        shape = [height, width, 3] if "rows" in self.form else [3, height, width]
        shape = shape if "alone" in self.form else ["n" if "open" in self.form else 1, *shape]
        dtypes = {"float": TensorProto.FLOAT, "half": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
        return helper.make_tensor_value_info("images", dtypes[self.form[0]], shape)

    def _edges(self) -> list[str]:
        grey = self.op("ReduceMean", self.picture, axes=[1], keepdims=0)
        bright = self.op(
            "Greater",
            grey,
            self.op("Mul", self.op("ReduceMax", grey, axes=[1, 2], keepdims=1), self.constant(np.float32(0.6))),
        )
        result = {}
        width, height = self.size
        for side, shape in (("x", (1, 1, width)), ("y", (1, height, 1))):
            at = self.constant(np.arange(max(shape), dtype=np.float32).reshape(shape))
            for end, beyond, reduce in (("1", 1e6, "ReduceMin"), ("2", -1e6, "ReduceMax")):
                where = self.op("Where", bright, at, self.constant(np.float32(beyond)))
                result[side + end] = self.op(reduce, where, axes=[1, 2], keepdims=1)
        one = self.constant(np.float32(1))
        return [result["x1"], result["y1"], self.op("Add", result["x2"], one), self.op("Add", result["y2"], one)]

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: object) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def join(self, *tensors: str, axis: int) -> str:
        return self.op("Concat", *tensors, axis=axis)

    def classes(self, count: int, number: int, score: float, *, made: str = "Sigmoid") -> str:
        """(1, 1, count) class scores, made by an operation from logits; 'given': as they are."""
        scores = np.zeros((1, 1, count), np.float32)
        scores[0, 0, number] = score
        if made == "given":
            return self.constant(scores)
        return self.op(made, self.constant(np.log(np.maximum(scores, 1e-7) / np.maximum(1 - scores, 1e-7))))

    def given(self, values: Sequence[float] | np.ndarray) -> str:
        return self.constant(np.asarray(values, np.float32).reshape(1, 1, -1))

    def output(
        self, name: str, row: str, width: int, *, rows: int = CELLS, channels_first: bool = False, half: bool = False
    ) -> None:
        """``row`` (1, 1, width) as the first of many rows, the others 0."""
        rest = self.constant(np.zeros((1, rows - 1, width), np.float32))
        whole = self.op("Concat", row, rest, axis=1)
        if half:
            whole = self.op("Cast", whole, to=TensorProto.FLOAT16)
        if channels_first:
            whole = self.op("Transpose", whole, perm=[0, 2, 1])
        dtype = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.plain(name, whole, [1, width, rows] if channels_first else [1, rows, width], dtype)

    def plain(self, name: str, tensor: str, shape: Sequence[int], dtype: int = TensorProto.FLOAT) -> None:
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def save(self, path: Path, metadata: Mapping[str, object] | None = None) -> Path:
        inputs = [self._input()]
        for name, shape in self.others.items():
            dtype = TensorProto.INT64 if name.startswith("orig") else TensorProto.FLOAT
            inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        graph = helper.make_graph(self.nodes, "seeing", inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {k: str(v) for k, v in (metadata or {}).items()})
        onnx.save(model, path)
        return path


def ultralytics(
    path: Path,
    *,
    classes: int = 2,
    number: int = 0,
    score: float = 0.9,
    extra: Sequence[float] = (),
    masks: bool = False,
    task: str = "",
    labels: Sequence[str] = (),
    made: str = "Sigmoid",
    half: bool = False,
) -> Path:
    """``output0`` (1, 4 + classes + extra, cells), and mask prototypes beside it."""
    model = Seeing()
    tensors = [model.centred, model.classes(classes, number, score, made=made)]
    tensors += [model.given(extra)] if len(extra) else []
    model.output("output0", model.join(*tensors, axis=2), 4 + classes + len(extra), channels_first=True, half=half)
    if masks:
        model.plain("output1", model.constant(np.zeros((1, 32, 80, 80), np.float32)), [1, 32, 80, 80])
    told: dict[str, object] = {"imgsz": "[320, 320]"}
    if task:
        told |= {"task": task, "stride": 32}
    if labels:
        told["names"] = dict(enumerate(labels))
    return model.save(path, told)


def yolox(path: Path, *, classes: int = 3, number: int = 1, decoded: bool, exponential: bool = False) -> Path:
    """``output`` (1, cells, 5 + classes); ``exponential``: the file shows that the sides are decoded, as real exports do."""
    model = Seeing()
    box = model.centred
    if exponential:
        box = model.op("Exp", model.op("Log", model.centred))
    if not decoded:  # from the first cell of stride 8, at 0, 0
        steps = model.op("Div", box, model.given([8, 8, 8, 8]))
        middle = model.op("Slice", steps, model.constant([0]), model.constant([2]), model.constant([2]))
        sides = model.op("Slice", steps, model.constant([2]), model.constant([4]), model.constant([2]))
        box = model.join(middle, model.op("Log", model.op("Relu", sides)), axis=2)
    row = model.join(box, model.classes(1, 0, 0.95), model.classes(classes, number, 0.9), axis=2)
    model.output("output", row, 5 + classes)
    return model.save(path)


def transformer(
    path: Path,
    *,
    columns: int,
    number: int,
    score: float = 0.9,
    nothing: float | None = None,
    names: tuple[str, str] = ("dets", "labels"),
    queries: int = 300,
) -> Path:
    """Boxes in parts of the picture and logits; ``nothing``: the logit of 'no object' in the last column of all queries
    but the first, where it is as low as the others."""
    model = Seeing()
    model.output(names[0], model.parts, 4, rows=queries)
    logits = np.full((1, queries, columns), -6, np.float32)
    logits[0, 0, number] = np.log(score / (1 - score))
    if nothing is not None:
        logits[0, 1:, -1] = nothing
    model.plain(names[1], model.constant(logits), [1, queries, columns])
    return model.save(path)


def listed(path: Path, *, number: int = 1, score: float = 0.9, extra: Sequence[float] = (), task: str = "") -> Path:
    """``output0`` (1, 300, 6 + extra): found objects after suppression."""
    model = Seeing()
    row = model.join(model.xyxy, model.given([score, number, *extra]), axis=2)
    model.output("output0", row, 6 + len(extra), rows=300)
    return model.save(path, {"task": task} if task else {})


def found_objects(path: Path, form: str) -> Path:
    """Boxes, scores and class numbers apart: 'pixels', 'parts', 'tensorflow', 'unbatched', or with the size of the picture as
    an input: 'sized'; or one table: 'paddle', 'yolov7'. One object of class 1 at 0.9."""
    model = Seeing({"orig_target_sizes": ("n", 2)} if form == "sized" else None)
    box = model.xyxy if form != "sized" else model.op("Div", model.xyxy, model.constant(np.float32(SIZE)))
    if form == "sized":
        size = model.op("Cast", "orig_target_sizes", to=TensorProto.FLOAT)
        sides = model.op("Unsqueeze", model.op("Concat", size, size, axis=1), model.constant([1]))
        box = model.op("Mul", box, sides)
    elif form in ("parts", "tensorflow"):
        box = model.op("Div", box, model.constant(np.float32(SIZE)))
    if form == "tensorflow":
        box = model.op("Gather", box, model.constant(np.array([1, 0, 3, 2])), axis=2)
    if form == "paddle":
        row = model.join(model.given([1, 0.9]), box, axis=2)
        model.plain("multiclass_nms3_0.tmp_0", model.op("Squeeze", row, model.constant([0])), ["n", 6])
        model.plain("multiclass_nms3_0.tmp_2", model.constant(np.array([1], np.int32)), [1], TensorProto.INT32)
        return model.save(path)
    if form == "yolov7":
        row = model.join(model.given([0]), box, model.given([1, 0.9]), axis=2)
        model.plain("output", model.op("Squeeze", row, model.constant([0])), ["n", 7])
        return model.save(path)
    lead = [1] if form == "unbatched" else [1, 1]
    box = model.op("Squeeze", box, model.constant([0])) if form == "unbatched" else box
    names = ("boxes", "scores", "labels")
    number, dtype = np.array(1, np.int64), TensorProto.INT64
    if form == "tensorflow":
        names, number = ("detection_boxes", "detection_scores", "detection_classes"), np.array(2, np.float32)
        dtype = TensorProto.FLOAT
    model.plain(names[2], model.constant(number.reshape(lead)), lead, dtype)
    model.plain(names[0], box, [*lead, 4])
    model.plain(names[1], model.constant(np.full(lead, 0.9, np.float32)), lead)
    return model.save(path)


def boxes_and_scores(path: Path, *, classes_first: bool) -> Path:
    """All cells' boxes in pixels, and their scores: YOLO-NAS, and PP-YOLOE and PicoDet with classes first."""
    model = Seeing()
    model.output("boxes", model.xyxy, 4)
    model.output("scores", model.classes(3, 1, 0.9), 3, channels_first=classes_first)
    return model.save(path)
