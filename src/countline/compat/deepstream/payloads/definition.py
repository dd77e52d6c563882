"""Message definitions of ``type: deepstream/...``: from analytics to ready messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Any

import orjson

from countline.compat.deepstream.payloads.config import FORMS, TYPES, Config
from countline.compat.deepstream.payloads.counts import (
    PlaceCounts,
    analytics_payload,
    default_places,
    named_places,
    occupancy_payload,
)
from countline.compat.deepstream.payloads.fast_path import FastPath, fits
from countline.compat.deepstream.payloads.full import full_event
from countline.compat.deepstream.payloads.minimal import minimal_event
from countline.compat.deepstream.payloads.objects import all_named, event_meta, seen_objects, static_of_sources
from countline.compat.deepstream.payloads.proto import protobuf_event
from countline.config.messages import MessageConfig, trigger_of
from countline.errors import MessageError
from countline.messages.base import BaseDefinition
from countline.messages.compact import dumps
from countline.messages.context import Context
from countline.messages.faults import Loc, MessageFault, merge_faults, suggest
from countline.messages.field_registry import FieldRegistry
from countline.messages.ids import derived_id
from countline.messages.record import RecordTemplate, lookup, make_envelope, to_bytes
from countline.messages.scope import Objects, Scope
from countline.messages.snapshot import Snapshot
from countline.messages.template import Compiler
from countline.messages.time import rfc3339
from countline.messages.triggers import make_trigger
from countline.types import Analytics, Event, Frame, Message, RuleInfo, SourceInfo

__all__ = ["DeepStreamDefinition", "make", "make_definition"]

Made = tuple[str, bytes, Event | None]
"""Message id, value, and the event behind it."""


class DeepStreamDefinition(BaseDefinition):
    """Makes DeepStream payloads (protocol ``countline.protocols.Definition``)."""

    def __init__(self, config: Config, context: Context, loc: Loc) -> None:
        self.kind = str(config.type).removeprefix("deepstream/")
        trigger, kinds, _ = trigger_of(config.on)
        self._on = trigger
        self.api = config.api or ("event" if trigger == "event" else "dsmeta")
        self.content_type = "application/x-protobuf" if self.kind == "protobuf" else "application/json"
        fields = FieldRegistry(
            context.rules,
            context.sources,
            context.labels,
            kinds,
            config.sources,
            interval=trigger == "interval",
            gap=trigger == "gap",
            table=context.table,
        )
        record = _record(config, self.kind, fields, loc)
        if "event" in fields.used and not (self.kind == "full" and self.api == "event"):
            raise MessageFault(
                f"a message of {config.type} belongs to a frame, not to one event",
                loc,
                "use fields of the frame in key, topic, headers and if, such as {device_id}",
            )
        super().__init__(
            config.name,
            make_trigger(config.on, config.rules, config.classes, context.zone),
            record,
            tells_epochs="epochs" in fields.used,
            keeps_gaps="gap" in fields.used and trigger != "gap",
        )
        self._plain = (
            not (config.partition_key or config.key or config.topic or config.headers)
            and record.condition is None
            and record.envelope is None
        )
        """Nothing but the default key, which needs no template."""
        self._every = config.every or (30 if config.on == "frame" and self.kind in FORMS[:3] else 1)
        self._static = static_of_sources(config.msgconv, context.sources)
        self._fast = FastPath(self._static, all_named(self._static, context.sources), self._ids)
        self._rules = {rule.name: rule for rule in context.rules}
        self.places: Sequence[PlaceCounts] = (
            named_places(config.places, context.rules) if config.places else default_places(context.rules)
        )
        """Places of deepstream/occupancy."""
        make: dict[str, Callable[[Analytics, Sequence[Event]], Iterable[Made]]] = {
            "full": self._full_events,
            "minimal": self._frame_of_events,
            "protobuf": self._frame_of_events,
            "analytics": self._analytics,
            "occupancy": self._occupancy,
        }
        self._make = make[self.kind] if self.api == "event" or self.kind not in FORMS[:3] else self._objects

    def due(self, analytics: Analytics) -> bool:
        return self._every <= 1 or not analytics.frame.number % self._every

    def messages(self, analytics: Analytics, hits: Sequence[Event], frame: Frame | None) -> list[Message]:
        """``frame`` is not used."""
        info = analytics.frame
        if self.api == "event" and self._on != "event":
            hits = seen_objects(analytics)
        made = self._make(analytics, hits)
        if self._plain:
            name, kind, outputs = self.name, self.content_type, self.record.outputs
            source, key, time = info.source.name, info.source.device_id.encode(), info.time
            messages = [Message(i, v, key, (), time, None, name, source, kind, outputs) for i, v, _ in made]
        else:
            messages = self._surrounded(analytics, hits, made)
        self.made += len(messages)
        return messages

    def _surrounded(self, analytics: Analytics, hits: Sequence[Event], made: Iterable[Made]) -> list[Message]:
        """Messages with key, topic and headers from templates, under their condition."""
        shared: list[Objects | None] = [None]
        messages = []
        for identity, value, event in made:
            scope = Scope(analytics, hits, shared, self)
            scope.id, scope.event = identity, event
            try:
                if self.record.condition is None or self.record.condition(scope):
                    messages.append(self._message(scope, value))
                else:
                    self.skipped += 1
            except Exception as error:  # what a template does with odd data must not stop the pipeline
                self._fail(scope, error)
        return messages

    def remake(self, kept: Snapshot) -> list[Message]:
        self._ids.begin(kept.analytics.frame.source.name, kept.mark)
        for one in self._make(kept.analytics, kept.hits):
            if one[0] == kept.id:
                return self._surrounded(kept.analytics, kept.hits, [one])
        raise self._changed()

    def place_of(self, error: BaseException) -> str:
        return f"templates of the message '{self.name}'"

    def _message(self, scope: Scope, value: bytes) -> Message:
        record = self.record
        key = to_bytes(record.key(scope) if record.key is not None else self._looked_up(scope, value))
        return record.message(scope, value, key, self, self.name)

    def _looked_up(self, scope: Scope, value: bytes) -> Any:
        if self.kind == "protobuf":  # NVIDIA's adapter takes Frame.sensorId where the value is Protobuf
            sensor = self._static.sensors.get(scope.source.index)
            return sensor.id if sensor is not None else scope.source.device_id
        return lookup(orjson.loads(value), self.record.partition_key or ())

    def _identify(self, a: Analytics, part: str = "") -> str:
        return self._ids(a.frame.source.name, a.frame.stream, a.frame.number, part)

    def _full_events(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        made: list[Made] = []
        for event in hits:
            if event.track_id is None and event.box is None:  # a region's own event: no object to describe
                continue
            track = event.track_id
            identity = self._identify(a, f"{event.sequence}" if track is None else f"{event.sequence}\0{track}")
            ids = iter((identity, derived_id(identity)))
            value = full_event(event_meta(event, self._static, self._rules), self._static, ids.__next__)
            made.append((identity, dumps(value), event))
        return made

    def _frame_of_events(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        objects = [e for e in hits if e.track_id is not None or e.box is not None]
        metas = [event_meta(e, self._static, self._rules) for e in objects]
        if self.kind == "protobuf":
            body = protobuf_event(metas, self._static)
        else:
            made = minimal_event(metas, self._static)
            body = None if made is None else dumps(made)
        return [] if body is None else [(self._identify(a), body, None)]

    def _objects(self, a: Analytics, hits: Sequence[Event]) -> Iterable[Made]:
        return self._fast.make(self.kind, a)

    def _analytics(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        identity = self._identify(a)
        return [(identity, dumps(analytics_payload(identity, rfc3339(a.frame.time), a)), None)]

    def _occupancy(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        made: list[Made] = []
        for place in self.places:
            identity = self._identify(a, f"place\0{place.name}")
            value = occupancy_payload(identity, rfc3339(a.frame.time), a, place)
            if value is not None:
                made.append((identity, dumps(value), None))
        return made


def _record(config: Config, kind: str, fields: FieldRegistry, loc: Loc) -> RecordTemplate:
    """Key, topic, headers and condition: templates over the frame, and over the event where a message has one."""
    compiler = Compiler(fields)

    def text(value: str | None, keys: tuple[str, ...]) -> Callable[[Scope], Any] | None:
        return None if value is None else compiler.text(value, (*loc, *keys)).get

    made = RecordTemplate(
        key=text(None if config.partition_key is not None else config.key or "{device_id}", ("key",)),
        partition_key=None if config.partition_key is None else config.partition_key.split("."),
        topic=text(config.topic, ("topic",)),
        fixed_topic=None if "{" in (config.topic or "{") else config.topic,
        headers=[(k, compiler.tree(v, (*loc, "headers", k)).get) for k, v in config.headers.items()],
        condition=None if config.if_ is None else compiler.condition(config.if_, (*loc, "if")),
        envelope=make_envelope(
            config, text, f"io.countline.deepstream.{kind}", f"urn:countline:schema:deepstream:{kind}"
        ),
        outputs=tuple(config.outputs),
        sources=frozenset(config.sources),
    )
    if compiler.faults:
        raise merge_faults(compiler.faults)
    return made


def _check(config: Config, context: Context, loc: Loc) -> None:
    """Names that must exist, and options that a fixed payload has no place for."""
    if config.type not in TYPES:
        raise MessageFault(
            f"there is no message type '{config.type}'", (*loc, "type"), "known are: " + ", ".join(TYPES)
        )
    for word in _NOT_HERE:
        if word in config.model_fields_set:
            option = MessageConfig.model_fields[word].alias or word
            raise MessageFault(f"'{option}' has no meaning with type: {config.type}", (*loc, option), "leave it out")
    valid = {
        "sources": [s.name for s in context.sources],
        "rules": [r.name for r in context.rules],
        "classes": list(context.labels),
    }
    for word, names in valid.items():
        for i, name in enumerate(getattr(config, word)):
            if name not in names and (names or word != "classes"):
                raise MessageFault(f"{word}: there is no '{name}'", (*loc, word, i), suggest(name, names))


_NOT_HERE = ("attach", "encoding", "schema_", "per", "trajectory_points", "version")


def make(config: Config, context: Context, loc: Loc) -> DeepStreamDefinition:
    """The definition of a message of ``type: deepstream/...``, which stands at ``loc`` of the configuration. Raises MessageError
    for a type that does not exist, a field that the trigger does not offer, a source, rule, class or place's line that does
    not exist."""
    _check(config, context, loc)
    try:
        made = DeepStreamDefinition(config, context, loc)
    except MessageError as error:
        if isinstance(error, MessageFault) or hasattr(error, "faults"):
            raise
        raise MessageFault(error.what, (*loc, *str(error.where).split(".")), error.fix) from None
    if made.kind == "occupancy" and not made.places:
        raise MessageFault(
            "no line tells entries from exits",
            loc,
            "name two lines 'Entry' and 'Exit', use the native engine's directions, or set `places:`",
        )
    if made.kind == "full" and made.api != "event" and not fits(context.labels):
        raise MessageFault("a class is named like a part of the payload", loc, "rename it in the detector's labels")
    return made


def make_definition(
    config: MessageConfig,
    *,
    rules: Sequence[RuleInfo],
    sources: Sequence[SourceInfo],
    labels: Sequence[str] = (),
    zone: tzinfo | None = None,
) -> DeepStreamDefinition:
    """:func:`make` without a configuration file. Raises MessageError."""
    if not isinstance(config, Config):
        raise MessageError(f"there is no message type '{config.type}'", fix="known are: " + ", ".join(TYPES))
    return make(config, Context(rules, sources, labels, zone=zone), (f"message '{config.name}'",))
