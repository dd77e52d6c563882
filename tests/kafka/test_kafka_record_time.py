"""Which event times become time stamps of records."""

from __future__ import annotations

import pytest

from countline.outputs.kafka.record_time import GuardWindow, record_timestamp

S = 1_000_000_000
NOW = 1_800_000_000 * S


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, True),
        (7 * 86400 * S, True),
        (7 * 86400 * S + 1, False),
        (-3600 * S, True),
        (-3600 * S - 1, False),
        (NOW, False),
    ],
)
def test_the_record_time_stamp_is_the_event_time_only_within_the_window(age, expected):
    found = record_timestamp(NOW - age, NOW)
    assert found == ((NOW - age) // 10**6 if expected else None)


def test_the_window_can_be_set():
    assert record_timestamp(NOW - 2 * S, NOW, GuardWindow(past=S)) is None
    assert record_timestamp(0, NOW, GuardWindow(past=NOW)) == 0
