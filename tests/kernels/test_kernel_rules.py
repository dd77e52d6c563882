"""The compiled kernel gives what the NumPy engine gives, bit for bit, and the two may take turns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel import compiled
from mixed_world import SOURCES, batches, config, said
from native_world import LABELS, MIDDLE, frame, rules, run, straight

from countline.analytics.native import NativeRules
from countline.analytics.native.compiled import CompiledBoundaries
from countline.analytics.native.table import BLOCKS
from countline.config.rules import RulesConfig
from countline.types import CounterKey, FrameTracks, SourceInfo, Tracks

kernel = compiled()
examples = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)


def pair(rule_set, sources=SOURCES):
    """An engine with the kernel, one without."""
    made = [NativeRules(rule_set, sources, LABELS, kernel=with_it) for with_it in (True, False)]
    assert made[0]._compiled is not None
    assert made[1]._compiled is None
    return made


def kept(engine):
    """All that is kept of all objects, by source and track."""
    found = {}
    for name, source in engine._sources.items():
        lines = len(source.by_shape.get("line", ()))
        for track, slot in source.ids.items():
            row = engine._table.row(slot)
            for key, value in row.items():
                columns = slice(
                    lines if key in BLOCKS["line"] else None
                )  # of lines that a source does not have nothing is asked
                found[name, track, key] = np.atleast_1d(value)[columns].tobytes()
    return found


def explained(engine):
    """Why each rule did or did not count each object."""
    return [
        engine.explain(name, track, rule.name)
        for name, source in engine._sources.items()
        for track in [*source.ids, *source.ended]
        for rule in source.rules
    ]


@examples
@given(seeds, st.sampled_from([1, 4, 30, 90]))
def test_the_kernel_says_and_keeps_what_numpy_says_and_keeps(seed, objects):
    rng = np.random.default_rng(seed)
    rule_set, given_batches = config(rng), batches(rng, objects, frames=40)
    fast, numpy = pair(rule_set)
    for batch in given_batches:
        assert [said(a) for a in fast.update(batch)] == [said(a) for a in numpy.update(batch)]
    assert fast.metrics == numpy.metrics
    assert kept(fast) == kept(numpy)
    assert explained(fast) == explained(numpy)


@examples
@given(seeds, st.sampled_from([1, 4, 30]))
def test_kernel_and_numpy_may_take_turns_within_a_stream(seed, objects):
    rng = np.random.default_rng(seed)
    rule_set, given_batches = config(rng), batches(rng, objects, frames=40)
    both, numpy = pair(rule_set)
    with_it = both._follow_compiled
    for batch in given_batches:
        both._follow_compiled = with_it if rng.random() < 0.5 else lambda *_: None
        assert [said(a) for a in both.update(batch)] == [said(a) for a in numpy.update(batch)]
    assert kept(both) == kept(numpy)


@examples
@given(seeds, st.sampled_from([4, 30]))
def test_reloaded_rules_and_stored_counts_go_on_with_either(seed, objects):
    rng = np.random.default_rng(seed)
    first, then, given_batches = config(rng), config(rng), batches(rng, objects, frames=40)
    again = RulesConfig.model_validate({**first.model_dump(), "lines": [*first.lines, *then.lines[:0]]})
    fast, numpy = pair(first)
    half = len(given_batches) // 2
    counts: dict[CounterKey, int] = {}
    for at, batch in enumerate(given_batches):
        if at in (half // 2, half):
            for engine in (fast, numpy):
                engine.replace(then if at == half // 2 else again)
                engine.restore(counts, {("a", "l0"): (3, 7)})
        one, other = fast.update(batch), numpy.update(batch)
        assert [said(a) for a in one] == [said(a) for a in other]
        for a in one:
            for delta in a.deltas:
                counts[delta.key] = counts.get(delta.key, 0) + delta.amount
    assert kept(fast) == kept(numpy)


@examples
@given(seeds)
def test_extremes_are_the_same_to_the_bit(seed):
    """Huge and tiny boxes, points on a line, on the corner of an area, on the spot; coordinates of single precision."""
    rng = np.random.default_rng(seed)
    points = [tuple(p) for p in rng.choice([0.25, 0.5, 0.75], (40, 2))]
    shapes = {
        "lines": [{"name": "l", "points": [(0.25, 0.5), (0.75, 0.5), (0.5, 0.25)], "band": float(rng.choice([0, 0.1]))}]
    }
    shapes["regions"] = [{"name": "r", "points": [(0.25, 0.25), (0.75, 0.25), (0.5, 0.75)], "inverse": bool(seed % 2)}]
    fast, numpy = pair(RulesConfig.model_validate(shapes), [SourceInfo("cam")])
    for n, (x, y) in enumerate(points):
        size = float(rng.choice([0, 1e-3, 40, 1e6, 1e7]))
        jitter = float(rng.choice([0, 1e-4, 1e-2]))
        objects = [(1, x * 1920, y * 1080), (2, x * 1920 + jitter, y * 1080, 0, size, size)]
        item = frame(n, objects)
        assert [said(a) for a in fast.update([item])] == [said(a) for a in numpy.update([item])]
    assert kept(fast) == kept(numpy)


def test_arrays_that_do_not_lie_in_order_are_read_all_the_same():
    fast, numpy = (NativeRules(RulesConfig(lines=[MIDDLE]), [], LABELS, kernel=k) for k in (True, False))
    told = []
    for engine in (fast, numpy):
        for n, (x, y) in enumerate(straight((900, 400), (900, 700), 20)):
            info, tracks = frame(n, [(1, x, y), (2, x + 9, y), (3, x, y), (4, x, y)])
            tracks.xyxy, tracks.class_id = np.asfortranarray(tracks.xyxy), np.repeat(tracks.class_id, 2)[::2]
            told.append([said(a) for a in engine.update([FrameTracks(info, tracks)])])
    assert told[:20] == told[20:]
    assert sum(len(t[0][6]) for t in told) == 8


def test_arrays_of_other_types_are_left_to_numpy():
    engine = rules(MIDDLE)
    for n, (x, y) in enumerate(straight((900, 400), (900, 700), 20)):
        info, tracks = frame(n, [(1, x, y)])
        tracks.xyxy = tracks.xyxy.astype(np.float64)
        engine.update([FrameTracks(info, tracks)])
    assert "counted out" in engine.explain("cam", 1, "middle")


def test_many_objects_are_evaluated_without_the_interpreters_lock_and_alike():
    rng = np.random.default_rng(0)
    shapes = RulesConfig.model_validate(
        {"lines": [MIDDLE], "regions": [{"name": "r", "points": [(0, 0), (1, 0), (0.5, 1)]}]}
    )
    at, pace = rng.uniform((0, 0), (1920, 1080), (2000, 2)), rng.normal(0, 9, (2000, 2))
    frames = [frame(n, [(k, *p) for k, p in enumerate((at + pace * n).tolist())]) for n in range(12)]

    def told(with_it: bool):
        return [said(a) for a in run(NativeRules(shapes, [], LABELS, kernel=with_it), frames)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(told, [True, True, True, False]))
    assert sum(len(t[6]) for t in results[0]) > 100
    assert all(r == results[3] for r in results)


def test_what_lies_outside_is_an_error_before_anything_is_changed():
    engine = rules(MIDDLE)
    run(engine, [frame(n, [(1, 900, 500 + n)]) for n in range(3)])
    made, table = engine._compiled, engine._table
    assert isinstance(made, CompiledBoundaries)
    before = kept(engine)
    good = frame(3, [(1, 900, 900)]).tracks
    source = engine._sources["cam"]

    def given(slots=(0,), plan=0, boxes=good.xyxy):
        facts = (source.aspect, 1920.0, 1080.0, 0, True)
        return [(boxes, good.class_id, np.array(slots, np.intp), plan, *facts)]

    for bad, error in [
        (given(slots=(64,)), IndexError),
        (given(slots=(-1,)), IndexError),
        (given(plan=1), IndexError),
        (given(slots=(0, 0)), ValueError),
        (given(boxes=good.xyxy[:0]), ValueError),
        (given(boxes=good.xyxy.astype(np.float64)), TypeError),
    ]:
        with pytest.raises(error):
            made._made.follow(made._memory, bad, True)
    assert kept(engine) == before
    inside_out = good.xyxy[:, [2, 1, 0, 3]].copy()
    assert made._made.follow(made._memory, given(boxes=inside_out), True) is None
    assert kept(engine) == before
    columns = [table.low, table.high, table.left, table.phase, table.net, table.begun, table.passed, table.entry]
    rest = [table.inside, table.box, table.looked, table.sample_clock, table.sample_box, table.samples]
    with pytest.raises(ValueError, match="one track table"):
        kernel.Columns(*columns, *rest[:-1], table.samples[:5].copy())


def test_a_fault_within_the_kernel_is_a_python_exception():
    engine = rules(MIDDLE)
    run(engine, [frame(0, [(1, 900, 500)])])
    engine._table.samples[:] = 2**63 - 1  # one more does not fit
    with pytest.raises(RuntimeError, match="the compiled kernel has failed: attempt to add with overflow"):
        run(engine, [frame(n, [(1, 900, 500)]) for n in range(1, 30)])


def test_a_table_that_grows_is_followed():
    fast, numpy = (NativeRules(RulesConfig(lines=[MIDDLE]), [], LABELS, kernel=k) for k in (True, False))
    frames = [frame(n, [(k, 200 + k, 400 + 12 * n) for k in range(20 * n)]) for n in range(30)]
    assert [said(a) for a in run(fast, frames)] == [said(a) for a in run(numpy, frames)]
    assert fast._table.capacity > 64


def test_no_rules_and_no_objects_are_nothing_to_do():
    for shapes in (RulesConfig(), RulesConfig(lines=[MIDDLE])):
        fast, numpy = (NativeRules(shapes, [], LABELS, kernel=k) for k in (True, False))
        frames = [FrameTracks(frame(n, []).info, Tracks.empty()) for n in range(3)]
        frames += [frame(n, [(1, 500, 500 + n)]) for n in range(3, 9)]
        assert [said(a) for a in run(fast, frames)] == [said(a) for a in run(numpy, frames)]
