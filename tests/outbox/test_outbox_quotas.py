"""An output that falls behind loses its own oldest messages beyond its quota, and costs nobody else anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outbox_helpers import commit, drain, ids, message

from countline import outbox
from countline.config import OutboxConfig
from countline.errors import ConfigError
from countline.outbox import Outbox
from countline.pipeline import build

Opener = Callable[..., Outbox]


@pytest.mark.parametrize("policy", ["block", "drop-oldest", "drop-newest"])
@pytest.mark.parametrize("memory", [False, True])
def test_a_dead_output_beyond_its_quota_loses_its_oldest_and_the_other_gets_all(
    opener: Opener, memory: bool, policy: str
) -> None:
    box = opener("good", "dead", memory=memory, max_bytes=400_000, when_full=policy, quotas={"dead": 100_000})
    got: list[str] = []
    for frame in range(2000):
        assert box.write([commit(frame, message(frame, size=1000))]) == 1, "nothing waits for the dead output"
        got += drain(box, "good")
    assert got == ids(range(2000))
    assert box.dropped("good") == {}
    left = drain(box, "dead", ack=False)
    assert 80 <= len(left) <= 110
    assert left == ids(range(2000 - len(left), 2000)), "the newest, without a gap"
    assert box.dropped("dead") == {"quota": 2000 - len(left)}
    assert box.pending("dead") == len(left)
    box.settle()
    assert box.status().bytes < 130_000
    assert box.counters()[0].value == 2000, "a dropped message does not take its count with it"


def test_without_a_quota_block_waits_for_the_dead_output_and_loses_nothing(opener: Opener) -> None:
    box = opener("good", "dead", max_bytes=100_000, when_full="block")
    written = sum(box.write([commit(frame, message(frame, size=1000))]) for frame in range(300))
    assert 50 < written < 110
    assert drain(box, "good") == ids(range(written)), "what is stored still flows to the other"
    assert box.write([commit(300, message(300, size=1000))]) == 0
    assert drain(box, "dead") == ids(range(written))
    assert box.write([commit(300, message(300, size=1000))]) == 1


def test_a_quota_counts_over_a_restart(opener: Opener) -> None:
    box = opener("a", "b", quotas={"a": 50_000})
    for frame in range(40):
        box.write([commit(frame, message(frame, size=1000))])
    box.close()
    again = opener("a", "b", quotas={"a": 20_000})
    again.write([commit(40, message(40, size=1000))])
    left = drain(again, "a", ack=False)
    assert 10 <= len(left) <= 22
    assert left[-1] == "id-000040"
    assert again.dropped("a") == {"quota": 41 - len(left)}
    assert again.pending("b") == 41


@settings(max_examples=40)
@given(st.data())
def test_every_message_is_delivered_waiting_or_dropped_by_quota(data: st.DataObject) -> None:
    config = OutboxConfig.model_validate({"quotas": {"a": 20_000, "b": 40_000}, "when_full": "block"})
    with outbox.open(config, None, ["a", "b", "c"]) as box:
        made = dict.fromkeys("abc", 0)
        settled = dict(made)
        for frame in range(data.draw(st.integers(1, 60))):
            batch = []
            for i in range(data.draw(st.integers(1, 8))):
                names = data.draw(st.sampled_from([(), ("a",), ("b",), ("c",), ("a", "c")]))
                batch.append(message(frame * 10 + i, size=data.draw(st.sampled_from([40, 900, 5000])), outputs=names))
                for name in names or "abc":
                    made[name] += 1
            assert box.write([commit(frame, *batch)]) == 1
            for name in "abc":
                if data.draw(st.booleans()):
                    entries, _ = box.read(name, 0, limit=data.draw(st.integers(1, 5)))
                    settled[name] += box.ack(name, [e.position for e in entries])
        for name in "abc":
            dropped = sum(box.dropped(name).values())
            assert settled[name] + box.pending(name) + dropped == made[name]
            assert len(drain(box, name, ack=False)) == box.pending(name)
        assert box.dropped("c") == {}


def test_a_quota_for_an_output_that_is_not_there_is_told() -> None:
    data = {
        "sources": [{"name": "gate", "uri": "no-such.mp4"}],
        "outputs": ["stdout"],
        "outbox": {"quotas": {"kafka": 1000}},
    }
    with pytest.raises(ConfigError, match="there is no output 'kafka'"):
        build.as_config(data)
