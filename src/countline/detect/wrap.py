"""A user's own detector: any callable from pictures to detections."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from countline.detect.coco import COCO
from countline.detect.plausible import TINY, shown_box
from countline.errors import DetectorAway, DetectorError
from countline.types import Detections, Frame

__all__ = ["CallableDetector", "wrap"]


def wrap(
    function: Callable[[list[NDArray[np.uint8]]], Sequence[Any]],
    *,
    labels: Sequence[str] | Mapping[int, str] | None = None,
    confidence: float | None = None,
) -> CallableDetector:
    """Make a detector of ``function``: a list of (height, width, 3) uint8 BGR pictures -> as many
    :class:`~countline.types.Detections` (or ``supervision.Detections``, or anything with ``xyxy``, ``confidence`` and
    ``class_id``), boxes in pixels of each picture.

    ``labels``: name for each class id; ``function.labels`` or ``function.names`` if it has them, else COCO's.
    ``confidence``: from which a detection may begin a track; unless given, all that the function returns may.

    >>> import numpy as np
    >>> detector = wrap(lambda images: [Detections.empty() for _ in images], labels=["parcel"])
    >>> detector.labels
    ('parcel',)
    """
    return CallableDetector(function, labels=labels, confidence=confidence)


class CallableDetector:
    """Implements :class:`countline.protocols.Detector` around a callable; see :func:`wrap`."""

    def __init__(
        self,
        function: Callable[[list[NDArray[np.uint8]]], Any],
        *,
        labels: Sequence[str] | Mapping[int, str] | None = None,
        confidence: float | None = None,
    ) -> None:
        name = getattr(function, "__qualname__", type(function).__qualname__)
        self._name = f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"
        if not callable(function):
            raise DetectorError(
                "is not callable", where=f"detector {self._name}", fix="give a function of a list of pictures"
            )
        self._function = function
        self.labels: Sequence[str] = _labels(labels, function)
        self._first = np.array([self.labels.index(label) for label in self.labels], np.int32)
        """Class ids by class id: classes of equal name are one."""
        self.thresholds: NDArray[np.float32] = np.full(len(self.labels), confidence or 0.0, np.float32)
        """Confidence by class id from which a detection may begin a track."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Call the function. Raises DetectorAway as the function does; DetectorError that names it when it raises, or returns something
        else than one result for each picture, and for what cannot be boxes in pixels with confidences from 0 to 1: boxes whose right or
        lower side lies before the other (left, top, width and height?), boxes that are all within the first pixel (parts of the picture?),
        percents."""
        try:
            results = self._function([frame.image for frame in frames])
        except DetectorAway:
            raise
        except Exception as error:
            raise self._raised(error) from error
        if not hasattr(results, "__len__"):
            raise self._wrong(f"returned {_kind(results)} instead of a list")
        if len(results) != len(frames):
            raise self._wrong(f"returned {len(results)} results for {len(frames)} pictures")
        return [self._one(result, i, frames[i].image.shape) for i, result in enumerate(results)]

    def _one(self, answer: Any, i: int, shape: tuple[int, ...]) -> Detections:
        result = self._converted(answer, i)
        if not len(result):
            return result
        if not (np.isfinite(result.xyxy).all() and np.isfinite(result.confidence).all()):
            raise self._wrong(f"returned boxes or confidences for picture {i} that are not finite numbers")
        if not 0 <= result.class_id.min() <= result.class_id.max() < len(self.labels):
            ids = sorted({int(c) for c in result.class_id if not 0 <= c < len(self.labels)})
            raise self._wrong(f"returned class ids {ids} for picture {i}, but there are {len(self.labels)} labels")
        self._plausible(result, i, shape)
        return Detections(result.xyxy, result.confidence, self._first[result.class_id], result.attributes)

    def _plausible(self, result: Detections, i: int, shape: tuple[int, ...]) -> None:
        box, confidence = result.xyxy, result.confidence
        if not 0 <= confidence.min() <= confidence.max() <= 1 + 1e-5:
            odd = confidence[(confidence < 0) | (confidence > 1 + 1e-5)][0]
            raise self._wrong(f"returned the confidence {odd:g} for picture {i}", "give confidences from 0 to 1")
        inside_out = (box[:, 2:] < box[:, :2]).any(axis=1)
        if inside_out.any():
            raise self._wrong(
                f"returned the box {shown_box(box[inside_out][0])} for picture {i}, whose right or lower side lies before the "
                "other one",
                "give left, top, right and bottom; (left, top, width, height) is (left, top, left + width, top + height)",
            )
        if box.max() <= 1 and (box[:, 2:] > box[:, :2]).all(axis=1).any() and min(shape[:2]) > TINY:
            raise self._wrong(
                f"returned boxes for picture {i} that are all within its first pixel, such as {shown_box(box[0])}",
                f"give pixels: parts of the picture times its width and height ({shape[1]} × {shape[0]})",
            )

    def _converted(self, result: Any, i: int) -> Detections:
        if isinstance(result, Detections):
            return result
        if not hasattr(result, "xyxy"):
            raise self._wrong(f"returned {_kind(result)} for picture {i}")
        try:
            return Detections.from_supervision(result)
        except (TypeError, ValueError) as error:
            raise self._wrong(f"returned arrays for picture {i} that do not fit: {error}") from None

    def _wrong(self, what: str, fix: str = "") -> DetectorError:
        return DetectorError(
            what,
            where=f"detector {self._name}",
            fix=fix or "return one countline.Detections for each picture, in the same order",
        )

    def _raised(self, error: Exception) -> DetectorError:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return DetectorError(
            f"raised {text}",
            where=f"detector {self._name} ({last.filename}:{last.lineno})",
            fix="correct the function",
        )

    def describe(self) -> dict[str, str]:
        """What is used, in words, for ``countline check``."""
        return {"model": f"callable {self._name}", "classes": str(len(self.labels))}

    def close(self) -> None:
        """Call the function's own ``close`` if it has one."""
        function: object = self._function
        if isinstance(function, _Closing):
            function.close()


@runtime_checkable
class _Closing(Protocol):
    def close(self) -> object: ...


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _labels(declared: Sequence[str] | Mapping[int, str] | None, function: Any) -> tuple[str, ...]:
    found = declared
    for name in ("labels", "names"):
        if found is None:
            found = getattr(function, name, None)
    if found is None:
        return COCO
    if isinstance(found, Mapping):
        return tuple(str(found.get(i, f"class {i}")) for i in range(max(found, default=-1) + 1))
    return tuple(str(label) for label in found)
