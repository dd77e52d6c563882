"""Writer and senders with the real outbox and a real broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from delivery_disk import fill
from feed import SOURCE, Feed, in_order_per_key, kafka, message, numbers
from kafka_tools import consume, new_topic

from countline import outbox
from countline.config import OutboxConfig
from countline.demo.broker import EmbeddedBroker
from countline.errors import ConfigError, OutboxError
from countline.outbox import Commit, StreamStart
from countline.pipeline.delivery.commit_writer import Writer
from countline.pipeline.delivery.delivery import Delivery
from countline.types import CounterDelta, CounterKey, FrameInfo
from ports import free_port

CAR = CounterKey("gate", "line", "in", "car")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.outbox"


@pytest.mark.parametrize("memory", [False, True])
def test_every_message_arrives_once_in_order_and_is_gone_from_the_outbox(
    path: Path, tmp_path: Path, memory: bool
) -> None:
    with EmbeddedBroker() as broker:
        topic = new_topic(broker.bootstrap, partitions=3)
        with Feed(None if memory else path, kafka(broker.bootstrap, topic)) as feed:
            feed.put(5000)
            feed.delivered()
            stats = feed.delivery.stats()["kafka"]
            assert (stats.acknowledged, stats.dead, stats.dropped, stats.error) == (5000, 0, 0, "")
            feed.until(lambda: feed.delivery.status().messages == 0)
        ids = [r.id for r in consume(broker.bootstrap, topic, 5000, partitions=3)]
    assert len(ids) == 5000
    assert set(ids) == numbers(5000)
    assert in_order_per_key(ids)
    assert (tmp_path / "run.outbox").exists() is not memory


def test_messages_go_to_the_outputs_they_name(path: Path) -> None:
    with EmbeddedBroker() as broker:
        topics = {name: new_topic(broker.bootstrap) for name in ("one", "two")}
        outputs = [kafka(broker.bootstrap, topic) for topic in topics.values()]
        for output, name in zip(outputs, topics):
            output.name = name
        with Feed(path, *outputs) as feed:
            feed.put(10)
            feed.put(10, outputs=("one",))
            feed.put(10, outputs=("two",))
            feed.delivered()
        assert {r.id for r in consume(broker.bootstrap, topics["one"], 20)} == numbers(20)
        assert {r.id for r in consume(broker.bootstrap, topics["two"], 20)} == numbers(10) | (numbers(30) - numbers(20))


def _info(frame: int, stream: str = "s") -> FrameInfo:
    return FrameInfo(SOURCE, frame, 0, 0, 1, 1, stream=stream)


def test_a_camera_that_reconnects_goes_on_with_its_counts(path: Path) -> None:
    delivery = Delivery(OutboxConfig(), path, [], live=True)
    delivery.start()
    assert delivery.begin(StreamStart("gate", "s1", live=True)).counters == {}
    delivery.put(_info(0, "s1"), [], [CounterDelta(CAR, 3)])
    assert delivery.begin(StreamStart("gate", "s2", live=True)).counters == {CAR: 3}, "written or not yet"
    delivery.put(_info(0, "s2"), [], [CounterDelta(CAR, 2)])
    delivery.reset("gate", 77)
    again = delivery.begin(StreamStart("gate", "s3", live=True))
    assert (again.counters, again.resets) == ({CAR: 0}, {("gate", "line"): (1, 77)})
    delivery.put(_info(0, "s3"), [], [CounterDelta(CAR, 1)])
    delivery.stop(5.0)
    delivery = Delivery(OutboxConfig(), path, [], live=True)
    resume = delivery.begin(StreamStart("gate", "s4", live=True))
    assert (resume.counters, resume.resets) == ({CAR: 1}, {("gate", "line"): (1, 77)})
    delivery.start()
    delivery.stop(1.0)


def test_a_rule_that_never_counted_has_its_epoch_too(path: Path) -> None:
    delivery = Delivery(OutboxConfig(), path, [], live=True)
    delivery.start()
    delivery.begin(StreamStart("gate", "s1", live=True, rules=["line", "quiet"]))
    delivery.put(_info(0, "s1"), [], [CounterDelta(CAR, 3)])
    delivery.reset("gate", 77)
    both = {("gate", "line"): (1, 77), ("gate", "quiet"): (1, 77)}
    assert delivery.begin(StreamStart("gate", "s2", live=True, rules=["line", "quiet"])).resets == both
    delivery.stop(5.0)
    delivery = Delivery(OutboxConfig(), path, [], live=True)
    resume = delivery.begin(StreamStart("gate", "s3", live=True, rules=["line", "quiet", "new"]))
    assert resume.resets == {**both, ("gate", "new"): (1, 77)}, "the epoch is the source's"
    delivery.start()
    delivery.stop(1.0)


def _writer(path: Path, *, block: bool, dropped: list[Commit], **config: object) -> tuple[Writer, Delivery]:
    delivery = Delivery(OutboxConfig.model_validate(config), path, [], live=not block)
    writer = Writer(
        delivery.outbox,
        commit_ms=0,
        block=block,
        on_written=lambda: None,
        on_dropped=dropped.append,
        queue_bytes=20_000,
    )
    return writer, delivery


def test_what_cannot_be_written_gives_up_messages_but_never_counts(path: Path) -> None:
    dropped: list[Commit] = []
    writer, delivery = _writer(path, block=False, dropped=dropped)
    for frame in range(500):  # the writer does not run yet: as if the disk stood still
        writer.put(Commit("gate", "s", frame, [message(frame, size=1000)], [CounterDelta(CAR, 1)]))
    kept = writer.waiting
    assert 0 < kept < 30
    assert kept + sum(len(c.messages) for c in dropped) == 500
    writer.start()
    assert writer.stop(10.0) == []
    assert [c.value for c in delivery.outbox.counters()] == [500]
    assert delivery.outbox.last == kept
    delivery.outbox.close()


def test_a_full_group_waits_for_no_company_where_the_outputs_keep_up(path: Path) -> None:
    delivery = Delivery(OutboxConfig(), path, [], live=True)
    written = threading.Event()
    writer = Writer(
        delivery.outbox,
        commit_ms=60_000,
        block=True,
        on_written=written.set,
        on_dropped=lambda _: None,
        queue_bytes=1 << 30,
    )
    writer.put(Commit("gate", "s", 0, [message(n, size=100_000) for n in range(50)], [CounterDelta(CAR, 1)]))
    writer.start()
    assert written.wait(30.0), "it waits for company"
    assert writer.stop(10.0) == []
    assert delivery.outbox.last == 50
    delivery.outbox.close()


def test_a_live_run_that_ends_with_its_disk_full_keeps_its_counts_and_says_what_is_lost(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_disk / "run.outbox"
    with Feed(path, kafka(f"127.0.0.1:{free_port()}", "t")) as feed:
        feed.put(100)
        feed.delivery.writer.flush()
        fill(small_disk)
        feed.put(3000, size=1000)
        feed.until(lambda: "disk is full" in feed.delivery.writer.last_error)
        feed.put(3000, size=1000)
        feed.stop(0.3)
        failure = feed.delivery.failure
        stats = feed.delivery.stats()["kafka"]
    assert failure is not None
    assert failure.exit_code == 5
    assert "their counts were kept" in str(failure)
    lost = stats.dropped_by["not-written"]
    assert f"{lost} messages of live sources" in str(failure)
    assert stats.pending == 6100 - lost
    assert "their counts were kept" in caplog.text
    with outbox.open(OutboxConfig(), path, ["kafka"]) as box:  # the disk is still full
        assert [c.value for c in box.counters()] == [6100]
        assert box.pending("kafka") == 6100 - lost


def test_a_live_run_that_ends_with_its_outbox_full_keeps_its_counts(path: Path) -> None:
    with Feed(path, kafka(f"127.0.0.1:{free_port()}", "t"), max_bytes=1 << 20, when_full="block") as feed:
        feed.put(3000, size=1000)
        feed.until(lambda: "it is full" in feed.delivery.writer.last_error)
        feed.stop(0.3)
        assert feed.delivery.failure is not None
    assert [c.value for c in outbox.inspect_counters(path)] == [3000]


def test_files_wait_and_lose_nothing_while_nothing_can_be_written(path: Path) -> None:
    dropped: list[Commit] = []
    writer, delivery = _writer(path, block=True, dropped=dropped)

    def work() -> None:
        for frame in range(200):
            writer.put(Commit("gate", "s", frame, [message(frame, size=1000)], [CounterDelta(CAR, 1)]))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(0.3)
    assert worker.is_alive(), "it waits: nobody writes"
    writer.start()
    worker.join()
    assert writer.stop(10.0) == []
    assert dropped == []
    assert [c.value for c in delivery.outbox.counters()] == [200]
    assert delivery.outbox.last == 200
    delivery.outbox.close()


def test_an_outbox_that_fails_for_good_ends_the_run_with_its_error(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = Delivery(OutboxConfig(), path, [], live=False)
    delivery.start()
    delivery.begin(StreamStart("gate", "s", live=False))
    delivery.outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        for frame in range(1000):
            delivery.put(_info(frame), [message(frame)], [])
            time.sleep(0.01)
    delivery.stop(1.0)
    assert "closed" in caplog.text


def test_a_bad_option_is_found_before_anything_starts_and_leaves_nothing_open(path: Path) -> None:
    good, bad = kafka("127.0.0.1:9", "t"), kafka("127.0.0.1:9", "t", options={"lingerms": 3})
    bad.name = "bad"
    with pytest.raises(ConfigError, match="lingerms") as caught:
        Delivery(OutboxConfig(), path, [good, bad], live=False)
    assert "linger.ms" in caught.value.fix
    Delivery(OutboxConfig(), path, [], live=False).outbox.close()  # the lock was given back


def test_what_waits_is_told_once_also_at_the_moment_it_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there to take anything, so at every moment all that was put waits: neither more nor less."""
    with Feed(path, kafka(f"127.0.0.1:{free_port()}", "t")) as feed:
        told = []
        write = feed.delivery.outbox.write

        def look(commits: Sequence[Commit]) -> int:
            """The writer still holds what the outbox has already."""
            stored = write(commits)
            before, pending = feed.sent, feed.delivery.stats()["kafka"].pending
            told.append((before, pending, feed.sent + 1))  # one is perhaps put and not yet counted by the feed
            return stored

        monkeypatch.setattr(feed.delivery.outbox, "write", look)
        for _ in range(20):
            feed.put(200)
            feed.delivery.writer.flush()
        assert feed.delivery.stats()["kafka"].pending == 4000
        assert feed.delivery.writer.waiting == 0
    assert len(told) >= 20
    assert [t for t in told if not t[0] <= t[1] <= t[2]] == []


def test_publishing_never_waits_for_a_broker(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "countline")
    with Feed(path, kafka(f"127.0.0.1:{free_port()}", "t")) as feed:
        feed.put(20_000)
        assert feed.delivery.outbox.when_full == "drop-oldest"
        feed.delivery.writer.flush()
        assert feed.delivery.outbox.last == 20_000
        assert feed.delivery.stats()["kafka"].acknowledged == 0
