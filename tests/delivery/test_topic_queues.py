"""Order within an output while parts of it fail: every interleaving that a broker can make, as far as chance finds it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from countline.pipeline.delivery.topic_queues import QUEUE_BYTES, REPORTED_AFTER, TopicQueues
from countline.protocols import Entry
from countline.types import Message


def entry(position: int, topic: str) -> Entry:
    return Entry(position, Message(id=str(position), value=b"", topic=topic))


class Broker:
    """Keeps order as an idempotent producer does: once an entry of a topic comes back, all that is behind it on the way comes
    back too, unless it had arrived before."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw
        self.on_the_way: list[Entry] = []
        self.log: list[Entry] = []
        self.failing: set[str] = set()
        self.behind: set[int] = set()
        self.calm = False

    def accept(self, entries: list[Entry]) -> int:
        taken = len(entries) if self.calm else self.draw.draw(st.integers(0, len(entries)))
        self.on_the_way += entries[:taken]
        return taken

    def answer(self) -> list[tuple[int, bool]]:
        """(position, again) for some of what is on the way, from the front."""
        some = len(self.on_the_way) if self.calm else self.draw.draw(st.integers(0, len(self.on_the_way)))
        now, self.on_the_way = self.on_the_way[:some], self.on_the_way[some:]
        answers = []
        for item in now:
            topic = item.message.topic or ""
            if topic in self.failing or item.position in self.behind:
                answers.append((item.position, True))
                self.behind.discard(item.position)
                later = [*now, *self.on_the_way]
                self.behind |= {e.position for e in later if e.message.topic == topic and e.position > item.position}
            else:
                self.log.append(item)
                answers.append((item.position, False))
        return answers


@settings(max_examples=60)
@given(st.data())
def test_nothing_is_lost_doubled_or_overtaken_in_a_topic_however_topics_fail(data: st.DataObject) -> None:
    topics = ["a", "b", "c"]
    todo = [entry(n, data.draw(st.sampled_from(topics))) for n in range(1, data.draw(st.integers(1, 40)) + 1)]
    queue_bytes, all_bytes = data.draw(st.sampled_from([(1, 1), (1300, 2000), (10**6, 10**6)]))
    broker, queues, buffer, now = Broker(data), TopicQueues(queue_bytes, all_bytes), list[Entry](), 0.0
    pending, settled, after = list(todo), set[int](), 0
    for step in range(120):
        broker.calm = step >= 40  # forty moments of trouble, then all is well
        broker.failing = set() if broker.calm else set(data.draw(st.lists(st.sampled_from(topics), max_size=3)))
        now += 20.0 if broker.calm else data.draw(st.sampled_from([0.0, 0.05, 1.0]))
        due = queues.due(now, 5)
        taken = broker.accept(due)
        queues.sent(due[:taken])
        queues.put_back(due[taken:])
        if taken == len(due):
            for topic, left in queues.hungry():
                found = [e for e in todo if e.position > left and e.position not in settled][:3]
                upto = found[-1].position if found else left
                known = [e for e in found if e.position <= after]
                queues.refill(topic, known, upto, all_read=upto <= left or upto >= after)
            part = 5 if broker.calm else data.draw(st.integers(0, 5))
            after = pending[:part][-1].position if pending[:part] else after
            buffer = queues.offer(buffer + pending[:part])
            pending = pending[part:]
            taken = broker.accept(buffer)
            queues.sent(buffer[:taken])
            buffer = buffer[taken:]
        answers = broker.answer()
        if not any(again for _, again in answers) and data.draw(st.booleans()):
            fine = [position for position, _ in answers]
            assert [e.position for e in queues.settled(fine)] == fine, "good receipts may be booked all at once"
            assert queues.settled(fine) == [], "and only once"
            settled |= set(fine)
            answers = []
        for position, again in answers:
            found = queues.answered(position, again=again, now=now)
            assert found is not None
            assert found.position == position
            if not again:
                settled.add(position)
        if len(broker.log) == len(todo):
            break
    for topic in topics:
        assert [e.position for e in broker.log if e.message.topic == topic] == [
            e.position for e in todo if e.message.topic == topic
        ]
    assert not queues.in_flight
    assert not queues.waiting


def test_a_failing_topic_holds_up_no_other() -> None:
    queues = TopicQueues()
    first = entry(1, "a")
    queues.sent([first])
    queues.answered(1, again=True, now=0.0)
    assert [e.position for e in queues.offer([entry(2, "a"), entry(3, "b")])] == [3]


def test_one_probe_at_a_time_goes_to_a_failing_topic_and_less_and_less_often() -> None:
    queues = TopicQueues()
    queues.sent([entry(1, "a"), entry(2, "a")])
    queues.answered(1, again=True, now=0.0)
    assert queues.due(0.05, 100) == [], "its second message is still on the way"
    queues.answered(2, again=True, now=0.0)
    times, now = [], 0.0
    while len(times) < 12:
        now += 0.01
        probe = queues.due(now, 100)
        if probe:
            assert [e.position for e in probe] == [1]
            queues.sent(probe)
            assert queues.due(now, 100) == []
            times.append(now)
            queues.answered(1, again=True, now=now)
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps == sorted(gaps)
    assert 9.9 < gaps[-1] < 10.1


def test_what_a_stopped_topic_holds_is_bounded_by_bytes_and_the_rest_is_read_again_when_it_flows() -> None:
    queues = TopicQueues()
    queues.sent([entry(1, "a")])
    queues.answered(1, again=True, now=0.0)
    free = queues.offer([entry(n, "b" if n % 2 else "a") for n in range(2, 20_001)])
    assert len(free) == 9_999, "another topic flows on, however much waits"
    held = queues.waiting - 1
    assert 100 < held < QUEUE_BYTES / 500
    queues.sent(free)
    queues.settled([e.position for e in free])
    (probe,) = queues.due(1.0, 100)
    assert queues.hungry() == []
    queues.sent([probe])
    queues.answered(1, again=False, now=1.0)
    sent = [1]
    while True:
        out = queues.due(2.0, 1000)
        queues.sent(out)
        sent += [e.position for e in queues.settled([e.position for e in out])]
        for topic, left in queues.hungry():
            more = [entry(n, "b" if n % 2 else "a") for n in range(left + 1, min(left + 1000, 20_000) + 1)]
            queues.refill(topic, more, more[-1].position, all_read=more[-1].position == 20_000)
        if not queues.waiting:
            break
    assert sent == [1, *range(2, 20_001, 2)]
    assert queues.waiting == 0


def test_a_topic_that_stands_still_is_told_once_with_its_reason_and_once_when_it_is_back() -> None:
    queues = TopicQueues()
    queues.sent([entry(1, "a")])
    queues.answered(1, again=True, now=0.0, reason="no right")
    assert queues.changes(REPORTED_AFTER / 2) == [], "what mends itself soon is nobody's business"
    assert queues.last_error == ""
    assert queues.changes(REPORTED_AFTER) == [("a", "no right", REPORTED_AFTER)]
    assert queues.last_error == "no right"
    for now in (3.0, 5.0):
        queues.sent(queues.due(now, 10))
        queues.answered(1, again=True, now=now, reason="no right")
        assert queues.changes(now) == []
    queues.sent(queues.due(20.0, 10))
    queues.answered(1, again=False, now=20.0)
    assert queues.changes(20.0) == [("a", "", 20.0)]
    assert queues.changes(21.0) == []
