"""What of the rules is right as written and will hardly ever fire."""

from __future__ import annotations

from collections.abc import Iterator

from countline.config.kinds.base import PlacedConfig
from countline.config.points import Point, flat, turns_back
from countline.config.rules import RulesConfig

__all__ = ["oddities"]

_EDGE = 1e-3


def oddities(rules: RulesConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(place in the configuration, what is odd) of rules that are right as written and will hardly ever fire."""
    for key, i, rule in rules.each():
        if isinstance(rule, PlacedConfig) and rule.shape in ("line", "area"):
            what = _oddity(rule, rules)
            if what:
                yield ("rules", key, i, "points"), what


def _oddity(rule: PlacedConfig, rules: RulesConfig) -> str:
    size = rule.resolution or (rules.resolution if rules.coordinates == "pixels" else None)
    width, height = size or (1, 1)
    points: list[Point] = getattr(rule, "points")  # noqa: B009 - lines and areas have them
    xs, ys = [x / width for x, _ in points], [y / height for _, y in points]
    word, line = f"{rule.kind} '{rule.name}'", rule.shape == "line"
    if max(xs) < 0 or min(xs) > 1 or max(ys) < 0 or min(ys) > 1:
        return f"{word} lies outside the picture: nothing will ever be counted there"
    turn = turns_back(points) if line else None
    if turn is not None:
        return (
            f"{word} turns back onto itself at point {turn + 1}: whoever crosses there goes in and out at once and is not counted; "
            "leave out that point"
        )
    if not line and flat(points):
        return f"the corners of {word} lie on one straight line, which surrounds nothing: move one of them"
    edges = {"left": xs, "top": ys}
    for name, values in edges.items():
        opposite = {"left": "right", "top": "bottom"}[name]
        if line and max(values) <= _EDGE:
            return f"{word} lies on the {name} edge of the picture: objects are cut off there and hardly ever cross it"
        if line and min(values) >= 1 - _EDGE:
            return (
                f"{word} lies on the {opposite} edge of the picture: objects are cut off there and hardly ever cross it"
            )
    return ""
