"""Objects that move by their size or more from frame to frame are followed all the same; what is not is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from track_world import STEP, ids, line, run, scene, tracker

from countline.track.leaps import Leaps
from countline.types import Detections

KINDS = ("bytetrack", "edgefirst")
SECOND = 10 * STEP


def of(kind: str, fps: float = 2, **more: object) -> object:
    if kind == "edgefirst":
        pytest.importorskip("edgefirst.tracker")
    return tracker(kind, fps, **more)


def follow(t: object, walkers: list, frames: range, step: int) -> list[list[int]]:
    return [ids(t.update(scene(walkers, i), i * step)) for i in frames]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.8, 1.0, 1.2, 2.0, 2.8])
def test_an_object_is_one_track_however_far_it_moves_between_two_frames(kind: str, part: float) -> None:
    """From its first sighting, in the engine's first frame, or its second, when it comes later."""
    for start in (0, 4):
        found = follow(of(kind), [line(0, 10, 0, 80 * part, start)], range(12), SECOND // 2)
        assert all(found[i] == [1] for i in range(start + 1, 12)), found


@settings(max_examples=60)
@given(
    st.floats(40, 220),
    st.floats(-np.pi, np.pi),
    st.integers(1, 20),
    st.floats(0, 0.05),
)
def test_any_steady_motion_with_a_detectors_jitter_is_one_track_of_one_id(
    speed: float, angle: float, start: int, jitter: float
) -> None:
    """Up to nearly three sizes a frame, in any direction."""
    rng = np.random.default_rng(start)
    dx, dy = speed * np.cos(angle), speed * np.sin(angle)

    def walk(i: int) -> tuple[float, float] | None:
        if i < start:
            return None
        x, y = rng.normal(0, 80 * jitter / 3, 2)
        return 2000 + dx * (i - start) + x, 2000 + dy * (i - start) + y

    found = follow(tracker(fps=2), [walk], range(start + 10), SECOND // 2)
    assert {number for frame in found for number in frame} == {1}
    assert all(len(frame) == 1 for frame in found[start + 2 :])


@pytest.mark.parametrize("kind", KINDS)
def test_fast_objects_side_by_side_and_in_opposite_directions_keep_their_ids(kind: str) -> None:
    walkers = [line(100, 0, 0, 90), line(600, 900, 0, -90), line(1100, 0, 0, 130)]
    found = follow(of(kind), walkers, range(9), SECOND // 2)
    assert found[1:] == [[1, 2, 3]] * 8


def test_one_that_slows_down_keeps_its_id_when_overlap_can_follow_it() -> None:
    places = [100, 200, 300, 370, 420, 450, 470, 480, 484, 486, 487]
    found = follow(tracker(fps=2), [lambda i: (places[i], 50.0)], range(len(places)), SECOND // 2)
    assert found == [[1]] * len(places)


def test_at_high_rates_three_sightings_on_a_way_are_asked_for() -> None:
    """Two false detections that lie near each other by chance are no track; a thing that flies through is."""
    t = tracker(fps=30)
    run(t, [], range(3))
    found = follow(t, [lambda i: {5: (100.0, 50.0), 6: (220.0, 50.0)}.get(i)], range(3, 12), SECOND // 30)
    assert not any(found)
    assert t.never_tracked == 2  # type: ignore[attr-defined]
    found = follow(t, [line(0, 50, 100)], range(12, 18), SECOND // 30)
    assert found == [[], [], [1], [1], [1], [1]]
    assert t.never_tracked == 2  # type: ignore[attr-defined]


def test_where_two_could_be_meant_none_is_guessed_and_all_are_counted() -> None:
    t = tracker(fps=2)
    frames = [[], [(400.0, 300.0)], [(500.0, 300.0), (300.0, 300.0)], [], []]
    found = []
    for i, places in enumerate(frames):
        boxes = np.array([[x, y, x + 30, y + 80] for x, y in places], np.float32).reshape(-1, 4)
        seen = Detections(boxes, np.full(len(boxes), 0.9), np.zeros(len(boxes), int))
        found.append(ids(t.update(seen, i * SECOND // 2)))
    assert not any(found)
    assert t.never_tracked == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("size", "class_id"),
    [((30.0, 30.0), 0), ((90.0, 80.0), 0), ((30.0, 80.0), 1)],
    ids=["half as high", "three times as wide", "another class"],
)
def test_things_unlike_each_other_are_not_joined(size: tuple[float, float], class_id: int) -> None:
    t = tracker(fps=2)
    t.update(Detections.empty(), 0)
    t.update(scene([line(100, 100, 0)], 0), SECOND // 2)
    found = t.update(scene([line(200, 100, 0)], 0, size=size, class_id=class_id), SECOND)
    assert len(found) == 0


def test_objects_that_overlap_themselves_are_left_to_the_engine_and_nothing_is_counted_as_lost() -> None:
    t = tracker()
    found = run(t, [line(0, 50, 8), line(500, 200, -6, 1, 3)], range(40))
    assert all(ids(one) for one in found)
    assert t.never_tracked == 0  # type: ignore[attr-defined]


def test_a_gap_forgets_what_was_and_counts_what_was_left() -> None:
    leaps = Leaps()
    box = np.array([[0, 0, 30, 80]], np.float32)
    none = np.empty((0, 4), np.float32)
    leaps.step(box, np.zeros(1, np.int32), 1, none)
    leaps.begin_anew()
    assert (len(leaps), leaps.never) == (0, 1)
