"""Rows of counts for the page, from the newest frame of each source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from countline.config.rules import rule_models
from countline.types import Analytics, Count

__all__ = ["counts", "kind_of"]

Row = dict[str, Any]


def counts(newest: Iterable[Analytics]) -> dict[str, list[Row]]:
    """``counts``: cumulative, by rule and direction and by rule and class; ``occupancy``: how many are in areas now."""
    counted: list[Row] = []
    inside: list[Row] = []
    for analytics in newest:
        counted += _counted(analytics)
        inside += _inside(analytics)
    return {"counts": counted, "occupancy": inside}


def _counted(analytics: Analytics) -> Iterator[Row]:
    source = analytics.frame.source.name

    def row(rule: str, kind: str, direction: str, value: int, label: str | None = None) -> Row:
        return {
            "source": source, "rule": rule, "kind": kind, "direction": direction, "class": label, "value": value,
        }  # fmt: skip

    for name, line in analytics.lines.items():
        directions = {way: count.cumulative for way, count in line.directions.items()} or {"": line.cumulative}
        for way, value in directions.items():
            yield row(name, "line", way, value)
        for label, count in line.classes.items():
            yield row(name, "line", "", count.cumulative, label)
    for name, region in analytics.regions.items():
        yield row(name, "region", "enter", region.entered.cumulative)
        yield row(name, "region", "leave", region.left.cumulative)
    for name, journeys in analytics.journeys.items():
        for way, value in journeys.items():
            yield row(name, "journey", way, value)
    for key, states in analytics.states.items():
        for name, state in states.items():
            for field in fields(state):
                value = getattr(state, field.name)
                if isinstance(value, Count):
                    yield row(name, kind_of(key), str(field.metadata.get("counter", field.name)), value.cumulative)


def _inside(analytics: Analytics) -> Iterator[Row]:
    source = analytics.frame.source.name
    for name, region in analytics.regions.items():
        yield {
            "source": source,
            "rule": name,
            "kind": "region",
            "value": region.occupancy,
            "text": "crowded" if region.crowded else "",
            "longest_dwell": round(region.longest_dwell, 1),
        }
    for name, direction in analytics.directions.items():
        yield {"source": source, "rule": name, "kind": "direction", "value": direction.current, "text": ""}
    for key, states in analytics.states.items():
        for name, state in states.items():
            # The first number of a state is its current value, as that of regions and directions.
            now = next((v for f in fields(state) if isinstance(v := getattr(state, f.name), int)), 0)
            yield {"source": source, "rule": name, "kind": kind_of(key), "value": now, "text": state.summary()}


def kind_of(key: str) -> str:
    """The kind of the rules that stand under a key of the configuration.

    >>> kind_of("wrong_ways")
    'wrong-way'
    """
    model = rule_models().get(key)
    return key if model is None else model.kind
