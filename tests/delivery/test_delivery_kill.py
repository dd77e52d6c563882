"""countline killed with -9 at random moments, again and again, while it publishes to a real broker."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from kafka_tools import consume, new_topic
from publisher import messages

from countline import outbox
from countline.demo.broker import EmbeddedBroker

HERE = Path(__file__).parent


class Publisher:
    """The publisher process; its children are the runs."""

    def __init__(self, **job: object) -> None:
        self.job = job
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "publisher.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _line(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def start(self, **changes: object) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**self.job, **changes}) + "\n")
        self.process.stdin.flush()
        return self._line()

    def status(self) -> int:
        return self._line()

    def close(self) -> None:
        self.process.communicate(timeout=20)


@pytest.mark.parametrize(("live", "kills"), [(False, 50), (True, 20)])
def test_killed_at_random_moments_the_consumer_sees_what_an_uninterrupted_run_gives(
    tmp_path: Path, live: bool, kills: int
) -> None:
    frames = 30_000
    path = tmp_path / "run.outbox"
    chance = random.Random(5)
    with EmbeddedBroker() as broker:
        topic = new_topic(broker.bootstrap)
        publisher = Publisher(
            path=str(path), bootstrap=broker.bootstrap, topic=topic, frames=frames, live=live, pause=0.0003
        )
        try:
            counts = []
            for _ in range(kills):
                child = publisher.start()
                time.sleep(chance.uniform(0.0, 0.35))
                os.kill(child, signal.SIGKILL)
                assert publisher.status() == signal.SIGKILL, "it was still at work"
                counts.append(sum(c.value for c in outbox.inspect_counters(path)) if path.exists() else 0)
            assert counts == sorted(counts), "no count is ever forgotten"
            assert counts[-1] > 200, "they did publish between the kills"
            # No camera gives 30,000 frames a second: one that outruns the disk may drop messages, as its policy says.
            publisher.start(pause=0.0001 if live else 0)
            assert publisher.status() == 0
        finally:
            publisher.close()
        expected = {m.id: m.value for frame in range(frames) for m in messages(frame)}
        records = consume(broker.bootstrap, topic, len(expected), timeout=60)
    values = defaultdict(set)
    for record in records:
        values[record.id].add(record.value)
    assert values.keys() == expected.keys()
    assert all(values[ident] == {value} for ident, value in expected.items()), (
        "a duplicate has the same id and the same value"
    )
    by_key: dict[bytes | None, list[str]] = defaultdict(list)
    for ident, key in {r.id: r.key for r in records}.items():  # first appearances
        by_key[key].append(ident)
    assert all(own == sorted(own) for own in by_key.values())
    assert [c.value for c in outbox.inspect_counters(path)] == [frames]
    assert outbox.inspect(path).messages == 0
