"""What surrounds a message's value: key, topic, headers, envelope, and the condition under which it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from countline.config.messages import MessageConfig
from countline.messages.attachment import Attached
from countline.messages.cloudevents import Envelope
from countline.messages.filters import text_of
from countline.messages.scope import Scope
from countline.types import Frame, Message

__all__ = ["RecordTemplate", "lookup", "make_envelope", "to_bytes"]

Get = Callable[[Scope], Any]
Text = Callable[[str | None, tuple[str, ...]], Get | None]


class ContentType(Protocol):
    """What encodes values."""

    @property
    def content_type(self) -> str: ...


@dataclass
class RecordTemplate:
    """Record metadata; each is a function of the scope, or None."""

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

    def message(self, scope: Scope, body: bytes, key: Any, encoder: ContentType, definition: str) -> Message:
        """The message of a value that is encoded already. Raises what the templates raise."""
        headers = tuple([(k, b) for k, get in self.headers if (b := to_bytes(get(scope))) is not None])
        content_type = encoder.content_type
        topic = self.topic(scope) if self.topic is not None else None
        if self.envelope is not None:
            body, more, content_type = self.envelope.wrap(scope, body, encoder, key)
            headers += more
        return Message(
            scope.id,
            body,
            to_bytes(key),
            headers,
            scope.info.time,
            None if topic is None else str(topic),
            definition,
            scope.source.name,
            content_type,
            self.outputs,
        )


def make_envelope(config: MessageConfig, text: Text, type_: str, dataschema: str) -> Envelope | None:
    """The CloudEvents envelope of a definition, if it has one. ``text`` compiles a template at a place below the definition;
    ``type_`` is the event's type unless it is set."""
    chosen = config.cloudevents
    if chosen is None:
        return None
    made = text(chosen.type or type_, ("cloudevents", "type"))
    assert made is not None
    return Envelope(
        structured=chosen.mode == "structured",
        type=made,
        source=text(chosen.source, ("cloudevents", "source")),
        subject=text(chosen.subject, ("cloudevents", "subject")),
        dataschema=dataschema,
    )


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
