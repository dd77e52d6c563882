"""Order within an output while parts of it fail: every interleaving that a broker can make, as far as chance finds it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from countline.pipeline.lanes import MOST_HELD, Lanes
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


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.data())
def test_nothing_is_lost_doubled_or_overtaken_in_a_topic_however_topics_fail(data: st.DataObject) -> None:
    topics = ["a", "b", "c"]
    todo = [entry(n, data.draw(st.sampled_from(topics))) for n in range(1, data.draw(st.integers(1, 40)) + 1)]
    broker, lanes, buffer, now = Broker(data), Lanes(), list[Entry](), 0.0
    pending = list(todo)
    for step in range(120):
        broker.calm = step >= 40  # forty moments of trouble, then all is well
        broker.failing = set() if broker.calm else set(data.draw(st.lists(st.sampled_from(topics), max_size=3)))
        now += 20.0 if broker.calm else data.draw(st.sampled_from([0.0, 0.05, 1.0]))
        due = lanes.due(now, 5)
        taken = broker.accept(due)
        lanes.sent(due[:taken])
        lanes.put_back(due[taken:])
        if taken == len(due):
            part = 5 if broker.calm else data.draw(st.integers(0, 5))
            buffer = lanes.offer(buffer + pending[:part])
            pending = pending[part:]
            taken = broker.accept(buffer)
            lanes.sent(buffer[:taken])
            buffer = buffer[taken:]
        answers = broker.answer()
        if not any(again for _, again in answers) and data.draw(st.booleans()):
            fine = [position for position, _ in answers]
            assert lanes.settled(fine) == fine, "good receipts may be booked all at once"
            assert lanes.settled(fine) == [], "and only once"
            answers = []
        for position, again in answers:
            found = lanes.landed(position, again=again, now=now)
            assert found is not None
            assert found.position == position
        if len(broker.log) == len(todo):
            break
    for topic in topics:
        assert [e.position for e in broker.log if e.message.topic == topic] == [
            e.position for e in todo if e.message.topic == topic
        ]
    assert not lanes.flying
    assert not lanes.waiting


def test_a_failing_topic_holds_up_no_other() -> None:
    lanes = Lanes()
    first = entry(1, "a")
    lanes.sent([first])
    lanes.landed(1, again=True, now=0.0)
    assert [e.position for e in lanes.offer([entry(2, "a"), entry(3, "b")])] == [3]


def test_one_probe_at_a_time_goes_to_a_failing_topic_and_less_and_less_often() -> None:
    lanes = Lanes()
    lanes.sent([entry(1, "a"), entry(2, "a")])
    lanes.landed(1, again=True, now=0.0)
    assert lanes.due(0.05, 100) == [], "its second message is still on the way"
    lanes.landed(2, again=True, now=0.0)
    times, now = [], 0.0
    while len(times) < 12:
        now += 0.01
        probe = lanes.due(now, 100)
        if probe:
            assert [e.position for e in probe] == [1]
            lanes.sent(probe)
            assert lanes.due(now, 100) == []
            times.append(now)
            lanes.landed(1, again=True, now=now)
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps == sorted(gaps)
    assert 9.9 < gaps[-1] < 10.1


def test_reading_ends_while_too_much_is_held() -> None:
    lanes = Lanes()
    lanes.sent([entry(1, "a")])
    lanes.landed(1, again=True, now=0.0)
    lanes.offer([entry(n, "a") for n in range(2, MOST_HELD + 2)])
    assert not lanes.room
