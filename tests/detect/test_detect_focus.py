"""A closer look where rules are: what is small is found there, nothing is found twice, and the cost is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import countline.demo
from countline.config import DetectorConfig
from countline.detect import make
from countline.detect.focus import ABOVE, MARGIN, FocusedDetector, Slice, merged, slices
from countline.types import Detections, Frame, FrameInfo, RuleInfo, SourceInfo
from countline.video.picture import ArrayPicture

part = st.floats(0.02, 0.98)
point = st.tuples(part, part)


def rule(points: Sequence[tuple[float, float]], kind: str = "line", source: str | None = None) -> RuleInfo:
    return RuleInfo(f"{kind}{points}", kind, source, tuple(points), shape="line" if kind == "line" else "area")


def frame(image: np.ndarray, name: str = "a") -> Frame:
    height, width = image.shape[:2]
    return Frame(FrameInfo(SourceInfo(name, 0, name), 0, 0, 0, width, height), ArrayPicture(image))


@given(
    st.lists(st.lists(point, min_size=2, max_size=4), min_size=1, max_size=3),
    st.sampled_from([(640, 360), (1920, 1080), (1080, 1920), (3840, 2160)]),
    st.sampled_from([(416, 416), (640, 384)]),
    st.integers(1, 4),
)
def test_slices_cover_the_outlines_within_their_number_and_the_picture(outlines, size, into, most) -> None:
    found = slices(outlines, size, into, most)
    assert len(found) <= most
    for s in found:
        assert 0 <= s.left < s.right <= size[0]
        assert 0 <= s.top < s.bottom <= size[1]
        gain = min(into[0] / (s.right - s.left), into[1] / (s.bottom - s.top)) / min(
            into[0] / size[0], into[1] / size[1]
        )
        assert gain >= 1.25, "what gains nothing is not looked at"
    for outline in outlines if found else ():
        for share in np.linspace(0, 1, 9):
            for (ax, ay), (bx, by) in pairwise(outline):
                x, y = (ax + share * (bx - ax)) * size[0], (ay + share * (by - ay)) * size[1]
                assert any(_well_inside(s, x, y, size) for s in found), (x, y, found)


def _well_inside(s: Slice, x: float, y: float, size: tuple[int, int]) -> bool:
    """Within by half of the margin at least, but at borders of the picture, which a slice cannot cross."""
    wide, high = (s.right - s.left) * MARGIN / 2, (s.bottom - s.top) * MARGIN / 2
    over = (s.bottom - s.top) * ABOVE / 2
    return (
        (x >= s.left + wide or s.left == 0)
        and (x <= s.right - wide or s.right == size[0])
        and (y >= s.top + over or s.top == 0)
        and (y <= s.bottom - high or s.bottom == size[1])
    )


def boxes(*rows: tuple[float, ...], confidence: float = 0.5) -> Detections:
    return Detections(np.array(rows).reshape(-1, 4), np.full(len(rows), confidence), np.zeros(len(rows)))


def test_an_object_that_both_see_is_one_and_has_the_box_of_the_slice() -> None:
    full = boxes((100, 100, 140, 200), (500, 300, 540, 400), confidence=0.9)
    near = Slice(50, 50, 350, 350)
    found = merged(full, [(near, boxes((52, 51, 91, 152)))], (640, 480))
    assert found.xyxy.tolist() == [[102, 101, 141, 202], [500, 300, 540, 400]]
    assert np.allclose(found.confidence, 0.9), "as sure as the surer of both"


def test_what_the_border_of_a_slice_cuts_off_is_left_to_the_whole_picture() -> None:
    full = boxes((300, 100, 400, 200))
    near = Slice(50, 50, 350, 350)
    assert merged(full, [(near, boxes((250, 50, 300, 150)))], (640, 480)).xyxy.tolist() == full.xyxy.tolist()
    at_edge = Slice(0, 0, 300, 300)
    found = merged(boxes(), [(at_edge, boxes((0, 50, 40, 150)))], (640, 480))
    assert len(found) == 1, "at the picture's own border nothing is missing"


@given(st.lists(st.tuples(part, part), max_size=6), st.integers(0, 5))
def test_nothing_is_found_twice(places: list[tuple[float, float]], jitter: int) -> None:
    """Every object of 40 x 80 that does not touch another, seen by the whole picture and by two slices that overlap, is one."""
    chosen: list[tuple[float, float]] = []
    for x, y in places:
        at = (x * 900, y * 600)
        if all(abs(at[0] - a) > 60 or abs(at[1] - b) > 100 for a, b in chosen):
            chosen.append(at)
    full = boxes(*[(x, y, x + 40, y + 80) for x, y in chosen])
    views = []
    for s in (Slice(0, 0, 600, 700), Slice(400, 0, 1000, 700)):
        seen = [(x + jitter - s.left, y - s.top, x + jitter + 40 - s.left, y + 80 - s.top) for x, y in chosen]
        clipped = [(max(0, a), b, min(600, c), d) for a, b, c, d in seen if c > 0 and a < 600]
        views.append((s, boxes(*clipped)))
    assert len(merged(full, views, (1000, 700))) == len(chosen)


class Counting:
    """A detector that counts its pictures."""

    labels = ("person",)
    input_size = (416, 416)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.shapes += [f.image.shape for f in frames]
        return [Detections.empty() for _ in frames]

    def close(self) -> None:
        return


def test_the_cost_is_bounded_and_only_of_sources_that_have_rules() -> None:
    inner = Counting()
    focused = FocusedDetector(inner, "lines", 2)
    focused.aim([rule([(0.1, 0.5), (0.9, 0.5)], source="a"), rule([(0, 0), (1, 0), (1, 1)], "region")])
    image = np.zeros((1080, 1920, 3), np.uint8)
    focused.detect([frame(image, "a"), frame(image, "b")])
    assert len(inner.shapes) == 4
    focused.aim([])
    focused.detect([frame(image, "a")])
    assert len(inner.shapes) == 5, "no rule, no slice"
    everything = FocusedDetector(inner, "rules", 1)
    everything.aim([rule([(0.4, 0.4), (0.6, 0.4), (0.6, 0.6)], "region")])
    assert len(everything.slices_of("b", (1920, 1080))) == 1


def test_people_who_are_too_small_for_the_network_are_found_near_a_line() -> None:
    clip = Path(countline.demo.__file__).parent / "street.mp4"
    with av.open(str(clip)) as container:
        street = next(f for i, f in enumerate(container.decode(video=0)) if i == 60).to_ndarray(format="bgr24")
    height, width = street.shape[:2]
    canvas = np.full((height * 4, width * 4, 3), 120, np.uint8)
    canvas[height : 2 * height, width : 2 * width] = street
    detector = make(DetectorConfig(classes=["person"], runtime="onnxruntime"))
    try:
        (plain,) = detector.detect([frame(street)])
        (small,) = detector.detect([frame(canvas)])
        focused = FocusedDetector(detector, "lines", 2)
        focused.aim([rule([(0.27, 0.42), (0.48, 0.42)])])
        (found,) = focused.detect([frame(canvas)])
    finally:
        detector.close()
    sure = plain[plain.confidence > 0.5]
    assert len(sure) >= 3
    moved = sure.xyxy + np.array([width, height, width, height], np.float32)

    def of(boxes: Detections) -> int:
        from countline.detect.geometry import pairwise_iou

        return int((pairwise_iou(moved, boxes.xyxy) > 0.5).any(axis=1).sum()) if len(boxes) else 0

    assert of(small) <= len(sure) // 2, "the whole picture alone would miss them"
    assert of(found) >= len(sure) - 1
