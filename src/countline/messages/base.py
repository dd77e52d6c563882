"""What all message definitions have in common: when they fire, their ids, what was missed, and what went wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from countline.errors import MessageError
from countline.messages.ids import IdMaker
from countline.messages.missed import Missed
from countline.messages.record import RecordTemplate
from countline.messages.scope import Scope
from countline.messages.snapshot import Snapshot, pack
from countline.messages.trigger import Fired, Trigger
from countline.protocols import Definition
from countline.types import Analytics, Event, Frame, FrameInfo, Gap, Message, Window

__all__ = ["BaseDefinition", "MessageFailure"]

_MOST_FAILURES = 1000


@dataclass(frozen=True)
class MessageFailure:
    """A message that could not be made. The pipeline writes these to the failure file."""

    definition: str
    place: str
    """File and line of the user's code, or the key path of the template."""
    error: str
    """Class and text of the exception."""
    frame: FrameInfo
    event: Event | None = None
    id: str = ""
    kept: Snapshot | None = None
    """What it was to be made of."""

    def snapshot(self) -> bytes | None:
        """What it takes to make the message another time; None where that is not known."""
        return None if self.kept is None else pack(self.kept)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON line of the failure file. ``when`` is the event time in ns."""
        event = self.event
        return {
            "definition": self.definition,
            "place": self.place,
            "error": self.error,
            "source": self.frame.source.name,
            "stream": self.frame.stream,
            "frame": self.frame.number,
            "when": self.frame.time,
            "id": self.id,
            "mark": "" if self.kept is None else self.kept.mark,
            "event": None
            if event is None
            else {"kind": event.kind, "rule": event.rule, "sequence": event.sequence, "track_id": event.track_id},
        }


class BaseDefinition(ABC):
    """Makes messages from analytics (protocol ``countline.protocols.Definition``).

    ``failures`` holds what could not be made since the last :meth:`take_failures`; ``failed``, ``made`` and ``skipped``
    count for ever.
    """

    def __init__(
        self,
        name: str,
        trigger: Trigger,
        record: RecordTemplate,
        *,
        tells_epochs: bool = True,
        keeps_gaps: bool = False,
    ) -> None:
        self.name = name
        self.trigger = trigger
        self.record = record
        """What surrounds the value."""
        self.failures: deque[MessageFailure] = deque(maxlen=_MOST_FAILURES)
        self.failed = 0
        """Messages that could not be made."""
        self.made = 0
        self.skipped = 0
        """Messages that the condition or the function left out."""
        self.tells_epochs = tells_epochs
        """Whether the messages may say how often counts were reset, and when."""
        self._missed = Missed(keeps_gaps)
        self._doubts: dict[str, str] = {}
        """By source: why what was counted since its last message may be wrong."""
        self._ids = IdMaker(name)

    def begin(self, source: str, counts: str, epochs: str) -> None:
        """A stream of a source begins. ``counts``, ``epochs``: marks of what was counted and reset before (empty: nothing)."""
        self._ids.begin(source, counts + (epochs if self.tells_epochs else ""))

    def miss(self, source: str, gap: Gap) -> None:
        """Something of a source was missed; the next message of it says so, where this definition tells of gaps."""
        self._missed.add(source, gap)

    def untold(self, source: str) -> Gap | None:
        """The gap of a source that no message has reported yet."""
        return self._missed.untold(source)

    def take_over(self, before: Definition, *, with_state: bool) -> None:
        """Go on in the place of the definition that had this name before: under its ids, and with the gaps that no message
        of it has reported yet. ``with_state``: with its windows and memories, too. Between two frames."""
        if not isinstance(before, BaseDefinition):
            return
        self._ids.take_over(before._ids)
        self._missed.take_over(before._missed)
        self._doubts = dict(before._doubts)
        self.failures.extend(before.take_failures())
        self.failed, self.made, self.skipped = before.failed, before.made, before.skipped
        if with_state:
            self.trigger = self.trigger.take_over(before.trigger)

    def make(self, analytics: Analytics, frame: Frame | None = None) -> list[Message]:
        """Messages for this frame, maybe none. Never raises for what a template or a user's function does."""
        source = analytics.frame.source.name
        if self.record.sources and source not in self.record.sources:
            return []
        self.see(analytics)
        self._missed.add(source, analytics.gap)
        fired = self.trigger.fire(analytics) if self.due(analytics) else None
        earlier = (
            fired is not None and fired[0].frame is not analytics.frame
        )  # an interval that ended before this frame
        messages = self._fired(fired, frame) if earlier else []
        if analytics.frame.degraded:
            self._doubts[source] = analytics.frame.degraded
        return messages if earlier else self._fired(fired, frame)

    def finish(self, source: str) -> list[Message]:
        """No more frames of this source will come: the message of the interval that was begun, if any."""
        return self._fired(self.trigger.finish(source), None)

    def window(self, source: str) -> Window | None:
        """The window of a source that frames still come for; None: there is none."""
        return self.trigger.window(source)

    def restore_window(self, source: str, window: Window) -> None:
        """Go on with a window as it was, behind the last frame of those that were gone through again."""
        self.trigger.restore(source, window)

    def see(self, analytics: Analytics) -> None:
        """Called once for every frame, before anything fires; remembers what later messages need."""
        return

    def due(self, analytics: Analytics) -> bool:
        """Whether the trigger looks at this frame at all."""
        return True

    @property
    def tells_changes(self) -> bool:
        """Whether its messages tell of changes of the configuration."""
        return self.trigger.of_changes

    @property
    def tells_states(self) -> bool:
        """Whether its messages tell of states of sources."""
        return self.trigger.of_states

    @property
    def beats_every(self) -> int:
        """ns from one of its messages to the next by the clock, for each source; 0: it makes none by the clock."""
        return self.trigger.every

    @property
    def keyed(self) -> bool:
        """Whether its messages have keys."""
        return self.record.key is not None or self.record.partition_key is not None

    def topic(self, own: str) -> str | None:
        """Topic of all its messages at an output whose own topic is ``own``; None where it is decided by message."""
        return own if self.record.topic is None else self.record.fixed_topic

    def take_failures(self) -> list[MessageFailure]:
        """The failures since the last call; at most the newest 1000 (``failed`` counts all)."""
        taken = list(self.failures)
        self.failures.clear()
        return taken

    def remake(self, kept: Snapshot) -> list[Message]:
        """The message that could not be made, with the id that it would have had; several where a function gives several; none where
        condition or function leave it out. What fails is in ``failures``. Raises MessageError where it would have another id: the
        definition tells of other things now."""
        self._ids.begin(kept.analytics.frame.source.name, kept.mark)
        before = self.skipped
        messages = [m for m in self.messages(kept.analytics, kept.hits, None) if m.id == kept.id]
        failures = self._failures_of(kept.id)
        if not messages and not failures and self.skipped == before:
            raise self._changed()
        return messages

    def _failures_of(self, *ids: str) -> list[MessageFailure]:
        """The failures of these messages; the others are forgotten."""
        found = [failure for failure in self.take_failures() if failure.id in ids]
        self.failures.extend(found)
        return found

    def _changed(self) -> MessageError:
        """A message cannot be made again under its id."""
        return MessageError(
            f"the message '{self.name}' tells of other things now than when it failed, and would have another id",
            where=f"message '{self.name}'",
            fix="give it back its `on` and `per`",
        )

    def paths(self, scope: Scope) -> Mapping[int, Sequence[Sequence[float]]]:
        """The trajectories of a frame's tracks, where such are kept."""
        return {}

    def trajectory(self, scope: Scope, track_id: int | None) -> list[list[float]] | None:
        """Path of a track: [ms since the Unix epoch, x, y] of its bottom centre, oldest first; None where none is kept."""
        return None

    def _fired(self, fired: Fired | None, frame: Frame | None) -> list[Message]:
        if fired is None:
            return []
        analytics, hits = fired
        source = analytics.frame.source.name
        messages = self.messages(self._doubted(self._missed.into(analytics)), hits, frame)
        if messages:
            self._missed.message_made(source)
            self._doubts.pop(source, None)
        return messages

    def _doubted(self, analytics: Analytics) -> Analytics:
        doubt = self._doubts.get(analytics.frame.source.name) if self._doubts else None
        if doubt is None or doubt == analytics.frame.degraded:
            return analytics
        return replace(analytics, frame=replace(analytics.frame, degraded=doubt))

    @abstractmethod
    def messages(self, analytics: Analytics, hits: Sequence[Event], frame: Frame | None) -> list[Message]:
        """Messages of a frame at which the trigger fired; ``hits`` are the events behind it."""

    def place_of(self, error: BaseException) -> str:
        """Where in the user's files an exception comes from."""
        return f"template of the message '{self.name}'"

    def _fail(self, scope: Scope, error: Exception) -> None:
        self.failed += 1
        text = f"{type(error).__name__}: {error}"
        if error.__cause__ is not None:  # orjson puts what we said of the type there
            text += f" ({error.__cause__})"
        number = None
        if scope.event is not None:
            number = next((i for i, event in enumerate(scope.events) if event is scope.event), None)
        mark = self._ids.mark(scope.source.name)
        kept = Snapshot(scope.analytics, scope.events, number, scope.id, mark, self.paths(scope))
        place = self.place_of(error)
        self.failures.append(MessageFailure(self.name, place, text, scope.info, scope.event, scope.id, kept))
