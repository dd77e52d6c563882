"""Properties that hold for whatever tracks and lines there are."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from native_world import CAM, LABELS, events, frame, run

from countline.analytics.native import NativeRules
from countline.config.rules import RulesConfig
from countline.types import Crossing, SourceInfo

W, H = 1920, 1080
examples = settings(max_examples=60, suppress_health_check=list(HealthCheck))
few = settings(examples, max_examples=15)
seeds = st.integers(0, 2**32 - 1)
inside = st.floats(0.05, 0.95)
points = st.tuples(inside, inside)


def far_enough(a, b):
    return np.hypot((a[0] - b[0]) * W, (a[1] - b[1]) * H) > 60


@st.composite
def polylines(draw):
    found = draw(st.lists(points, min_size=2, max_size=5))
    assume(all(far_enough(a, b) for a, b in pairwise(found)))
    return found


def engine(lines, *, debounce=0.5, **more):
    config = RulesConfig.model_validate(
        {"lines": [{"name": f"l{i}", "points": p, "debounce": debounce} for i, p in enumerate(lines)], **more}
    )
    return NativeRules(config, [CAM], LABELS)


def wander(seed, objects=6, frames=120, scale=25.0):
    """(frames, objects, 2) random walks with momentum, in pixels; nobody comes or goes."""
    rng = np.random.default_rng(seed)
    speed = np.cumsum(rng.normal(0, 2, (frames, objects, 2)), axis=0) + rng.normal(0, scale / 2, (objects, 2))
    path = rng.uniform((200, 200), (W - 200, H - 100), (objects, 2)) + np.cumsum(speed, axis=0)
    # Reflect at the picture's edges.
    return np.stack([W - abs(path[..., 0] % (2 * W) - W), H - abs(path[..., 1] % (2 * H) - H)], axis=-1)


def frames_of(path, **options):
    return [frame(n, [(k, x, y, k % 3) for k, (x, y) in enumerate(row)], **options) for n, row in enumerate(path)]


def tally(results):
    return Counter((e.rule, e.track_id, e.direction) for e in events(results) if isinstance(e, Crossing))


OTHER = {"in": "out", "out": "in"}


@examples
@given(seeds, st.lists(polylines(), min_size=1, max_size=3))
def test_reversal_of_time_swaps_directions(seed, lines):
    path = wander(seed)
    # Who begins within the band may be on a side; who ends there has not left it. So all come from far off and go there.
    far = np.full_like(path[:1], (-W, H / 2))
    path = np.concatenate([far, path, far])
    forward = tally(run(engine(lines, debounce=0), frames_of(path)))  # which waits for what comes after
    backward = tally(run(engine(lines, debounce=0), frames_of(path[::-1])))
    assert backward == Counter({(rule, track, OTHER[way]): n for (rule, track, way), n in forward.items()})


@examples
@given(seeds, st.lists(polylines(), min_size=1, max_size=3))
def test_a_mirror_swaps_directions(seed, lines):
    path = wander(seed)
    mirrored = path.copy()
    mirrored[..., 0] = W - path[..., 0]
    plain = tally(run(engine(lines), frames_of(path)))
    mirror = tally(run(engine([[(1 - x, y) for x, y in line] for line in lines]), frames_of(mirrored)))
    assert mirror == Counter({(rule, track, OTHER[way]): n for (rule, track, way), n in plain.items()})


@examples
@given(seeds, st.lists(polylines(), min_size=1, max_size=3), st.sampled_from([1 / 3, 0.5, 2.0, 3.7]))
def test_scale_changes_nothing(seed, lines, scale):
    path = wander(seed)
    plain = tally(run(engine(lines), frames_of(path)))
    scaled = []
    for n, row in enumerate(path):
        objects = [(k, x * scale, y * scale, k % 3, 40 * scale, 80 * scale) for k, (x, y) in enumerate(row)]
        scaled.append(frame(n, objects, size=(W * scale, H * scale)))
    assert tally(run(engine(lines), scaled)) == plain


@examples
@given(seeds, polylines(), st.integers(-30, 30), st.integers(-30, 30))
def test_translation_changes_nothing(seed, line, dx, dy):
    path = wander(seed)
    moved = [(x + dx * 16 / W, y + dy * 9 / H) for x, y in line]
    plain = tally(run(engine([line]), frames_of(path)))
    shifted = tally(run(engine([moved]), frames_of(path + np.array([dx * 16, dy * 9]))))
    assert shifted == plain


@examples
@given(
    st.lists(st.floats(0, 1), min_size=0, max_size=200),
    st.floats(150, 500),
    st.floats(580, 1000),
    st.floats(250, 1650),
    st.floats(250, 1650),
    st.booleans(),
)
def test_splitting_a_straight_walk_into_any_frames_gives_one_count(splits, top, bottom, x1, x2, up):
    at = [0.0, *sorted(splits), 1.0]
    path = [(x1 + (x2 - x1) * t, top + (bottom - top) * t) for t in at]
    results = run(
        engine([[(0.1, 0.5), (0.9, 0.5)]]), [frame(n, [(1, *p)]) for n, p in enumerate(path[::-1] if up else path)]
    )
    assert [e.direction for e in events(results)] == ["in" if up else "out"]


def passes(path, line):
    """Whether a path in pixels touches a polyline: an independent test by solving for both parameters."""
    for (ax, ay), (bx, by) in pairwise(line):
        a, b = np.array([ax * W, ay * H]), np.array([bx * W, by * H])
        for p, q in pairwise(path):
            m = np.array([q - p, a - b]).T
            if abs(np.linalg.det(m)) < 1e-9:
                continue
            t, u = np.linalg.solve(m, a - p)
            if -1e-6 <= t <= 1 + 1e-6 and -1e-6 <= u <= 1 + 1e-6:
                return True
    return False


@examples
@given(seeds, polylines())
def test_no_count_without_geometric_crossing(seed, line):
    path = wander(seed, objects=5, frames=60)
    for (_, track, _), n in tally(run(engine([line]), frames_of(path))).items():
        assert n > 0
        assert passes(path[:, track], line)


@examples
@given(seeds, st.lists(polylines(), min_size=1, max_size=3))
def test_the_sum_over_classes_and_directions_is_the_count(seed, lines):
    made = engine(lines)
    path, total = wander(seed), Counter()
    for analytics in run(made, frames_of(path)):
        for delta in analytics.deltas:
            total[delta.key] += delta.amount
        crossings = Counter(e.rule for e in analytics.events)
        for name, state in analytics.lines.items():
            mine = {k: n for k, n in total.items() if k.rule == name}
            assert state.cumulative == sum(mine.values())
            assert state.cumulative == sum(c.cumulative for c in state.classes.values())
            assert state.cumulative == sum(c.cumulative for c in state.directions.values())
            assert state.current == crossings[name]
            assert state.current == sum(c.current for c in state.classes.values())


EVERYTHING = {
    "regions": [
        {
            "name": "r",
            "points": [(0.3, 0.2), (0.7, 0.3), (0.6, 0.8), (0.2, 0.7)],
            "dwell": 0.5,
            "crowding": {"objects": 2, "seconds": 0.3},
        },
        {
            "name": "i",
            "points": [(0.3, 0.2), (0.7, 0.3), (0.6, 0.8)],
            "inverse": True,
            "source": "b",
            "classes": ["car"],
        },
    ],
    "directions": [{"name": "d", "points": [(0, 0), (1, 0)], "window": 0.5}],
    "speeds": [
        {
            "name": "s",
            "points": [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)],
            "width": 30,
            "length": 20,
            "limit": 30,
        }
    ],
    "journeys": [{"name": "j", "places": ["l0", "r"]}],
}


@few
@given(seeds, polylines(), st.lists(st.integers(1, 9), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_how_frames_are_batched_changes_nothing(seed, line, sizes, random):
    rng = np.random.default_rng(seed)
    sources = [SourceInfo(name, i) for i, name in enumerate("abc")]
    lines = [{"name": "l0", "points": line}, {"name": "l1", "source": "b", "points": line[::-1], "anchor": "center"}]
    config = RulesConfig.model_validate({"lines": lines, **EVERYTHING})
    stream = []
    for i, source in enumerate(sources):
        size = (W, H) if i else (1024, 768)
        path = wander(seed + i, frames=40)
        scale = np.array(size) / (W, H)
        shown = [
            [(k + n // 17, *(p * scale), k % 3) for k, p in enumerate(row) if rng.random() < 0.95]
            for n, row in enumerate(path)
        ]
        stream.append([frame(n, o, size=size, source=source) for n, o in enumerate(shown)])
    mixed = [f for row in zip(*stream) for f in row]
    one_by_one, batched = NativeRules(config, sources, LABELS), NativeRules(config, sources, LABELS)
    expected = [a for f in mixed for a in one_by_one.update([f])]
    found, at = [], 0
    while at < len(mixed):
        size = random.choice(sizes)
        found += batched.update(mixed[at : at + size])
        at += size
    assert any(a.events for a in expected)
    assert len(found) == len(expected)
    for a, b in zip(expected, found):
        assert (a.frame, a.lines, a.regions, a.directions, a.journeys) == (
            b.frame,
            b.lines,
            b.regions,
            b.directions,
            b.journeys,
        )
        assert (a.events, a.deltas, a.speeds, list(a.objects)) == (b.events, b.deltas, b.speeds, list(b.objects))
    assert one_by_one.metrics == batched.metrics


@few
@given(seeds, st.lists(polylines(), min_size=1, max_size=4), st.integers(1, 30))
def test_few_and_many_objects_are_tested_alike(seed, lines, objects):
    path = wander(seed, objects=objects)
    results = []
    for few_are in (0, 10**6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("countline.analytics.native.boundaries.SMALL_BATCH", few_are)
            areas = [{"name": f"r{i}", "points": [*line, (0.31, 0.37)]} for i, line in enumerate(lines)]
            made = engine(lines, regions=areas)
            found = run(made, frames_of(path))
            told = [made.explain("cam", k, f"l{i}") for k in range(objects) for i in range(len(lines))]
        results.append(([a.events for a in found], told))
    assert results[0] == results[1]


def crowd(seed, objects, frames=80):
    """Frames in which people come and go, change their class and their speed, and jump."""
    rng = np.random.default_rng(seed)
    path = wander(seed, objects, frames, scale=rng.choice([1.0, 8.0, 80.0]))
    path[rng.integers(0, frames), rng.integers(0, objects)] = rng.uniform((0, 0), (W, H))
    ids, classes = np.arange(objects), rng.integers(0, 3, objects)
    found = []
    for n, row in enumerate(path):
        changed = rng.random(objects) < 0.02
        classes = np.where(changed, rng.integers(0, 4, objects), classes)
        ids = np.where(rng.random(objects) < 0.01, ids + objects * (n + 1), ids)
        here = np.flatnonzero(rng.random(objects) < rng.choice([0.95, 1.0]))
        found.append(frame(n, [(int(ids[k]), *row[k], int(classes[k])) for k in here]))
    return found


@examples
@given(seeds, st.lists(polylines(), min_size=1, max_size=3), st.integers(1, 40), st.sampled_from([None, 0.0, 0.5]))
def test_looking_closely_at_everybody_in_each_frame_finds_nothing_more(seed, lines, objects, band):
    width = {} if band is None else {"band": band}
    named = [{"name": f"l{i}", "points": line, **width} for i, line in enumerate(lines)]
    areas = [
        {"name": "r0", "points": [*lines[0], (0.31, 0.37)], "classes": ["person", "car"], "grace": 0.1},
        {"name": "r1", "points": [(0.2, 0.2), (0.7, 0.3), (0.4, 0.9)], "inverse": True, "anchor": "center"},
    ]
    config = RulesConfig.model_validate({"lines": named, "regions": areas})
    results = []
    for most_room in (0.0, 100.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("countline.analytics.native.safe_region.MOST_CLEARANCE", most_room)
            made = NativeRules(config, [CAM], LABELS)
            found = run(made, crowd(seed, objects))
        results.append([(a.lines, a.regions, a.events, a.deltas, list(a.objects)) for a in found])
    assert results[0] == results[1]


@few
@given(seeds, st.integers(1, 12))
def test_state_never_grows_beyond_live_tracks_and_the_window(seed, objects):
    rng = np.random.default_rng(seed)
    made = engine([[(0.1, 0.5), (0.9, 0.5)]], **{k: v for k, v in EVERYTHING.items() if k != "journeys"})
    recent: list[set[int]] = []
    for n in range(150):
        ids = set(rng.integers(0, 40 + n * 5, objects).tolist())
        made.update([frame(n, [(i, *rng.uniform((0, 0), (W, H))) for i in ids], pts=n * 200_000_000)])
        recent = [*recent[-41:], ids]
        assert made.live <= len(set().union(*recent))
