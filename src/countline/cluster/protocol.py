"""Who owns a source, and what its counts are, from what stands in the state topic. Pure: no broker, no clock, no threads.

Two kinds of record make up the state of a source. A **claim** is written by a worker before it reads the source; the place of the
claim in the log (its offset) is the **generation**, so generations are unique and grow without anybody handing them out. A **slot**
is what one generation has counted; nobody but that generation writes it, and it only grows. The counts of a source are the sum of
its slots, a grow-only counter (Shapiro et al. 2011, 'Conflict-free replicated data types'): it does not matter in which order slots
arrive, how often, or how late.

What a file shows is the same for everybody who reads it, so two generations that read the same **run** of a file have counted the
same: of these only the one that came farthest is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from countline.outbox.types import StreamStart
from countline.types import Gap, RuleIdentity

__all__ = ["Claim", "Counts", "Epoch", "Lease", "Slot", "SourceState", "Verdict", "Work", "verdict"]

Counts = Mapping[tuple[str, str, str], int]
"""(rule, counter, class name) -> how often."""


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """How often the counts of a source began anew, and when they did last (ns since the Unix epoch; 0: never)."""

    number: int = 0
    reset_at: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker says that it reads a source from here on."""

    source: str
    generation: int
    """Offset of the claim in the state topic."""
    worker: str
    """Identity of the worker's outbox, which outlives its process."""
    since: int
    """The first of an unbroken row of claims of this worker, if there is one; else the generation itself."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What one generation has counted of one source. A later record of the same slot has a higher ``sequence``."""

    source: str
    generation: int
    worker: str
    run: str
    """What is counted: one reading of a file, whoever does it, or what one generation saw of a live source."""
    live: bool
    sequence: int = 0
    stream: str = ""
    """Identity of the stream. That of a live source is its first owner's, and goes over to each that follows."""
    frame: int = -1
    """Last frame that was counted."""
    finished: bool = False
    definition: int = -1
    """Place of the source's definition in its topic: a file that was read to its end is read again when it is defined anew."""
    epoch: Epoch = Epoch()
    counts: Counts = field(default_factory=dict)
    """Since the beginning of the run, or since the reset within it."""
    base: Counts = field(default_factory=dict)
    """The source's counts when the run began; whoever goes through a file again begins with the same."""
    base_epoch: Epoch = Epoch()
    seen: int = 0
    """Event time of the last frame, ns since the Unix epoch; 0: none yet."""
    looked: int = 0
    """When this was written, by the worker's wall clock, ns since the Unix epoch."""
    untold: Gap | None = None
    """The gap that no message has reported yet."""
    rules: Mapping[str, tuple[RuleIdentity, str]] = field(default_factory=dict)
    """What each rule counts, and the name under which its counts stand: another one since the rule began to count something that
    cannot be added to what it had counted before."""

    @property
    def farther(self) -> tuple[bool, int, int, int]:
        """Of the slots of one run the greatest stands for it."""
        return self.finished, self.frame, self.sequence, self.generation


@dataclass(frozen=True, slots=True)
class Work:
    """How a generation begins."""

    slot: Slot
    """Its own, to be grown."""
    resume: int | None
    """Last frame of this run of a file that was counted already; None: nothing to suppress."""
    before: Counts
    """What the rules begin with."""
    before_epoch: Epoch
    seen: int
    looked: int
    reset: int | None = None
    """The reset that was due since the source was seen last, and is carried out now."""
    untold: Gap | None = None


class SourceState:
    """All claims and slots of one source that were read so far. Any order, any repetition, any delay gives the same.

    >>> state = SourceState("gate")
    >>> for generation, count in ((4, 2), (9, 5)):
    ...     _ = state.learn(Slot("gate", generation, "w", f"live:{generation}", True, 1, counts={("door", "in", "person"): count}))
    >>> state.total()
    {('door', 'in', 'person'): 7}
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.claim: Claim | None = None
        """The latest."""
        self.slots: dict[int, Slot] = {}
        """By generation."""

    def take(self, claim: Claim) -> bool:
        """A claim was read; whether it is news."""
        if self.claim is not None and claim.generation <= self.claim.generation:
            return False
        self.claim = claim
        return True

    def learn(self, slot: Slot) -> bool:
        """A slot was read; whether it is news."""
        known = self.slots.get(slot.generation)
        if known is not None and slot.sequence <= known.sequence:
            return False
        self.slots[slot.generation] = slot
        return True

    # -- counts ---------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> Epoch:
        """The latest of all slots."""
        return max((slot.epoch for slot in self.slots.values()), default=Epoch())

    def runs(self) -> dict[str, Slot]:
        """The slot that stands for each run."""
        found: dict[str, Slot] = {}
        for slot in self.slots.values():
            known = found.get(slot.run)
            if known is None or slot.farther > known.farther:
                found[slot.run] = slot
        return found

    def total(self, without: str = "") -> dict[tuple[str, str, str], int]:
        """The source's counts since its last reset; ``without``: a run that is left out."""
        epoch = self.epoch
        return _sum(s.counts for run, s in self.runs().items() if s.epoch == epoch and run != without)

    # -- beginning ------------------------------------------------------------------------------------------------

    def origin(self) -> str:
        """The stream that a live source began with; '' if nobody has seen it yet."""
        live = [slot for slot in self.slots.values() if slot.live and slot.stream]
        return min(live, key=lambda slot: slot.generation).stream if live else ""

    def rules(self) -> Mapping[str, tuple[RuleIdentity, str]]:
        """What the rules count, by the latest slot."""
        latest = max(self.slots.values(), key=lambda slot: slot.generation, default=None)
        return latest.rules if latest is not None else {}

    def finished(self, definition: int) -> bool:
        """Whether what this definition describes was read to its end."""
        return any(slot.finished and slot.definition == definition for slot in self.slots.values())

    def begin(self, claim: Claim, start: StreamStart, *, definition: int = -1) -> Work:
        """A generation begins to count. ``start``: its stream, of a live source, without the generation."""
        stream, live = start.stream, start.live
        latest = max(self.slots.values(), key=lambda slot: (slot.seen, slot.generation), default=None)
        seen = latest.seen if latest is not None else 0
        looked = max((slot.looked for slot in self.slots.values()), default=0)
        if not live:
            farthest = self._interrupted(stream)
            if farthest is not None:
                slot = replace(farthest, generation=claim.generation, worker=claim.worker, definition=definition)
                frame = slot.frame if slot.frame >= 0 else None
                return Work(slot, frame, slot.base, slot.base_epoch, seen, looked)
        epoch, reset = self.epoch, start.due(seen) if start.due is not None and seen else None
        if start.restarts and self.slots:
            epoch, reset = Epoch(epoch.number + 1, start.time), None
        elif reset is not None:
            epoch = Epoch(epoch.number + 1, reset)
        before = self.total() if epoch == self.epoch else {}
        run = f"live:{claim.generation}" if live else f"{stream}#{self._readings(stream)}"
        slot = Slot(
            self.source, claim.generation, claim.worker, run, live, stream=stream, definition=definition, epoch=epoch,
            base=before, base_epoch=epoch, seen=seen, looked=looked,
            untold=latest.untold if live and latest is not None else None,
        )  # fmt: skip
        return Work(slot, None, before, epoch, seen, looked, reset, slot.untold)

    def _interrupted(self, stream: str) -> Slot | None:
        """The farthest slot of a reading of this file that nobody has finished; the latest, if there are several."""
        runs = [s for s in self.runs().values() if not s.live and s.stream == stream and not s.finished]
        return max(runs, key=lambda slot: slot.generation, default=None)

    def _readings(self, stream: str) -> int:
        return len({slot.run for slot in self.slots.values() if not slot.live and slot.stream == stream})


def _sum(parts: Iterable[Counts]) -> dict[tuple[str, str, str], int]:
    found: dict[tuple[str, str, str], int] = {}
    for part in parts:
        for key, value in part.items():
            found[key] = found.get(key, 0) + value
    return found


class Lease:
    """Whether a worker may take itself for the owner, as far as it can know.

    The group lets nobody else have a worker's partitions for ``seconds`` after it has answered that worker, at least. Time is that
    of a clock that goes on while the process or the machine sleeps.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._asked: float | None = None

    def confirmed(self, asked: float) -> None:
        """The group has said yes to what was asked at ``asked`` (seconds)."""
        self._asked = asked if self._asked is None else max(asked, self._asked)

    def lost(self) -> None:
        """The group has said no."""
        self._asked = None

    def valid(self, now: float) -> bool:
        """Whether the worker is the owner at ``now``, for sure."""
        return self._asked is not None and now < self._asked + self.seconds


class Verdict(Enum):
    """What becomes of a message that waits to be sent."""

    SEND = "send"
    WAIT = "wait"
    DROP = "drop"


def verdict(
    generation: int, *, doubtful: bool, active: bool, lease: bool, claim: Claim | None, worker: str = ""
) -> Verdict:
    """Whether a message of a live source may go out.

    Parameters
    ----------
    generation: which has made it.
    doubtful: it was made when the lease had run out, that is, perhaps after another worker had taken over.
    active: this process still owns the source under that generation, as far as it knows.
    lease: the lease is valid now.
    claim, worker: the latest claim of the source, and this worker.

    What was made under a valid lease always goes out, however late: nobody else has seen it. Of what is doubtful only that does
    which turns out to lie within an unbroken ownership.
    """
    if not doubtful:
        return Verdict.SEND
    if active:
        return Verdict.SEND if lease else Verdict.WAIT
    unbroken = claim is None or claim.generation <= generation
    unbroken = unbroken or (claim is not None and claim.worker == worker and claim.since <= generation)
    return Verdict.SEND if unbroken else Verdict.DROP
