"""The plain values of the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from countline.errors import OutboxError
from countline.outbox.state import StoredOutput
from countline.types import CounterDelta, CounterKey, Gap, Message, RuleIdentity, Seam, Window

__all__ = [
    "ANEW",
    "NOTHING",
    "Bounds",
    "Commit",
    "Counter",
    "DeadLetter",
    "History",
    "Kept",
    "OutboxBusy",
    "OutboxFull",
    "OutboxStatus",
    "Place",
    "Resume",
    "RuleChange",
    "StreamStart",
    "history_of",
]


class Bounds(NamedTuple):
    """How much an outbox may hold, and what gives way."""

    max_bytes: int
    max_age: float | None
    """Seconds; None: for ever."""
    when_full: str
    """'block', 'drop-oldest' or 'drop-newest'."""
    quotas: Mapping[str, int] = {}
    """Bytes that may wait for an output, by its name."""


@dataclass(frozen=True, slots=True)
class StreamStart:
    """A source's stream begins: what decides with which counters."""

    source: str
    stream: str
    _: KW_ONLY
    live: bool
    policy: str | None = None
    """'restart': the counters become 0, and an epoch begins at ``time``; 'continue': they go on. Unset: live sources continue, files
    restart."""
    time: int = 0
    """Event time of the first frame, ns since the Unix epoch."""
    rules: Sequence[str] = ()
    """Names whose epochs are wanted even if they never counted."""
    due: Callable[[int], int | None] | None = None
    """Gives the reset that was due between the time at which the source was seen last and now; it is carried out where the counters
    go on."""
    number: int = 0
    """Of the first frame, where that is one at a seam: then a run that was finished goes on, too."""
    identities: Mapping[str, RuleIdentity] = field(default_factory=dict)
    """What each rule counts; one that counts something else than it did opens a new epoch."""

    @property
    def restarts(self) -> bool:
        """Whether the counters begin at 0, unless a run that was cut short is resumed."""
        return (self.policy or ("continue" if self.live else "restart")) == "restart"


ANEW = "*"
"""In the place of a rule's name: the objects of all rules, and the tracker's, began anew."""


class RuleChange(NamedTuple):
    """The rules of a source are others than before."""

    rules: Mapping[str, RuleIdentity]
    """By name: all that there are now."""
    time: int
    """Event time of the first frame for which they are, ns since the Unix epoch."""
    anew: bool = False
    """The source's tracks began anew."""
    mark: bool = False
    """Something else changed that decides what is counted in a file, and with it the ids of what comes of it."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What one frame leaves behind; stored whole or not at all."""

    source: str
    stream: str
    frame_number: int
    messages: Sequence[Message] = ()
    deltas: Sequence[CounterDelta] = ()
    finished: bool = False
    """The stream was read to its end, which is frame ``frame_number``: the next run over it is a new run."""
    reset: int | None = None
    """Before the deltas are added, all counters of the source become 0 and a new epoch begins at this time (ns since the
    Unix epoch)."""
    time: int = 0
    """Event time of the frame, ns since the Unix epoch; 0: not known."""
    untold: Gap | None = None
    """Where this frame changed it: what was missed of the source and messages have still to tell; a gap without length: nothing."""
    windows: Mapping[str, Window] | None = None
    """Where this frame changed them: the windows of the source that are open, by the name of the definition whose messages tell of
    them."""
    seam: Seam | None = None
    """A later run can begin with this frame."""
    change: RuleChange | None = None
    """Before the deltas are added, the rules of the source are changed."""
    outputs: tuple[str, ...] | None = None
    """Before the messages are stored, these become the outputs that messages go to."""


class Kept(NamedTuple):
    """What a frame leaves for a later run besides messages and counts: each as in a :class:`Commit`."""

    untold: Gap | None = None
    windows: Mapping[str, Window] | None = None
    seam: Seam | None = None


NOTHING = Kept()


class Place(NamedTuple):
    """How far a run over a stream with seams had come."""

    stream: str
    frame: int
    """The last that was committed."""
    finished: bool
    text: str
    """Of the last seam, in the source's own words."""


class History(NamedTuple):
    """What a run over a stream begins with, as marks that go into the ids of its messages: an id names one event for ever, so
    the same frames counted from other values are other events. Both are empty for a source's first run."""

    counts: str = ""
    """Of the counters that are not 0."""
    epochs: str = ""
    """Of the resets so far; only for messages that tell of them."""


_NO_HISTORY = History()


def history_of(counters: Mapping[CounterKey, int], epochs: Mapping[str, tuple[int, int]]) -> History:
    """Of a run that begins with these counters of one source, and (epoch, reset_at) by rule ('' for all of them).

    >>> history_of({}, {})
    History(counts='', epochs='')
    """
    counted = sorted([*key[1:], value] for key, value in counters.items() if value)
    reset = sorted([rule, *epoch] for rule, epoch in epochs.items())
    return History(
        *(blake2b(orjson.dumps(known), digest_size=8).hexdigest() if known else "" for known in (counted, reset))
    )


class Counted(NamedTuple):
    """What a source had counted before a frame."""

    number: int
    """Of that frame."""
    counters: Mapping[CounterKey, int]
    resets: Mapping[tuple[str, str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a source goes on."""

    frame: int | None = None
    """Last frame that an unfinished run over the same stream has committed. The run is repeated from the beginning, or from a seam,
    with ``counters`` as they were there, and all it makes up to this frame is suppressed. None: nothing to suppress."""
    counters: Mapping[CounterKey, int] = field(default_factory=dict)
    resets: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(epoch, reset_at in ns since the Unix epoch) by (source, rule)."""
    seen: int = 0
    """Event time of the last frame of the source that was committed before, ns since the Unix epoch; 0: not known."""
    reset: int | None = None
    """Time of the reset that was due since then, and has been carried out now."""
    history: History = _NO_HISTORY
    """What went before, for ids."""
    looked: int = 0
    """When a frame of a live source was last stored, by the wall clock, ns since the Unix epoch; 0: not known."""
    untold: Gap | None = None
    """The gap of earlier runs that no message has reported yet."""
    on_the_way: Sequence[Counted] = ()
    """Where the run goes on from a seam: what was counted before each later seam, and at last after ``frame``."""
    after: int = -1
    """Frame behind which ``counters`` stand; -1: before the first. Behind it they are to be restored once more, whatever the frames
    up to there have counted: rules were changed there."""
    renewed: Sequence[tuple[int, tuple[str, ...]]] = ()
    """Where the rules of these names began anew: behind frame, names (``ANEW``: all of them, and the tracker)."""
    windows: Mapping[str, Window] = field(default_factory=dict)
    """The windows that were open behind ``frame``, by the name of their definition: with them go on those of its messages that come
    behind it. Empty: not known."""


class Counter(NamedTuple):
    """One durable counter."""

    key: CounterKey
    value: int
    epoch: int
    """Grows by one at each reset."""
    reset_at: int
    """ns since the Unix epoch; 0: never."""


class DeadLetter(NamedTuple):
    """A message that an output refused for good."""

    number: int
    output: str
    at: int
    """When it was refused, ns since the Unix epoch."""
    reason: str
    message: Message


@dataclass(slots=True)
class OutboxStatus:
    """The whole outbox at one moment."""

    path: str
    messages: int = 0
    """Messages stored (waiting for at least one output)."""
    bytes: int = 0
    """What they occupy."""
    file_bytes: int = 0
    """Size of the file with its write-ahead log; emptied pages are used again before the file grows."""
    max_bytes: int = 0
    oldest_age: float = 0.0
    """Seconds since the oldest stored message was written; 0 when there is none."""
    next_position: int = 1
    dead_letters: int = 0
    outputs: list[StoredOutput] = field(default_factory=list)
    in_use_by: int = 0
    """Process id of the run that has it open; 0: nobody."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**plain, "outputs": [output.as_dict() for output in self.outputs]}


class OutboxFull(OutboxError):
    """Nothing was written: the disk is full. What was to be written is still the caller's; try again."""


class OutboxBusy(OutboxFull):
    """Nothing was written: another program holds a lock on the file. What was to be written is still the caller's; try again."""
