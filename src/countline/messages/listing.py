"""All fields that templates may name, as lines for people: ``countline schema --fields``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from countline.config.messages import MessageConfig, trigger_of
from countline.config.rules import RULE_KEYS
from countline.messages.catalogue import Catalogue
from countline.messages.fields import EVENT_KINDS, LOOPS, event_fields
from countline.messages.shape import Shape
from countline.messages.states import state_keys
from countline.types import RuleInfo, SourceInfo

__all__ = ["all_fields", "fields_of"]


def _row(path: str, shape: Shape) -> str:
    kind = {"uint64": "integer", "any": "anything", "record": "object", "map": "object"}.get(shape.kind, shape.kind)
    return f"  {path:<36} {kind}{' or null' if shape.nullable else ''}"


def all_fields() -> Iterator[str]:
    """Fields of every trigger, kind of event and loop. NAME stands for a rule, DIRECTION for one of its directions, CLASS for a
    class."""
    rules = [
        RuleInfo("NAME", kind, None, directions=("DIRECTION",) if kind == "line" else ())
        for kind in ("line", "region", "direction", "journey")
    ] + [RuleInfo("NAME", RULE_KEYS[key].kind, None, key=key) for key in state_keys()]
    whole = Catalogue(rules, [SourceInfo("SOURCE", 0)], interval=True, attachment=True)
    yield "of every frame (window only with `on: interval`, attachment with `attach:`):"
    for path in dict.fromkeys(whole.paths()):
        found = whole.find(path)
        if found is not None:
            yield _row(path, found.shape)
    for kind in EVENT_KINDS:
        yield f"of an event `{kind}`, also as event.…:"
        yield from (_row(path, field.shape) for path, field in event_fields([kind]).items())
    for loop, fields in LOOPS.items():
        yield f"inside {{for: {loop}}}:"
        yield from (_row(path, field.shape) for path, field in fields.items())


def fields_of(
    config: MessageConfig, rules: Sequence[RuleInfo], sources: Sequence[SourceInfo], labels: Sequence[str]
) -> Iterator[str]:
    """Fields of one message of a configuration, with the names of its rules."""
    trigger, kinds, _ = trigger_of(config.on)
    own = Catalogue(
        rules,
        sources,
        labels,
        () if config.per == "frame" else kinds,
        config.sources,
        attachment=config.attach is not None,
        interval=trigger == "interval",
        gap=trigger == "gap",
    )
    yield f"message '{config.name}':"
    for path in dict.fromkeys(own.paths()):
        found = own.find(path.replace("CLASS", labels[0]) if labels else path)
        if found is not None:
            yield _row(path, found.shape)
    for loop in LOOPS:
        yield f"inside {{for: {loop}}}:"
        yield from (_row(path, field.shape) for path, field in own.item_fields(loop).items())
