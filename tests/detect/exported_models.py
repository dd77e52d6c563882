"""Small ONNX models in the exact forms that exporters write, by the names that docs/detectors.md has for them.

Each finds the bright block of a picture and tells it as an object of class 1 of three at 0.9."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import deepstream_models as deepstream
import numpy as np
import seeing_models as seeing
from onnx import TensorProto
from seeing_models import CELLS, SIZE, Seeing

QUERIES = 300
ANCHORS = 3000
KEYPOINTS = [160.0, 110.0, 0.9, 170.0, 130.0, 0.8]
ANGLE = 0.9


def scores(model: Seeing, rows: int, *, background: bool = False) -> str:
    """(1, rows, 3) of which the first row is the object; or 4 with those of the background first."""
    table = np.zeros((1, rows, 3 + background), np.float32)
    table[0, :, 0] = background
    table[0, 0] = [0.05, 0.02, 0.9, 0.03] if background else [0, 0.9, 0]
    return model.constant(table)


def rows_of(model: Seeing, row: str, rows: int, width: int) -> str:
    return model.op("Concat", row, model.constant(np.zeros((1, rows - 1, width), np.float32)), axis=1)


def corners_in_parts(model: Seeing) -> str:
    return model.op("Div", model.xyxy, model.given([*model.size, *model.size]))


def yolov5(path: Path) -> Path:
    model = Seeing()
    row = model.join(model.centred, model.classes(1, 0, 0.95), model.classes(3, 1, 0.947), axis=2)
    model.output("output0", row, 8, rows=3 * CELLS)
    return model.save(path, {"stride": 32})


def yolov8_half(path: Path) -> Path:
    model = Seeing(form="half")
    model.output(
        "output0", model.join(model.centred, model.classes(3, 1, 0.9), axis=2), 7, channels_first=True, half=True
    )
    return model.save(path, {"imgsz": [SIZE, SIZE], "task": "detect"})


def quantised(path: Path) -> Path:
    """Boxes and class scores pass through 8 bits, each with a scale of its own."""
    model = Seeing()

    def rounded(tensor: str, scale: float) -> str:
        form = model.constant(np.float32(scale)), model.constant(np.uint8(0))
        return model.op("DequantizeLinear", model.op("QuantizeLinear", tensor, *form), *form)

    scores = model.op("Sigmoid", rounded(model.given([0, 2.2, 0]), 0.1))
    low = model.op("Mul", scores, model.given([0.1, 1, 0.1]))
    row = model.join(rounded(model.centred, 1.25), rounded(low, 1 / 255), axis=2)
    model.output("output0", row, 7, channels_first=True)
    return model.save(path)


def ultralytics_nms(extra: list[float], task: str) -> Callable[[Path], Path]:
    def build(path: Path) -> Path:
        model = Seeing()
        box = model.centred if task == "obb" else model.xyxy
        model.output("output0", model.join(box, model.given([0.9, 1, *extra]), axis=2), 6 + len(extra), rows=QUERIES)
        if task == "segment":
            model.plain("output1", model.constant(np.zeros((1, 32, 80, 80), np.float32)), [1, 32, 80, 80])
        told = {"task": task, "imgsz": [SIZE, SIZE], "end2end": True}
        return model.save(path, told | ({"kpt_shape": [2, 3]} if task == "pose" else {}))

    return build


def queries(path: Path) -> Path:
    model = Seeing()
    model.output("output0", model.join(model.parts, model.classes(3, 1, 0.9), axis=2), 7, rows=QUERIES)
    return model.save(path, {"task": "detect"})


def sized(name: str) -> Callable[[Path], Path]:
    """RT-DETR's authors' form: boxes in pixels of a picture whose size is an input."""

    def build(path: Path) -> Path:
        model = Seeing({name: ("n", 2)}, size=(320, 256))
        size = model.op("Cast", name, to=TensorProto.FLOAT)
        if name == "im_shape":  # height, width
            size = model.op("Gather", size, model.constant(np.array([1, 0])), axis=1)
        sides = model.op("Unsqueeze", model.op("Concat", size, size, axis=1), model.constant([1]))
        box = model.op("Mul", corners_in_parts(model), sides)
        model.plain("labels", model.constant(np.array([[1]], np.int64)), [1, 1], TensorProto.INT64)
        model.plain("boxes", box, [1, 1, 4])
        model.plain("scores", model.constant(np.array([[0.9]], np.float32)), [1, 1])
        return model.save(path)

    return build


def paddle(path: Path) -> Path:
    """PP-YOLOE with suppression: the picture's scale and shape are inputs."""
    model = Seeing({"im_shape": ("n", 2), "scale_factor": ("n", 2)}, size=(320, 256))
    scale = model.op("Gather", "scale_factor", model.constant(np.array([1, 0, 1, 0])), axis=1)
    box = model.op("Div", model.xyxy, model.op("Unsqueeze", scale, model.constant([1])))
    shape = model.op("Unsqueeze", model.op("Concat", "im_shape", "im_shape", axis=1), model.constant([1]))
    limit = model.op("Gather", shape, model.constant(np.array([1, 0, 1, 0])), axis=2)
    row = model.join(model.given([1, 0.9]), model.op("Min", box, limit), axis=2)
    model.plain("multiclass_nms3_0.tmp_0", model.op("Squeeze", row, model.constant([0])), ["n", 6])
    model.plain("multiclass_nms3_0.tmp_2", model.constant(np.array([1], np.int32)), [1], TensorProto.INT32)
    return model.save(path)


def picodet(
    *, stretched: bool = True, levels_first: bool = False, names: tuple[str, str] = ("cls", "reg")
) -> Callable[[Path], Path]:
    """Scores and distributions over 8 bins for each of four strides; the object is at a cell of stride 16 in column 10, whose
    middle is at 168: 1.125 strides from its left side, 0.75 from its right. The block is at 133.3 ... 186.7 in a stretched
    picture; the cell of row 9 is in the middle at 152."""
    row, sides = (9, (1.125, 18.667 / 16, 0.75, 34.667 / 16)) if stretched else (7, (1.125, 1.25, 0.75, 1.25))

    def build(path: Path) -> Path:
        model = Seeing()
        heads: dict[str, list[tuple[str, np.ndarray]]] = {"cls": [], "reg": []}
        for stride in (8, 16, 32, 64):
            side = SIZE // stride
            table = np.zeros((1, side * side, 3), np.float32)
            bins = np.full((1, side * side, 4, 8), -50, np.float32)
            bins[..., 1] = 0
            if stride == 16:
                table[0, row * side + 10, 1] = 0.9
                for k, far in enumerate(sides):
                    low = int(far)
                    bins[0, row * side + 10, k] = -50
                    bins[0, row * side + 10, k, [low, low + 1]] = np.log([low + 1 - far, far - low])
            heads["cls"].append((f"{names[0]}_{stride}", table))
            heads["reg"].append((f"{names[1]}_{stride}", bins.reshape(1, side * side, 32)))
        every = [*heads["cls"], *heads["reg"]] if levels_first else [x for pair in zip(*heads.values()) for x in pair]
        nothing = model.op(
            "Mul", model.op("ReduceMean", model.xyxy, axes=[1, 2], keepdims=1), model.constant(np.float32(0))
        )
        for name, table in every:
            model.plain(name, model.op("Add", model.constant(table), nothing), list(table.shape))
        return model.save(path)

    return build


def ssd(path: Path) -> Path:
    """Softmax with the background first, and corners in parts of the picture: pytorch-ssd, jetson-inference."""
    model = Seeing()
    model.plain("scores", scores(model, ANCHORS, background=True), [1, ANCHORS, 4])
    model.plain("boxes", rows_of(model, corners_in_parts(model), ANCHORS, 4), [1, ANCHORS, 4])
    return model.save(path)


def yolov4(path: Path) -> Path:
    model = Seeing()
    whole = model.op("Unsqueeze", rows_of(model, corners_in_parts(model), ANCHORS, 4), model.constant([2]))
    model.plain("boxes", whole, [1, ANCHORS, 1, 4])
    model.plain("confs", scores(model, ANCHORS), [1, ANCHORS, 3])
    return model.save(path)


def efficientdet(path: Path) -> Path:
    """Shifts of anchors, which are an output of their own; feature maps lie beside them."""
    model = Seeing()
    rows = 9 * sum((-(-SIZE // stride)) ** 2 for stride in (8, 16, 32, 64, 128))
    anchors = np.tile(np.array([90, 130, 150, 190], np.float32), (1, rows, 1))  # top, left, bottom, right
    pixels = model.op(
        "Gather", model.centred, model.constant(np.array([1, 0, 3, 2])), axis=2
    )  # centre 120, 160; sides 60
    at = model.op("Slice", pixels, model.constant([0]), model.constant([2]), model.constant([2]))
    sides = model.op("Slice", pixels, model.constant([2]), model.constant([4]), model.constant([2]))
    shift = model.op("Div", model.op("Sub", at, model.given([120, 160])), model.given([60, 60]))
    growth = model.op("Log", model.op("Relu", model.op("Div", sides, model.given([60, 60]))))
    model.plain("features", model.constant(np.zeros((1, 64, 40, 40), np.float32)), [1, 64, 40, 40])
    model.plain("regression", rows_of(model, model.join(shift, growth, axis=2), rows, 4), [1, rows, 4])
    model.plain("classification", scores(model, rows), [1, rows, 3])
    model.plain("anchors", model.constant(anchors), [1, rows, 4])
    return model.save(path)


def zoo_ssd(path: Path) -> Path:
    """ONNX's model zoo: corners in parts of the picture, class numbers, scores."""
    model = Seeing()
    model.plain("bboxes", corners_in_parts(model), [1, 1, 4])
    model.plain("labels", model.constant(np.array([[1]], np.int64)), [1, 1], TensorProto.INT64)
    model.plain("scores", model.constant(np.array([[0.9]], np.float32)), [1, 1])
    return model.save(path)


def efficient_nms(path: Path) -> Path:
    """TensorRT's plugin: the number of objects, then three lists of fixed length."""
    model = Seeing()
    model.plain("num_dets", model.constant(np.array([[1]], np.int32)), [1, 1], TensorProto.INT32)
    model.plain("det_boxes", rows_of(model, model.xyxy, 100, 4), [1, 100, 4])
    table = np.zeros((1, 100), np.float32)
    table[0, 0] = 0.9
    numbers = np.full((1, 100), -1, np.int32)
    numbers[0, 0] = 1
    model.plain("det_scores", model.constant(table), [1, 100])
    model.plain("det_classes", model.constant(numbers), [1, 100], TensorProto.INT32)
    return model.save(path)


def detectron(names: tuple[str, str, str] = ("boxes", "classes", "scores")) -> Callable[[Path], Path]:
    """No dimension for a batch anywhere: torchvision and Detectron2, whose outputs may have numbers for names."""

    def build(path: Path) -> Path:
        model = Seeing(form="float alone")
        model.plain(names[0], model.op("Squeeze", model.xyxy, model.constant([0])), ["k", 4])
        model.plain(names[1], model.constant(np.array([1], np.int64)), ["k"], TensorProto.INT64)
        model.plain(names[2], model.constant(np.array([0.9], np.float32)), ["k"])
        model.plain("image_size", model.constant(np.array([SIZE, SIZE], np.int64)), [2], TensorProto.INT64)
        return model.save(path)

    return build


def with_input(form: str) -> Callable[[Path], Path]:
    def build(path: Path) -> Path:
        model = Seeing(form=form)
        row = model.join(model.centred, model.classes(3, 1, 0.9), axis=2)
        model.output("output0", row, 7, channels_first=True)
        return model.save(path)

    return build


Case = tuple[str, Callable[[Path], Path]]
"""The layout it is read as, and what makes it."""

EXPORTS: Mapping[str, Case] = {
    "YOLOv5": ("yolov5", yolov5),
    "YOLOv8, v9, v11, v12": ("yolov8", lambda p: seeing.ultralytics(p, classes=3, number=1, task="detect")),
    "the same, segmentation": (
        "yolov8-seg",
        lambda p: seeing.ultralytics(p, classes=3, number=1, task="segment", extra=[0.5] * 32, masks=True),
    ),
    "the same, pose": (
        "yolov8-pose",
        lambda p: seeing.ultralytics(p, classes=3, number=1, task="pose", extra=KEYPOINTS),
    ),
    "the same, OBB": ("yolov8-obb", lambda p: seeing.ultralytics(p, classes=3, number=1, task="obb", extra=[ANGLE])),
    "`nms=True`, YOLOv10, YOLO26": ("end2end", ultralytics_nms([], "detect")),
    "the same, end-to-end segmentation": ("end2end", ultralytics_nms([0.5] * 32, "segment")),
    "the same, end-to-end pose": ("end2end", ultralytics_nms(KEYPOINTS, "pose")),
    "the same, end-to-end OBB": ("end2end-obb", ultralytics_nms([ANGLE], "obb")),
    "YOLOX": ("yolox", lambda p: seeing.yolox(p, decoded=False)),
    "YOLOX, `--decode_in_inference`": ("yolox-decoded", lambda p: seeing.yolox(p, decoded=True, exponential=True)),
    "YOLOv4 (pytorch-YOLOv4)": ("boxes-scores-parts", yolov4),
    "YOLOv7, end-to-end": ("yolov7-end2end", lambda p: seeing.found_objects(p, "yolov7")),
    "YOLO-NAS": ("boxes-scores", lambda p: seeing.boxes_and_scores(p, classes_first=False)),
    "RT-DETR (Ultralytics)": ("rtdetr", queries),
    "RT-DETR, D-FINE, DEIM (authors)": ("detections", sized("orig_target_sizes")),
    "RF-DETR": ("detr", lambda p: seeing.transformer(p, columns=4, number=1)),
    "SSD, EfficientDet (TensorFlow)": ("detections-tf", lambda p: seeing.found_objects(p, "tensorflow")),
    "SSD (ONNX model zoo)": ("detections-parts", zoo_ssd),
    "SSD without NMS (pytorch-ssd, jetson-inference)": ("ssd", ssd),
    "EfficientDet without NMS": ("efficientdet", efficientdet),
    "PP-YOLOE, PicoDet with NMS": ("paddle", paddle),
    "PP-YOLOE, PicoDet without NMS": ("boxes-scores", lambda p: seeing.boxes_and_scores(p, classes_first=True)),
    "PicoDet without post-processing": ("picodet", picodet()),
    "NanoDet, heads apart": ("nanodet", picodet(stretched=False, names=("cls_pred_stride", "dis_pred_stride"))),
    "TAO DetectNet_v2": ("detectnet", lambda p: deepstream.detectnet(p, classes=3, number=1)),
    "TAO DDETR, DINO, RT-DETR": (
        "detr",
        lambda p: seeing.transformer(p, columns=3, number=1, names=("pred_boxes", "pred_logits")),
    ),
    "DeepStream-Yolo": (
        "deepstream-yolo",
        lambda p: deepstream.deepstream_yolo(p, classes=3, number=1, corners=True),
    ),
    "EfficientNMS (TensorRT plugin)": ("detections", efficient_nms),
    "torchvision, Detectron2": ("detections", detectron()),
}

INPUTS: Mapping[str, Case] = {
    "NHWC": ("yolov8", with_input("float rows")),
    "uint8": ("yolov8", with_input("uint8")),
    "uint8, NHWC": ("yolov8", with_input("uint8 rows")),
    "float16 in and out": ("yolov8", yolov8_half),
    "open sizes": ("yolov8", with_input("float open")),
    "8 bits (QDQ)": ("yolov8", quantised),
    "orig_size": ("detections", sized("orig_size")),
    "im_shape": ("detections", sized("im_shape")),
    "unnamed outputs": ("detections", detectron(("2614", "2616", "2615"))),
    "heads kind by kind": ("picodet", picodet(levels_first=True)),
}
