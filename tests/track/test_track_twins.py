"""Two tracks on one object are known as twins, and two objects never are: on generated scenes of many rates, sizes and ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countline.config import TrackerConfig
from countline.track import make
from countline.track.twins import Twins
from countline.types import UNTRACKED, Detections, Tracks

SECONDS = 3


@dataclass
class Scene:
    """One object that goes straight ahead, 3 seconds long."""

    fps: int
    wide: float
    high: float
    speed: tuple[float, float]
    """Pixels a second."""
    jitter: np.random.Generator

    def box(self, second: float) -> np.ndarray:
        """Left, top, right, bottom, without noise."""
        x, y = 400 + self.speed[0] * second, 300 + self.speed[1] * second
        return np.array([x - self.wide / 2, y - self.high / 2, x + self.wide / 2, y + self.high / 2])

    def noisy(self, box: np.ndarray, share: float = 0.01) -> np.ndarray:
        return box + self.jitter.uniform(-share, share, 4) * np.array([self.wide, self.high] * 2)


scenes = st.builds(
    Scene,
    st.sampled_from([5, 8, 10, 15, 25, 30]),
    st.floats(40, 300),
    st.floats(40, 300),
    st.tuples(st.floats(-250, 250), st.floats(-150, 150)),
    st.integers(0, 2**31).map(np.random.default_rng),
)


def named(tracks: Tracks, twin_of: np.ndarray | None) -> dict[int, int]:
    """Id of a twin -> id of the track that it is one object with."""
    if twin_of is None:
        return {}
    return {track: of for track, of in zip(tracks.track_id.tolist(), twin_of.tolist()) if of != UNTRACKED}


def told(
    scene: Scene, other: object, *, classes: tuple[int, int] = (2, 2), ids: tuple[int, int] = (7, 3), late: float = 0.3
) -> dict[int, int]:
    """All twins that are ever told of the object and of ``other``: second -> box, which comes ``late`` seconds after it."""
    twins, found = Twins(), {}
    for i in range(SECONDS * scene.fps):
        second = i / scene.fps
        boxes = [scene.noisy(scene.box(second))]
        if second >= late:
            boxes.append(scene.noisy(other(second)))  # type: ignore[operator]
        n = len(boxes)
        tracks = Tracks(np.array(boxes), np.full(n, 0.8), np.array(classes[:n]), np.array(ids[:n], np.uint64))
        found |= named(tracks, twins.update(tracks, i * 1_000_000_000 // scene.fps))
    return found


@settings(max_examples=80, deadline=None)
@given(scenes, st.floats(0.25, 0.6), st.floats(0, 1), st.floats(0, 1))
def test_a_second_track_on_a_part_of_an_object_is_its_twin(scene: Scene, part: float, x: float, y: float) -> None:
    side = np.sqrt(part)

    def other(second: float) -> np.ndarray:
        left, top, right, bottom = scene.box(second)
        left += (0.03 + 0.94 * x) * (1 - side) * (right - left)
        top += (0.03 + 0.94 * y) * (1 - side) * (bottom - top)
        return np.array([left, top, left + side * scene.wide, top + side * scene.high])

    assert told(scene, other) == {3: 7}, "the older one is the object"


@settings(max_examples=60, deadline=None)
@given(scenes, st.floats(1.2, 1.6))
def test_a_second_track_around_an_object_is_its_twin(scene: Scene, larger: float) -> None:
    def other(second: float) -> np.ndarray:
        left, top, right, bottom = scene.box(second)
        wide, high = (larger - 1) * scene.wide / 2, (larger - 1) * scene.high / 2
        return np.array([left - wide, top - high, right + wide, bottom + high])

    assert told(scene, other) == {3: 7}


@settings(max_examples=80, deadline=None)
@given(scenes, st.floats(0.3, 1.5), st.floats(-0.2, 0.2), st.floats(0.85, 1.15), st.booleans())
def test_two_side_by_side_in_step_stay_two(scene: Scene, beside: float, down: float, size: float, left: bool) -> None:
    """Also where they hide each other as far as suppression lets two boxes stand."""

    def other(second: float) -> np.ndarray:
        box = scene.box(second) + [beside * scene.wide * (-1 if left else 1), down * scene.high] * 2
        return np.array([box[0], box[3] - size * scene.high, box[0] + size * scene.wide, box[3]])

    assert told(scene, other, late=0) == {}


@settings(max_examples=50, deadline=None)
@given(scenes, st.floats(0.4, 0.9))
def test_a_rider_and_the_bicycle_stay_two(scene: Scene, high: float) -> None:
    def other(second: float) -> np.ndarray:
        left, top, right, bottom = scene.box(second)
        return np.array([left, bottom - high * (bottom - top), right, bottom])

    assert told(scene, other, classes=(0, 1), late=0) == {}


@settings(max_examples=60, deadline=None)
@given(scenes, st.floats(0.3, 0.7), st.floats(0.06, 0.2), st.floats(0, 1))
def test_a_car_before_a_lorry_stays_a_car(scene: Scene, side: float, nearer: float, x: float) -> None:
    """It stands nearer to the camera: its wheels are farther down."""

    def other(second: float) -> np.ndarray:
        left, _, right, bottom = scene.box(second)
        left += x * (1 - side) * (right - left)
        bottom += nearer * scene.high
        return np.array([left, bottom - side * scene.high, left + side * scene.wide, bottom])

    assert told(scene, other, late=0) == {}


@settings(max_examples=60, deadline=None)
@given(scenes, st.floats(1.2, 3), st.floats(0, 2 * np.pi))
def test_one_who_passes_another_is_no_twin(scene: Scene, diagonals: float, way: float) -> None:
    """Their boxes are the same for a moment."""
    speed = diagonals * np.hypot(scene.wide, scene.high) * np.array([np.cos(way), np.sin(way)])

    def other(second: float) -> np.ndarray:
        return scene.box(second) + np.tile(speed * (second - SECONDS / 2), 2)

    assert told(scene, other, late=0) == {}


def test_twins_of_twins_are_all_the_same_object() -> None:
    twins, found = Twins(), {}
    for i in range(20):
        box = np.array([100.0 + i, 100, 200 + i, 200])
        boxes = np.array([box, np.add(box, (0, 0, 8, 8)), np.add(box, (-8, -8, 0, 0))])[: 1 + min(i, 2)]
        n = len(boxes)
        tracks = Tracks(boxes, np.full(n, 0.8), np.zeros(n), np.array([5, 9, 2][:n], np.uint64))
        found = named(tracks, twins.update(tracks, i * 100_000_000))
    assert found == {9: 5, 2: 5}


def test_a_twin_that_goes_its_own_way_is_itself_again() -> None:
    """An object that was hidden behind another, and comes out."""
    twins = Twins()
    states = []
    for i in range(40):
        boxes = np.array([[100.0, 100, 200, 200], [104.0 + 12 * max(0, i - 15), 100, 204 + 12 * max(0, i - 15), 200]])
        tracks = Tracks(boxes, np.full(2, 0.8), np.zeros(2), np.array([1, 2], np.uint64))
        states.append(twins.update(tracks, i * 100_000_000) is not None)
    assert states[12]
    assert not any(states[26:])


def test_untracked_objects_are_nobodys_twins_and_nothing_is_remembered_of_those_who_left() -> None:
    twins = Twins()
    box = np.array([[0.0, 0, 50, 50], [1, 1, 51, 51]])
    for i in range(2000):
        ids = np.array([UNTRACKED, UNTRACKED] if i < 100 else [2 * i // 20 * 2, 2 * i // 20 * 2 + 1], np.uint64)
        found = twins.update(Tracks(box, np.full(2, 0.8), np.zeros(2), ids), i * 100_000_000)
        assert i >= 100 or found is None
    assert len(twins._began) < 300
    assert len(twins._pairs) <= 12, "for ten seconds"


def film(boxes_of: object, seconds: float, fps: int = 10) -> list[dict[int, int]]:
    """What is told in each frame of ``boxes_of``: second -> id -> box."""
    twins, said, born = Twins(), [], {}
    for i in range(round(seconds * fps)):
        shown: dict[int, tuple[float, ...]] = boxes_of(i / fps)  # type: ignore[operator]
        born.update({k: i for k in shown if k not in born})
        ids = list(shown)
        tracks = Tracks(
            np.array(list(shown.values())), np.full(len(ids), 0.8), np.zeros(len(ids)), np.array(ids, np.uint64)
        )
        said.append(named(tracks, twins.update(tracks, i * 1_000_000_000 // fps)))
    return said


def test_one_born_on_another_is_a_twin_from_its_first_frame_on() -> None:
    """So a line that is near is crossed once."""
    said = film(
        lambda t: {1: (20 * t, 0, 100 + 20 * t, 100)} | ({2: (5 + 20 * t, 5, 60 + 20 * t, 90)} if t > 1 else {}), 2
    )
    assert said[10] == {}
    assert said[11] == {2: 1}


@settings(max_examples=50, deadline=None)
@given(st.floats(0.02, 0.25), st.floats(-0.1, 0.1), st.floats(-60, 60), st.integers(0, 2**31))
def test_two_of_a_size_who_meet_and_walk_in_step_stay_two(beside: float, down: float, speed: float, seed: int) -> None:
    """They come from two sides, and then hide each other almost wholly; nobody's box is within the other's."""
    rng = np.random.default_rng(seed)

    def boxes(t: float) -> dict[int, tuple[float, ...]]:
        apart = max(beside, 1.5 - t) * 40
        x = 200 + speed * t
        shown = {1: (x, 100, x + 40, 200), 2: (x + apart, 100 + 100 * down, x + apart + 40, 200 + 100 * down)}
        return {k: tuple(np.array(b) + rng.normal(0, 0.5, 4)) for k, b in shown.items()}

    said = film(boxes, 3.4)
    assert all(one == {} for one in said[: int(10 * (1.5 - beside + 2.4))])


def test_a_car_that_stands_within_a_lorrys_box_for_a_while_stays_a_car() -> None:
    """It was seen before the lorry came up beside it, and both stand at the lights."""
    car = (300.0, 120.0, 380.0, 180.0)

    def boxes(t: float) -> dict[int, tuple[float, ...]]:
        x = 280 - max(0.0, 3 - t) * 200
        return {1: car, 2: (x, 50.0, x + 220, 190.0)}

    assert all(one == {} for one in film(boxes, 6.5))


def test_the_younger_is_a_twin_while_the_older_one_is_out_of_sight() -> None:
    def boxes(t: float) -> dict[int, tuple[float, ...]]:
        older = {1: (20 * t, 0.0, 100 + 20 * t, 100.0)} if t < 2 or t > 4 else {}
        return older | {2: (5 + 20 * t, 5, 60 + 20 * t, 90)}

    assert all(one == {2: 1} for one in film(boxes, 6)[1:])


def test_a_box_round_two_that_part_is_the_first_ones_and_the_other_one_is_himself() -> None:
    """They were too far for two boxes at first."""

    def boxes(t: float) -> dict[int, tuple[float, ...]]:
        apart = 45 + 40 * max(0.0, t - 1)
        both = {1: (100.0, 98.0, 142 + apart, 202.0)}
        return (
            both if t < 0.5 else both | {2: (101.0, 100.0, 141.0, 200.0), 3: (101 + apart, 100.0, 141 + apart, 200.0)}
        )

    said = film(boxes, 3)
    assert said[6] == {2: 1, 3: 1}
    assert said[-1] == {2: 1}, "two objects"


def test_two_that_are_left_of_a_box_round_both_are_two() -> None:
    def boxes(t: float) -> dict[int, tuple[float, ...]]:
        both = {1: (100.0, 98.0, 187.0, 202.0)} if t < 2 else {}
        return both | ({} if t < 0.5 else {2: (101.0, 100.0, 141.0, 200.0), 3: (146.0, 100.0, 186.0, 200.0)})

    said = film(boxes, 4)
    assert said[15] == {2: 1, 3: 1}
    assert said[-1] == {2: 1}


@pytest.mark.parametrize("twins", [True, False])
def test_the_tracker_tells_twins_unless_it_is_told_not_to(twins: bool) -> None:
    t = make(TrackerConfig.model_validate({"twins": twins}), fps=10, thresholds=np.full(3, 0.5, np.float32))
    said = {}
    for i in range(25):
        x = 20.0 * i
        down = min(40, max(0, 10 * (12 - i)))  # what lies within another box when it begins is no track at all
        boxes = np.array([[x, 0, x + 200, 120], [x + 8, 10 + down, x + 108, 100 + down]])[: 1 + (i > 3)]
        n = len(boxes)
        tracks = t.update(Detections(boxes, np.full(n, 0.9), np.full(n, 2)), i * 100_000_000)
        said |= named(tracks, tracks.twin_of)
    assert len(tracks) == 2
    assert said == ({2: 1} if twins else {})
    ahead = t.predict(2_500_000_000)  # type: ignore[attr-defined]
    assert named(ahead, ahead.twin_of) == said, "in frames without inference, too"
