"""The detector for ONNX models: picture in, boxes out."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.config import DetectorConfig
from countline.config.triton import RemoteModel
from countline.detect.classes import ClassPlan
from countline.detect.geometry import nms, points_to_picture, to_picture
from countline.detect.layouts import Layout
from countline.detect.plausible import Watch
from countline.detect.preprocess import InputBinder
from countline.detect.runtime import Run, Session
from countline.detect.signature import Signature
from countline.errors import DetectorError
from countline.types import Detections, Frame

__all__ = ["OnnxDetector"]

MOST = 300
"""Most objects of one frame."""
CANDIDATES = 1000
"""Most boxes that enter suppression."""


class OnnxDetector:
    """Implements :class:`countline.protocols.Detector`; make it with
    :func:`countline.detect.make`.

    :attr:`parallel` threads may call :meth:`detect` at the same time. What a frame gives does not depend on others.
    """

    def __init__(
        self,
        session: Session,
        signature: Signature,
        classes: ClassPlan,
        config: DetectorConfig,
        path: Path | RemoteModel,
        precision: str,
        threads: int,
    ) -> None:
        self._session: Session | None = session
        self._signature = signature
        self._classes = classes
        self._watch = Watch(signature.size)
        self._iou = config.iou
        self._path = path
        here = {"threads": str(threads), "device": config.device} if threads else {}
        self._about = {"precision": precision, **here}
        self.labels: Sequence[str] = classes.labels
        self.thresholds: NDArray[np.float32] = classes.by_id()
        """Confidence by class id from which a detection may begin a track."""
        self.input_size = signature.size
        """Width and height to which pictures are brought."""
        fixed = signature.spec.shape[0]
        alone = session.single or signature.layout.unbatched
        self._batch = 1 if alone and fixed in (None, 1) else fixed or session.most
        self._exact = fixed or (1 if alone else None)
        self.parallel = session.requests if self._batch == 1 or session.most else 1
        """Calls that may run at once; more than 1: frames are best passed one by one."""
        # An inference request is taken by one call at a time: memory for the input, and a function that runs the network on it.
        runs = [session.run, *(session.inference_request() for _ in range(self.parallel - 1))]
        self._requests = deque((self._feeder(), run) for run in runs)

    def _feeder(self) -> InputBinder:
        s = self._signature
        return InputBinder(s.spec, s.preprocess, s.size, s.nchw)

    @property
    def layout(self) -> Layout:
        """How the outputs are read."""
        return self._signature.layout

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections per frame, boxes in pixels of its picture, strongest first within the frame.

        All detections from the floor on are given, also those below the class's threshold: the tracker continues tracks
        with them (see :attr:`thresholds`). Raises DetectorError when the runtime fails.
        """
        result: list[Detections] = []
        step = self._batch or max(1, len(frames))
        for start in range(0, len(frames), step):
            result += self._chunk(frames[start : start + step])
        return result

    def _chunk(self, frames: Sequence[Frame]) -> list[Detections]:
        if self._session is None:
            raise DetectorError("the detector is closed", where=str(self._path))
        try:
            request = self._requests.popleft()
        except IndexError:
            fix = f"call detect from at most {self.parallel} threads at once"
            raise DetectorError("too many calls at once", where=str(self._path), fix=fix) from None
        try:
            binder, run = request
            batch, scales = binder.fill(frames, self._exact or len(frames))
            outputs = self._infer(run, batch)
            return [self._read(outputs, i, scales[i], frame) for i, frame in enumerate(frames)]
        finally:
            self._requests.append(request)

    def _infer(self, run: Run, batch: NDArray[Any]) -> list[NDArray[Any]]:
        try:
            return run(batch)
        except DetectorError:
            raise
        except Exception as error:  # the runtimes raise classes of their own without a common base
            text = " ".join(str(error).split())
            raise DetectorError(
                f"inference failed: {text[:300]}", where=str(self._path), fix="try another `runtime` or `device`"
            ) from None

    def _read(self, outputs: list[NDArray[Any]], i: int, scale: tuple[float, float], frame: Frame) -> Detections:
        plan, size = self._classes, self._signature.size
        raw = self.layout.decode(outputs, i, size, float(plan.floors.min()))
        cells, scores = plan.candidates(raw.scores)
        # The class that exceeds its own floor by most, so that a low threshold of one does not shut out another.
        best = np.argmax(scores / plan.floors[:, None], axis=0)
        confidence = scores[best, np.arange(len(cells))]
        if len(cells) > CANDIDATES:
            strongest = np.sort(np.argsort(-confidence, kind="stable")[:CANDIDATES])
            cells, best, confidence = cells[strongest], best[strongest], confidence[strongest]
        inside = raw.boxes(cells)
        problem = self._watch.problem(raw, inside, confidence, confidence >= plan.thresholds[best])
        if problem:
            raise self._misread(problem, frame)
        if not len(cells):
            return Detections.empty()
        boxes = to_picture(inside, scale, frame.info.width, frame.info.height)
        sound = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))  # False for NaN too
        boxes, best, confidence = boxes[sound], best[sound], confidence[sound]
        keep = nms(boxes, confidence, best, self._iou, CANDIDATES)[:MOST]
        found = Detections(boxes[keep], confidence[keep], plan.ids[best[keep]])
        if raw.points is not None:
            found.attributes = points_to_picture(raw.points(cells[sound[keep]]), scale)
        return found

    def _misread(self, problem: str, frame: Frame) -> DetectorError:
        read = f"{self.layout.name} with {self.layout.classes} classes"
        where = f"frame {frame.info.number} of '{frame.info.source.name}'"
        return DetectorError(
            f"read as {read}, the model gives {problem}, for {where}",
            where=str(self._path),
            fix="set detector.layout, detector.labels and `normalize` to what the model was exported with",
        )

    def describe(self) -> dict[str, str]:
        """What is loaded, in words, for ``countline check``."""
        s = self._signature
        width, height = s.size
        runtime = self._session.runtime if self._session else "closed"
        return {
            **self._about_model(),
            "input": f"{width}x{height} {s.spec}",
            "layout": f"{s.layout.name}, {s.layout.classes} classes, labels {s.labels_from}",
            "runtime": runtime,
            **self._about,
            "classes": "; ".join(
                f"{number} {self.labels[number]}"
                + (f" (= {', '.join(group)})" if len(group) > 1 or group[0] != self.labels[number] else "")
                + f" from {threshold:g}"
                for number, group, threshold in zip(
                    self._classes.ids, self._classes.groups, self._classes.thresholds.round(3)
                )
            ),
        }

    def _about_model(self) -> dict[str, str]:
        content = self._path.read_bytes() if isinstance(self._path, Path) else b""
        return {"model": str(self._path), "sha256": hashlib.sha256(content).hexdigest()}

    def close(self) -> None:
        """Release the model; further calls of :meth:`detect` raise DetectorError."""
        if self._session is not None:
            self._session.close()
            self._session = None
            self._requests.clear()
