"""Who keeps which id, with the real libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from track_world import STEP, Walker, ids, line, run, scene, tracker

from countline.track.engines import ByteTrackEngine
from countline.types import Detections, Tracks

KINDS = ["default", "bytetrack", "edgefirst"]
BYTETRACKS = pytest.mark.parametrize("kind", KINDS[:2], indirect=True)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(
        {"default": "countline", "bytetrack": "pyxtrackers", "edgefirst": "edgefirst.tracker"}[request.param]
    )
    return str(request.param)


def test_steady_walkers_keep_their_ids_from_one_up(kind: str) -> None:
    walkers = [line(50, 100, 4), line(700, 200, -5), line(300, 10, 0, 3)]
    found = run(tracker(kind), walkers, range(60))
    assert {i for t in found for i in t.track_id.tolist()} == {1, 2, 3}
    assert all(len(t) == 3 for t in found[2:])
    for number in (1, 2, 3):
        left = [t.xyxy[t.track_id == number][0, 0] for t in found[2:]]
        assert len(set(np.sign(np.diff(left)))) == 1, "each id moves one way"


def test_a_short_absence_keeps_the_id_and_a_long_one_ends_it(kind: str) -> None:
    def hidden(start: int, end: int) -> Walker:
        walk = line(50, 100, 4)
        return lambda i: None if start <= i < end else walk(i)

    short = run(tracker(kind, lost=1.5), [hidden(20, 28)], range(50))
    assert {i for t in short for i in t.track_id.tolist()} == {1}
    assert all(not len(t) for t in short[20:28]), "nobody is reported who is not seen"
    long = run(tracker(kind, lost=1.5), [hidden(20, 45)], range(70))
    assert {i for t in long for i in t.track_id.tolist()} == {1, 2}


@pytest.mark.parametrize("fps", [5, 10, 30])
@pytest.mark.parametrize("told", [True, False])
def test_absence_is_measured_in_seconds_not_frames(kind: str, fps: int, told: bool) -> None:
    """Gone for 1 s: the same with lost = 1.5, a new id with lost = 0.6, at any frame rate, known or measured."""
    step = round(1e9 / fps)
    for lost, expected in ((1.5, {1}), (0.6, {1, 2})):
        t = tracker(kind, fps=fps if told else None, lost=lost)
        seen: set[int] = set()
        for i in range(fps * 6):
            now = i * step
            there = not 3e9 < now <= 4e9
            seen |= set(t.update(scene([line(100, 100, 10 / fps)] if there else [], i), now).track_id.tolist())
        assert seen == expected, f"lost {lost}"


def test_weak_detections_continue_a_track_but_never_begin_one(kind: str) -> None:
    t = tracker(kind)
    weak = run(t, [line(50, 100, 3)], range(15), confidence=0.3)
    assert not any(len(found) for found in weak)
    strong = run(t, [line(50, 100, 3)], range(15, 25), confidence=0.8)
    dim = run(t, [line(50, 100, 3)], range(25, 45), confidence=0.3)
    assert {i for found in strong + dim for i in found.track_id.tolist()} == {1}
    assert all(len(found) == 1 for found in dim)


def test_threshold_is_that_of_the_class(kind: str) -> None:
    limits = np.array([0.8, 0.3], np.float32)
    t = tracker(kind, thresholds=limits)
    walkers = [line(50, 100, 3), line(400, 100, 3)]
    for i in range(10):
        detections = scene(walkers, i, confidence=0.5)
        detections.class_id[:] = [0, 1]
        found = t.update(detections, i * STEP)
    assert found.class_id.tolist() == [1]
    high = tracker(kind, thresholds=limits, high=0.4)
    for i in range(10):
        detections = scene(walkers, i, confidence=0.5)
        detections.class_id[:] = [0, 1]
        found = high.update(detections, i * STEP)
    assert sorted(found.class_id.tolist()) == [0, 1], "tracker.high wins over the detector's thresholds"


def test_low_is_the_floor_of_what_is_looked_at(kind: str) -> None:
    t = tracker(kind, low=0.4)
    run(t, [line(50, 100, 3)], range(10))
    assert not any(len(found) for found in run(t, [line(50, 100, 3)], range(10, 15), confidence=0.35))


def test_class_is_the_one_seen_most_not_the_one_seen_last(kind: str) -> None:
    t = tracker(kind)
    said = [2] * 6 + [3] + [2] * 3 + [3, 3] + [2] * 4
    for i, class_id in enumerate(said):
        found = t.update(scene([line(50, 100, 3)], i, class_id=class_id), i * STEP)
        if len(found):
            assert found.class_id.tolist() == [2]
    for i in range(len(said), 60):
        found = t.update(scene([line(50, 100, 3)], i, class_id=3), i * STEP)
    assert found.class_id.tolist() == [3], "the majority may change its mind"
    assert found.track_id.tolist() == [1]


def test_votes_for_a_class_are_never_forgotten(kind: str) -> None:
    """Classes that overtake each other again and again: the one with the most votes so far, whichever was ahead before."""
    rng = np.random.default_rng(2)
    t = tracker(kind)
    walk = line(50, 100, 3)
    votes, best, changes = {4: 0.0}, 4, 0
    for i in range(300):
        confidence, class_id = np.float32(rng.uniform(0.5, 0.95)), int(rng.integers(0, 5)) if i else 4
        found = t.update(scene([walk], i, confidence=confidence, class_id=class_id), i * STEP)
        votes[class_id] = votes.get(class_id, 0.0) + float(confidence)
        if votes[class_id] > votes[best]:
            changes += best != class_id
            best = class_id
        assert (found.class_id.tolist(), found.track_id.tolist()) == ([best], [1])
    assert changes > 5


def test_boxes_confidences_and_classes_stay_together(kind: str) -> None:
    """Objects of many classes in changing order, some close together: each reported row is an input row."""
    rng = np.random.default_rng(5)
    t = tracker(kind, thresholds=np.full(40, 0.3, np.float32))
    start = rng.uniform(0, 600, (30, 2))
    speed = rng.uniform(-4, 4, (30, 2))
    reported = 0
    for i in range(80):
        order = rng.permutation(30)
        corner = (start + speed * i)[order]
        confidence = rng.uniform(0.35, 0.95, 30).astype(np.float32)
        detections = Detections(np.hstack([corner, corner + np.array([25, 60])]), confidence, order)
        rows = {tuple(b): (c, k) for b, c, k in zip(detections.xyxy.tolist(), confidence.tolist(), order.tolist())}
        found = t.update(detections, i * STEP)
        assert len(set(found.track_id.tolist())) == len(found)
        for b, c in zip(found.xyxy.tolist(), found.confidence.tolist()):
            assert rows[tuple(b)][0] == c
        reported += len(found)
        # Tracks far from all others must also keep their class.
        if i > 5:
            centre = found.xyxy[:, :2]
            apart = np.abs(centre[:, None] - centre[None]).max(axis=2) + np.eye(len(found)) * 999
            for row in np.flatnonzero(apart.min(axis=1) > 120):
                assert found.class_id[row] == rows[tuple(found.xyxy[row].tolist())][1]
    assert reported > 80 * 25


def test_a_second_box_on_the_same_object_gets_no_id_until_they_part(kind: str) -> None:
    t = tracker(kind)
    one = line(100, 100, 3)
    run(t, [one], range(10))
    double: Walker = lambda i: (one(i)[0] + 4, 104.0)  # noqa: E731
    both = run(t, [one, double], range(10, 20))
    assert {i for found in both for i in found.track_id.tolist()} == {1}
    parting: Walker = lambda i: (one(i)[0] + 4 + 4 * (i - 20), 104.0)  # noqa: E731
    parted = run(t, [one, parting], range(20, 45))
    assert ids(parted[-1]) == [1, 2]


def test_a_weak_second_box_does_not_take_the_track_from_the_strong_one(kind: str) -> None:
    """Somebody comes out from behind a post: the whole person is ahead of where the visible half was going, and the
    detector leaves a weak box there as well."""
    t = tracker(kind)
    half = line(100, 100, 3)
    run(t, [half], range(15))
    for i in range(15, 25):
        left, top = half(i)  # type: ignore[misc]
        ahead = min(13 + (i - 15), 18)
        boxes = np.array([[left + ahead, top, left + ahead + 30, top + 80], [left, top, left + 30, top + 80]])
        found = t.update(Detections(boxes, np.array([0.8, 0.34]), np.zeros(2, int)), i * STEP)
        whole = found.track_id[np.isclose(found.xyxy[:, 0], left + ahead)].tolist()
        assert whole == [1], f"frame {i}: {found}"


@pytest.mark.parametrize("beside", [False, True])
def test_a_weak_box_beside_somebody_does_not_call_back_who_is_out_of_sight(kind: str, beside: bool) -> None:
    """Somebody is hidden behind another, and the detector leaves a weak box there, of parts of both. In the open the same
    weak box calls back who was out of sight."""
    if kind == "edgefirst" and beside:
        pytest.skip("this library lets weak boxes call back anybody")
    t = tracker(kind)
    hidden, front = line(100, 100, 2), line(200, 125, -2)
    run(t, [hidden, front] if beside else [hidden], range(20))
    called = 0
    for i in range(20, 28):
        boxes = [[hidden(i)[0], 100, hidden(i)[0] + 30, 180]] if i >= 23 else []  # type: ignore[index]
        confidence = [0.4] * len(boxes)  # of a threshold of 0.5
        if beside:
            boxes.insert(0, [front(i)[0], 125, front(i)[0] + 30, 205])  # type: ignore[index]
            confidence.insert(0, 0.9)
        found = t.update(
            Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(confidence), np.zeros(len(boxes))), i * STEP
        )
        called += int((found.confidence < 0.5).sum())
    assert called == (0 if beside else 5)


def test_beside_somebody_a_track_needs_more_confidence_to_begin_than_in_the_open(kind: str) -> None:
    def seen(confidence: float, beside: bool) -> set[int]:
        t = tracker(kind)
        walk = line(100, 100, 3)
        run(t, [walk], range(10))
        found: set[int] = set()
        for i in range(10, 20):
            left, top = walk(i)  # type: ignore[misc]
            shift = 15 if beside else 300
            boxes = np.array([[x, top, x + 30, top + 80] for x in (left, left + shift)])
            found.update(t.update(Detections(boxes, np.array([0.9, confidence]), np.zeros(2, int)), i * STEP).track_id)
        return found

    assert seen(0.55, beside=False) == {1, 2}, "0.5 is the threshold"
    assert seen(0.55, beside=True) == {1}
    assert seen(0.65, beside=True) == {1, 2}
    assert seen(0.45, beside=False) == {1}


def test_same_frames_give_the_same_ids(kind: str) -> None:
    walkers = [line(50 + 40 * k, 100 + 7 * k, 3 - k) for k in range(8)]
    first = run(tracker(kind), walkers, range(60))
    second = run(tracker(kind), walkers, range(60))
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a.track_id, b.track_id)
        np.testing.assert_array_equal(a.xyxy, b.xyxy)


def test_sources_count_their_ids_apart(kind: str) -> None:
    left, right = tracker(kind), tracker(kind)
    for i in range(10):
        a = left.update(scene([line(50, 100, 3)], i), i * STEP)
        b = right.update(scene([line(500, 100, 3)], i), i * STEP)
    assert a.track_id.tolist() == b.track_id.tolist() == [1]


def test_senseless_boxes_and_empty_frames_are_borne(kind: str) -> None:
    t = tracker(kind)
    bad = Detections(
        [[np.nan, 0, 1, 1], [5, 5, 5, 9], [9, 9, 3, 3], [0, np.inf, 3, np.inf], [10, 10, 40, 90]], [0.9] * 5, [0] * 5
    )
    for i in range(5):
        found = t.update(bad, i * STEP)
        t.update(Detections.empty(), i * STEP + 1)
    assert found.track_id.tolist() in ([], [1])
    assert found.xyxy.tolist() in ([], [[10, 10, 40, 90]])


@BYTETRACKS
def test_gaps_between_frames_are_bridged_at_the_speed_of_the_object(kind: str) -> None:
    """Three of four frames are missing for a while: the track is looked for where it must be by then."""
    t = tracker(kind)
    walker = [line(50, 100, 9)]
    frames = [*range(20), *range(20, 60, 4)]
    found = run(t, walker, frames)
    assert {i for tracks in found for i in tracks.track_id.tolist()} == {1}
    assert all(len(tracks) == 1 for tracks in found[2:])


def test_after_a_long_gap_everybody_is_new(kind: str) -> None:
    t = tracker(kind, lost=1.0)
    run(t, [line(50, 100, 0)], range(10))
    later = run(t, [line(50, 100, 0)], range(40, 45))
    assert later[-1].track_id.tolist() == [2]


def crowd(seed: int, count: int) -> list[Walker]:
    """People who come and go, one after the other."""
    rng = np.random.default_rng(seed)
    walkers = []
    for k in range(count):
        start = int(rng.integers(0, count * 4))
        y, speed = float(rng.uniform(0, 900)), float(rng.choice([-1, 1]) * rng.uniform(4, 9))
        x = 0.0 if speed > 0 else 1000.0
        walkers.append(
            lambda i, x=x, y=y, speed=speed, start=start, n=int(rng.integers(20, 60)): (
                (x + speed * (i - start), y) if start <= i < start + n else None
            )
        )
        del k
    return walkers


@BYTETRACKS
def test_taking_over_from_a_full_instance_keeps_every_id(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's memory is cut again and again; the tracks must not notice."""
    walkers = crowd(3, 60)

    def tracks() -> list[Tracks]:
        return run(tracker(kind), walkers, range(300))

    plain = tracks()
    monkeypatch.setattr(ByteTrackEngine, "RENEW", 4)
    cut = tracks()
    assert max(int(t.track_id.max(initial=0)) for t in plain) > 40
    same = sum(sorted(a.track_id.tolist()) == sorted(b.track_id.tolist()) for a, b in zip(plain, cut))
    assert same >= 295


@BYTETRACKS
@pytest.mark.parametrize("kernel", [False, True])
def test_memory_stays_bounded_over_a_long_run(kind: str, kernel: bool) -> None:
    t = tracker(kind, kernel=kernel)
    rng = np.random.default_rng(0)
    most = last = 0
    for i in range(6000):
        if i % 2 == 0:  # each place is seen twice: a track is born
            corner = rng.uniform(0, 2000, (3, 2))
        tracks = t.update(Detections(np.hstack([corner, corner + 40]), [0.9] * 3, [0] * 3), i * STEP)
        last = max(last, int(tracks.track_id.max(initial=0)))
        library = t._engine._tracker  # type: ignore[attr-defined]
        kept = (getattr(library, f"{which}_stracks", ()) for which in ("removed", "lost", "tracked"))
        most = max(most, sum(map(len, kept)))
    assert last > 4000, "the run made many tracks"
    assert most < 1000
    assert len(t._known) < 1500  # type: ignore[attr-defined]


def test_ids_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """Hash seeds and random ids of the libraries differ from process to process; the ids given out do not."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from track_world import *\n"
        "w = [line(50 + 90 * k, 100 + 7 * k, 3 - k) for k in range(6)]\n"
        "for t in run(tracker(sys.argv[2]), w, range(40)): print(t.track_id.tolist(), t.xyxy.tolist())\n"
    )
    for name in ("default", "edgefirst"):
        outputs = {
            subprocess.run(
                [sys.executable, "-c", script, str(Path(__file__).parent), name],
                capture_output=True,
                text=True,
                check=True,
                env={"PYTHONHASHSEED": seed, "PATH": ""},
            ).stdout
            for seed in ("1", "2")
        }
        assert len(outputs) == 1
        assert "[1, 2" in outputs.pop()
