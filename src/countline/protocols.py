"""What a stage must offer to be part of the flow. Structural: a user's own class needs no base class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from countline.redaction import redact
from countline.source_status import SourceStats
from countline.types import (
    Analytics,
    CounterKey,
    Detections,
    DevicePlanes,
    Frame,
    FrameTracks,
    Gap,
    Message,
    RuleInfo,
    SourceInfo,
    Tracks,
)

__all__ = [
    "BatchDetector",
    "Check",
    "ClosingConsumer",
    "CountingTracker",
    "DeadLetterTopic",
    "Definition",
    "DescribedDetector",
    "Detector",
    "DevicePicture",
    "Entry",
    "FailingDefinition",
    "FinishingDefinition",
    "GapDefinition",
    "KeyedTopics",
    "LimitedSource",
    "Output",
    "OutputStatus",
    "ParallelDetector",
    "PredictingTracker",
    "Receipt",
    "RemakingDefinition",
    "RuleSet",
    "Source",
    "SourceStats",
    "StreamDefinition",
    "ThresholdDetector",
    "Tracker",
]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``countline check``."""

    subject: str
    ok: bool
    detail: str
    fix: str = ""
    """What to do; empty when ``ok``."""

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
class DevicePicture(Protocol):
    """What a picture offers besides if its pixels may lie on a GPU (:attr:`countline.types.Frame.picture`). A source of your own
    whose frames never leave the GPU needs no more than this."""

    def tensor(self) -> DevicePlanes | None:
        """Where the pixels lie, valid for as long as it is held; None: on the host."""
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
class BatchDetector(Protocol):
    """What a detector offers besides if it is fastest with many frames at once: a GPU."""

    most: int
    """Most frames of a call."""
    patience: float
    """Seconds for which a frame may wait for the company of others."""

    def calls(self, frames: Sequence[Frame]) -> list[Sequence[int]]:
        """How these frames are best given, each by its place in one call: those of one GPU together."""
        ...


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


class Tracker(Protocol):
    """Follows the objects of one source."""

    def update(self, detections: Detections, pts: int) -> Tracks:
        """Tracks for this frame; ``pts`` in ns. Ids are unique within the source for the life of the tracker."""
        ...


@runtime_checkable
class PredictingTracker(Protocol):
    """What a tracker offers besides for frames that the detector skipped; without it such frames have no tracks."""

    def predict(self, pts: int) -> Tracks:
        """Where the tracks are by now, ``pts`` in ns."""
        ...


@runtime_checkable
class CountingTracker(Protocol):
    """What a tracker offers besides if it tells what it could not follow."""

    @property
    def never_tracked(self) -> int:
        """Sure detections that never became a track."""
        ...


class RuleSet(Protocol):
    """Evaluates rules on tracks. Pure: time comes with the frames."""

    rules: Sequence[RuleInfo]
    notices: list[str]
    """What the user should be told, once each; whoever tells it empties the list."""

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


class Definition(Protocol):
    """Makes messages from analytics. Pure."""

    name: str

    def make(self, analytics: Analytics, frame: Frame | None = None) -> list[Message]:
        """Messages for this frame, maybe none. ``frame`` gives pixels for attachments; None where there are none
        (replay, DeepStream probe)."""
        ...


@runtime_checkable
class StreamDefinition(Protocol):
    """What a definition offers besides if its ids depend on what a stream began with."""

    def begin(self, source: str, counts: str, epochs: str) -> None:
        """A stream of a source that is not live begins. ``counts``, ``epochs``: marks of what was counted and reset before
        (empty: nothing), of which ids are made."""
        ...


@runtime_checkable
class FinishingDefinition(Protocol):
    """What a definition offers besides if it has begun something that ends with the run (an interval)."""

    def finish(self, source: str) -> list[Message]:
        """Messages now that no more frames of this source will come."""
        ...


@runtime_checkable
class FailingDefinition(Protocol):
    """What a definition offers besides if it runs a user's code, which may fail."""

    @property
    def failures(self) -> Sized:
        """What could not be made since the last :meth:`take_failures`."""
        ...

    def take_failures(self) -> Sequence[object]:
        """The failures, which are forgotten here; each becomes a line of the failure file."""
        ...


@runtime_checkable
class RemakingDefinition(FailingDefinition, Protocol):
    """What a definition offers besides if what it could not make can be made another time (``countline outbox retry``)."""

    def remake(self, kept: Any) -> list[Message]:
        """The messages of a failure, of what its ``snapshot()`` gave. Raises MessageError where that is no longer possible."""
        ...

    def take_failures(self) -> Sequence[Any]:
        """As above; each has ``error`` and ``place``, in words."""
        ...


@runtime_checkable
class GapDefinition(Protocol):
    """What a definition offers besides if its messages tell of gaps."""

    def miss(self, source: str, gap: Gap) -> None:
        """Something of a source was missed in an earlier run, and must still be told."""
        ...

    def untold(self, source: str) -> Gap | None:
        """What was missed of a source and no message has told yet."""
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
