"""How long a thread keeps the interpreter while others wait for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from countline.pipeline.turns import take_short_turns


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize(("sources", "turn"), [(0, 0.0005), (1, 0.0005), (16, 0.0005), (64, 0.002), (1000, 0.005)])
def test_turns_are_short_and_longer_the_more_threads_wait_for_one(sources: int, turn: float) -> None:
    sys.setswitchinterval(0.005)
    take_short_turns(sources)
    assert sys.getswitchinterval() == pytest.approx(turn)


def test_turns_that_are_shorter_already_stay() -> None:
    sys.setswitchinterval(0.0001)
    take_short_turns(1)
    assert sys.getswitchinterval() <= 0.0001
