"""What ``countline schema`` does: schemas of configurations and of messages, lists of fields, and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from countline.config import Config
from countline.config.messages import MessageConfig
from countline.errors import ConfigError
from countline.messages.faults import suggest
from countline.messages.listing import all_fields, fields_of
from countline.messages.schema import Schema
from countline.messages.schema_diff import differences, read
from countline.messages.tables_sql import ENGINES, KafkaPlace, table_sql
from countline.pipeline import build
from countline.terminal import echo

__all__ = ["configuration_schema", "schema_command"]


def schema_command(
    config: Path | None,
    name: str | None,
    format_: str | None,
    *,
    fields: bool,
    pair: tuple[Path, Path] | None,
    mode: str,
) -> int:
    """Print what was asked for; the exit code. Raises ConfigError, MessageError."""
    if pair is not None:
        return _check(*pair, mode)
    if fields:
        echo("\n".join(all_fields() if config is None else fields_of(*_one(config, name))))
        return 0
    if name is None:
        if config is not None or format_ is not None:
            raise ConfigError(
                "which message? Without --message the schema of all configurations is printed",
                where=str(config or "--format"),
                fix="countline schema --message NAME countline.yaml",
            )
        echo(configuration_schema(), nl=False)
        return 0
    if config is None:
        raise ConfigError("--message needs a configuration", fix="countline schema --message NAME countline.yaml")
    echo(_message(config, name, format_), nl=False)
    return 0


def configuration_schema() -> str:
    """JSON Schema of all configurations, for editors."""
    made = Config.model_json_schema(by_alias=True)
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "countline configuration"}
    return orjson.dumps(made, option=orjson.OPT_INDENT_2).decode() + "\n"


def _one(path: Path, name: str | None) -> tuple[Any, Any, Any, Any]:
    """A message's configuration, and the rules, sources and labels that its fields are of."""
    config = build.as_config(path)
    names = [m.name for m in config.messages]
    if name not in names:
        what = f"there is no message '{name}'" if name is not None else "which message? Add --message NAME"
        raise ConfigError(what, where=str(path), fix=suggest(name or "", names, noun="messages"))
    infos = build.source_infos(config)
    detector = build.detector(config)
    try:
        rules = build.rules(config, infos, detector.labels)
        return config.messages[names.index(name)], rules.rules, infos, detector.labels
    finally:
        detector.close()


def _message(path: Path, name: str, format_: str | None) -> str:
    config = build.as_config(path)
    chosen = [m for m in config.messages if m.name == name]
    if not chosen:
        names = [m.name for m in config.messages]
        raise ConfigError(f"there is no message '{name}'", where=str(path), fix=suggest(name, names, noun="messages"))
    infos = build.source_infos(config)
    detector = build.detector(config)
    try:
        rules = build.rules(config, infos, detector.labels)
        # The printed schema needs no registry.
        alone = [
            m.model_copy(update={"schema_": m.schema_.model_copy(update={"registry": None})}) for m in config.messages
        ]
        without_registry = config.model_copy(update={"messages": alone})
        made: list[Any] = list(build.definitions(without_registry, rules, infos, detector.labels))
        definition = next(d for d in made if d.name == name)
    finally:
        detector.close()
    schema = getattr(definition, "schema", None)
    if schema is None:
        raise ConfigError(
            f"the payload {chosen[0].type} is defined by DeepStream and has no schema of its own",
            where=f"message '{name}'",
        )
    if format_ in ENGINES:
        return _table(config, chosen[0], schema, format_)
    by_encoding = {"avro": "avro", "protobuf": "proto"}
    return str(schema.text(format_ or by_encoding.get(chosen[0].encoding, "json")))


def _table(config: Config, message: MessageConfig, schema: Schema, engine: str) -> str:
    """The table of a message's values, where its Kafka output puts them. Raises ConfigError for what is no JSON."""
    if message.encoding != "json" or (message.cloudevents is not None and message.cloudevents.mode == "structured"):
        raise ConfigError(
            "tables are written for values that are JSON without an envelope",
            where=f"message '{message.name}'",
            fix="use encoding: json, and cloudevents: binary where there are any",
        )
    from countline.outputs.kafka.config import Config as KafkaConfig

    outputs = [
        o for o in config.outputs if isinstance(o, KafkaConfig) and (not message.outputs or o.name in message.outputs)
    ]
    own = message.topic if message.topic is not None and "{" not in message.topic else None
    topic = own or (outputs[0].topic if outputs else message.name)
    bootstrap = ",".join(outputs[0].bootstrap) if outputs else "localhost:9092"
    return table_sql(schema, engine, message.name, KafkaPlace(topic, bootstrap))


def _check(old: Path, new: Path, mode: str) -> int:
    found = differences(read(old.name, _text(old)), read(new.name, _text(new)), mode)
    for line in found:
        echo(line)
    if not found:
        echo(f"compatible ({mode})")
    return 2 if found else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(path)) from None
