"""Whether a source is slow is told by the middle one of its last intervals."""

from __future__ import annotations

from statistics import median_high

from hypothesis import given
from hypothesis import strategies as st

from countline.track.pace import Pace

gaps = st.sampled_from([10, 33, 129, 130, 131, 150, 159, 160, 161, 333, 2000]) | st.integers(1, 400)


@given(st.sampled_from([0, 33, 140, 160, 333]), st.lists(gaps, max_size=60))
def test_slow_is_what_the_middle_interval_says_between_two_limits_what_it_was(known: int, seen: list[int]) -> None:
    pace, slow = Pace(known * 1_000_000), known >= 160
    last = [known] * 4 if known else []
    assert pace.slow == slow
    for gap in seen:
        last = [*last, gap][-9:]
        middle = median_high(last)
        before, slow = slow, middle >= (130 if slow else 160)
        assert pace.changes(gap * 1_000_000) == (slow != before)
        assert (pace.slow, pace.step) == (slow, middle * 1_000_000)
