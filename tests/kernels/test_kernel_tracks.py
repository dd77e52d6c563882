"""The tracker gives the same tracks with the compiled kernel as without, bit for bit."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel import compiled

from countline.config import TrackerConfig
from countline.track import engines, make
from countline.track.engines import ByteTrackEngine, agrees
from countline.track.memory import Memory
from countline.track.occlusion import complete, floor
from countline.track.timed_bytetrack import TimedByteTrack
from countline.types import Detections

kernel = compiled()
examples = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)
STEP = 100_000_000
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def crowd(rng: np.random.Generator, objects: int, frames: int, grid: int) -> list[Detections]:
    """People who wander, jump, hide and come back in a small picture; second boxes on some. On a ``grid`` (pixels) many overlap
    alike, so that ties must be broken."""
    at, pace = rng.uniform(0, 500, (objects, 2)), rng.normal(0, 5, (objects, 2))
    size, classes = rng.uniform(20, 130, (objects, 2)), rng.integers(0, 3, objects)
    found = []
    for _ in range(frames):
        at = at + pace + rng.normal(0, 1, at.shape)
        at = np.where(rng.random((objects, 1)) < 0.02, rng.uniform(0, 500, at.shape), at)
        now = size * np.where(rng.random((objects, 2)) < 0.1, (1.0, 0.5), 1.0)
        boxes = np.concatenate([at, at + now], axis=1)
        if grid:
            boxes = np.round(boxes / grid) * grid
            boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + grid)
        rows = np.flatnonzero(rng.random(objects) > 0.1)
        rows = np.concatenate([rows, rows[rng.random(len(rows)) < 0.08]])
        sure = rng.choice([0.02, 0.06, 0.3, 0.38, 0.5, 0.55, 0.6, 0.9], len(rows)).astype(np.float32)
        labels = np.where(rng.random(len(rows)) < 0.1, rng.integers(-1, 5, len(rows)), classes[rows])
        made = Detections(boxes[rows], sure, labels)
        if len(rows) and rng.random() < 0.05:
            made.xyxy[0] = rng.choice([np.nan, np.inf, 1e8])  # a box that is no box
        made.attributes = {"plate": np.arange(len(rows))}
        found.append(made)
    return found


def table(detections: Detections, rng: np.random.Generator) -> np.ndarray:
    fine = detections[np.isfinite(detections.xyxy).all(axis=1) & (detections.xyxy[:, 2] > detections.xyxy[:, 0])]
    tiers = rng.choice(4, len(fine), p=[0.05, 0.15, 0.2, 0.6])
    return ByteTrackEngine.table(fine.xyxy, tiers)


def bits(tracks: Any) -> tuple[Any, ...]:
    twins = () if tracks.twin_of is None else (tracks.twin_of,)
    columns = (tracks.xyxy, tracks.confidence, tracks.class_id, tracks.track_id)
    parts = (*columns, *(tracks.attributes or {}).values(), *twins)
    return tuple((a.dtype.str, a.shape, a.tobytes()) for a in parts)


@examples
@given(seeds, st.integers(1, 30), st.sampled_from([0, 8, 32]))
def test_steps_are_those_of_the_library_to_the_bit_ties_included(seed, objects, grid):
    pytest.importorskip("pyxtrackers")
    rng = np.random.default_rng(seed)
    iou, lost = float(rng.choice([0.1, 0.2, 0.3])), int(rng.integers(1, 40))
    library, mine = ByteTrackEngine(iou, lost)._new(), kernel.ByteTrack(0.5, 1 - iou, lost)
    for detections in crowd(rng, objects, 80, grid):
        rows, steps = table(detections, rng), int(rng.choice([1, 1, 1, 3]))
        expected = ByteTrackEngine.advance_library(library, rows, steps)
        assert [a.tolist() for a in mine.advance(rows, steps)] == [a.tolist() for a in expected]
        for theirs, ours in zip(library.lost_stracks, mine.lost_stracks, strict=True):
            assert (theirs.track_id, theirs.tlbr.tolist()) == (ours.track_id, ours.tlbr.tolist())
            assert theirs.tlwh.tolist() == ours.tlwh.tolist()
    assert library.track_id_counter == mine.track_id_counter


@examples
@given(
    seeds,
    st.integers(1, 30),
    st.sampled_from([0, 8, 32]),
    st.sampled_from([1.0, 0.8, 2 / 3, 1 / 3, 1 / 6]),
    st.booleans(),
)
def test_steps_are_those_of_numpy_to_the_bit_ties_included_at_any_pace(seed, objects, grid, pace, crowds):
    """At a pace of 1 NumPy's are those of the library, too, where they are not for crowds."""
    rng = np.random.default_rng(seed)
    iou, lost = float(rng.choice([0.1, 0.2, 0.3])), int(rng.integers(1, 40))
    made = TimedByteTrack(0.5, 1 - iou, lost, pace, crowds), kernel.ByteTrack(0.5, 1 - iou, lost, pace, crowds)
    as_published = pace == 1 and not crowds and importlib.util.find_spec("pyxtrackers")
    library = ByteTrackEngine(iou, lost)._new() if as_published else None
    for detections in crowd(rng, objects, 60, grid):
        rows, steps = table(detections, rng), int(rng.choice([1, 1, 1, 3]))
        expected, found = ([a.tolist() for a in one.advance(rows, steps)] for one in made)
        assert found == expected
        if library is not None:
            assert [a.tolist() for a in ByteTrackEngine.advance_library(library, rows, steps)] == expected
        lost_ones = [[(v.track_id, v.tlbr.tolist(), v.tlwh.tolist()) for v in one.lost_stracks] for one in made]
        assert lost_ones[0] == lost_ones[1]
        assert made[0].of_two == made[1].of_two
    assert made[0].track_id_counter == made[1].track_id_counter


@examples
@given(seeds, st.integers(1, 25), st.sampled_from([0, 16]), st.sampled_from(["default", "bytetrack", "edgefirst"]))
def test_tracks_are_the_same_to_the_bit_with_the_kernel_and_without(seed, objects, grid, kind):
    if kind == "bytetrack":
        pytest.importorskip("pyxtrackers")
    rng = np.random.default_rng(seed)
    more = {k: v for k, v in {"high": 0.45, "low": 0.05, "lost": 0.7}.items() if rng.random() < 0.5}
    limits = np.array([0.5] if seed % 2 else [0.5, 0.3, 0.6], np.float32)
    config, fps = TrackerConfig.model_validate({"kind": kind, **more}), [10.0, 30.0, 3.0, None][int(rng.integers(4))]
    step = STEP // 3 if fps == 30 or (fps is None and seed % 2) else STEP
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ByteTrackEngine, "RENEW", int(rng.choice([5, 256])))
        fast, plain = (make(config, fps=fps, thresholds=limits, kernel=with_it) for with_it in (True, False))
        pts = 0
        for at, detections in enumerate(crowd(rng, objects, 70, grid)):
            slower = 4 if seed % 3 == 0 and 20 < at < 45 else 1  # another engine takes over
            pts += int(step * slower * rng.choice([1, 1, 1, 1, 2, 30], p=[0.24] * 4 + [0.03, 0.01]))
            given_now = None if rng.random() < 0.1 else detections
            assert bits(fast.update(given_now, pts)) == bits(plain.update(given_now, pts))
        assert fast.never_tracked == plain.never_tracked
        assert len(fast._known) == len(plain._known)


@examples
@given(st.data())
def test_what_is_remembered_is_the_same(data):
    """Votes, ids, heights, hidden feet; tracks that are renamed and forgotten."""
    both = [kernel.TrackMemory(), Memory()]
    pts = 0
    number = st.floats(SMALLEST_NORMAL, 1, width=32)
    for _ in range(data.draw(st.integers(1, 25))):
        pts += data.draw(st.sampled_from([0, 40_000_000, STEP, 3 * STEP, 6 * STEP, 2_000_000_000]))
        numbers = np.array(data.draw(st.lists(st.integers(-3, 6), max_size=6, unique=True)), np.int64)
        n = len(numbers) + 1
        corner = np.array(data.draw(st.lists(st.integers(0, 40), min_size=2 * n, max_size=2 * n)), np.float32).reshape(
            n, 2
        )
        size = np.array(data.draw(st.lists(st.sampled_from([10, 20, 40, 41]), min_size=2 * n, max_size=2 * n))).reshape(
            n, 2
        )
        boxes = np.concatenate([corner, corner + size.astype(np.float32)], axis=1)
        sure = np.array(data.draw(st.lists(number, min_size=n, max_size=n)), np.float32)
        classes = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.int32)
        rows = np.array(data.draw(st.permutations(range(n))), np.intp)[: len(numbers)]
        new = data.draw(st.booleans())
        hidden = [m.within(boxes, classes, rows, numbers, pts) for m in both]
        assert [None if h is None else h.tolist() for h in hidden] == [
            None if hidden[0] is None else hidden[0].tolist()
        ] * 2
        found = [m.remember(boxes, sure, classes, rows, numbers, (pts, 1_500_000_000), new) for m in both]
        assert [f is None for f in found] == [found[0] is None] * 2
        if found[0] is not None:
            shown = [[complete(one[0], one[4], pts, 1_500_000_000), *one[1:4]] for one in found]
            assert [(a.dtype, a.tobytes()) for a in shown[0]] == [(a.dtype, a.tobytes()) for a in shown[1]]
            if data.draw(st.booleans()):
                kept = slice(data.draw(st.integers(0, 6)))
                for memory, seen in zip(both, found):
                    memory.renumber(seen[3][kept], numbers[kept] + 1)
        one, other = data.draw(st.integers(-3, 6)), data.draw(st.integers(-3, 6))
        if one in both[0]:
            for memory in both:
                memory.rename(one, other)
        for memory in both:
            if pts % 3 == 0:
                memory.forget(pts - STEP)
        assert len(both[0]) == len(both[1])
        assert both[0].known(numbers).tolist() == both[1].known(numbers).tolist()
        assert all(both[0].heights(least) == both[1].heights(least) for least in (-1.0, 20.0, 60.0))


def test_those_who_come_back_within_others_are_the_same():
    """Boxes at few places, so that many are parts of others; some are not seen for a while."""
    rng, told = np.random.default_rng(5), []
    both, pts = [kernel.TrackMemory(), Memory()], 0
    for _ in range(3000):
        pts += int(rng.choice([33_000_000, 100_000_000, 160_000_000]))
        numbers = rng.permutation(np.flatnonzero(rng.random(7) < [0.95, 0.95, 0.2, 0.2, 0.2, 0.2, 0.2]))
        n = len(numbers)
        corner, size = (
            rng.choice([0, 5, 20], (n, 2)),
            np.where(numbers < 2, 60, rng.choice([20, 21, 40], n))[:, None] + rng.integers(0, 2, (n, 2)),
        )
        boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
        sure, classes = np.full(n, 0.5, np.float32), rng.integers(0, 2, n).astype(np.int32)
        rows = rng.permutation(n)
        found = [m.within(boxes, classes, rows, numbers, pts) for m in both]
        assert (found[0] is None) == (found[1] is None)
        if found[0] is not None:
            assert found[0].dtype == found[1].dtype
            assert found[0].tolist() == found[1].tolist()
            rows, numbers = rows[~found[0]], numbers[~found[0]]
        told.append(found[0] is not None)
        for memory in both:
            memory.remember(boxes, sure, classes, rows, numbers, (pts, 1_500_000_000), True)
    assert 100 < sum(told) < 2900


def test_hidden_feet_are_the_same_also_where_the_one_in_front_is_missed() -> None:
    hidden = alone = 0
    for seed in range(15):
        rng, both, pts = np.random.default_rng(seed), [kernel.TrackMemory(), Memory()], 0
        x, wide, tall = rng.uniform(0, 90, 6), rng.uniform(20, 60, 6), rng.uniform(60, 180, 6)
        bottom = np.sort(rng.uniform(60, 240, 6))
        top = np.maximum(bottom - tall, 0)
        for _ in range(60):
            pts += int(rng.choice([20, 95, 100, 480, 505, 1600], p=[0.3, 0.3, 0.3, 0.04, 0.04, 0.02])) * 1_000_000
            low = np.where(rng.random(6) < 0.25, bottom - tall * rng.uniform(0.15, 0.7, 6), bottom)
            seen = np.flatnonzero(rng.random(6) < rng.choice([0.3, 0.9]))
            boxes = np.stack([x, top, x + wide, np.maximum(low, top + 5)], axis=1).astype(np.float32)
            usual, classes = both[1].heights(-1.0), np.zeros(6, np.int32)
            table = boxes, np.full(6, 0.9, np.float32), classes, seen, seen, (pts, 1_500_000_000), True
            found = [memory.remember(*table) for memory in both]
            mine, theirs = ([complete(one[0], one[4], pts, 1_500_000_000), *one[1:4]] for one in found)
            assert [a.tobytes() for a in mine] == [a.tobytes() for a in theirs]
            assert all(both[0].heights(least) == both[1].heights(least) for least in (-1.0, 20.0, 60.0))
            for row in np.flatnonzero(mine[0][:, 3] > boxes[seen, 3]).tolist():
                hidden += 1
                alone += floor(boxes[seen], row, usual[int(mine[3][row])]) is None
    assert hidden > alone > 10, "both are to be compared"


def test_what_lies_outside_is_an_error_and_nothing_is_changed():
    memory = kernel.TrackMemory()
    boxes, sure, classes = np.zeros((2, 4), np.float32), np.ones(2, np.float32), np.zeros(2, np.int32)
    numbers = np.array([1], np.int64)
    for row in (2, -1):
        with pytest.raises(IndexError):
            memory.remember(boxes, sure, classes, np.array([row]), numbers, (0, 1), True)
        with pytest.raises(IndexError):
            memory.within(boxes, classes, np.array([row]), numbers, 0)
    with pytest.raises(ValueError, match="as many rows"):
        memory.within(boxes, classes, np.array([0, 1]), numbers, 0)
    with pytest.raises(KeyError):
        memory.rename(1, 2)
    assert len(memory) == 0
    tracker = kernel.ByteTrack(0.5, 0.8, 10)
    with pytest.raises(ValueError, match="number of its row"):
        tracker.advance(np.array([[0, 0, 9, 9, 0.9]]), 1)
    with pytest.raises(IndexError):
        tracker.follow(boxes + 1, np.array([4, 3]), 1)
    with pytest.raises(ValueError, match="one length"):
        tracker.follow(boxes + 1, np.array([3]), 1)


def test_beside_a_library_that_rounds_otherwise_the_library_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyxtrackers")
    assert agrees(kernel), "else the kernel's ByteTrack is never used on this machine"
    assert ByteTrackEngine(0.2, 10, kernel)._kernel is kernel

    class Other:
        """A kernel whose last bit is another."""

        def __init__(self, *given: Any) -> None:
            self._made = kernel.ByteTrack(*given)

        def advance(self, rows: np.ndarray, steps: int) -> Any:
            rows = rows.copy()
            rows[:, :4] = np.nextafter(rows[:, :4], 1e9)
            return self._made.advance(rows, steps)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._made, name)

    class Module:
        ByteTrack = Other

    assert not engines.agrees(Module)  # type: ignore[arg-type]
    assert ByteTrackEngine(0.2, 10, Module)._kernel is None  # type: ignore[arg-type]
