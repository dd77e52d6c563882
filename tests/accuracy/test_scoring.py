"""Scores are those of the field, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

times = st.lists(st.floats(0, 100, allow_nan=False), max_size=12)


def test_nwrmse_is_that_of_the_ai_city_challenge() -> None:
    from scoring import nwrmse

    # k = 4 segments, cumulative truth 1 2 3 4, found 1 1 3 5: errors 0 1 0 1 with weights 2i / (4 * 5) = .1 .2 .3 .4
    assert nwrmse(np.array([1, 2, 3, 4]), np.array([1, 1, 3, 5])) == pytest.approx(1 - math.sqrt(0.2 + 0.4) / 4)
    assert nwrmse(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 4])) == 1
    assert nwrmse(np.array([0, 0, 0, 1]), np.array([9, 9, 9, 9])) == 0, "never below 0"
    assert nwrmse(np.zeros(4), np.zeros(4)) == 1
    assert nwrmse(np.zeros(4), np.array([0, 0, 0, 1])) == 0


def test_nwrmse_weighs_late_segments_most_and_its_weights_are_one_together() -> None:
    from scoring import nwrmse

    k = 10
    assert sum(2 * i / (k * (k + 1)) for i in range(1, k + 1)) == pytest.approx(1)
    true = np.full(k, 10)
    early, late = true.copy(), true.copy()
    early[0] += 1
    late[-1] += 1
    assert nwrmse(true, late) < nwrmse(true, early) < 1
    assert nwrmse(true, true + 2) == pytest.approx(1 - 2 / 10), "a constant error is told as it is"


def test_cumulative_counts_are_those_at_the_end_of_each_segment() -> None:
    from scoring import cumulative

    assert cumulative([0.5, 5, 9.5, 11], 10, 2).tolist() == [2, 4], "what is reported after the end belongs to the last"


@given(times)
def test_what_is_right_is_all_matched(true: list[float]) -> None:
    from scoring import matched

    assert matched(true, true) == len(true)


@given(times, times)
def test_nothing_is_matched_twice_and_nothing_from_afar(true: list[float], found: list[float]) -> None:
    from scoring import matched

    hits = matched(true, found, 1, 2)
    assert hits <= min(len(true), len(found))
    assert (hits > 0) == any(t - 1 <= f <= t + 2 for t in true for f in found)


def test_too_many_here_and_too_few_there_do_not_make_up_for_each_other() -> None:
    from scoring import score

    result = score([(10, "a", "+"), (40, "a", "+")], [(11, "a", "+"), (90, "a", "+"), (50, "b", "-")], ["a", "b"], 100)
    assert (result.missed, result.extra, result.wrong) == (1, 2, 3)
    told = result.summary()
    assert (told["exact"], told["off_by_1"], told["off_by_more"]) == (3, 1, 0), "counts alone would say that a is right"
