"""The command line of the DeepStream-to-Kafka recipe -> a complete configuration.

What is sent (``-s``): 0 is what the recipe's patched full schema sends, the counts of every frame in which a line is
crossed (``deepstream/analytics``); 1 is DeepStream's minimal schema with the objects that crossed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countline.compat.deepstream.files import msgconv, nvmsgbroker
from countline.compat.deepstream.files.classes import DEEPSTREAM_CLASSES, DEEPSTREAM_LABELS
from countline.errors import ConfigError

__all__ = ["ANALYTICS_FILE", "MSGCONV_FILE", "RecipeOptions", "from_recipe"]

ANALYTICS_FILE = "config_nvdsanalytics.txt"
MSGCONV_FILE = "dstest4_msgconv_config.txt"
DEVICE_ID = "device_test"
"""Device id that the recipe's consumers know."""

_MINIMAL_KEYS = ("version", "id", "@timestamp", "sensorId")


@dataclass(frozen=True)
class RecipeOptions:
    """Options of the recipe's command line, and two of ours (``rules``, ``msgconv``). None: not given."""

    input_file: str | None = None
    proto_lib: str | None = None
    conn_str: str | None = None
    cfg_file: str | Path | None = None
    topic: str | None = None
    schema_type: int | None = None
    rules: str | Path | None = None
    msgconv: str | Path | None = None
    no_display: bool = False
    more_inputs: tuple[str, ...] = ()
    """Further inputs, streams 1, 2 … of the rules."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> RecipeOptions:
        """From the command line's options by their names there."""
        same = ("proto_lib", "conn_str", "cfg_file", "topic", "schema_type", "msgconv", "no_display")
        first, *more = options["inputs"] or [None]
        return cls(
            input_file=first,
            more_inputs=tuple(more),
            rules=options["rules_file"],
            **{name: options[name] for name in same},
        )


def from_recipe(options: RecipeOptions, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Configuration data (for ``Config``) and notes for the user. ``folder`` is where the recipe's files are looked for:
    the working directory. Raises ConfigError for options that are missing or wrong."""
    notes: list[str] = []
    if not options.input_file:
        raise ConfigError("no input file is given", where="-i/--input-file", fix="add -i VIDEO.h264")
    if not options.proto_lib:
        raise ConfigError(
            "no adapter library is given",
            where="-p/--proto-lib",
            fix="add -p libnvds_kafka_proto.so (its name chooses the output; the file need not exist)",
        )
    schema = options.schema_type or 0
    if schema not in (0, 1):
        raise ConfigError(f"there is no schema {schema}", where="-s/--schema-type", fix="give 0 (full) or 1 (minimal)")
    broker = nvmsgbroker.output(options.proto_lib, options.conn_str, options.cfg_file, options.topic)
    notes += broker.notes
    rules = _found(options.rules, folder / ANALYTICS_FILE, "--rules", notes)
    if rules is None:
        raise ConfigError(
            f"there are no rules: no {ANALYTICS_FILE} in {folder}",
            where="--rules",
            fix="run in the folder of the recipe's files, or give --rules FILE",
        )
    static = _found(options.msgconv, folder / MSGCONV_FILE, "--msgconv", notes)
    message = _message(schema, broker, static, notes)
    sources = [{"name": DEVICE_ID, "uri": str(options.input_file), "device_id": DEVICE_ID}]
    for i, uri in enumerate(options.more_inputs, 1):
        sources.append({"name": f"{DEVICE_ID}-{i}", "uri": str(uri), "device_id": DEVICE_ID})
    data: dict[str, Any] = {
        "sources": sources,
        "detector": {"classes": dict(DEEPSTREAM_CLASSES)},
        "rules": {"file": str(rules)},
        "messages": [message],
        "outputs": [broker.as_config()],
    }
    notes += _class_notes()
    return data, notes


def _found(path: str | Path | None, usual: Path, option: str, notes: list[str]) -> Path | None:
    if path is not None:
        if not Path(path).is_file():
            raise ConfigError("no such file", where=f"{option} {path}", fix="check the path")
        return Path(path)
    if not usual.is_file():
        return None
    notes.append(f"using {usual.name} in this folder")
    return usual


def _message(schema: int, broker: nvmsgbroker.BrokerOutput, static: Path | None, notes: list[str]) -> dict[str, Any]:
    message: dict[str, Any] = {"name": "line-crossing", "on": "crossing"}
    if static is not None:
        for note in msgconv.read(static).notes:
            notes.append(note)
    if schema == 0:
        message["type"] = "deepstream/analytics"
        keys: tuple[str, ...] = ("messageid", "@timestamp", "deviceId", "analyticsModule")
        if static is not None:
            notes.append(f"{static.name}: read, but the recipe's message carries no static data")
    else:
        message |= {"type": "deepstream/minimal", "api": "event"}
        keys = _MINIMAL_KEYS
        if static is not None:
            message["msgconv"] = str(static)
    path = broker.partition_key
    if path is None:
        return message
    if path.partition(".")[0] in keys:
        message["partition_key"] = path
    else:
        notes.append(f"partition-key '{path}' is not in this message; records are keyed by the device id ({DEVICE_ID})")
    return message


def _class_notes() -> Iterator[str]:
    by_id: dict[int, list[str]] = {}
    for name, number in DEEPSTREAM_CLASSES.items():
        by_id.setdefault(number, []).append(name)
    shown = "; ".join(f"{n} {DEEPSTREAM_LABELS[n]} = {', '.join(names)}" for n, names in sorted(by_id.items()))
    yield f"class ids are those of DeepStream's sample detector: {shown}"
