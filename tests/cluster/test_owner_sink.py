"""What an owner writes beside its messages, what it takes from former owners, and what is held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from countline.cluster import records
from countline.cluster.gate import DOUBTFUL, GENERATION, PARTITION, SOURCE, FencedOutput, header
from countline.cluster.protocol import Slot, Verdict
from countline.cluster.sink import STATE, Destination, OwnerSink
from countline.cluster.tables import Definition, Tables
from countline.outbox import Resume, StreamStart
from countline.protocols import Entry, OutputStatus, Receipt
from countline.types import CounterDelta, CounterKey, FrameInfo, Message, RuleIdentity, SourceInfo

CAMERA = SourceInfo("gate", live=True)
KEY = CounterKey("gate", "door", "in", "car")


class Commits:
    """Takes what the sink hands on."""

    def __init__(self) -> None:
        self.messages: list[list[Message]] = []
        self.wall = lambda: 7

    def begin(self, *args: Any, **more: Any) -> Resume:
        return Resume()

    def put(self, frame: FrameInfo, messages: Sequence[Message], deltas: Sequence[CounterDelta], *more: Any) -> None:
        self.messages.append(list(messages))

    def reset(self, source: str, time: int) -> None: ...

    def finished(self, source: str, stream: str) -> None: ...


def frame(number: int, source: SourceInfo = CAMERA) -> FrameInfo:
    return FrameInfo(source, number, number, 1000 + number, 1, 1, stream="s@5")


def owner(tables: Tables, commits: Commits, *, sure: bool = True, offset: int = 5, **more: Any) -> OwnerSink:
    tables.stated(2, offset, b"gate", records.claim_value("w", "w", None, 0))
    claim = tables.claim("gate")
    assert claim is not None
    definition = Definition("gate", b"{}", 2, 0)
    return OwnerSink(
        commits, tables, claim, definition, Destination("site.state", users=("kafka",), **more), lambda: sure
    )


def test_a_slot_stands_behind_the_messages_of_its_frame_and_says_where_it_belongs() -> None:
    commits = Commits()
    sink = owner(Tables(), commits)
    sink.begin(StreamStart("gate", "s@5", live=True, time=1000, rules=["door"]))
    sink.put(frame(0), [Message("1", b"{}")], [CounterDelta(KEY, 2)])
    told, slot = commits.messages[0]
    assert (header(told, SOURCE), header(told, GENERATION), header(told, DOUBTFUL)) == (b"gate", b"5", None)
    assert told.outputs == ("kafka",)
    assert (slot.topic, slot.outputs, header(slot, PARTITION)) == ("site.state", (STATE,), b"2")
    read = records.read_slot(slot.value)
    assert (read.counts, read.stream, read.frame) == ({("door", "in", "car"): 2}, "s", 0)
    sink.put(frame(1), [], [])
    assert commits.messages[1] == [], "nothing new: nothing is written"


def test_what_is_counted_without_a_lease_is_marked_and_what_a_file_shows_never_is() -> None:
    commits = Commits()
    sink = owner(Tables(), commits, sure=False)
    sink.begin(StreamStart("gate", "s@5", live=True, time=1000))
    sink.put(frame(0), [Message("1", b"{}")], [CounterDelta(KEY, 1)])
    assert [header(m, DOUBTFUL) for m in commits.messages[0]] == [b"1", b"1"]
    film = owner(Tables(), commits, sure=False)
    film.begin(StreamStart("gate", "digest", live=False, time=1000))
    film.put(frame(0, SourceInfo("gate")), [Message("1", b"{}")], [CounterDelta(KEY, 1)])
    assert [header(m, DOUBTFUL) for m in commits.messages[1]] == [None, None]
    film = owner(Tables(), commits, sure=True, transactions=True)
    film.begin(StreamStart("gate", "digest", live=False, time=1000))
    film.put(frame(0, SourceInfo("gate")), [], [CounterDelta(KEY, 1)])
    assert [header(m, DOUBTFUL) for m in commits.messages[2]] == [b"again"]


def test_what_a_former_owner_brings_late_is_in_the_counts_of_the_one_at_work() -> None:
    tables, commits = Tables(), Commits()
    former = Slot("gate", 1, "v", "live:1", True, 1, "s", 3, counts={("door", "in", "car"): 4}, seen=900)
    tables.stated(2, 2, records.slot_key("gate", 1), records.slot_value(former))
    sink = owner(tables, commits)
    restored: list[Mapping[CounterKey, int]] = []
    sink.restore = lambda counters, resets: restored.append(counters)
    resume = sink.begin(StreamStart("gate", "s@5", live=True, time=1000, rules=["door"]))
    assert (resume.counters, resume.seen) == ({KEY: 4}, 900)
    sink.put(frame(0), [], [CounterDelta(KEY, 1)])
    assert restored == []
    late = Slot("gate", 1, "v", "live:1", True, 2, "s", 9, counts={("door", "in", "car"): 6}, seen=950)
    for offset in (6, 7):
        tables.stated(2, offset, records.slot_key("gate", 1), records.slot_value(late))
    sink.put(frame(1), [], [])
    assert restored == [{KEY: 7}]
    own = records.read_slot(commits.messages[0][0].value)
    tables.stated(2, 8, records.slot_key("gate", 5), records.slot_value(own))
    sink.put(frame(2), [], [])
    assert restored == [{KEY: 7}], "its own slot is no news to it"


def test_records_that_are_none_are_counted_and_harm_nobody() -> None:
    tables = Tables()
    tables.defined(0, 0, b"gate", b"{no json")
    tables.defined(0, 1, None, b"{}")
    tables.defined(0, 2, b"hall", b"[]")
    tables.stated(0, 0, b"gate\0x", b"{}")
    tables.stated(0, 1, b"gate", b"{}")
    tables.stated(0, 2, b"gate\x001", b'{"slot": {}}')
    assert tables.unread == 6
    assert tables.definitions() == {}
    tables.defined(0, 3, b"gate", b'{"uri": "x"}')
    tables.defined(0, 4, b"gate", None)
    assert tables.definitions() == {}


class Taking:
    """An output that takes so many."""

    name = "taking"

    def __init__(self, room: int = 100) -> None:
        self.status, self.room, self.got = OutputStatus(), room, list[int]()

    def send(self, entries: Sequence[Entry]) -> int:
        taken = entries[: self.room - len(self.got)]
        self.got += [e.position for e in taken]
        return len(taken)

    def poll(self, timeout: float) -> list[Receipt]:
        return []

    def open(self) -> None: ...

    def close(self, timeout: float) -> list[Receipt]:
        return []


def test_the_gate_keeps_the_order_holds_back_and_settles_what_is_given_up() -> None:
    inner, fates = Taking(), {2: Verdict.DROP, 4: Verdict.WAIT}
    gate = FencedOutput(inner, lambda message: fates.get(int(message.id), Verdict.SEND))  # type: ignore[arg-type]
    entries = [Entry(n, Message(str(n), b"")) for n in range(1, 7)]
    assert gate.send(entries) == 3
    assert inner.got == [1, 3]
    assert gate.poll(0.0) == [Receipt(2)]
    assert gate.status.extra["fenced"] == 1
    fates[4] = Verdict.SEND
    inner.room = 3
    assert gate.send(entries[3:]) == 1
    assert inner.got == [1, 3, 4]


def test_a_line_that_is_moved_goes_on_and_one_that_is_turned_round_begins_at_nothing() -> None:
    def line(*points: tuple[float, float]) -> RuleIdentity:
        return RuleIdentity.of("line", {"points": points}, "", directed=True)

    tables, commits = Tables(), Commits()
    first = owner(tables, commits)
    rules = {"door": line((0.1, 0.5), (0.9, 0.5)), "hall": line((0.1, 0.5), (0.9, 0.5))}
    first.begin(StreamStart("gate", "s@5", live=True, time=1, rules=list(rules), identities=rules))
    hall = CounterKey("gate", "hall", "in", "car")
    first.put(frame(0), [], [CounterDelta(KEY, 3), CounterDelta(hall, 2)])
    tables.stated(2, 6, records.slot_key("gate", 5), commits.messages[-1][-1].value)
    turned = {"door": line((0.9, 0.5), (0.1, 0.5)), "hall": line((0.1, 0.6), (0.9, 0.6))}
    second = owner(tables, commits, offset=7)
    resume = second.begin(StreamStart("gate", "s@7", live=True, time=2, rules=list(turned), identities=turned))
    assert resume.counters == {hall: 2}
    second.put(frame(0), [], [CounterDelta(KEY, 1), CounterDelta(hall, 1)])
    tables.stated(2, 8, records.slot_key("gate", 7), commits.messages[-1][-1].value)
    first.put(frame(1), [], [CounterDelta(KEY, 1), CounterDelta(hall, 1)])  # late, by what it counted itself
    tables.stated(2, 9, records.slot_key("gate", 5), commits.messages[-1][-1].value)
    third = owner(tables, commits, offset=10)
    resume = third.begin(StreamStart("gate", "s@10", live=True, time=3, rules=list(turned), identities=turned))
    assert resume.counters == {KEY: 1, hall: 4}
