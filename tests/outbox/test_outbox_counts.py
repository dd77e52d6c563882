"""Counters survive, belong to the messages that were stored with them, and begin anew only when told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outbox_helpers import CAR, commit, drain, ids, message

from countline import outbox
from countline.config import OutboxConfig
from countline.outbox import Outbox, StreamStart

Opener = Callable[..., Outbox]


def value(box: Outbox) -> int:
    return next((c.value for c in box.counters() if c.key == CAR), 0)


def test_a_live_source_goes_on_with_its_counts_after_a_restart(opener: Opener) -> None:
    box = opener()
    assert box.begin(StreamStart("gate", "t0", live=True)).counters == {}
    box.write([commit(0, message(0), stream="t0"), commit(1, message(1), stream="t0")])
    box.close()
    box = opener()
    resume = box.begin(StreamStart("gate", "t1", live=True))
    assert (resume.frame, resume.counters) == (None, {CAR: 2})
    box.write([commit(0, message(2), stream="t1")])
    assert value(box) == 3, "frame numbers that begin again suppress nothing"


def test_a_file_that_was_cut_short_is_resumed_with_the_counts_it_began_with(opener: Opener) -> None:
    box = opener()
    box.begin(StreamStart("gate", "file", live=False))
    for frame in range(10):
        box.write([commit(frame, message(frame), stream="file")])
    box.close()
    box = opener()
    resume = box.begin(StreamStart("gate", "file", live=False))
    assert (resume.frame, resume.counters) == (9, {})
    for frame in range(20):
        box.write([commit(frame, message(frame), stream="file")])
    box.write([commit(19, stream="file", finished=True)])
    assert value(box) == 20
    assert drain(box) == ids(range(20)), "each message is there once, also those that were repeated"


@settings(max_examples=30)
@given(st.lists(st.integers(0, 25), max_size=5), st.lists(st.integers(0, 3), min_size=25, max_size=25))
def test_however_often_a_run_is_cut_short_the_result_is_that_of_an_uninterrupted_one(
    cuts: list[int], per_frame: list[int]
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.outbox"
        seen: list[str] = []
        begun: set[tuple[int | None, int]] = set()
        for cut in [*cuts, 25]:
            with outbox.open(OutboxConfig(synchronous="off"), path, ["a"]) as box:
                resume = box.begin(StreamStart("gate", "file", live=False, time=7))
                begun.add((resume.counters.get(CAR), len(resume.resets)))
                for frame in range(cut):
                    made = [message(frame * 10 + i) for i in range(per_frame[frame])]
                    box.write([commit(frame, *made, stream="file")])
                if cut == 25:
                    box.write([commit(24, stream="file", finished=True)])
                seen += drain(box)
                if cut == 25:
                    assert value(box) == sum(per_frame)
                    break
        assert seen == ids([frame * 10 + i for frame in range(25) for i in range(per_frame[frame])])
        assert len(begun) == 1, "every repetition begins with the same counters"


def test_a_finished_file_is_a_new_run_with_a_new_epoch(opener: Opener) -> None:
    box = opener()
    assert box.begin(StreamStart("gate", "file", live=False, time=100)).resets == {}
    box.write([commit(0, message(0), stream="file"), commit(0, stream="file", finished=True)])
    again = box.begin(StreamStart("gate", "file", live=False, time=200, rules=["line", "other"]))
    assert (again.frame, again.counters) == (None, {CAR: 0})
    assert again.resets == {("gate", "line"): (1, 200), ("gate", "other"): (1, 200)}
    box.write([commit(0, message(0), stream="file")])
    assert value(box) == 1, "frame 0 of the new run is not suppressed"


def test_another_file_under_the_same_name_is_not_resumed(opener: Opener) -> None:
    box = opener()
    box.begin(StreamStart("gate", "file", live=False))
    box.write([commit(5, message(0), stream="file")])
    other = box.begin(StreamStart("gate", "another file", live=False, time=9))
    assert (other.frame, other.counters) == (None, {CAR: 0})


def test_fresh_never_resumes(opener: Opener) -> None:
    box = opener()
    box.begin(StreamStart("gate", "file", live=False))
    box.write([commit(5, message(0), stream="file")])
    assert box.begin(StreamStart("gate", "file", live=False), fresh=True).frame is None
    box.write([commit(0, message(1), stream="file")])
    assert value(box) == 1


def test_policy_continue_goes_on_with_the_counts_of_a_finished_file(opener: Opener) -> None:
    box = opener()
    box.begin(StreamStart("gate", "file", live=False))
    box.write([commit(0, message(0), stream="file", finished=True)])
    resume = box.begin(StreamStart("gate", "file", live=False, policy="continue"))
    assert (resume.counters, resume.resets) == ({CAR: 1}, {})


def test_a_reset_is_in_order_with_the_frames(opener: Opener) -> None:
    box = opener()
    box.begin(StreamStart("gate", "s1", live=True))
    box.write([commit(0, counts=5), commit(1, counts=3, reset=77), commit(2, counts=2)])
    (counter,) = box.counters()
    assert (counter.value, counter.epoch, counter.reset_at) == (5, 1, 77)


def test_reset_by_hand_of_one_rule_leaves_the_others(opener: Opener, path: Path) -> None:
    from countline.outbox import Commit
    from countline.types import CounterDelta, CounterKey

    box = opener()
    keys = [CounterKey(s, r, "in", "car") for s in ("gate", "yard") for r in ("x", "y")]
    box.begin(StreamStart("gate", "s", live=True))
    box.begin(StreamStart("yard", "s", live=True))
    box.write([Commit(k.source, "s", 0, (), [CounterDelta(k, 4)]) for k in keys])
    box.close()
    assert outbox.reset_counts(path, "gate", "x", at=50) == 1
    found = {c.key[:2]: (c.value, c.epoch, c.reset_at) for c in outbox.inspect_counters(path)}
    assert found == {
        ("gate", "x"): (0, 1, 50),
        ("gate", "y"): (4, 0, 0),
        ("yard", "x"): (4, 0, 0),
        ("yard", "y"): (4, 0, 0),
    }
    assert outbox.reset_counts(path, None, None, at=60) == 4
    assert {c.epoch for c in outbox.inspect_counters(path) if c.key.rule == "x" and c.key.source == "gate"} == {2}
    box = opener()
    assert box.begin(StreamStart("gate", "t", live=True)).resets == {("gate", "x"): (2, 60), ("gate", "y"): (1, 60)}


def test_a_run_that_was_cut_short_and_reset_goes_on_from_zero(opener: Opener) -> None:
    box = opener()
    box.begin(StreamStart("gate", "file", live=False))
    box.write([commit(0, counts=7, stream="file")])
    box.reset(at=5)
    resume = box.begin(StreamStart("gate", "file", live=False))
    repeated = resume.counters[CAR] + 7
    assert (resume.frame, repeated, value(box)) == (0, 0, 0)
    box.write([commit(0, counts=7, stream="file"), commit(1, counts=1, stream="file")])
    assert value(box) == repeated + 1 == 1


@pytest.mark.parametrize("memory", [False, True])
def test_counts_and_messages_are_stored_together_or_not_at_all(opener: Opener, memory: bool) -> None:
    box = opener(memory=memory, max_bytes=30_000, when_full="block")
    box.begin(StreamStart("gate", "s1", live=False))
    stored = 0
    for frame in range(100):
        stored += box.write([commit(frame, message(frame, size=1000))])
    assert 0 < stored < 100
    assert value(box) == stored == box.pending("a")
