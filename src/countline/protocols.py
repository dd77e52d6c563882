"""What a stage must offer to be part of the flow. Structural: a user's own class needs no base class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from countline._clips import RememberingSource
from countline._definition_protocols import (
    BeatingDefinition,
    ChangeDefinition,
    ContinuingDefinition,
    Definition,
    FailingDefinition,
    Failure,
    FinishingDefinition,
    GapDefinition,
    KeptFailure,
    RemakingDefinition,
    StateDefinition,
    StreamDefinition,
    WindowDefinition,
)
from countline._gpu_protocols import BatchDetector, DevicePicture
from countline._tracker_protocols import CountingTracker, DoubtingTracker, ForgettingTracker, PredictingTracker
from countline.redaction import redact
from countline.source_status import SourceStats
from countline.types import (
    Analytics,
    CounterKey,
    Detections,
    Frame,
    FrameTracks,
    Message,
    RuleInfo,
    SourceInfo,
    Tracks,
)

__all__ = [
    "AimedDetector",
    "BatchDetector",
    "BeatingDefinition",
    "ChangeDefinition",
    "Check",
    "ClosingConsumer",
    "ContinuingDefinition",
    "CountingTracker",
    "DeadLetterTopic",
    "Definition",
    "DescribedDetector",
    "Detector",
    "DevicePicture",
    "DoubtingTracker",
    "Entry",
    "FailingDefinition",
    "Failure",
    "FinishingDefinition",
    "ForgettingTracker",
    "GapDefinition",
    "KeptFailure",
    "KeyedTopics",
    "LimitedSource",
    "ObjectRules",
    "Output",
    "OutputStatus",
    "ParallelDetector",
    "PredictingTracker",
    "Receipt",
    "RemakingDefinition",
    "RememberingSource",
    "ReplaceableRules",
    "ResumableSource",
    "RuleSet",
    "SizedDetector",
    "Source",
    "SourceStats",
    "StateDefinition",
    "StreamDefinition",
    "ThresholdDetector",
    "Tracker",
    "WindowDefinition",
]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``countline check``."""

    subject: str
    ok: bool
    detail: str
    fix: str = ""
    """What to do; empty when ``ok``."""
    rate: float | None = field(default=None, kw_only=True)
    """Of a live source: frames a second that are to be processed."""

    def __post_init__(self) -> None:
        for name in ("subject", "detail", "fix"):  # whoever made them: servers and libraries quote what they were given
            object.__setattr__(self, name, redact(getattr(self, name)))


@runtime_checkable
class Source(Protocol):
    """Gives frames in order. Iteration ends at the end of the input or when ``close`` was called."""

    info: SourceInfo
    stats: SourceStats

    def __iter__(self) -> Iterator[Frame]:
        """Raises SourceError when it cannot be opened or broke for good."""
        ...

    def close(self) -> None:
        """May be called from another thread; iteration ends soon after."""
        ...


@runtime_checkable
class LimitedSource(Protocol):
    """What a live source offers besides if it can give fewer frames, so that it gets its fair share when there are too many."""

    stats: SourceStats

    def limit(self, rate: float | None) -> None:
        """At most so many frames a second from now on, evenly; None: all. Called from another thread."""
        ...


@runtime_checkable
class ResumableSource(Protocol):
    """What a source offers besides if it need not begin with its first frame to go on where an earlier run was cut short: some of
    its frames carry a :class:`countline.types.Seam`."""

    endless: bool
    """More may come after its end: a later run goes on, also if this one was not cut short."""

    def resume(self, stream: str, frame: int, finished: bool, place: str) -> None:
        """Before the first frame: an earlier run has committed up to number ``frame`` of ``stream``, to its end if ``finished``;
        ``place`` is that of the last seam."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds objects in a batch of frames, which may be of several sources and sizes."""

    labels: Sequence[str]
    """Class name for each class id."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections per frame, boxes in pixels of that frame's picture."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class ParallelDetector(Protocol):
    """What a detector offers besides if several threads may call it at the same time."""

    parallel: int
    """How many threads; each gives one frame at a time."""


@runtime_checkable
class ThresholdDetector(Protocol):
    """What a detector offers besides if it knows how sure it must be of each class."""

    thresholds: NDArray[np.float32]
    """Confidence by class id from which a detection may begin a track."""


@runtime_checkable
class DescribedDetector(Protocol):
    """What a detector offers besides for ``countline check``."""

    def describe(self) -> Mapping[str, object] | str:
        """What is used, in words; where it is a mapping, its key ``model`` comes without that word."""
        ...


@runtime_checkable
class SizedDetector(Protocol):
    """What a detector offers besides if it knows the size to which pictures are brought."""

    input_size: tuple[int, int]
    """Width and height in pixels."""


@runtime_checkable
class AimedDetector(Protocol):
    """What a detector offers besides if it looks closer where rules are."""

    def aim(self, rules: Sequence[RuleInfo]) -> None:
        """These are the rules from now on. From any thread."""
        ...


class Tracker(Protocol):
    """Follows the objects of one source."""

    def update(self, detections: Detections, pts: int) -> Tracks:
        """Tracks for this frame; ``pts`` in ns. Ids are unique within the source for the life of the tracker."""
        ...


@runtime_checkable
class ObjectRules(Protocol):
    """What a rule set offers besides if it counts objects, of which one may have several tracks (``Tracks.twin_of``)."""

    def twins(self, source: str) -> int:
        """What second tracks on one object did at a source and was not told a second time."""
        ...


class RuleSet(Protocol):
    """Evaluates rules on tracks. Pure: time comes with the frames."""

    rules: Sequence[RuleInfo]
    notices: list[str]
    """Warnings for the user, each once; whoever logs them empties the list."""

    def update(self, batch: Sequence[FrameTracks]) -> list[Analytics]:
        """One Analytics per entry, in order. A batch may hold several sources, and several frames of one source in
        their order."""
        ...

    def explain(self, source: str, track_id: int, rule: str) -> str:
        """Why the object was or was not counted by the rule, in words."""
        ...

    def restore(
        self,
        counters: Mapping[CounterKey, int],
        resets: Mapping[tuple[str, str], tuple[int, int]],
    ) -> None:
        """Set cumulative counters, and (epoch, reset_at ns) by (source, rule). Counters of unknown rules are ignored."""
        ...

    def reset(self, source: str, time: int) -> None:
        """Set the cumulative counters of a source to 0 and begin a new epoch at ``time`` (ns since the Unix epoch)."""
        ...

    def untracked(self, source: str) -> int:
        """Objects of a source that came without a track id so far."""
        ...

    def forget(self, source: str) -> None:
        """Drop the track memory of a source (its stream ended or began anew); counters stay."""
        ...


@runtime_checkable
class ReplaceableRules(Protocol):
    """What a rule set offers besides if its rules can be changed while it is used; all of it between two frames."""

    def take(self, other: RuleSet) -> Sequence[str]:
        """Go on with the rules of ``other``, a set of the same kind made of another configuration. Unchanged rules go on with
        their counts and what they know of objects; counts of others are to be restored. Returns the sources whose tracks it
        knows nothing of any more."""
        ...

    def renew(self, source: str, rules: Collection[str]) -> None:
        """These rules begin anew at a source: at 0, and with objects as if first seen."""
        ...

    def close(self, source: str) -> None:
        """A source is gone, and all that is known of it."""
        ...


@runtime_checkable
class ClosingConsumer(Protocol):
    """What a consumer of frames offers besides if it must be closed at the end."""

    def close(self) -> None: ...


@dataclass(slots=True, unsafe_hash=True)
class Entry:
    """A message at its place in the outbox. ``position`` grows from 1 without reuse. Treat it as fixed, as the message."""

    position: int
    message: Message
    made: int = field(default=0, compare=False)
    """When it was stored, ns on the outbox's clock of ages; 0: not known."""


@dataclass(slots=True, unsafe_hash=True)
class Receipt:
    """What became of an entry at an output. Treat it as fixed, as the message."""

    position: int
    error: str = ""
    """Empty: acknowledged by the broker."""
    retry: bool = False
    """With an error: True if sending again can help (then the sender does); False: dead letter."""
    kind: str = ""
    """Class of the error, where there are classes: a name of the protocol (INVALID_RECORD), or of an exception."""


@dataclass(slots=True)
class OutputStatus:
    """Health of an output as last known; never contains secrets."""

    connected: bool | None = None
    """None: not tried yet."""
    error: str = ""
    in_flight: int = 0
    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    extra: dict[str, float] = field(default_factory=dict)


class Output(Protocol):
    """A broker or file. Used by one sender thread only; no method blocks for longer than its timeout.

    A server that is away is a state, not an exception: ``send`` accepts fewer entries (or none), ``status.error``
    says why, and the sender tries again.
    """

    name: str
    status: OutputStatus

    def open(self) -> None:
        """Make the client; must not need the server to be up. Raises OutputError / MissingExtra only for what cannot
        ever work (bad option, unreadable certificate, package not installed)."""
        ...

    def send(self, entries: Sequence[Entry]) -> int:
        """Hand over entries in order; returns how many were accepted (a prefix). Less than all = full or away."""
        ...

    def poll(self, timeout: float) -> list[Receipt]:
        """Receipts that have come in, waiting up to ``timeout`` s for the first. Every accepted entry gets exactly one
        receipt, in whatever order."""
        ...

    def close(self, timeout: float) -> list[Receipt]:
        """Flush for at most ``timeout`` s, release all; returns the receipts that came in meanwhile."""
        ...

    def check(self, *, send: bool = False, timeout: float = 5.0) -> Iterable[Check]:
        """For ``countline check``: name resolution, port, TLS, authentication, topic, rights; with ``send`` a test message."""
        ...


@runtime_checkable
class KeyedTopics(Protocol):
    """What an output offers besides if some of its topics refuse messages without a key."""

    topic: str
    """Topic of messages that name none themselves."""

    def check_keyless(self, topics: Mapping[str, Sequence[str]], *, timeout: float = 5.0) -> Iterable[Check]:
        """For ``countline check``. ``topics``: topic -> names of the definitions whose messages go there without a key."""
        ...


@runtime_checkable
class DeadLetterTopic(Protocol):
    """What an output offers besides if messages that it refuses for good may go to a topic of their own."""

    def dead_letter(self, message: Message, receipt: Receipt) -> Message | None:
        """What is to be sent in the stead of a message that ``receipt`` refused; None: it is kept in the outbox."""
        ...
