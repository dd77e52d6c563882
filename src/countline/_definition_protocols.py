"""What a definition of messages must offer, and what it may offer besides. Re-exported by ``countline.protocols``."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any, Protocol, runtime_checkable

from countline.types import Analytics, Frame, Gap, Message, Window


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
class StateDefinition(Definition, Protocol):
    """What a definition offers besides if its messages may tell of states of sources (``on: status``)."""

    @property
    def tells_states(self) -> bool:
        """Whether they do: then it is given analytics of no frame, with ``status`` set."""
        ...


@runtime_checkable
class BeatingDefinition(Definition, Protocol):
    """What a definition offers besides if its messages may come by the clock (``on: heartbeat``)."""

    @property
    def beats_every(self) -> int:
        """ns from one to the next; then it is given analytics of no frame, with ``heartbeat`` and ``status`` set. 0: they do not."""
        ...


@runtime_checkable
class ChangeDefinition(Definition, Protocol):
    """What a definition offers besides if its messages may tell of changes of the configuration (``on: config``)."""

    @property
    def tells_changes(self) -> bool:
        """Whether they do: then it is given analytics of no frame, with ``change`` set."""
        ...


@runtime_checkable
class ContinuingDefinition(Protocol):
    """What a definition offers besides if it can go on in the place of another, when the configuration is changed while running."""

    def take_over(self, before: Definition, *, with_state: bool) -> None:
        """Go on under the ids of the definition that had this name before; ``with_state``: with its windows and memories, too."""
        ...


@runtime_checkable
class FinishingDefinition(Protocol):
    """What a definition offers besides if it has begun something that ends with the run (an interval)."""

    def finish(self, source: str) -> list[Message]:
        """Messages now that no more frames of this source will come."""
        ...


@runtime_checkable
class Failure(Protocol):
    """A message that could not be made."""

    def as_dict(self) -> dict[str, Any]:
        """Its line in the failure file: ``definition``, ``place`` and ``error``, in words, and what else is known of it."""
        ...


@runtime_checkable
class KeptFailure(Failure, Protocol):
    """A message that could not be made, and perhaps can another time."""

    def snapshot(self) -> bytes | None:
        """What it takes to make the message again (see :class:`RemakingDefinition`); None: that is not possible."""
        ...


@runtime_checkable
class FailingDefinition(Protocol):
    """What a definition offers besides if it runs a user's code, which may fail."""

    @property
    def failures(self) -> Sized:
        """What could not be made since the last :meth:`take_failures`."""
        ...

    def take_failures(self) -> Sequence[object]:
        """The failures, which are forgotten here; each becomes a line of the failure file: all of a :class:`Failure`, of what else
        is given its text."""
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
        """Something of a source was missed in an earlier run, and no message has reported it yet."""
        ...

    def untold(self, source: str) -> Gap | None:
        """The gap of a source that no message has reported yet."""
        ...


@runtime_checkable
class WindowDefinition(Definition, Protocol):
    """What a definition offers besides if its messages tell of windows of event time: a run over files that is killed in the middle of
    one goes on with what was counted in it."""

    def window(self, source: str) -> Window | None:
        """The window of a source that frames still come for, a value of its own; None: there is none. It is stored with each frame
        that changes it."""
        ...

    def restore_window(self, source: str, window: Window) -> None:
        """The frames up to the last one that was stored have been gone through again, and their messages were suppressed: behind them
        this is the source's window, as :meth:`window` gave it there."""
        ...
