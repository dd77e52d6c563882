"""Message definitions of ``type: deepstream/...``: from analytics to ready messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from itertools import repeat
from operator import add
from typing import Any

import orjson

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.payloads.counts import (
    PlaceCounts,
    analytics_payload,
    default_places,
    named_places,
    occupancy_payload,
)
from countline.compat.deepstream.payloads.full import full_event
from countline.compat.deepstream.payloads.minimal import minimal_event
from countline.compat.deepstream.payloads.objects import all_named, event_meta, seen_objects, static_of_sources
from countline.compat.deepstream.payloads.proto import protobuf_event
from countline.compat.deepstream.payloads.quick import QuickFull, joined, quick_minimal, quick_protobuf
from countline.config.messages import MessageConfig, trigger_of
from countline.errors import MessageError
from countline.messages.catalogue import Catalogue
from countline.messages.cloudevents import Envelope
from countline.messages.definition import MessageFailure, lookup, to_bytes
from countline.messages.faults import dotted, merge_faults, suggest
from countline.messages.ids import IdMaker, twin
from countline.messages.missed import Missed
from countline.messages.scope import Objects, Scope
from countline.messages.template import Compiler
from countline.messages.tight import dumps
from countline.messages.time import rfc3339
from countline.messages.trigger import Fired
from countline.messages.triggers import make_trigger
from countline.types import Analytics, Event, Frame, Gap, Message, RuleInfo, SourceInfo

__all__ = ["KINDS", "DeepStreamDefinition", "make_definition"]

KINDS = ("full", "minimal", "protobuf", "analytics", "occupancy")
Made = tuple[str, bytes, Event | None]
"""Message id, value, and the event behind it."""


class DeepStreamDefinition:
    """Makes DeepStream payloads (protocol ``countline.protocols.Definition``)."""

    def __init__(
        self,
        config: MessageConfig,
        static: StaticDescription | None,
        rules: Sequence[RuleInfo],
        sources: Sequence[SourceInfo],
        labels: Sequence[str],
        zone: tzinfo | None = None,
    ) -> None:
        self.name = config.name
        self.kind = str(config.type).removeprefix("deepstream/")
        trigger, kinds, _ = trigger_of(config.on)
        self._on = trigger
        self.api = config.api or ("event" if trigger == "event" else "dsmeta")
        self.content_type = "application/x-protobuf" if self.kind == "protobuf" else "application/json"
        self.made = 0
        self.failed = 0
        self.skipped = 0
        self.failures: deque[MessageFailure] = deque(maxlen=1000)
        self._trigger = make_trigger(config.on, config.rules, config.classes, zone)
        self._every = config.every or (30 if config.on == "frame" and self.kind in KINDS[:3] else 1)
        self._static = static_of_sources(static, sources)
        self._named = all_named(self._static, sources)
        self._ids = IdMaker(config.name)
        self._rules = {rule.name: rule for rule in rules}
        self._quick = QuickFull(self._static)
        self._sources = frozenset(config.sources)
        self._outputs = tuple(config.outputs)
        self._numbers: list[bytes] = []
        self._places = named_places(config.places, rules) if config.places else default_places(rules)
        catalogue = Catalogue(
            rules, sources, labels, kinds, config.sources, interval=trigger == "interval", gap=trigger == "gap"
        )
        self._surroundings(config, catalogue)
        self._missed = Missed("gap" in catalogue.used and trigger != "gap")
        make: dict[str, Callable[[Analytics, Sequence[Event]], Iterable[Made]]] = {
            "full": self._full_events if self.api == "event" else self._full_objects,
            "minimal": self._frame,
            "protobuf": self._frame,
            "analytics": self._analytics,
            "occupancy": self._occupancy,
        }
        self._make = make[self.kind]

    def _surroundings(self, config: MessageConfig, catalogue: Catalogue) -> None:
        """Key, topic, headers and condition: templates over the frame, and over the event where a message has one."""
        compiler = Compiler(catalogue)
        text = None if config.partition_key is not None else config.key or "{device_id}"
        self._key = None if text is None else compiler.text(text, ("key",)).get
        self._path = None if config.partition_key is None else config.partition_key.split(".")
        self._topic = None if config.topic is None else compiler.text(config.topic, ("topic",)).get
        self._headers = [(k, compiler.tree(v, ("headers", k)).get) for k, v in config.headers.items()]
        self._if = None if config.if_ is None else compiler.condition(config.if_, ("if",))
        self._plain = not (config.partition_key or config.key or config.topic or config.headers) and self._if is None
        """Nothing but the default key, which needs no template."""
        self._envelope = _envelope(config, self.kind, compiler)
        self._plain = self._plain and self._envelope is None
        if compiler.faults:
            where = f"message '{config.name}' "
            raise merge_faults(
                [MessageError(f.what, where=f"{where}{dotted(f.loc)}", fix=f.fix) for f in compiler.faults]
            )
        self._tells_epochs = "epochs" in catalogue.used
        if "event" in catalogue.used and not (self.kind == "full" and self.api == "event"):
            raise MessageError(
                f"a message of {config.type} belongs to a frame, not to one event",
                where=f"message '{config.name}'",
                fix="use fields of the frame in key, topic, headers and if, such as {device_id}",
            )

    def make(self, analytics: Analytics, frame: Frame | None = None) -> list[Message]:
        """Messages for this frame, maybe none. ``frame`` is not used."""
        info = analytics.frame
        if self._sources and info.source.name not in self._sources:
            return []
        self._missed.add(info.source.name, analytics.gap)
        if self._every > 1 and info.number % self._every:
            return []
        return self._fired(self._trigger.fire(analytics))

    def begin(self, source: str, counts: str, epochs: str) -> None:
        """A stream of a source begins. ``counts``, ``epochs``: marks of what was counted and reset before (empty: nothing)."""
        self._ids.begin(source, counts + (epochs if self._tells_epochs else ""))

    def miss(self, source: str, gap: Gap) -> None:
        """Something of a source was missed; the next message of it may say so, in its key, topic or headers."""
        self._missed.add(source, gap)

    def untold(self, source: str) -> Gap | None:
        """What was missed of a source and no message has said yet."""
        return self._missed.untold(source)

    def finish(self, source: str) -> list[Message]:
        """No more frames of this source will come: the message of the interval that was begun, if any."""
        return self._fired(self._trigger.finish(source))

    def _fired(self, fired: Fired | None) -> list[Message]:
        if fired is None:
            return []
        analytics, hits = self._missed.into(fired[0]), fired[1]
        info = analytics.frame
        if self.api == "event" and self._on != "event":
            hits = seen_objects(analytics)
        made = self._make(analytics, hits)
        if self._plain:
            name, kind, outputs = self.name, self.content_type, self._outputs
            source, key, time = info.source.name, info.source.device_id.encode(), info.time
            messages = [Message(i, v, key, (), time, None, name, source, kind, outputs) for i, v, _ in made]
        else:
            shared: list[Objects | None] = [None]
            messages = []
            for identity, value, event in made:
                scope = Scope(analytics, hits, shared, self)
                scope.id, scope.event = identity, event
                try:
                    if self._if is None or self._if(scope):
                        messages.append(self._message(scope, value))
                    else:
                        self.skipped += 1
                except Exception as error:  # what a template does with odd data must not stop the pipeline
                    self._fail(error, scope)
        self.made += len(messages)
        if messages:
            self._missed.told(info.source.name)
        return messages

    def take_failures(self) -> list[MessageFailure]:
        """Messages that could not be made since the last call, because a key, topic, header or condition failed."""
        taken = list(self.failures)
        self.failures.clear()
        return taken

    def _fail(self, error: Exception, scope: Scope) -> None:
        self.failed += 1
        place, text = f"templates of the message '{self.name}'", f"{type(error).__name__}: {error}"
        self.failures.append(MessageFailure(self.name, place, text, scope.info, scope.event, scope.id))

    @property
    def places(self) -> Sequence[PlaceCounts]:
        """Places of deepstream/occupancy."""
        return self._places

    def describes(self, labels: Sequence[str]) -> bool:
        """Whether no class name would overwrite a key of the payload."""
        return self.api == "event" or self._quick.fits(labels)

    def trajectory(self, scope: Scope, track_id: int | None) -> list[list[float]] | None:
        """DeepStream payloads keep no trajectories."""
        return None

    def _message(self, scope: Scope, value: bytes) -> Message:
        info = scope.info
        topic = None if self._topic is None else self._topic(scope)
        key = to_bytes(self._key(scope) if self._key is not None else self._looked_up(scope, value))
        headers = tuple([(k, b) for k, get in self._headers if (b := to_bytes(get(scope))) is not None])
        content_type = self.content_type
        if self._envelope is not None:
            value, more, content_type = self._envelope.wrap(scope, value, self, key)
            headers += more
        return Message(
            scope.id,
            value,
            key,
            headers,
            info.time,
            None if topic is None else str(topic),
            self.name,
            info.source.name,
            content_type,
            self._outputs,
        )

    def _looked_up(self, scope: Scope, value: bytes) -> Any:
        if self.kind == "protobuf":  # NVIDIA's adapter takes Frame.sensorId where the value is Protobuf
            sensor = self._static.sensors.get(scope.source.index)
            return sensor.id if sensor is not None else scope.source.device_id
        return lookup(orjson.loads(value), self._path or ())

    def _identify(self, a: Analytics, part: str = "") -> str:
        return self._ids(a.frame.source.name, a.frame.stream, a.frame.number, part)

    def _full_events(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        made: list[Made] = []
        for event in hits:
            if event.track_id is None and event.box is None:  # a region's own event: no object to describe
                continue
            track = event.track_id
            identity = self._identify(a, f"{event.sequence}" if track is None else f"{event.sequence}\0{track}")
            ids = iter((identity, twin(identity)))
            value = full_event(event_meta(event, self._static, self._rules), self._static, ids.__next__)
            made.append((identity, dumps(value), event))
        return made

    def _full_objects(self, a: Analytics, hits: Sequence[Event]) -> Iterable[Made]:
        info = a.frame
        if not len(a.tracks):
            return ()
        tracks = joined(a.tracks.track_id.tolist())
        parts = map(add, self._numbered(len(a.tracks)), tracks.split(b","))
        ids, event_ids = self._ids.pairs(info.source.name, info.stream, info.number, parts)
        values = self._quick.make(a, ids, event_ids, tracks.decode().split(","), rfc3339(info.time))
        return zip(ids, values, repeat(None))

    def _numbered(self, count: int) -> list[bytes]:
        """Beginnings of the names of a frame's objects, at least ``count`` of them."""
        known = self._numbers
        known.extend(b"#%d\0" % number for number in range(len(known), count))
        return known

    def _frame(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        if self.api == "event":
            objects = [e for e in hits if e.track_id is not None or e.box is not None]
            metas = [event_meta(e, self._static, self._rules) for e in objects]
            if self.kind == "protobuf":
                body = protobuf_event(metas, self._static)
            else:
                made = minimal_event(metas, self._static)
                body = None if made is None else dumps(made)
            return [] if body is None else [(self._identify(a), body, None)]
        sensor = self._named.sensors.get(a.frame.source.index)
        name = sensor.id if sensor is not None else a.frame.source.device_id
        if self.kind == "protobuf":
            second, ns = divmod(a.frame.time, 1_000_000_000)
            time = (second, ns // 1_000_000 * 1_000_000)
            return [(self._identify(a), quick_protobuf(a, name, time), None)]
        return [(self._identify(a), dumps(quick_minimal(a, name, rfc3339(a.frame.time))), None)]

    def _analytics(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        identity = self._identify(a)
        return [(identity, dumps(analytics_payload(identity, rfc3339(a.frame.time), a)), None)]

    def _occupancy(self, a: Analytics, hits: Sequence[Event]) -> list[Made]:
        made: list[Made] = []
        for place in self._places:
            identity = self._identify(a, f"place\0{place.name}")
            value = occupancy_payload(identity, rfc3339(a.frame.time), a, place)
            if value is not None:
                made.append((identity, dumps(value), None))
        return made


def _envelope(config: MessageConfig, kind: str, compiler: Compiler) -> Envelope | None:
    chosen = config.cloudevents
    if chosen is None:
        return None

    def text(value: str | None, key: str) -> Callable[[Scope], Any] | None:
        return None if value is None else compiler.text(value, ("cloudevents", key)).get

    made = text(chosen.type or f"io.countline.deepstream.{kind}", "type")
    assert made is not None
    return Envelope(
        structured=chosen.mode == "structured",
        type=made,
        source=text(chosen.source, "source"),
        subject=text(chosen.subject, "subject"),
        dataschema=f"urn:countline:schema:deepstream:{kind}",
    )


def _check(
    config: MessageConfig,
    kind: str,
    where: str,
    rules: Sequence[RuleInfo],
    sources: Sequence[SourceInfo],
    labels: Sequence[str],
) -> None:
    """Names that must exist, and options that a fixed payload has no place for."""
    if not str(config.type).startswith("deepstream/") or kind not in KINDS:
        known = ", ".join(f"deepstream/{word}" for word in KINDS)
        raise MessageError(f"there is no message type '{config.type}'", where=where, fix=f"known are: {known}")
    for word in _NOT_HERE:
        if word in config.model_fields_set:
            option = MessageConfig.model_fields[word].alias or word
            raise MessageError(f"'{option}' has no meaning with type: {config.type}", where=where, fix="leave it out")
    valid = {
        "sources": [s.name for s in sources],
        "rules": [r.name for r in rules],
        "classes": list(labels),
    }
    for word, names in valid.items():
        for name in getattr(config, word):
            if name not in names and (names or word != "classes"):
                raise MessageError(f"{word}: there is no '{name}'", where=where, fix=suggest(name, names))


_NOT_HERE = ("attach", "encoding", "schema_", "per", "trajectory_points", "version")


def make_definition(
    config: MessageConfig,
    *,
    rules: Sequence[RuleInfo],
    sources: Sequence[SourceInfo],
    labels: Sequence[str] = (),
    name: str = "",
    zone: tzinfo | None = None,
) -> DeepStreamDefinition:
    """The definition of a message of ``type: deepstream/...``. Raises MessageError for a type that does not exist, a field
    that the trigger does not offer, a source, rule, class or place's line that does not exist."""
    kind = str(config.type).removeprefix("deepstream/")
    where = f"message '{name or config.name}'"
    _check(config, kind, where, rules, sources, labels)
    made = DeepStreamDefinition(config, config.msgconv, rules, sources, labels, zone)
    if kind == "occupancy" and not made.places:
        raise MessageError(
            "no line tells entries from exits",
            where=where,
            fix="name two lines 'Entry' and 'Exit', use the native engine's directions, or set `places:`",
        )
    if kind == "full" and not made.describes(labels):
        raise MessageError(
            "a class is named like a part of the payload", where=where, fix="rename it in the detector's labels"
        )
    return made
