"""What ``countline sources`` does: writes and shows the sources topic of a group of workers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import orjson

from countline.cluster.tables import Tables
from countline.cluster.topics import Names, Reader, Writer, ensure
from countline.commands.cluster_setup import broker, names_of, sources_of
from countline.config import SourceConfig
from countline.config.loader import Document, validate
from countline.errors import ConfigError
from countline.secret_forms import hide_uri
from countline.terminal import echo, json_line, visible

__all__ = ["list_command", "put_command", "remove_command"]


def put_command(options: Mapping[str, Any]) -> int:
    """Define sources, or define them anew. Returns the exit code."""
    items = _items(options)
    kafka_options, names = broker(options, None), names_of(options)
    ensure(kafka_options, names, options["partitions"])
    places = Writer(kafka_options).write(names.sources, [(i["name"].encode(), orjson.dumps(i), None) for i in items])
    for item, (partition, offset) in zip(items, places):
        echo(f"{visible(item['name'])}: {hide_uri(item['uri'])} (partition {partition}, offset {offset})")
    return 0


def _items(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    words: tuple[str, ...] = options["words"]
    if options["file"] is not None:
        if words:
            raise ConfigError("a file or NAME URI, not both", fix="countline sources put --file cameras.yaml --group …")
        return sources_of(options["file"])
    if len(words) != 2:
        raise ConfigError(
            "one source is NAME URI", fix="countline sources put gate rtsp://10.0.0.7/stream1 --group …; or --file FILE"
        )
    item: dict[str, Any] = {"name": words[0], "uri": words[1]}
    for pair in options["settings"]:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{pair}' is not KEY=VALUE", where="--set", fix="e.g. --set fps=5")
        item[key] = _value(value)
    validate(SourceConfig, item, Document(item, {}, "command line"))
    return [item]


def _value(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def remove_command(options: Mapping[str, Any]) -> int:
    """Take sources away: whoever reads them stops. Returns the exit code."""
    kafka_options, names = broker(options, None), names_of(options)
    tables = _tables(kafka_options, names)
    known = tables.definitions()
    missing = [name for name in options["names"] if name not in known]
    if missing:
        raise ConfigError(
            f"there is no source '{missing[0]}'", where=f"topic {names.sources}", fix="countline sources list --group …"
        )
    items = [(name.encode(), None, known[name].partition) for name in options["names"]]
    Writer(kafka_options).write(names.sources, items)
    for name in options["names"]:
        echo(f"{visible(name)}: removed; its counts stay in {names.state}")
    return 0


def list_command(options: Mapping[str, Any]) -> int:
    """Show the sources, who owns them, and what they have counted. Returns the exit code."""
    kafka_options, names = broker(options, None), names_of(options)
    tables = _tables(kafka_options, names)
    for name, definition in sorted(tables.definitions().items()):
        state = tables.state(name)
        uri = hide_uri(str(orjson.loads(definition.data).get("uri", "")))
        claim, slots = state.claim, sorted(state.slots.values(), key=lambda slot: slot.generation)
        counts: dict[str, dict[str, int]] = {}
        latest = {rule: kept for rule, (_, kept) in state.rules().items()}
        for (rule, counter, _), value in sorted(state.total().items()):
            name_of_rule, _, _ = rule.partition("\x1f")
            if latest.get(name_of_rule, rule) != rule:
                continue  # of what the rule was before
            counts.setdefault(name_of_rule, {}).setdefault(counter, 0)
            counts[name_of_rule][counter] += value
        if options["as_json"]:
            line = {
                "name": name,
                "uri": uri,
                "partition": definition.partition,
                "generation": claim.generation if claim is not None else None,
                "worker": claim.worker if claim is not None else None,
                "generations": len(slots),
                "seen": slots[-1].seen if slots else None,
                "finished": state.finished(definition.offset),
                "epoch": state.epoch.number,
                "counts": counts,
            }
            sys.stdout.write(json_line(line) + "\n")
            continue
        owner = f"generation {claim.generation} of worker {claim.worker[:8]}" if claim is not None else "nobody yet"
        totals = ", ".join(f"{rule} {c} {n}" for rule, by in counts.items() for c, n in by.items()) or "no counts"
        echo(f"{visible(name)}: {uri}; partition {definition.partition}; {owner}; {totals}")
    return 0


def _tables(options: Mapping[str, Any], names: Names) -> Tables:
    tables = Tables()
    reader = Reader(options, names, ensure(options, names), tables)
    try:
        reader.catch_up()
    finally:
        reader.close()
    return tables
