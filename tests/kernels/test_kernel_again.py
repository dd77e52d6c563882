"""Who is found again, who is whose twin and who is beside whom is the same with the compiled kernel as without, to the bit; in scenes in
which that happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel import compiled
from numpy.typing import NDArray

from countline.config import TrackerConfig
from countline.track import make
from countline.track.engines import BEGINS
from countline.track.jumps import Jumps
from countline.track.memory import Memory
from countline.track.refound import Refound
from countline.track.tracker import EngineTracker
from countline.track.twins import Twins
from countline.types import UNTRACKED, Detections, Tracks

kernel = compiled()
examples = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)
MS = 1_000_000
F4 = NDArray[np.float32]


def bits(array: NDArray[Any] | None) -> Any:
    return None if array is None else (array.dtype.str, array.shape, array.tobytes())


class Street:
    """People who walk along a street, nearer or away, hide behind posts and each other, or run through the picture; with second
    boxes on some, or round two."""

    def __init__(self, rng: np.random.Generator, people: int, grid: float = 0) -> None:
        self.rng, self.grid = rng, grid
        self.x, self.pace = rng.uniform(0, 700, people), rng.normal(0, 90, people) * rng.choice([1, 1, 1, 6], people)
        self.far, self.nearer = rng.uniform(4, 30, people), rng.normal(0, 1.5, people)
        self.hidden = rng.uniform(0, 4, people)
        self.second = rng.choice([0, 0.4, 0.65, 0.9, 1.3], (2, people), p=[0.5, 0.15, 0.15, 0.1, 0.1])
        """Size of second boxes, as part of the person; 0: none."""
        self.slide = rng.choice([0, 0, 0.3, 1], (2, people))
        """Widths by which they go to and fro."""
        self.classes = rng.integers(0, 2, people).astype(np.int32)

    def boxes(self, t: float) -> tuple[F4, NDArray[np.int32], NDArray[np.intp]]:
        """Boxes, classes and whose they are: of people, and from 1000 and 2000 on second boxes on them."""
        far = np.clip(self.far - self.nearer * t, 3, 60)
        high = 900 * 1.8 / far
        x, y = (self.x + self.pace * t) % 800, 60 + 900 * 3 / far
        whole = np.stack([x - 0.2 * high, y - high, x + 0.2 * high, y], axis=1)
        there = ~((self.hidden < t % 4) & (t % 4 < self.hidden + 0.7))
        made, who = [whole[there]], [np.flatnonzero(there)]
        for layer, (part, slide) in enumerate(zip(self.second, self.slide), 1):
            rows = np.flatnonzero((part > 0) & (there | (t % 3 < 1.5)))
            box, side = whole[rows], np.sqrt(part[rows])[:, None]
            size = box[:, 2:] - box[:, :2]
            corner = box[:, :2] + 0.5 * (1 - side) * size + 0.1 * layer * np.sin(t) * slide[rows][:, None] * size * 4
            made.append(
                np.concatenate([corner, np.minimum(corner + side * size, box[:, 3:] + 0.01 * size[:, 1:])], axis=1)
            )
            made[-1][:, 2] = corner[:, 0] + (side * size)[:, 0]
            who.append(rows + 1000 * layer)
        found, rows = np.concatenate(made), np.concatenate(who)
        found += self.rng.normal(0, 0.6, found.shape)
        if self.grid:
            found = np.round(found / self.grid) * self.grid
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        return found.astype(np.float32), self.classes[rows % 1000], rows


@examples
@given(seeds, st.integers(1, 14), st.sampled_from([0, 1, 16]), st.sampled_from([25, 40, 100, 130]))
def test_who_comes_out_of_hiding_is_the_same(seed: int, people: int, grid: float, step: int) -> None:
    """Each time that somebody is seen again he has another number with the engine."""
    rng = np.random.default_rng(seed)
    street, patience = Street(rng, people, grid), int(rng.choice([700, 1500])) * MS
    iou = float(rng.choice([0, 0.2, 0.5]))
    both = [(Refound(patience, iou), Memory()), (kernel.Refound(patience, iou), kernel.TrackMemory())]
    names: dict[int, int] = {}
    pts = last = 0
    for _ in range(90):
        pts += int(step * rng.choice([1, 1, 1, 1, 0, 4])) * MS
        boxes, classes, who = street.boxes(pts / 1e9)
        names = {one: names.get(one, last + at) for at, one in enumerate(who.tolist(), 1)}
        last = max([last, *names.values()])
        order = rng.permutation(len(boxes))[: int(rng.integers(len(boxes) + 1, len(boxes) + 4)) - 2].astype(np.intp)
        numbers, seek = np.array([names[one] for one in who[order].tolist()], np.int64), bool(rng.random() < 0.9)
        shown = []
        for refound, memory in both:
            rows, mine = refound.admit(memory, boxes, classes, order, numbers, pts, seek)
            seen = memory.remember(boxes, np.ones(len(boxes), np.float32), classes, rows, mine, (pts, patience), True)
            assert seen is not None
            refound.remember(Tracks(seen[0], seen[1], seen[2], seen[3]), mine, pts)
            shown.append([bits(array) for array in (rows, mine, *seen[:4])])
        assert shown[0] == shown[1]
        if rng.random() < 0.01:
            for refound, _ in both:
                refound.clear()


def test_the_scene_brings_back_those_who_were_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above compares nothing with nothing."""
    found: list[tuple[int, int]] = []
    plain = Refound.find

    def noted(*given: Any) -> list[tuple[int, int]]:
        made = plain(*given)
        found.extend(made)
        return made

    monkeypatch.setattr(Refound, "find", noted)
    test_who_comes_out_of_hiding_is_the_same()
    assert len(found) > 100


def paired(seed: int, people: int, grid: float, step: int) -> tuple[int, int]:
    """Twins by both; in how many frames there were some, and how often somebody became one or ceased to be."""
    rng = np.random.default_rng(seed)
    street, both = Street(rng, people, grid), [Twins(), kernel.Twins()]
    pts, some, changes = 0, 0, 0
    before: dict[int, int] = {}
    ages = {
        one: int(at)
        for at, one in enumerate(rng.permutation([1000 * layer + one for layer in range(3) for one in range(people)]))
    }
    for _ in range(200):
        pts += int(step * rng.choice([1, 1, 1, 1, 0, 5, 90, -30], p=[0.24] * 4 + [0.02, 0.01, 0.005, 0.005])) * MS
        boxes, classes, who = street.boxes(pts / 1e9)
        ids = np.array([ages[one] + 1 for one in who.tolist()], np.uint64)
        if rng.random() < 0.05 and len(ids):
            ids[int(rng.integers(len(ids)))] = rng.choice([UNTRACKED, ids[0]])
        tracks = Tracks(boxes, np.ones(len(ids), np.float32), classes, ids)
        told = [twins.update(tracks, pts) for twins in both]
        assert bits(told[0]) == bits(told[1])
        now = {} if told[0] is None else dict(zip(ids.tolist(), told[0].tolist()))
        some += told[0] is not None
        changes += sum(before.get(one, other) != other for one, other in now.items())
        before = now or dict.fromkeys(ids.tolist(), UNTRACKED)
    return some, changes


@examples
@given(seeds, st.integers(1, 12), st.sampled_from([0, 16]), st.sampled_from([33, 95, 140]))
def test_twins_are_the_same(seed: int, people: int, grid: float, step: int) -> None:
    paired(seed, people, grid, step)


def test_the_scene_has_twins_that_come_and_go() -> None:
    told = [paired(seed, 10, 0, 40) for seed in range(6)]
    assert sum(some for some, _ in told) > 100
    assert sum(changes for _, changes in told) > 20


@examples
@given(seeds, st.integers(0, 20), st.sampled_from([1, 8, 32]))
def test_who_is_left_beside_nobody_is_the_same(seed: int, count: int, grid: float) -> None:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 300, (count, 2)), rng.uniform(1, 130, (count, 2))
    boxes = np.round(np.concatenate([corner, corner + size], axis=1) / grid) * grid
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    tiers = rng.choice([BEGINS, BEGINS - 1], count).astype(np.intp)
    rows = np.flatnonzero(rng.random(count) < 0.5).astype(np.intp)
    made = [make(TrackerConfig(kind="edgefirst"), kernel=with_it) for with_it in (False, True)]
    plain, fast = (one._left(boxes.astype(np.float32), tiers, rows) for one in made if isinstance(one, EngineTracker))
    assert bits(plain) == bits(fast)


@examples
@given(seeds, st.integers(1, 14), st.sampled_from([30, 12, 4]), st.sampled_from([0, 1, 16]))
def test_the_tracks_of_a_street_are_the_same_to_the_bit(seed: int, people: int, fps: int, grid: float) -> None:
    """Of people who hide, run, and wear second boxes, with all that follows them."""
    pytest.importorskip("pyxtrackers")
    rng = np.random.default_rng(seed)
    street = Street(rng, people, grid)
    plain, fast = (make(TrackerConfig(), fps=fps, kernel=with_it) for with_it in (False, True))
    for frame in range(4 * fps + 20):
        boxes, classes, _ = street.boxes(frame / fps)
        sure = np.where(rng.random(len(boxes)) < 0.1, rng.uniform(0.05, 0.6, len(boxes)), 0.85).astype(np.float32)
        made = Detections(boxes, sure, classes)
        pts = round(frame * 1e9 / fps)
        told = [one.update(made, pts) for one in (plain, fast)]
        shown = [[bits(a) for a in (t.xyxy, t.confidence, t.class_id, t.track_id, t.twin_of)] for t in told]
        assert shown[0] == shown[1]
    assert isinstance(plain, EngineTracker)
    assert isinstance(fast, EngineTracker)
    assert plain.never_tracked == fast.never_tracked


def test_columns_of_unlike_length_are_an_error() -> None:
    refound, memory = kernel.Refound(1000 * MS, 0.2), kernel.TrackMemory()
    boxes, classes = np.array([[0, 0, 9, 9]], np.float32), np.zeros(1, np.int32)
    with pytest.raises(IndexError, match="outside"):
        refound.admit(memory, boxes, classes, np.array([1]), np.array([1]), 0, True)
    with pytest.raises(ValueError, match="one length"):
        refound.admit(memory, boxes, classes, np.array([0]), np.array([1, 2]), 0, True)
    with pytest.raises(ValueError, match="one length"):
        refound.remember(Tracks(boxes, np.ones(1, np.float32), classes, np.array([3], np.uint64)), np.array([1, 2]), 0)
    with pytest.raises(IndexError, match="outside"):
        kernel.left_alone(boxes, np.array([3]), np.array([1]))


@examples
@given(seeds, st.integers(1, 12), st.sampled_from([33, 40, 100, 400]), st.sampled_from([0, 16]))
def test_what_is_doubted_is_the_same(seed, people, interval, grid):
    """Tracks that now and then have another's box, or are away."""
    rng = np.random.default_rng(seed)
    street, both = Street(rng, people, grid), (kernel.Jumps(700 * MS), Jumps(700 * MS))
    mixed, doubted = np.arange(people), 0
    for frame in range(80):
        pts = frame * interval * MS
        boxes, classes, who = street.boxes(frame * interval / 1000)
        mine = who < people
        if rng.random() < 0.1:
            rng.shuffle(mixed)
        tracks = Tracks(boxes[mine], np.ones(mine.sum()), classes[mine], mixed[who[mine]] + 1)
        leaping = [0] if len(tracks) and rng.random() < 0.1 else []
        found = [one.check(tracks, pts, leaping) for one in both]
        if found[1] is None:
            assert found[0] is None
        else:
            assert bits(found[0][0]) == bits(found[1][0])
            assert found[0][1] == found[1][1]
            doubted += 1
        if rng.random() < 0.01:
            for one in both:
                one.clear()
    assert doubted or people < 3 or interval > 100
