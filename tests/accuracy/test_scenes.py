"""The truth of generated scenes is exact, and they are the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

coordinate = st.integers(0, 400)
point = st.tuples(coordinate, coordinate)


@given(st.lists(point, min_size=2, max_size=6), point, point)
def test_passages_are_those_of_a_fine_walk_along_the_way(corners: list[tuple[int, int]], a: object, b: object) -> None:
    """Counted otherwise: by the sides of ten thousand points, and where between two of them the line is cut."""
    from hypothesis import assume
    from scenes.ways import Way, passages, sides

    assume(a != b and len(set(corners)) > 1)
    line = (tuple(map(float, a)), tuple(map(float, b)))  # type: ignore[call-overload]
    # Corners off the line, and passages off its ends, where ten thousand points cannot tell.
    way = Way(np.arange(len(corners)), np.add(corners, (0.317, 0.211)))
    found = passages(way, line)
    points = way.at(np.linspace(0, len(corners) - 1, 10_001))
    side = sides(points, line)
    ends = np.array(line)
    length = float(np.hypot(*(ends[1] - ends[0])))
    assume((np.abs(sides(way.points, line)) > 1e-3).all())
    assume(all(min(abs(p.along), abs(1 - p.along)) * length > 0.2 for p in found))
    walked = []
    for i in np.flatnonzero(side[:-1] * side[1:] < 0):
        at = points[i] + side[i] / (side[i] - side[i + 1]) * (points[i + 1] - points[i])
        along = float((at - ends[0]) @ (ends[1] - ends[0])) / length**2
        if 0 <= along <= 1:
            walked.append(("+" if side[i + 1] > 0 else "-", i * (len(corners) - 1) / 10_000))
    assert [p.sign for p in found] == [sign for sign, _ in walked]
    assert [p.time for p in found] == pytest.approx([time for _, time in walked], abs=1e-3)


def test_who_touches_a_line_and_turns_back_has_not_passed() -> None:
    from scenes.ways import Way, passages

    line = ((0.0, 0.0), (10.0, 0.0))
    assert passages(Way(np.arange(3), np.array([[5, -5], [5, 0], [6, -5]])), line) == []
    through = passages(Way(np.arange(3), np.array([[5, -5], [5, 0], [6, 5]])), line)
    assert [(p.time, p.sign, p.along) for p in through] == [(1.0, "+", 0.5)]


@pytest.mark.parametrize("kind", ["apart", "street", "crowd", "traffic"])
def test_the_same_seed_gives_the_same_scene_and_its_counts_are_its_crossings(kind: str) -> None:
    from scenes.kinds import make
    from scenes.noise import detect

    scene, again = make(kind, 3, 12), make(kind, 3, 12)
    assert scene.counts() == again.counts()
    assert make(kind, 4, 12).lines != scene.lines
    for one, other in zip(detect(scene, 5), detect(again, 5)):
        np.testing.assert_array_equal(one, other)
    crossings = scene.crossings()
    assert len(crossings) == sum(sum(c.values()) for c in scene.counts().values()) > 0
    for crossing in crossings:  # the object stands on the line at that time
        thing, (a, b) = scene.things[crossing.thing], scene.lines[crossing.line]
        at = thing.way.at(crossing.passage.time)
        on = np.array(a) + crossing.passage.along * (np.array(b) - np.array(a))
        np.testing.assert_allclose(at, on, atol=1e-6)
        box = thing.boxes(np.array([crossing.passage.time]), scene.camera)[0]
        np.testing.assert_allclose([(box[0] + box[2]) / 2, box[3]], at, atol=1e-6)


def test_walkers_of_the_scene_apart_never_touch() -> None:
    from scenes.kinds import make
    from scenes.noise import overlaps

    scene = make("apart", 5, 20)
    boxes, alive = scene.true_boxes(10)
    for f in range(boxes.shape[1]):
        assert not np.triu(overlaps(boxes[alive[:, f], f]), 1).any()


def test_a_detector_without_faults_sees_the_truth() -> None:
    from scenes.kinds import make
    from scenes.noise import Quality, detect

    perfect = Quality(
        stray=(0, 0),
        stray_vehicles=0,
        spread=0,
        missed=0,
        cut=0,
        doubled=0,
        large_doubled=0,
        merged=0,
        spots=0,
        false=0,
    )
    scene = make("apart", 2, 12)
    boxes, alive = scene.true_boxes(5)
    width, height = scene.camera.size
    for f, found in enumerate(detect(scene, 5, perfect)):
        true = boxes[alive[:, f], f]
        inside = (true[:, :2] > 0).all(axis=1) & (true[:, 2] < width) & (true[:, 3] < height)
        for box in true[inside]:
            assert np.abs(found[:, :4] - box).max(axis=1).min() < 1e-6
