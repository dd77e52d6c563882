"""Make the 8-bit file of a model of the package and compare what both files detect.

    python tools/quantize_model.py [--model nanodet] --calibration vtest.avi [more videos] [--compare vtest.avi]

Static quantisation with ONNX Runtime's tools (extra ``build``): weights per output channel, activations per tensor
from the value ranges seen on the calibration frames. Only what enters a convolution is rounded: the input of the
network, where the pixels are exact anyway, and everything after the last convolutions stays in float. So do the
convolutions by channel of :data:`FLOAT_DEPTHWISE`: they are 4 % of the work, and their rounding loses a tenth of the objects.

The comparison runs both files on frames that were not used for calibration and prints how many detections of the one
have a partner of the same class in the other at IoU 0.5, and the number of objects each believes in.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime import quantization as q

from countline.config import DetectorConfig
from countline.detect import make
from countline.detect.catalogue import CATALOGUE
from countline.detect.geometry import pairwise_iou
from countline.types import Detections, Frame, FrameInfo, SourceInfo
from countline.video.picture import AvPicture

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "src/countline/detect/models"

FLOAT_DEPTHWISE = {"yolox-nano"}
"""Models whose depthwise convolutions stay in float."""


def frames(video: Path, step: int, offset: int) -> Iterator[Frame]:
    """Every ``step``-th frame from number ``offset`` on."""
    source = SourceInfo(video.name)
    with av.open(str(video)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i % step == offset:
                yield Frame(FrameInfo(source, i, 0, 0, frame.width, frame.height), AvPicture(frame))


class _Reader(q.CalibrationDataReader):
    def __init__(self, source: Path, videos: list[Path], step: int) -> None:
        feeder = make(DetectorConfig(model=str(source), runtime="onnxruntime"))._feeder()
        self._batches = ({"image": feeder.fill([frame], 1)[0]} for video in videos for frame in frames(video, step, 0))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with float32 weights, as the quantiser wants them."""
    graph = model.graph
    half = {i.name: i for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT16}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.input[0] in half]:
        tensor = half[node.input[0]]
        graph.initializer.append(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), node.output[0])
        )
        graph.initializer.remove(tensor)
        graph.node.remove(node)
    return model


def by_channel(conv: onnx.NodeProto) -> bool:
    """A convolution that sees one channel at a time."""
    return any(a.name == "group" and a.i > 1 for a in conv.attribute)


def quantise(source: Path, target: Path, videos: list[Path], step: int, conv_output: bool, depthwise: bool) -> None:
    model = onnx.load(source)
    properties = {p.key: p.value for p in model.metadata_props}
    convs = [n for n in model.graph.node if n.op_type == "Conv"]
    in_float = [convs[0].name, *(n.name for n in convs if by_channel(n) and not depthwise)]
    with tempfile.TemporaryDirectory() as folder:
        float32 = Path(folder) / "float32.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(plain(model)), float32)
        q.quantize_static(
            float32,
            target,
            _Reader(source, videos, step),
            quant_format=q.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=in_float,
            per_channel=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            calibrate_method=q.CalibrationMethod.MinMax,
            extra_options={} if conv_output else {"OpTypesToExcludeOutputQuantization": ["Conv"]},
        )
    result = onnx.load(target)
    onnx.helper.set_model_props(result, properties)
    target.write_bytes(result.SerializeToString(deterministic=True))


def matched(a: Detections, b: Detections) -> int:
    """Pairs of equal class with IoU over 0.5, the strongest first."""
    iou = pairwise_iou(a.xyxy, b.xyxy) * (a.class_id[:, None] == b.class_id[None, :])
    pairs = 0
    for row in np.argsort(-a.confidence, kind="stable"):
        if iou.shape[1] and iou[row].max() > 0.5:
            pairs += 1
            iou[:, iou[row].argmax()] = 0
    return pairs


def compare(name: str, video: Path, step: int, runtime: str) -> None:
    """Print the agreement of both files on frames between the calibration frames."""
    detectors = [make(DetectorConfig(model=name, precision=p, runtime=runtime)) for p in ("fp32", "int8")]
    totals, pairs, n = np.zeros(2, int), 0, 0
    for frame in frames(video, step, step // 2):
        found = [d.detect([frame])[0] for d in detectors]
        found = [d[d.confidence >= detectors[0].thresholds[d.class_id]] for d in found]
        totals += [len(d) for d in found]
        pairs += matched(*found)
        n += 1
    f1 = 2 * pairs / max(1, totals.sum())
    print(
        f"{video.name}, {n} frames, {runtime}: fp32 {totals[0]}, int8 {totals[1]} objects, {pairs} agree, F1 {f1:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nanodet", choices=sorted(CATALOGUE), help="a model of the package")
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], help="videos to take value ranges from")
    parser.add_argument("--compare", type=Path, nargs="*", default=[], help="videos on which both files are compared")
    parser.add_argument("--step", type=int, default=15, help="every n-th frame")
    parser.add_argument("--runtime", default="openvino", choices=("openvino", "onnxruntime"))
    parser.add_argument("--round-outputs", action="store_true", help="round what leaves a convolution too")
    args = parser.parse_args()
    source, target = (MODELS / CATALOGUE[args.model].files[precision] for precision in ("fp32", "int8"))
    if args.calibration:
        depthwise = args.model not in FLOAT_DEPTHWISE
        quantise(source, target, args.calibration, args.step, args.round_outputs, depthwise)
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        print(f"{target.name}: {target.stat().st_size} bytes, sha256 {digest}")
    for video in args.compare:
        compare(args.model, video, args.step, args.runtime)


if __name__ == "__main__":
    main()
