"""A user's own detector: any callable, with its mistakes named."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from countline.detect import wrap
from countline.errors import DetectorError
from countline.types import Detections, Frame


def one(x: float = 1.0) -> Detections:
    return Detections(np.array([[x, 2, x + 29, 40]]), np.array([0.8]), np.array([1]))


def test_pictures_go_in_and_detections_come_out_in_order(blank: Callable[..., Frame]) -> None:
    seen: list[tuple[int, ...]] = []

    def mine(images: list[np.ndarray]) -> list[Detections]:
        seen.extend(image.shape for image in images)
        return [one(image.shape[1]) for image in images]

    detector = wrap(mine, labels=["cat", "dog"])
    results = detector.detect([blank(20, 10), blank(30, 40)])
    assert seen == [(10, 20, 3), (40, 30, 3)]
    assert [r.xyxy[0, 0] for r in results] == [20, 30]
    assert detector.thresholds.tolist() == [0, 0], "all that comes may begin a track"


def test_results_of_supervision_are_taken(blank: Callable[..., Frame]) -> None:
    sv = pytest.importorskip("supervision")
    whole = sv.Detections(xyxy=np.array([[1, 2, 3, 4.0]]), confidence=np.array([0.5]), class_id=np.array([0]))
    bare = SimpleNamespace(xyxy=np.array([[1, 2, 3, 4.0]]), confidence=None, class_id=None)
    for value, confidence in ((whole, 0.5), (bare, 1.0)):
        (found,) = wrap(lambda images, value=value: [value]).detect([blank()])
        assert found.xyxy.tolist() == [[1, 2, 3, 4]]
        assert found.confidence.tolist() == [confidence]


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (None, "returned None instead of a list"),
        ([], "returned 0 results for 2 pictures"),
        ([one(), one(), one()], "returned 3 results for 2 pictures"),
        ([one(), None], "returned None for picture 1"),
        ([one(), [1, 2, 3, 4]], "returned a list for picture 1"),
        ([Detections([[0, 0, 1, 1]], [0.5], [7]), one()], r"class ids \[7\] for picture 0, but there are 2 labels"),
        ([Detections([[0, 0, np.nan, 1]], [0.5], [0]), one()], "not finite"),
        ([SimpleNamespace(xyxy=[[1, 2, 3, 4]], confidence=[0.1, 0.2], class_id=[0]), one()], "do not fit"),
    ],
)
def test_wrong_answers_name_the_callable(answer: Any, match: str, blank: Callable[..., Frame]) -> None:
    def my_detector(images: list[np.ndarray]) -> Any:
        return answer

    with pytest.raises(DetectorError, match=match) as caught:
        wrap(my_detector, labels=["cat", "dog"]).detect([blank(), blank()])
    assert "my_detector" in str(caught.value.where)


@pytest.mark.parametrize(
    ("box", "confidence", "match", "fix"),
    [
        ([30, 5, 10, 20], 0.9, "right or lower side lies before", "left \\+ width"),
        ([300, 200, 40, 80], 0.9, "right or lower side lies before", "left \\+ width"),
        ([0.25, 0.5, 0.5, 1.0], 0.9, "within its first pixel", "320 × 240"),
        ([10, 5, 30, 20], 90, "confidence 90", "from 0 to 1"),
        ([10, 5, 30, 20], -0.5, "confidence -0.5", "from 0 to 1"),
    ],
)
def test_what_cannot_be_boxes_in_pixels_is_refused_with_what_it_looks_like(
    box: list[float], confidence: float, match: str, fix: str, blank: Callable[..., Frame]
) -> None:
    detector = wrap(lambda images: [Detections([box], [confidence], [0])], labels=["cat"])
    with pytest.raises(DetectorError, match=match) as caught:
        detector.detect([blank(320, 240)])
    assert re.search(fix, caught.value.fix)


def test_boxes_without_size_and_confidences_a_rounding_above_one_are_no_mistake(blank: Callable[..., Frame]) -> None:
    odd = Detections([[0, 0, 0, 0], [320, 5, 320, 20], [10, 5, 30, 20]], [1.000001, 0.5, 0.5], [0, 0, 0])
    (found,) = wrap(lambda images: [odd], labels=["cat"]).detect([blank(320, 240)])
    assert len(found) == 3


def test_classes_of_equal_name_are_one(blank: Callable[..., Frame]) -> None:
    both = Detections([[10, 5, 30, 20], [50, 5, 70, 20]], [0.9, 0.9], [0, 2])
    (found,) = wrap(lambda images: [both], labels=["cat", "dog", "cat"]).detect([blank(320, 240)])
    assert found.class_id.tolist() == [0, 0]


def test_an_exception_is_reported_with_its_place(blank: Callable[..., Frame]) -> None:
    def my_detector(images: list[np.ndarray]) -> Any:
        return images[5]

    with pytest.raises(DetectorError, match="raised IndexError") as caught:
        wrap(my_detector).detect([blank()])
    line = my_detector.__code__.co_firstlineno + 1
    assert f"test_detect_callable.py:{line}" in str(caught.value.where)


def test_labels_of_the_callable_and_closing_it(blank: Callable[..., Frame]) -> None:
    class Model:
        names = {0: "ant", 2: "bee"}
        closed = False

        def __call__(self, images: list[np.ndarray]) -> list[Detections]:
            return [Detections.empty() for _ in images]

        def close(self) -> None:
            self.closed = True

    model = Model()
    detector = wrap(model)
    assert detector.labels == ("ant", "class 1", "bee")
    assert len(detector.detect([blank()])[0]) == 0
    detector.close()
    assert model.closed


def test_something_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(DetectorError, match="is not callable"):
        wrap(3)  # type: ignore[arg-type]
