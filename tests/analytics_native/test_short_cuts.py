"""Each short cut of the engine gives what the plain way gives, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mixed_world import SOURCES, batches, config, said
from native_world import LABELS

from countline.analytics.native import NativeRules, boundaries, safe_region, source
from countline.analytics.native.boundaries import follow, follow_arrays, select
from countline.analytics.native.source import count_classes
from countline.analytics.native.table import BLOCKS

examples = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)


@examples
@given(seeds, st.sampled_from([1, 4, 30, 90]))
def test_all_short_cuts_together_say_what_the_plain_way_says(seed, objects):
    rng = np.random.default_rng(seed)
    rules, given_batches = config(rng), batches(rng, objects)
    fast, plain = (NativeRules(rules, SOURCES, LABELS, fast=fast, kernel=False) for fast in (True, False))
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
            engine = NativeRules(rules, SOURCES, LABELS, kernel=False)
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
    engine, skipped = NativeRules(rules, SOURCES, LABELS, kernel=False), 0
    with pytest.MonkeyPatch.context() as patch:

        def both(tables, table, selection):
            nonlocal skipped
            everybody = select(tables, table, *present, fast=False)
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
            present = batch, boxes, classes
            return select(tables, table, batch, boxes, classes, fast=fast)

        present = None
        patch.setattr(boundaries, "select", remember)
        patch.setattr(boundaries, "follow", both)
        for batch in given_batches:
            engine.update(batch)
    assert skipped > 0 or objects < 30 or not (rules.lines or rules.regions)


@examples
@given(seeds, st.booleans())
def test_known_objects_take_the_short_way_in_and_are_the_same_objects(seed, kernel):
    rng = np.random.default_rng(seed)
    rules, given_batches = config(rng), batches(rng, 5, frames=40)
    short, long_ = (NativeRules(rules, SOURCES, LABELS, kernel=kernel) for _ in range(2))
    long_._follow_known = lambda frames: None  # type: ignore[method-assign]
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
