"""The detector on NVIDIA GPUs: pictures stay where they were decoded, and only boxes come back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.config import DetectorConfig
from countline.detect.classes import ClassPlan
from countline.detect.detector import OnnxDetector
from countline.detect.gpu_request import Answer, GpuRequest, Model
from countline.detect.half import halved
from countline.detect.layouts import SLACK
from countline.detect.plausible import test_picture
from countline.detect.preprocess import InputBinder
from countline.detect.runtime import Session
from countline.detect.selection import selection
from countline.detect.signature import Signature
from countline.errors import DetectorError
from countline.gpu.device import Gpu
from countline.protocols import DevicePicture
from countline.types import Detections, Frame

__all__ = ["LANES", "GpuDetector", "open_gpus"]

LANES = 2
"""Runs under way on each GPU: while the network works for one, the other copies, prepares and chooses."""
_BATCH = 64
_PATIENCE = 0.05


def open_gpus(devices: Sequence[int]) -> list[Gpu]:
    """The GPUs of these numbers. Raises DetectorError: no driver, no such device; MissingExtra."""
    from countline.gpu.cuda import CudaGpu

    return [CudaGpu(index) for index in devices]


class GpuDetector(OnnxDetector):
    """As :class:`OnnxDetector`, for pictures that lie on GPUs, and for others, which are copied there.

    ``session`` is the same model on the CPU, from which shapes and types are read; it is closed.
    """

    def __init__(
        self,
        session: Session,
        signature: Signature,
        classes: ClassPlan,
        config: DetectorConfig,
        path: Path,
        precision: str,
        threads: int,
        *,
        gpus: Sequence[Gpu],
    ) -> None:
        super().__init__(session, signature, classes, config, path, precision, threads)
        model = _model(session, signature, classes, config, path, half=precision == "fp16")
        self.most = model.most
        self.patience = config.linger_ms / 1000 if config.linger_ms is not None else _PATIENCE
        self._names = [gpu.name for gpu in gpus]
        self._on_device = model.selection is not None
        self._waiting: dict[int, deque[GpuRequest]] = {gpu.index: deque() for gpu in gpus}
        self._free = {gpu.index: threading.Semaphore(LANES) for gpu in gpus}
        self._turn = 0
        for gpu in gpus:
            for _ in range(LANES):
                self._waiting[gpu.index].append(GpuRequest(gpu, model))
        self.parallel = LANES * len(gpus)

    def calls(self, frames: Sequence[Frame]) -> list[Sequence[int]]:
        """See :class:`countline.protocols.BatchDetector`."""
        places: dict[int, list[int]] = {index: [] for index in self._waiting}
        strangers: list[int] = []
        for i, frame in enumerate(frames):
            planes = frame.picture.tensor() if isinstance(frame.picture, DevicePicture) else None
            (places[planes.device] if planes is not None and planes.device in places else strangers).append(i)
        for i in strangers:  # on the host, or on a GPU that has no request
            min(places.values(), key=len).append(i)
        return [part[at : at + self.most] for part in places.values() for at in range(0, len(part), self.most)]

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections per frame, as :meth:`OnnxDetector.detect`."""
        found: list[Detections] = [Detections.empty()] * len(frames)
        for places in self.calls(frames):
            for i, detections in zip(places, self._call([frames[i] for i in places])):
                found[i] = detections
        return found

    def _call(self, frames: Sequence[Frame]) -> list[Detections]:
        index = self._device_of(frames)
        with self._free[index]:
            try:
                request = self._waiting[index].popleft()
            except IndexError:
                raise DetectorError("the detector is closed", where=str(self._path)) from None
            try:
                return self._answers(request, frames)
            except DetectorError:
                raise
            except Exception as error:  # CuPy and ONNX Runtime raise classes of their own without a common base
                text = " ".join(str(error).split())
                raise DetectorError(
                    f"the GPU failed: {text[:300]}", where=str(self._path),
                    fix="a smaller `batch` needs less memory; `nvidia-smi` and the kernel's log tell of faults of the card",
                ) from None  # fmt: skip
            finally:
                self._waiting[index].append(request)

    def _device_of(self, frames: Sequence[Frame]) -> int:
        for frame in frames:
            planes = frame.picture.tensor() if isinstance(frame.picture, DevicePicture) else None
            if planes is not None and planes.device in self._waiting:
                return planes.device
        self._turn += 1
        return list(self._waiting)[self._turn % len(self._waiting)]

    def _answers(self, request: GpuRequest, frames: Sequence[Frame]) -> list[Detections]:
        answer = request.run(frames, first=self._watch.looking)
        if answer.chooser is None:
            return [self._read(answer.outputs, i, answer.scales[i], frame) for i, frame in enumerate(frames)]
        if answer.outputs:
            self._read(answer.outputs, 0, answer.scales[0], frames[0])  # raises what is not to be believed
        return self._chosen(answer, frames)

    def _chosen(self, answer: Answer, frames: Sequence[Frame]) -> list[Detections]:
        assert answer.chooser is not None
        plan = self._classes
        highest = answer.chooser.strongest(len(frames))
        for frame, confidence in zip(frames, highest.tolist()):
            if confidence > 1 + SLACK:
                raise self._misread(f"the confidence {confidence:.4g}, which is not in 0 … 1", frame)
        results = answer.chooser.results(len(frames))
        return [Detections(found.xyxy, found.confidence, plan.ids[found.kind]) for found in results]

    def describe(self) -> dict[str, str]:
        """See the base; names the GPUs, and where boxes are chosen."""
        where = "on the GPU" if self._on_device else "on the CPU (this layout is not read on a GPU)"
        return {
            **super().describe(),
            "device": ", ".join(self._names),
            "boxes": f"chosen {where}",
            "batch": str(self.most),
        }

    def close(self) -> None:
        """See the base."""
        super().close()
        for requests in getattr(self, "_waiting", {}).values():
            for request in requests:
                request.close()
            requests.clear()


def _model(
    session: Session, signature: Signature, classes: ClassPlan, config: DetectorConfig, path: Path, *, half: bool
) -> Model:
    """What the requests run, by what the model says on the CPU. Raises MissingExtra."""
    fixed = signature.spec.shape[0]
    most = fixed or (1 if signature.layout.unbatched else config.batch or _BATCH)
    width, height = signature.size
    pixels = np.repeat(test_picture(width, height)[None], fixed or 1, axis=0)
    batch = InputBinder(signature.spec, signature.preprocess, signature.size, signature.nchw).convert(pixels)
    shapes = [np.shape(array)[1:] for array in session.run(batch)]
    chosen = selection(signature.layout, classes, shapes, signature.size, config.iou)
    changed: Callable[[Any], Any] = lambda p: replace(p, dtype=np.dtype(np.float16)) if p.dtype == np.float32 else p  # noqa: E731
    spec, outputs = signature.spec, list(session.outputs)
    file: str | bytes = str(path)
    if half:
        made = halved(path)
        file = made.file
        if made.outside:
            spec = replace(spec, dtype=np.dtype(np.float16))
            how = replace(signature.preprocess, inside=False, scale=1.0, mean=made.mean, std=made.std)
            signature = replace(signature, preprocess=how)
        spec, outputs = changed(spec), [changed(output) for output in outputs]
    if chosen is not None:
        dtypes = {outputs[chosen.scores.output].dtype.name, outputs[chosen.boxes.output].dtype.name}
        chosen = chosen if len(dtypes) == 1 and dtypes < {"float16", "float32"} else None
    beside: Mapping[str, NDArray[Any]] = dict(session.beside)
    return Model(
        file,
        signature,
        spec,
        outputs,
        shapes,
        chosen,
        beside,
        most,
        fixed is not None or most == 1,
    )
