"""All fields that templates may name, as lines for people: ``countline schema --fields``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from countline.config.messages import MessageConfig, trigger_of
from countline.messages.field_registry import FieldRegistry
from countline.messages.fields import TABLE, FieldTable
from countline.messages.shape import Shape
from countline.types import RuleInfo, SourceInfo

__all__ = ["all_fields", "fields_of"]


def _row(path: str, shape: Shape) -> str:
    kind = {"uint64": "integer", "any": "anything", "record": "object", "map": "object"}.get(shape.kind, shape.kind)
    return f"  {path:<36} {kind}{' or null' if shape.nullable else ''}"


def all_fields(table: FieldTable = TABLE) -> Iterator[str]:
    """Fields of every trigger, kind of event and loop. NAME stands for a rule, DIRECTION for one of its directions, CLASS for a
    class."""
    kinds = [(group.kind, group.key) for group in table.groups]
    kinds.insert(3, ("journey", ""))
    rules = [
        RuleInfo("NAME", kind, None, directions=("DIRECTION",) if kind == "line" else (), key=key)
        for kind, key in kinds
    ]
    registry = FieldRegistry(rules, [SourceInfo("SOURCE", 0)], interval=True, attachment=True, table=table)
    yield "of every frame (window only with `on: interval`, attachment with `attach:`):"
    for path in dict.fromkeys(registry.paths()):
        found = registry.find(path)
        if found is not None:
            yield _row(path, found.shape)
    for kind in table.events.types:
        yield f"of an event `{kind}`, also as event.…:"
        yield from (_row(path, field.shape) for path, field in table.events.of([kind]).items())
    for loop, of in table.loops.items():
        if loop != "events":
            yield f"inside {{for: {loop}}}:"
            yield from (_row(path, field.shape) for path, field in of.fields.items())


def fields_of(
    config: MessageConfig,
    rules: Sequence[RuleInfo],
    sources: Sequence[SourceInfo],
    labels: Sequence[str],
    table: FieldTable = TABLE,
) -> Iterator[str]:
    """Fields of one message of a configuration, with the names of its rules."""
    trigger, kinds, _ = trigger_of(config.on)
    own = FieldRegistry(
        rules,
        sources,
        labels,
        () if config.per == "frame" else kinds,
        config.sources,
        attachment=config.attach is not None,
        interval=trigger == "interval",
        gap=trigger == "gap",
        config=trigger == "config",
        status=trigger == "status",
        heartbeat=trigger == "heartbeat",
        table=table,
    )
    yield f"message '{config.name}':"
    for path in dict.fromkeys(own.paths()):
        found = own.find(path.replace("CLASS", labels[0]) if labels else path)
        if found is not None:
            yield _row(path, found.shape)
    for loop in table.loops:
        if loop != "events":
            yield f"inside {{for: {loop}}}:"
            yield from (_row(path, field.shape) for path, field in own.item_fields(loop).items())
