"""A message definition at work: trigger, value, key, headers, topic, encoding, and what went wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from countline.messages.attachment import Attached
from countline.messages.cloudevents import Envelope
from countline.messages.convert import plain_values
from countline.messages.encode import Encoder, plain
from countline.messages.filters import text_of
from countline.messages.ids import IdMaker
from countline.messages.memory import Trajectories
from countline.messages.missed import Missed
from countline.messages.schema import Schema
from countline.messages.scope import Objects, Scope
from countline.messages.trigger import Fired, Trigger
from countline.types import Analytics, Event, Frame, FrameInfo, Gap, Message

__all__ = ["BaseDefinition", "MessageFailure", "TemplateDefinition", "to_bytes"]

Get = Callable[[Scope], Any]
_MOST_FAILURES = 1000


@dataclass(frozen=True)
class MessageFailure:
    """A message that could not be made. The pipeline writes these to the dead-letter file."""

    definition: str
    place: str
    """File and line of the user's code, or the key path of the template."""
    error: str
    """Class and text of the exception."""
    frame: FrameInfo
    event: Event | None = None
    id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON line of the dead-letter file. ``when`` is the event time in ns."""
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
            "event": None
            if event is None
            else {"kind": event.kind, "rule": event.rule, "sequence": event.sequence, "track_id": event.track_id},
        }


@dataclass
class Parts:
    """What surrounds the value; each is a function of the scope, or None."""

    key: Get | None = None
    partition_key: Sequence[str] | None = None
    topic: Get | None = None
    fixed_topic: str | None = None
    """What ``topic`` gives always; None where it may differ, or there is none."""
    headers: Sequence[tuple[str, Get]] = ()
    condition: Get | None = None
    attach: Callable[[Scope, Frame | None], Attached | None] | None = None
    envelope: Envelope | None = None
    outputs: tuple[str, ...] = ()
    sources: frozenset[str] = field(default_factory=frozenset)


class BaseDefinition(ABC):
    """Makes messages from analytics (protocol ``countline.protocols.Definition``).

    ``failures`` holds what could not be made since the last :meth:`take_failures`; ``failed``, ``made`` and ``skipped``
    count for ever.
    """

    def __init__(
        self,
        name: str,
        trigger: Trigger,
        encoder: Encoder,
        parts: Parts,
        *,
        schema: Schema,
        per_event: bool,
        trajectories: int = 0,
        tells_epochs: bool = True,
        keeps_gaps: bool = False,
    ) -> None:
        self.name = name
        self.trigger = trigger
        self.encoder = encoder
        self.parts = parts
        self.schema = schema
        """Of the value, in three languages."""
        self.per_event = per_event
        self.memory = Trajectories(trajectories) if trajectories else None
        self.failures: deque[MessageFailure] = deque(maxlen=_MOST_FAILURES)
        self.failed = 0
        """Messages that could not be made."""
        self.made = 0
        self.skipped = 0
        """Messages that the condition or the function left out."""
        self.tells_epochs = tells_epochs
        """Whether the messages may say how often counts were reset, and when."""
        self._missed = Missed(keeps_gaps)
        self._ids = IdMaker(name)

    def begin(self, source: str, counts: str, epochs: str) -> None:
        """A stream of a source begins. ``counts``, ``epochs``: marks of what was counted and reset before (empty: nothing)."""
        self._ids.begin(source, counts + (epochs if self.tells_epochs else ""))

    def miss(self, source: str, gap: Gap) -> None:
        """Something of a source was missed; the next message of it says so, where this definition tells of gaps."""
        self._missed.add(source, gap)

    def untold(self, source: str) -> Gap | None:
        """What was missed of a source and no message has said yet."""
        return self._missed.untold(source)

    def make(self, analytics: Analytics, frame: Frame | None = None) -> list[Message]:
        """Messages for this frame, maybe none. Never raises for what a template or a user's function does."""
        parts = self.parts
        if parts.sources and analytics.frame.source.name not in parts.sources:
            return []
        if self.memory is not None:
            self.memory.update(analytics)
        self._missed.add(analytics.frame.source.name, analytics.gap)
        return self._fired(self.trigger.fire(analytics), frame)

    def finish(self, source: str) -> list[Message]:
        """No more frames of this source will come: the message of the interval that was begun, if any."""
        return self._fired(self.trigger.finish(source), None)

    def _fired(self, fired: Fired | None, frame: Frame | None) -> list[Message]:
        if fired is None:
            return []
        analytics, hits = fired
        messages = self._told(self._missed.into(analytics), hits, frame)
        if messages:
            self._missed.told(analytics.frame.source.name)
        return messages

    def _told(self, analytics: Analytics, hits: Sequence[Event], frame: Frame | None) -> list[Message]:
        objects: list[Objects | None] = [None]
        if not self.per_event:
            part = "" if analytics.window is None else f"window\0{analytics.window.start}"
            return self._one(Scope(analytics, hits, objects, self), part, frame)
        messages: list[Message] = []
        for event in hits:
            scope = Scope(analytics, hits, objects, self)
            scope.event = event
            track = event.track_id
            messages += self._one(scope, f"{event.sequence}" if track is None else f"{event.sequence}\0{track}", frame)
        return messages

    def trajectory(self, scope: Scope, track_id: int | None) -> list[list[float]] | None:
        """Path of a track: [ms since the Unix epoch, x, y] of its bottom centre, oldest first."""
        return self.memory.of(scope.source.name, track_id) if self.memory is not None else None

    @property
    def keyed(self) -> bool:
        """Whether its messages have keys."""
        return self.parts.key is not None or self.parts.partition_key is not None

    def topic(self, own: str) -> str | None:
        """Topic of all its messages at an output whose own topic is ``own``; None where it is decided by message."""
        return own if self.parts.topic is None else self.parts.fixed_topic

    def take_failures(self) -> list[MessageFailure]:
        """The failures since the last call; at most the newest 1000 (``failed`` counts all)."""
        taken = list(self.failures)
        self.failures.clear()
        return taken

    @abstractmethod
    def values(self, scope: Scope, frame: Frame | None) -> Sequence[Any]:
        """The values to send for this scope."""

    def document(self, value: Any) -> Any:
        """A value as plain mappings and lists, for the partition key."""
        return value if isinstance(value, (dict, list)) else plain_values(value, plain)

    def place_of(self, error: BaseException) -> str:
        """Where in the user's files an exception comes from."""
        return self.name

    def _one(self, scope: Scope, part: str, frame: Frame | None) -> list[Message]:
        info, parts = scope.info, self.parts
        scope.id = self._ids(scope.source.name, info.stream, info.number, part)
        picture: Message | None = None
        try:
            if parts.condition is not None and not parts.condition(scope):
                self.skipped += 1
                return []
            if parts.attach is not None and (attached := parts.attach(scope, frame)) is not None:
                scope.attachment, picture = attached
            values = self.values(scope, frame)
        except Exception as error:  # a user's function may raise anything; the pipeline must go on
            self._fail(scope, error)
            return []
        if not values:
            self.skipped += 1
        messages = []
        for i, value in enumerate(values):
            if len(values) > 1:
                scope.id = self._ids(scope.source.name, info.stream, info.number, f"{part}\0#{i}")
            try:
                messages.append(self._message(scope, value))
            except Exception as error:  # neither may what it returned, nor its key, hold up the others
                self._fail(scope, error)
        self.made += len(messages)
        # Before the messages that name it; and not at all where there are none.
        return [picture, *messages] if picture is not None and messages else messages

    def _fail(self, scope: Scope, error: Exception) -> None:
        self.failed += 1
        text = f"{type(error).__name__}: {error}"
        if error.__cause__ is not None:  # orjson puts what we said of the type there
            text += f" ({error.__cause__})"
        place = self.place_of(error)
        self.failures.append(MessageFailure(self.name, place, text, scope.info, scope.event, scope.id))

    def _message(self, scope: Scope, value: Any) -> Message:
        parts, encoder = self.parts, self.encoder
        body = encoder.encode(value)
        key = parts.key(scope) if parts.key is not None else None
        if parts.partition_key is not None:
            key = lookup(self.document(value), parts.partition_key)
        headers = tuple([(k, b) for k, get in parts.headers if (b := to_bytes(get(scope))) is not None])
        content_type = encoder.content_type
        topic = parts.topic(scope) if parts.topic is not None else None
        if parts.envelope is not None:
            body, more, content_type = parts.envelope.wrap(scope, body, encoder, key)
            headers += more
        return Message(
            scope.id,
            body,
            to_bytes(key),
            headers,
            scope.info.time,
            None if topic is None else str(topic),
            self.name,
            scope.source.name,
            content_type,
            parts.outputs,
        )


class TemplateDefinition(BaseDefinition):
    """A definition whose value is a compiled template."""

    def __init__(self, value: Get, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._value = value

    def values(self, scope: Scope, frame: Frame | None) -> Sequence[Any]:
        return (self._value(scope),)

    def place_of(self, error: BaseException) -> str:
        return f"template of the message '{self.name}'"


def to_bytes(value: Any) -> bytes | None:
    """A key or header: text as UTF-8, numbers as their decimal text, true/false, bytes as they are, null as None."""
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, bytes):
        return value
    return text_of(value).encode()


def lookup(value: Any, path: Sequence[str]) -> Any:
    """The content at a path of keys, or None. A number selects the element of a list. The longest key that exists wins, so
    a key that holds dots itself is found too."""
    if not path:
        return value
    if isinstance(value, (list, tuple)):
        if path[0].isdigit() and int(path[0]) < len(value):
            return lookup(value[int(path[0])], path[1:])
        return None
    if isinstance(value, dict):
        for end in range(len(path), 0, -1):
            key = ".".join(path[:end])
            if key in value:
                return lookup(value[key], path[end:])
    return None
