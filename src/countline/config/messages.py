"""What a user can say of messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timezone, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic_core import CoreSchema

from countline.config.attach import AttachConfig
from countline.config.base import Model
from countline.config.faults import ConfigFault, validated
from countline.config.field_docs import described
from countline.config.rules import RULE_KEYS, brought_events
from countline.config.secret_places import named_secrets
from countline.errors import PluginError
from countline.redaction import remember
from countline.registry.kinds import MESSAGES, message_kind
from countline.secret_forms import uri_secrets

__all__ = [
    "AttachConfig",
    "CloudEventsConfig",
    "MessageConfig",
    "SchemaConfig",
    "kind_class",
    "kind_classes",
    "trigger_of",
    "zone_of",
]

EVENTS = (*(event for model in RULE_KEYS.values() for event in model.events), "view-change")
"""Kinds of event, which are the triggers that send a message for what happened."""
_WORDS = (*EVENTS, "change", "gap", "frame", "interval <time>", "config", "status", "heartbeat <time>")
_OF_FRAMES = {
    "config": ("type", "sources", "attach"),
    "status": ("type", "attach"),
    "heartbeat": ("type", "attach"),
}
"""Keys that have no sense with triggers that no frame is behind."""
_INTERVAL = re.compile(r"interval\s+(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)(?:\s+(?P<zone>[A-Za-z][\w+\-/]*))?")
_HEARTBEAT = re.compile(r"heartbeat\s+(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)")
_QUICKEST = 10**9
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 24 * 3600 * 10**9}


def trigger_of(on: str | list[str]) -> tuple[str, tuple[str, ...], int]:
    """``on:`` as (kind, kinds of event, time in ns); kind is event, change, gap, frame, interval, config, status or
    heartbeat.

    Raises ConfigFault for a trigger that does not exist."""
    words = on if isinstance(on, list) else re.split(r"\s*[,|]\s*", on.strip())
    if len(words) == 1 and words[0] in ("change", "gap", "frame", "config", "status"):
        return words[0], (), 0
    if len(words) == 1 and words[0].startswith("interval"):
        match = _INTERVAL.fullmatch(words[0])
        ns = int(float(match[1]) * _UNITS[match[2]]) if match else 0
        if ns <= 0:
            raise ConfigFault(
                f"'{words[0]}' is no interval",
                fix="write e.g. on: interval 1s, or interval 1h Europe/Berlin (ms, s, m, h and d are known)",
            )
        zone_of(on)
        return "interval", (), ns
    if len(words) == 1 and words[0].split()[:1] == ["heartbeat"]:
        return "heartbeat", (), _beat(words[0])
    for word in words:
        if word not in EVENTS and word not in brought_events():
            raise ConfigFault(
                f"there is no trigger '{word}'", fix="known are: " + ", ".join((*_WORDS, *brought_events()))
            )
    return "event", tuple(dict.fromkeys(words)), 0


def _beat(word: str) -> int:
    match = _HEARTBEAT.fullmatch(word)
    ns = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if ns < _QUICKEST:
        raise ConfigFault(
            f"'{word}' is no heartbeat",
            fix="write e.g. on: heartbeat 10s (s, m, h and d are known), at least one second",
        )
    return ns


def zone_of(on: str | list[str]) -> tzinfo | None:
    """The time zone that an interval's windows follow, None if it names none. Raises ConfigFault for an unknown one."""
    word = on if isinstance(on, str) else on[0] if on else ""
    match = _INTERVAL.fullmatch(word.strip())
    if match is None or match["zone"] is None:
        return None
    if match["zone"].upper() == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(match["zone"])
    except (KeyError, ValueError, OSError):
        raise ConfigFault(
            f"there is no time zone '{match['zone']}'", fix="use an IANA name such as Europe/Berlin"
        ) from None


def _trigger(on: str | list[str]) -> str | list[str]:
    trigger_of(on)
    return on


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _mode(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_names)]


class CloudEventsConfig(Model):
    """CloudEvents 1.0 around the value. ``type``, ``source`` and ``subject`` are templates."""

    mode: Literal["structured", "binary"]
    """structured: one JSON document with the value under ``data``; binary: the attributes are record headers (``ce_id`` …)."""
    type: str | None = None
    """``io.countline.<trigger>`` unless set."""
    source: str | None = None
    """A URI reference; ``/countline/<source>`` unless set."""
    subject: str | None = None
    """The rule of the event, where there is one, unless set."""


class SchemaConfig(Model):
    """The schema of the value: how it is named, and where it is registered."""

    name: str | None = None
    """Name of the outermost record; from the definition's name unless set."""
    namespace: str = "countline"
    """Avro namespace and Protobuf package."""
    numbers: dict[str, int] = {}
    """Protobuf field numbers by dotted path, to keep them when fields move; in order from 1 unless set."""
    registry: str | None = None
    """URL of a registry with the Confluent API (or mock://name). Values then carry the Confluent wire format."""
    id: int | None = Field(default=None, ge=0)
    """Schema id that is known already: Confluent wire format without asking a registry."""
    subject: str = "topic"
    """Naming strategy: topic (``<topic>-value``), record, topic-record; anything else is the subject itself."""
    auto_register: bool = True
    """Register the schema at start; else it must be there."""
    compatibility: (
        Literal["NONE", "BACKWARD", "FORWARD", "FULL", "BACKWARD_TRANSITIVE", "FORWARD_TRANSITIVE", "FULL_TRANSITIVE"]
        | None
    ) = None
    """Level to set for the subject; the registry's own unless set."""
    options: dict[str, str | int | float | bool] = {}
    """Further options of the registry client, e.g. {basic.auth.user.info: 'user:${PASSWORD}', ssl.ca.location: ca.pem}."""

    @model_validator(mode="after")
    def _remember_login(self) -> SchemaConfig:
        remember(self, *uri_secrets(self.registry or ""), *named_secrets(self.options))
        return self


def kind_class(type_: Any) -> type[MessageConfig] | None:
    """The configuration class of a message's ``type:``; None where there is no such kind (or no type)."""
    if not isinstance(type_, str):
        return None
    try:
        found: type[MessageConfig] = MESSAGES.get(message_kind(type_), "config", "Config", MessageConfig)
    except KeyError:
        return None
    except PluginError as error:
        raise ConfigFault(error.what, fix=error.fix, loc=("type",)) from None
    return found


def kind_classes() -> Iterator[tuple[str, type[MessageConfig]]]:
    """Every kind of ready payload with its configuration class; kinds that cannot be used are told when they are."""
    for kind in MESSAGES.packages():
        with suppress(ConfigFault):
            found = kind_class(kind)
            if found is not None:
                yield kind, found


class MessageConfig(Model):
    """One message definition: when it is sent, and what it says."""

    # Where ``type:`` names a kind of ready payload, what is made is that kind's own class, which may have further keys.

    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    name: str = Field(min_length=1)
    on: Annotated[str | list[str], AfterValidator(_trigger)] = "crossing"
    """Trigger: crossing | enter | leave | dwell | crowding | heading | speeding | journey | long-queue | long-wait | wrong-way
    (or several of these) | change | gap | interval <time> [zone] | frame | config (a change of the configuration)
    | status (another state of a source) | heartbeat <time> (each source, by the clock, also while no frame comes)."""
    per: Literal["frame", "event"] | None = None
    """One message for each event or for each frame that has any; by the template unless set: per event if it names a field
    of an event."""
    rules: Names = []
    """Only events of these rules (for change: only their counts); all unless set."""
    sources: Names = []
    """Only frames of these sources; all unless set."""
    classes: Names = []
    """Only events of objects of these classes; all unless set."""
    if_: str | bool | None = Field(default=None, alias="if")
    """Condition, e.g. confidence > 0.6 and class in ['car', 'bus']."""
    key: str | None = None
    """Template of the record key."""
    partition_key: str | None = None
    """Dotted path into the value whose content is the key, e.g. sensor.id, as in DeepStream's cfg_kafka.txt."""
    topic: str | None = None
    """Template of the topic; the output's own unless set."""
    headers: dict[str, Any] = {}
    """Templates of the record headers."""
    value: Any = None
    """Template of the value."""
    type: str | None = None
    """A ready payload: deepstream/full, deepstream/minimal, deepstream/protobuf, deepstream/analytics, deepstream/occupancy."""
    function: str | None = None
    """A Python function that makes the value: 'module:name' or 'file.py:name'."""
    encoding: Literal["json", "jsonl", "avro", "protobuf", "msgpack"] = "json"
    cloudevents: Annotated[CloudEventsConfig | None, BeforeValidator(_mode)] = None
    schema_: SchemaConfig = Field(default=SchemaConfig(), alias="schema")
    version: str = "1"
    """Version of the schema, said by you; the fingerprint of its content is added by itself."""
    attach: AttachConfig | None = None
    trajectory_points: int = Field(default=64, ge=2, le=10_000)
    """Most points of a track in {trajectory}, one a frame, the newest."""
    outputs: Names = []
    """Names of the outputs it goes to; all unless set."""

    @model_validator(mode="after")
    def _consistent(self) -> MessageConfig:
        contents = [word for word in ("value", "type", "function") if getattr(self, word) is not None]
        if len(contents) > 1:
            raise ConfigFault(
                f"'{contents[0]}' and '{contents[1]}' exclude each other", fix="keep one of them", loc=(contents[1],)
            )
        if not contents and "value" not in self.model_fields_set:
            raise ConfigFault(
                f"the message '{self.name}' has no value", fix="add value: (a template), type: or function:"
            )
        if self.key is not None and self.partition_key is not None:
            raise ConfigFault(
                "'key' and 'partition_key' exclude each other", fix="keep one of them", loc=("partition_key",)
            )
        kind = trigger_of(self.on)[0]
        for word in _OF_FRAMES.get(kind, ()):
            if getattr(self, word):
                raise ConfigFault(
                    f"'{word}' belongs to frames, and 'on: {kind}' has none",
                    fix="leave it out; `countline schema --fields` lists what there is",
                    loc=(word,),
                )
        if kind != "event":
            for word, allowed in (("classes", ()), ("rules", ("change",))):
                if getattr(self, word) and kind not in allowed:
                    raise ConfigFault(
                        f"'{word}' chooses among events, and 'on: {self.on}' has none",
                        fix="use an event such as on: crossing, or if: for a condition",
                        loc=(word,),
                    )
            if self.per == "event":
                raise ConfigFault(f"'on: {self.on}' has no event of its own", fix="leave 'per' out", loc=("per",))
        return self

    def files(self) -> list[str]:
        """Names of files that this kind of message reads."""
        return []

    def __new__(cls, **data: Any) -> MessageConfig:
        """The class of the kind that ``type`` names."""
        own = kind_class(data.get("type")) if cls is MessageConfig else None
        return super().__new__(own or cls)

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, data: Any, handler: ModelWrapValidatorHandler[MessageConfig]) -> MessageConfig:
        if cls is not MessageConfig or not isinstance(data, Mapping):
            return handler(data)
        own = kind_class(data.get("type"))
        if own is None:
            _refuse_keys_of_kinds(data)
            return handler(data)
        return validated(own, data)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """With the keys of every kind, so that editors know them."""
        made = super().__get_pydantic_json_schema__(core_schema, handler)
        if cls is MessageConfig:
            schema = handler.resolve_ref_schema(made)
            for _, own in kind_classes():
                keys = handler.resolve_ref_schema(described(own, handler))["properties"]
                schema["properties"].update({key: keys[key] for key in keys if key not in schema["properties"]})
        return made


def _refuse_keys_of_kinds(data: Mapping[Any, Any]) -> None:
    """A key that only some kinds have says so, where the message is of none."""
    own = {name for key, field in MessageConfig.model_fields.items() for name in (key, field.alias)}
    for key in data:
        having = [k for k, c in kind_classes() if key in c.model_fields] if key not in own else []
        if having:
            raise ConfigFault(
                f"'{key}' is a key of messages of type {' or '.join(having)}",
                fix=f"add type: {having[0]}/… , or leave it out",
                loc=(key,),
            )
