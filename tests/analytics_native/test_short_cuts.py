"""Each short cut of the engine gives what the plain way gives, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_world import LABELS, frame

from countline.analytics.native import NativeRules, boundaries, safe_region, source
from countline.analytics.native.boundaries import follow, follow_arrays, select
from countline.analytics.native.source import count_classes
from countline.analytics.native.table import BLOCKS
from countline.config.rules import RulesConfig
from countline.types import UNTRACKED, Analytics, SourceInfo

W, H = 1920, 1080
examples = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)
SOURCES = [SourceInfo(name, i) for i, name in enumerate("abc")]


def config(rng):
    """Rules of all kinds, for all sources and for some."""

    def points(n):
        return [tuple(p) for p in rng.uniform(0.05, 0.95, (n, 2)).tolist()]

    def some(**more):
        return {k: v for k, v in more.items() if rng.random() < 0.5}

    only = [{}, {"source": "b"}, {"classes": ["person", "car"]}, {"anchor": "center"}]
    polygons = [
        {
            "name": f"{key}{i}",
            "points": points(int(rng.integers(3, 6))),
            **only[rng.integers(4)],
            **some(band=0.3, grace=0.1),
        }
        for i, key in enumerate("rrrqqww")
    ]
    regions = [p | some(inverse=True, dwell=0.4, crowding={"objects": 2, "seconds": 0.2}) for p in polygons[:3]]
    queues = [p | {"after": 0.3} | some(max_length=1, max_wait=0.8) for p in polygons[3:5]]
    ways = [p | {"arrow": points(2), "seconds": 0.2, "distance": 0.4} for p in polygons[5:]]
    lines = [
        {
            "name": f"l{i}",
            "points": points(int(rng.integers(2, 5))),
            **only[rng.integers(4)],
            **some(band=0.0, count="once"),
        }
        for i in range(3)
    ]
    return RulesConfig.model_validate(
        {
            "lines": lines[: rng.integers(0, 4)],
            "regions": regions[: rng.integers(0, 4)],
            "queues": queues[: rng.integers(0, 3)],
            "wrong_ways": ways[: rng.integers(0, 3)],
            "directions": [{"name": "d", "points": points(2), "window": 0.5}][: rng.integers(0, 2)],
        }
    )


def batches(rng, objects, frames=55):
    """Frames of three sources, some of them together: objects come, go, change class and id, jump; boxes and ids are bad now
    and then, and a picture changes its size."""
    found, shown = [], []
    scale = rng.choice([1.0, 8.0, 60.0])
    for index, camera in enumerate(SOURCES):
        at, pace = rng.uniform((100, 200), (W - 100, H - 50), (objects, 2)), rng.normal(0, scale, (objects, 2))
        ids, classes = np.arange(objects), rng.integers(0, 3, objects)
        for n in range(frames):
            pace += rng.normal(0, scale / 8, pace.shape)
            at = at + pace
            pace = np.where((at < 0) | (at > (W, H)), -pace, pace)
            classes = np.where(rng.random(objects) < 0.01, rng.integers(0, 4, objects), classes)
            ids = np.where(rng.random(objects) < 0.01, ids + objects * (n + 1), ids)
            here = np.flatnonzero(rng.random(objects) < rng.choice([0.9, 1.0, 1.0]))
            size = (W, H) if index != 1 or n < 30 else (1024, 768)
            made = frame(
                n,
                [(int(ids[k]), *(at[k] * size / (W, H)), int(classes[k])) for k in here],
                size=size, source=camera, pts=n * 33_333_333 + (10**9 * 3 if n > 50 else 0),
            )  # fmt: skip
            odd = rng.random(4) < 0.04
            if len(here) > 1:
                made.tracks.xyxy[0] = np.where(odd[0], np.nan, made.tracks.xyxy[0])
                made.tracks.track_id[1] = made.tracks.track_id[0] if odd[1] else made.tracks.track_id[1]
                made.tracks.track_id[0] = UNTRACKED if odd[2] else made.tracks.track_id[0]
            shown.append((n, made))
    shown.sort(key=lambda item: item[0])
    mixed = [made for _, made in shown]
    while mixed:
        size = int(rng.integers(1, 7))
        found.append(mixed[:size])
        mixed = mixed[size:]
    return found


def said(analytics: Analytics):
    a = analytics
    return (
        a.frame, a.lines, a.regions, a.directions, a.journeys, a.states, a.events, a.deltas, a.object_count,
        list(a.objects), dict(a.speeds),
    )  # fmt: skip


@examples
@given(seeds, st.sampled_from([1, 4, 30, 90]))
def test_all_short_cuts_together_say_what_the_plain_way_says(seed, objects):
    rng = np.random.default_rng(seed)
    rules, given_batches = config(rng), batches(rng, objects)
    fast, plain = NativeRules(rules, SOURCES, LABELS), NativeRules(rules, SOURCES, LABELS, fast=False)
    for batch in given_batches:
        assert [said(a) for a in fast.update(batch)] == [said(a) for a in plain.update(batch)]
    assert fast.metrics == plain.metrics
    assert fast.live == plain.live


@examples
@given(seeds, st.sampled_from([1, 4, 30, 90]), st.booleans())
def test_plain_floats_leave_the_same_bits_behind_as_arrays(seed, objects, safe):
    rng = np.random.default_rng(seed)
    rules, given_batches = config(rng), batches(rng, objects, frames=25)
    tables = []
    for small in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(boundaries, "SMALL_BATCH", small)
            patch.setattr(safe_region, "MOST_CLEARANCE", 100.0 if safe else 0.0)
            engine = NativeRules(rules, SOURCES, LABELS)
            told = [said(a) for batch in given_batches for a in engine.update(batch)]
        tables.append((told, engine._table))
    (told, arrays), (also_told, floats) = tables
    assert told == also_told
    for name in "abc":
        lines = len(engine._sources[name].by_shape.get("line", ()))
        for slot in engine._sources[name].ids.values():
            a, b = arrays.row(slot), floats.row(slot)
            for key in a:  # of lines that a source does not have, nothing is asked
                of_lines = slice(lines if key in BLOCKS["line"] else None)
                assert np.atleast_1d(a[key])[of_lines].tobytes() == np.atleast_1d(b[key])[of_lines].tobytes(), key


@examples
@given(seeds, st.sampled_from([1, 4, 30]))
def test_who_is_in_a_safe_region_would_have_been_found_nothing_of(seed, objects):
    rng = np.random.default_rng(seed)
    rules, given_batches = config(rng), batches(rng, objects, frames=30)
    engine, skipped = NativeRules(rules, SOURCES, LABELS), 0
    with pytest.MonkeyPatch.context() as patch:

        def both(tables, table, selection):
            nonlocal skipped
            everybody = select(tables, table, engine._batch, *present, fast=False)
            skipped += len(everybody.which) - len(selection.which)
            kept = {name: array.copy() for name, array in vars(table).items() if isinstance(array, np.ndarray)}
            expected = follow_arrays(tables, table, everybody.chosen)
            for name, array in kept.items():
                getattr(table, name)[...] = array
            found = follow(tables, table, selection)
            assert found == expected
            return found

        def remember(tables, table, batch, boxes, classes, *, fast=True):
            nonlocal present
            present = boxes, classes
            return select(tables, table, batch, boxes, classes, fast=fast)

        present = None
        patch.setattr(boundaries, "select", remember)
        patch.setattr(boundaries, "follow", both)
        for batch in given_batches:
            engine.update(batch)
    assert skipped > 0 or objects < 30 or not (rules.lines or rules.regions)


@examples
@given(seeds)
def test_known_objects_take_the_short_way_in_and_are_the_same_objects(seed):
    rng = np.random.default_rng(seed)
    rules, given_batches = config(rng), batches(rng, 5, frames=40)
    short, long_ = NativeRules(rules, SOURCES, LABELS), NativeRules(rules, SOURCES, LABELS)
    long_._ingest_known = lambda frames: None  # type: ignore[method-assign]
    for batch in given_batches:
        assert [said(a) for a in short.update(batch)] == [said(a) for a in long_.update(batch)]
    assert short.metrics == long_.metrics
    assert [s.ids for s in short._sources.values()] == [s.ids for s in long_._sources.values()]


@examples
@given(st.lists(st.one_of(st.integers(-5, 12), st.integers(-(2**31), 2**31 - 1)), max_size=200))
def test_classes_are_counted_alike_by_arrays_and_by_hand(classes):
    values = np.array(classes, np.int32)
    results = []
    for many in (-1, 10**6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "MANY", many if len(values) else 10**6)
            results.append(list(count_classes(values).items()))
    assert results[0] == results[1] == sorted((c, classes.count(c)) for c in set(classes))
