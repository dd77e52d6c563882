"""What ``countline worker`` and ``countline sources`` share: the broker, the topics of a group, and configurations without sources."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from countline.cluster.tables import Definition
from countline.cluster.topics import Names
from countline.commands.consume import connection
from countline.config import Config, SourceConfig, checked
from countline.config.loader import Document, read_yaml, validate
from countline.config.models import raise_not_mapping
from countline.errors import ConfigError
from countline.outputs.kafka.config import Config as KafkaConfig
from countline.outputs.kafka.settings import client

__all__ = ["broker", "configuration_of", "for_source", "names_of", "source_config", "sources_of"]

_SECRET = re.compile(r"\$\{(SOURCE_[A-Za-z0-9_]+)\}")
_KEPT = "\ue000{SOURCE_"
"""Stands for what is filled in by the workers, while all else is filled in here."""
UNREAD = "object:not-read-here"
"""Address that stands for sources which rules and messages name, and which the topic defines."""


def broker(options: Mapping[str, Any], config: Config | None) -> dict[str, Any]:
    """librdkafka options: of the configuration's Kafka output, then of ``--kafka`` and ``-X``. Raises ConfigError."""
    outputs = [o for o in config.outputs if isinstance(o, KafkaConfig)] if config is not None else []
    own = client(outputs[0]) if outputs else {}
    if not options["kafka"] and not own:
        raise ConfigError("no broker given", fix="add --kafka HOST:PORT, or a Kafka output to the configuration")
    kafka = options["kafka"] or own["bootstrap.servers"]
    more, _ = connection(None, kafka, "any", tuple(options["options"]))
    return {**own, **more}


def names_of(options: Mapping[str, Any]) -> Names:
    """The topics of the group."""
    usual = Names.of(options["group"])
    return Names(options.get("sources_topic") or usual.sources, options.get("state_topic") or usual.state)


def configuration_of(path: Path) -> Config:
    """A configuration for a worker: its sources are those of the topic, so it need not have any, and rules and messages may name
    sources that it does not. Raises ConfigError."""
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise_not_mapping(document)
    data = document.data
    listed = data.get("sources") if isinstance(data.get("sources"), list) else []
    known = {source.get("name") for source in listed or () if isinstance(source, Mapping)}
    named = dict.fromkeys(name for name in _named(data) if name not in known)
    placeholders = [{"name": name, "uri": UNREAD} for name in named]
    if not listed and not placeholders:
        placeholders = [{"name": "any", "uri": UNREAD}]
    document.data = {**data, "sources": [*(listed or ()), *placeholders]}
    config = checked(document.data, document)
    config._document = document
    if config.rules.file is not None:
        raise ConfigError(
            f"the streams in {config.rules.file} are sources by their numbers, which those of the topic do not have",
            where=str(path),
            fix="`countline convert` makes rules of it that name their sources",
        )
    return config


def _named(data: Mapping[str, Any]) -> Iterator[str]:
    """Names of sources in rules and messages, as they are written."""
    rules, messages = data.get("rules"), data.get("messages")
    for items in rules.values() if isinstance(rules, Mapping) else ():
        for item in items if isinstance(items, list) else ():
            if isinstance(item, Mapping) and isinstance(item.get("source"), str):
                yield item["source"]
    for message in messages if isinstance(messages, list) else ():
        listed = message.get("sources") if isinstance(message, Mapping) else None
        yield from (name for name in (listed if isinstance(listed, list) else ()) if isinstance(name, str))


def source_config(definition: Definition) -> SourceConfig:
    """What the topic says of a source. Raises ConfigError."""
    where = f"source '{definition.name}' of the sources topic (partition {definition.partition}, offset {definition.offset})"
    data = _filled_in(orjson.loads(definition.data), where)
    return validate(SourceConfig, {**data, "name": definition.name}, Document(data, {}, where))


def _filled_in(value: Any, where: str) -> Any:
    """``${SOURCE_NAME}`` becomes the worker's environment variable of that name. No other is read: whoever may write the topic could
    have it sent wherever an address leads."""
    if isinstance(value, dict):
        return {key: _filled_in(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled_in(item, where) for item in value]
    return _SECRET.sub(lambda match: _variable(match[1], where), value) if isinstance(value, str) else value


def _variable(name: str, where: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"the environment variable {name} is not set", where=where, fix="set it for all workers")
    return value


def for_source(config: Config, source: SourceConfig) -> Config:
    """The configuration of one source: its entry, and the messages that are made of it."""
    messages = [
        message.model_copy(update={"sources": [source.name] if message.sources else []})
        for message in config.messages
        if not message.sources or source.name in message.sources
    ]
    return config.model_copy(update={"sources": [source], "messages": messages})


def sources_of(path: Path) -> list[dict[str, Any]]:
    """The sources of a file, as they are written there: a configuration, or a list of sources alone. Raises ConfigError."""
    document = read_yaml(path, _text(path).replace("${SOURCE_", _KEPT))
    data = document.data
    listed = data if isinstance(data, list) else data.get("sources") if isinstance(data, dict) else None
    if not isinstance(listed, list) or not listed:
        raise ConfigError("has no sources", where=str(path), fix="write them under `sources:`, as for `countline run`")
    for i, item in enumerate(listed):
        validate(SourceConfig, item, document, ("sources", i) if isinstance(data, dict) else (i,))
    written: list[dict[str, Any]] = orjson.loads(orjson.dumps(listed).replace(_KEPT.encode(), b"${SOURCE_"))
    return written


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"cannot be read: {reason}", where=str(path)) from None
