"""Stands between a source's worker thread and the delivery: what is counted goes into the owner's slot, together with the messages."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from countline.cluster.gate import DOUBTFUL, GENERATION, PARTITION, SOURCE
from countline.cluster.protocol import Claim, Counts, Epoch, Slot
from countline.cluster.records import slot_key, slot_value
from countline.cluster.tables import Definition, Tables
from countline.errors import ConfigError
from countline.outbox import NOTHING, Kept, Resume, StreamStart
from countline.outbox.commit_sink import CommitSink
from countline.outbox.identity import fates
from countline.outbox.types import RuleChange, history_of
from countline.types import CounterDelta, CounterKey, FrameInfo, Message, RuleIdentity

__all__ = ["STATE", "Destination", "OwnerSink", "Restore"]

STATE = "countline-state"
"""Name of the output that carries slots, and of their definition."""
IDLE = 2.0
"""Seconds after which a slot is written, too, if nothing was counted: how far a file was read, and that a camera was seen."""

Resets = Mapping[tuple[str, str], tuple[int, int]]
Restore = Callable[[Mapping[CounterKey, int], Resets], None]
"""Sets the cumulative counters of the rules (:meth:`countline.protocols.RuleSet.restore`)."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where slots go."""

    topic: str
    output: str = STATE
    """Name of the output that carries them."""
    users: tuple[str, ...] = ()
    """The user's outputs: what is for all of them is not for the one of the slots."""
    transactions: bool = False
    """Slots and messages are there together or not at all: what a former owner of a file holds, the next one makes again."""


class OwnerSink:
    """A :class:`countline.outbox.commit_sink.CommitSink` for one generation of one source. Called from the worker thread of that
    source.

    Parameters
    ----------
    taker: takes the commits.
    tables: what is known of the source, from all workers.
    claim, definition: by which it is owned, and what is read.
    destination: where slots go.
    sure: whether the lease is valid now.
    """

    def __init__(
        self,
        taker: CommitSink,
        tables: Tables,
        claim: Claim,
        definition: Definition,
        destination: Destination,
        sure: Callable[[], bool],
    ) -> None:
        self.wall = taker.wall
        self.restore: Restore = lambda counters, resets: None
        """Set by whoever has made the rules: they are handed what former owners bring late."""
        self._taker, self._tables, self._claim, self._definition = taker, tables, claim, definition
        self._to, self._sure = destination, sure
        self._slot: Slot | None = None
        self._frame: FrameInfo | None = None
        """The last one that was put."""
        self._rules: tuple[str, ...] = ()
        self._kept: dict[str, tuple[RuleIdentity, str]] = {}
        self._version = 0
        self._written = 0.0
        self._changed = False
        """Whether the slot says something that was not written yet."""
        generation = str(claim.generation).encode()
        self._headers = ((SOURCE, claim.source.encode("utf-8", "surrogatepass")), (GENERATION, generation))
        self._slot_key = slot_key(claim.source, claim.generation)
        self._partition = (PARTITION, str(definition.partition).encode())

    # -- CommitSink -----------------------------------------------------------------------------------------------

    def begin(self, start: StreamStart) -> Resume:
        """A stream begins: with the counts of all owners so far."""
        self._taker.begin(replace(start, due=None))  # what is due is known of the slots
        self._rules = tuple(start.rules)
        if start.live and self._slot is not None:
            return self._again(start.due)
        self._version = self._news()
        state = self._tables.state(start.source)
        if self._slot is not None:
            state.learn(self._slot)
        own = replace(start, stream=start.stream.rpartition("@")[0]) if start.live else start
        work = state.begin(self._claim, own, definition=self._definition.offset)
        self._kept = _kept(state.rules(), start.identities, self._claim.generation)
        self._slot, self._changed = replace(work.slot, rules=self._kept), True
        counters = self._keys(work.before)
        resets = self._resets(work.before_epoch)
        history = history_of(counters, {"": _pair(work.before_epoch)} if work.before_epoch.number else {})
        return Resume(work.resume, counters, resets, work.seen, work.reset, history, work.looked, work.untold)

    def _again(self, due: Callable[[int], int | None] | None) -> Resume:
        """A live source begins a stream anew under the same owner."""
        slot = self._own
        reset = due(slot.seen) if due is not None and slot.seen else None
        if reset is not None:
            self.reset(slot.source, reset)
        counters, resets = self._now()
        return Resume(None, counters, resets, self._own.seen, reset)

    def put(
        self,
        frame: FrameInfo,
        messages: Sequence[Message],
        deltas: Sequence[CounterDelta],
        kept: Kept = NOTHING,
    ) -> None:
        """What came of a frame, with the slot as it is behind it."""
        slot, self._frame = self._own, frame
        counts = slot.counts
        if deltas:
            grown = dict(counts)
            for key, amount in deltas:
                at = (self._kept[key.rule][1] if key.rule in self._kept else key.rule, key.counter, key.class_name)
                grown[at] = grown.get(at, 0) + amount
            counts = grown
        untold = kept.untold
        if untold is not None:
            slot = replace(slot, untold=untold if untold.missed else None)
        self._slot = replace(slot, counts=counts, frame=max(slot.frame, frame.number), seen=frame.time)
        doubtful = self._doubt(frame)
        made = [self._stamped(m, doubtful) for m in messages if m.outputs or self._to.users]
        if messages or deltas or untold is not None or self._changed or clock.monotonic() - self._written > IDLE:
            made.append(self._slot_message(doubtful))
        self._taker.put(frame, made, deltas, kept)
        if frame.source.live and self._version != self._news():
            self._adopt()

    def reset(self, source: str, time: int) -> None:
        """The counts begin anew."""
        slot = self._own
        self._slot = replace(slot, counts={}, epoch=Epoch(slot.epoch.number + 1, time))
        self._changed = True
        self._taker.reset(source, time)

    def change(self, source: str, change: RuleChange) -> Resume:
        """Raises ConfigError: another configuration is another run."""
        raise ConfigError(
            "the rules of a worker do not change while it runs", fix="start it anew; others go on meanwhile"
        )

    def tell(self, messages: Sequence[Message], time: int) -> None:
        """Messages that belong to no frame."""
        self._taker.tell([self._stamped(m, b"") for m in messages if m.outputs or self._to.users], time)

    def forget(self, source: str) -> None:
        """The source is gone."""
        self._taker.forget(source)

    def use_outputs(self, names: Sequence[str]) -> None:
        """Nothing: those of a worker stay."""

    def finished(self, source: str, stream: str, number: int) -> None:
        """A file was read to its end: nobody reads it again until it is defined anew."""
        self._slot = replace(self._own, finished=True)
        if self._frame is not None:
            self._taker.put(self._frame, [self._slot_message(self._doubt(self._frame))], ())
        self._taker.finished(source, stream, number)

    @property
    def finished_reading(self) -> bool:
        """Whether :meth:`finished` was called. From any thread."""
        return self._slot is not None and self._slot.finished

    def last(self) -> None:
        """The source is let go of: the slot as it is goes out, whether something was counted or not."""
        frame, slot = self._frame, self._slot
        if frame is not None and slot is not None and not slot.finished:
            doubtful = self._doubt(frame)
            self._taker.put(frame, [self._slot_message(doubtful)], ())

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def _own(self) -> Slot:
        assert self._slot is not None, "begin comes first"
        return self._slot

    def _doubt(self, frame: FrameInfo) -> bytes:
        """What stands in the header of what goes out late only if nobody has taken over; empty: it always does."""
        if frame.source.live:
            return b"" if self._sure() else b"1"
        return b"again" if self._to.transactions else b""

    def _news(self) -> int:
        return self._tables.version(self._claim.source, self._claim.generation)

    def _adopt(self) -> None:
        """A former owner has brought something late, after this one began: it is in the sum from here on."""
        self._version = self._news()
        self.restore(*self._now())

    def _now(self) -> tuple[Mapping[CounterKey, int], Resets]:
        slot = self._own
        state = self._tables.state(slot.source)
        state.learn(slot)
        return self._keys(state.total()), self._resets(state.epoch)

    def _keys(self, counts: Counts) -> dict[CounterKey, int]:
        names = {kept: name for name, (_, kept) in self._kept.items()}
        gone = {name for name, (_, kept) in self._kept.items() if kept != name}
        found = {(names.get(key[0], key[0]), *key[1:]): n for key, n in counts.items() if key[0] not in gone}
        return {CounterKey(self._claim.source, *key): value for key, value in found.items()}

    def _resets(self, epoch: Epoch) -> Resets:
        return {(self._claim.source, rule): _pair(epoch) for rule in self._rules} if epoch.number else {}

    def _stamped(self, message: Message, doubtful: bytes) -> Message:
        headers = message.headers + self._headers
        if doubtful:
            headers += ((DOUBTFUL, doubtful),)
        return replace(message, headers=headers, outputs=message.outputs or self._to.users)

    def _slot_message(self, doubtful: bytes) -> Message:
        now = self.wall()
        slot = self._slot = replace(self._own, sequence=self._own.sequence + 1, looked=now)
        self._written, self._changed = clock.monotonic(), False
        headers = (*self._headers, self._partition, *(((DOUBTFUL, doubtful),) if doubtful else ()))
        return Message(
            id=f"{slot.source}/{slot.generation}/{slot.sequence}",
            value=slot_value(slot),
            key=self._slot_key,
            headers=headers,
            time=now,
            topic=self._to.topic,
            definition=STATE,
            source=slot.source,
            outputs=(self._to.output,),
        )


def _kept(
    before: Mapping[str, tuple[RuleIdentity, str]], now: Mapping[str, RuleIdentity], generation: int
) -> dict[str, tuple[RuleIdentity, str]]:
    """The names under which rules count. One that is turned round, of another kind, or to begin at 0 when it is moved, counts under a
    new one, so that what former owners have counted, or bring late, is not added to it."""
    fate = fates({name: identity for name, (identity, _) in before.items()}, now)
    found = dict(before)
    for name, identity in now.items():
        kept = before[name][1] if name in before else name
        found[name] = identity, f"{name}\x1f{generation}" if fate.get(name) == "from-zero" else kept
    return found


def _pair(epoch: Epoch) -> tuple[int, int]:
    return epoch.number, epoch.reset_at
