"""Definitions whose value is made from a scope, by a template or a function: one by event, or one by frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from countline.messages.base import BaseDefinition
from countline.messages.convert import plain_values
from countline.messages.encode import Encoder, plain
from countline.messages.memory import Trajectories
from countline.messages.record import RecordTemplate, lookup
from countline.messages.schema import Schema
from countline.messages.scope import Objects, Scope
from countline.messages.snapshot import Snapshot
from countline.messages.trigger import Trigger
from countline.protocols import Definition
from countline.types import UNTRACKED, Analytics, Event, Frame, Message

__all__ = ["TemplateDefinition", "ValueDefinition"]

Get = Callable[[Scope], Any]
MOST_VALUES = 1000
"""Values that a function may give at once and that are known again by their ids."""


class ValueDefinition(BaseDefinition):
    """Values that an encoder makes bytes of."""

    def __init__(
        self,
        name: str,
        trigger: Trigger,
        encoder: Encoder,
        record: RecordTemplate,
        *,
        schema: Schema,
        per_event: bool,
        trajectories: int = 0,
        tells_epochs: bool = True,
        keeps_gaps: bool = False,
    ) -> None:
        super().__init__(name, trigger, record, tells_epochs=tells_epochs, keeps_gaps=keeps_gaps)
        self.encoder = encoder
        self.schema = schema
        """Of the value, in three languages."""
        self.per_event = per_event
        self.memory = Trajectories(trajectories) if trajectories else None

    def take_over(self, before: Definition, *, with_state: bool) -> None:
        super().take_over(before, with_state=with_state)
        if self.memory is not None and isinstance(before, ValueDefinition) and before.memory is not None:
            self.memory.take_over(before.memory)

    def see(self, analytics: Analytics) -> None:
        if self.memory is not None:
            self.memory.update(analytics)

    def messages(self, analytics: Analytics, hits: Sequence[Event], frame: Frame | None) -> list[Message]:
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
        return self.memory.of(scope.source.name, track_id) if self.memory is not None else None

    def paths(self, scope: Scope) -> Mapping[int, Sequence[Sequence[float]]]:
        if self.memory is None:
            return {}
        source, tracks = scope.source.name, scope.analytics.tracks.track_id.tolist()
        return {t: path for t in tracks if t != UNTRACKED and (path := self.memory.of(source, t)) is not None}

    def remake(self, kept: Snapshot) -> list[Message]:
        analytics = kept.analytics
        info, source = analytics.frame, analytics.frame.source.name
        self._ids.begin(source, kept.mark)
        if self.memory is not None:
            self.memory.restore(source, kept.paths)
        scope = Scope(analytics, kept.hits, [None], self)
        part = "" if analytics.window is None else f"window\0{analytics.window.start}"
        if self.per_event and kept.event is not None:
            event = scope.event = kept.hits[kept.event]
            part = f"{event.sequence}" if event.track_id is None else f"{event.sequence}\0{event.track_id}"
        single = self._ids(source, info.stream, info.number, part)
        others = (self._ids(source, info.stream, info.number, f"{part}\0#{i}") for i in range(MOST_VALUES))
        if self.per_event != (kept.event is not None) or (kept.id != single and kept.id not in others):
            raise self._changed()
        messages = self._one(scope, part, None)
        if kept.id == single:
            return messages
        self._failures_of(kept.id, single)  # it is one of several values of a function; the others were made then
        return [message for message in messages if message.id == kept.id]

    @abstractmethod
    def values(self, scope: Scope, frame: Frame | None) -> Sequence[Any]:
        """The values to send for this scope."""

    def document(self, value: Any) -> Any:
        """A value as plain mappings and lists, for the partition key."""
        return value if isinstance(value, (dict, list)) else plain_values(value, plain)

    def _one(self, scope: Scope, part: str, frame: Frame | None) -> list[Message]:
        info, record = scope.info, self.record
        scope.id = self._ids(scope.source.name, info.stream, info.number, part)
        picture: Message | None = None
        begin: Callable[[], None] | None = None
        try:
            if record.condition is not None and not record.condition(scope):
                self.skipped += 1
                return []
            if record.attach is not None and (attached := record.attach(scope, frame)) is not None:
                scope.attachment, picture, begin = attached
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
        if begin is not None and messages:
            begin()
        # Before the messages that name it; and not at all where there are none.
        return [picture, *messages] if picture is not None and messages else messages

    def _message(self, scope: Scope, value: Any) -> Message:
        record = self.record
        body = self.encoder.encode(value)
        key = record.key(scope) if record.key is not None else None
        if record.partition_key is not None:
            key = lookup(self.document(value), record.partition_key)
        return record.message(scope, body, key, self.encoder, self.name)


class TemplateDefinition(ValueDefinition):
    """A definition whose value is a compiled template."""

    def __init__(self, value: Get, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._value = value

    def values(self, scope: Scope, frame: Frame | None) -> Sequence[Any]:
        return (self._value(scope),)
