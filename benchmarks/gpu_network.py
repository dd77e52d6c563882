"""The detector of one process alone: frames a second and memory, for frames that lie on the device already.

    python benchmarks/gpu_network.py                            # nanodet
    python benchmarks/gpu_network.py --model yolox-nano --channels-first
    python benchmarks/gpu_network.py --model random --batch 16 --fuse

``random``: the large detector of benchmarks/gpu.py. ``--channels-first`` and ``--fuse`` are not settings of countline: they show what its
choices are worth (ONNX Runtime's ``prefer_nhwc``, ``fuse_conv_bias``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

from gpu_clips import clip
from machine import header, need_gpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="nanodet", help="of the package, or `random`")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--channels-first", action="store_true")
    parser.add_argument("--fuse", action="store_true")
    parser.add_argument("--clips", type=Path, default=Path(tempfile.gettempdir()) / "countline-gpu-clips")
    args = parser.parse_args()
    from countline import detect, video
    from countline.config import DetectorConfig, SourceConfig
    from countline.detect import gpu_request

    gpu = 0 if args.device == "cuda" else None
    if gpu is not None:
        need_gpus([gpu])
        _options(args)
        gpu_request._sizes = lambda model: [model.most]  # type: ignore[assignment]
    source = video.open_source(
        SourceConfig(name="a", uri=str(clip(args.clips, "hevc", b_frames=0)), loop=True), 0, gpu=gpu
    )
    frames = list(islice(source, args.batch))
    asked: dict[str, Any] = {"device": args.device, "batch": args.batch}
    if args.model == "random":
        from gpu_model import build

        path = args.clips / "random-rtdetr-size.onnx"
        build(path)
        asked |= {"model": str(path), "layout": "rtdetr"}
    else:
        asked |= {"model": args.model, "classes": ["person"]}
    before, began = _memory(gpu), time.monotonic()
    detector = detect.make(DetectorConfig(**asked))
    built = time.monotonic() - began
    detector.detect(frames)
    fps = max(_rate(detector, frames, args.seconds) for _ in range(3))
    row = {"fps": round(fps), "mib": round(_memory(gpu) - before), "built_s": round(built, 1)}
    print(header("onnxruntime-gpu" if gpu is not None else "onnxruntime"))
    print(json.dumps(row))
    detector.close()


def _options(args: argparse.Namespace) -> None:
    from countline.gpu.cuda import CudaGpu

    providers = CudaGpu.providers

    def changed(self: Any, queue: Any) -> list[Any]:
        found = providers(self, queue)
        found[0][1].update({"prefer_nhwc": "0"} if args.channels_first else {})
        found[0][1].update({"fuse_conv_bias": "1"} if args.fuse else {})
        return found

    CudaGpu.providers = changed  # type: ignore[method-assign]


def _rate(detector: Any, frames: list[Any], seconds: float) -> float:
    """Of two callers, as in a run."""
    done, began = [0, 0], time.monotonic()

    def call(place: int) -> None:
        while time.monotonic() < began + seconds:
            detector.detect(frames)
            done[place] += len(frames)

    threads = [threading.Thread(target=call, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)


def _memory(gpu: int | None) -> float:
    """MiB in use on the GPU."""
    if gpu is None:
        return 0.0
    import pynvml

    pynvml.nvmlInit()
    return float(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(gpu)).used) / 2**20


if __name__ == "__main__":
    main()
