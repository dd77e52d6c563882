"""What was missed of a live source, and no message has told, outlives crashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from outbox_helpers import commit, message

from countline.outbox import Outbox, StreamStart
from countline.types import Gap

Opener = Callable[..., Outbox]
S = 10**9


def test_the_outbox_knows_when_it_last_got_a_frame_of_a_live_source(opener: Opener) -> None:
    now = 1_800_000_000 * S
    box = opener(clock=lambda: now)
    assert box.begin(StreamStart("gate", "s1", live=True)).looked == 0, "never"
    box.write([commit(0, message(1))])
    now += S
    box.write([commit(1), commit(2, time=5 * S)])
    box.close()
    now += 60 * S
    box = opener(clock=lambda: now)
    box.write([commit(0, stream="s3", time=6 * S)])  # before the source has begun: nothing is known of it
    again = box.begin(StreamStart("gate", "s2", live=True))
    assert again.looked == now - 60 * S
    assert box.begin(StreamStart("gate", "s2", live=False)).looked == 0, "a file is looked at again"


@pytest.mark.parametrize("fate", ["told", "another", "nothing"])
def test_a_gap_that_no_message_has_told_is_kept_until_one_has(opener: Opener, fate: str) -> None:
    box = opener()
    box.begin(StreamStart("gate", "s1", live=True))
    first, second = Gap(10 * S, 70 * S), Gap(10 * S, 200 * S, "no-frames", 90 * S)
    box.write([commit(0, untold=first), commit(1)])
    box.close()
    box = opener()
    assert box.begin(StreamStart("gate", "s2", live=True)).untold == first
    if fate == "told":
        box.write([commit(0, message(1), stream="s2", untold=Gap(0, 0))])
    elif fate == "another":
        box.write([commit(0, stream="s2", untold=second), commit(1, stream="s2")])
    box.close()
    expected = {"told": None, "another": second, "nothing": first}[fate]
    assert opener().begin(StreamStart("gate", "s3", live=True)).untold == expected


def test_sources_are_kept_apart(opener: Opener) -> None:
    box = opener()
    for name in ("gate", "hall 2", "gate 2"):
        box.begin(StreamStart(name, "s1", live=True))
    box.write([commit(0, untold=Gap(1, 2), time=S)])
    assert box.begin(StreamStart("gate 2", "s2", live=True)).untold is None
    assert box.begin(StreamStart("gate", "s2", live=True)).untold == Gap(1, 2)
