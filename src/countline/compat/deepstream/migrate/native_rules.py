"""A ``config_nvdsanalytics.txt`` as rules of the native engine, with notes of what has no equal there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from countline.compat.deepstream.files.nvdsanalytics import (
    CrowdingItem,
    DirectionItem,
    LineItem,
    NvdsAnalyticsConfig,
    RoiItem,
    StreamRules,
)
from countline.config.rules import RulesConfig

__all__ = ["Converted", "ConvertedRule", "convert"]

Point = tuple[float, float]
AnyItem = RoiItem | CrowdingItem | LineItem | DirectionItem


@dataclass(slots=True)
class ConvertedRule:
    """One rule and where it comes from."""

    kind: Literal["lines", "regions", "directions"]
    label: str
    """Label in the DeepStream file."""
    stream: int
    values: dict[str, Any]
    """As in the YAML."""
    notes: list[str] = field(default_factory=list)
    item: AnyItem | None = None
    """What it was made of."""

    def line(self) -> LineItem:
        """The line it was made of."""
        assert isinstance(self.item, LineItem)
        return self.item


@dataclass(slots=True)
class Converted:
    """All rules, and notes on the whole."""

    rules: list[ConvertedRule]
    notes: list[str]

    def model(self) -> RulesConfig:
        """The rules as a checked configuration."""
        data: dict[str, list[dict[str, Any]]] = {"lines": [], "regions": [], "directions": []}
        for rule in self.rules:
            data[rule.kind].append(rule.values)
        return RulesConfig.model_validate(data)

    def text(self) -> str:
        """YAML with the notes as comments; ``rules:`` at the top."""
        out = [f"# {note}" for note in self.notes]
        out.append("rules:")
        out.append("  engine: native")
        for kind in ("lines", "regions", "directions"):
            chosen = [rule for rule in self.rules if rule.kind == kind]
            if chosen:
                out.append(f"  {kind}:")
            for rule in chosen:
                out += [f"    # {note}" for note in rule.notes]
                dumped = yaml.safe_dump(
                    rule.values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000
                )
                lines = dumped.rstrip("\n").split("\n")
                out.append(f"    - {lines[0]}")
                out += [f"      {line}" for line in lines[1:]]
        return "\n".join(out) + "\n"


def convert(
    config: NvdsAnalyticsConfig,
    names: Mapping[int, str] | None = None,
    *,
    count: Literal["every", "once"] = "once",
) -> Converted:
    """Native rules that mean what the file means. ``names``: source name by stream index (``stream-N`` unless given);
    ``count``: of a track once, as there, or every passage, those that are reversed at once among them."""
    converted = Converted([], _general(config))
    taken: set[tuple[str, str]] = set()
    for rules in config.streams.values():
        source = (names or {}).get(rules.index, f"stream-{rules.index}")
        items: list[AnyItem] = [*rules.lines, *rules.rois, *rules.crowding, *rules.directions]
        for item in items:
            if not item.enabled:
                converted.notes.append(f"'{item.label}' of stream {rules.index} is not enabled there and left out")
                continue
            rule = _rule(item, rules, source, count)
            if isinstance(rule, str):
                converted.notes.append(f"'{item.label}' of stream {rules.index} left out: {rule}")
                continue
            wish = item.label or rule.kind[:-1]
            name, number = wish, 2
            while (source, name) in taken:
                name, number = f"{wish}-{number}", number + 1
            taken.add((source, name))
            if name != item.label:
                rule.notes.insert(0, f"renamed from '{item.label}': a rule's name is unique within its source")
            rule.values = {"name": name, **rule.values}
            converted.rules.append(rule)
    return converted


def _general(config: NvdsAnalyticsConfig) -> list[str]:
    notes = [
        f"from {config.file or 'a nvdsanalytics configuration'} ({config.width}x{config.height})",
        "sources are known by name: give yours the names below, or change them here",
    ]
    if not config.enable:
        notes.append("enable=0 in [property]: nothing was evaluated there; here everything is")
    if any(rules.lines or rules.directions for rules in config.streams.values()):
        notes.append(
            f"no equal: the history of {config.window} frames and the least way in pixels (slow and short tracks are counted here)"
        )
    notes.append(
        f"no equal: object counts smoothed over {config.window} ms (objCnt); counts are of the frame itself here"
    )
    if any(rules.directions for rules in config.streams.values()):
        notes.append("no equal: the status STOPPED of objects that stand still")
    if config.osd_mode != 2 or config.display_obj_cnt:
        notes.append("no equal: osd-mode, display-obj-cnt (the overlay has options of its own)")
    return notes


def _rule(item: AnyItem, rules: StreamRules, source: str, count: str) -> ConvertedRule | str:
    """The rule without its name, or why there is none."""
    width, height = rules.width, rules.height
    if not width or not height:
        return "the configured resolution is 0"
    points = [(round(x / width, 6), round(y / height, 6)) for x, y in item.points]
    if isinstance(item, LineItem):
        rule: ConvertedRule | str = _line(item, points, source, count)
    elif isinstance(item, DirectionItem):
        if points[0] == points[1]:
            return "its arrow has no length and never matches"
        points = _arrow(points)
        rule = ConvertedRule(
            "directions", item.label, rules.index, {"source": source, "points": points, "tolerance": 60.0}
        )
    else:
        empty = "" if len(set(points)) > 2 else "a polygon of fewer than three points contains nothing"
        points = _clipped(points)
        if not empty and len(set(points)) < 3:
            empty = "it encloses nothing in or near the picture"
        inverse = isinstance(item, RoiItem) and item.inverse
        if empty and not inverse:
            return empty
        values: dict[str, Any] = {"source": source, "points": list(_EVERYWHERE) if empty else points}
        rule = ConvertedRule("regions", item.label, rules.index, values)
        if empty:
            rule.notes.append(f"{empty}, and inverse-roi=1 asks for what is outside it: everything")
        elif inverse:
            values["inverse"] = True
        if isinstance(item, CrowdingItem):
            values["crowding"] = {"objects": max(item.object_threshold, 1), "seconds": item.time_threshold_ms / 1000}
            rule.notes.append(
                "time-threshold is applied here; nvdsanalytics reads it but never uses it (seconds: 0 does the same)"
            )
    if isinstance(rule, str):
        return rule
    rule.stream, rule.item = rules.index, item
    if item.class_ids and -1 not in item.class_ids:
        classes = sorted({c for c in item.class_ids if c >= 0})
        if not classes:
            return "it looks at no class that exists"
        rule.values["classes"] = classes
        rule.notes.append("classes are class ids of the detector; their names may be written instead")
    rule.values["points"] = [list(point) for point in rule.values["points"]]
    return rule


def _line(item: LineItem, points: list[Point], source: str, count: str) -> ConvertedRule | str:
    (tx, ty), (hx, hy), (ax, ay), (bx, by) = item.points
    if (ax, ay) == (bx, by):
        return "the line has no length and counts nothing"
    if (tx, ty) == (hx, hy):
        return "its arrow has no length, so nothing is counted"
    line = [points[2], points[3]]
    notes: list[str] = []
    # Positive: the arrow points to the right-hand side of somebody who walks along the line on screen.
    across = (ay - by) * (hx - tx) + (bx - ax) * (hy - ty)
    size = math.hypot(ax - bx, ay - by) * math.hypot(hx - tx, hy - ty)
    if abs(across) < 1e-5 * size:
        direction = "both"
        notes.append(
            f"the arrow is parallel to the line, so it tells no side: movement along it is counted there ({item.mode})"
        )
    else:
        direction = "in"
        if across > 0:
            line.reverse()
        notes.append(
            f"mode={item.mode}: `in` is the way the arrow points"
            + ("" if item.mode == "loose" else "; its angle is not tested here")
        )
    if item.extended:
        line = _extended(line[0], line[1])
        notes.append("extended=1: the line was lengthened to beyond the picture's edges")
    within = _within(line)
    if within is None:
        return "it lies wholly outside the picture"
    if within[0] == within[1]:
        return "it is too short to be told in millionths of the picture"
    values: dict[str, Any] = {"source": source, "points": within, "direction": direction, "count": count}
    if count == "once":
        notes.append("count: once as there; every counts each passage")
    else:
        values["debounce"] = 0
    return ConvertedRule("lines", item.label, 0, values, notes)


def _extended(start: Point, end: Point, low: float = -0.25, high: float = 1.25) -> list[Point]:
    """The infinite line through two points, cut at a box around the picture; the line itself is never shortened."""
    first, last = 0.0, 1.0
    enter, leave = _chord(start, end, low, high)
    if enter < leave:
        first, last = min(first, enter), max(last, leave)
    return [_between(start, end, t) for t in (first, last)]


LEAST, MOST = -1.0, 2.0
"""Native points lie within the picture, or beyond it by no more than its own size. nvdsanalytics sets no bound; what lies
farther outside meets no object and is cut off."""


_EVERYWHERE = ((LEAST, LEAST), (MOST, LEAST), (MOST, MOST), (LEAST, MOST))


def _within(line: list[Point]) -> list[Point] | None:
    """A line cut at these bounds; None if nothing is left."""
    enter, leave = _chord(line[0], line[1], LEAST, MOST)
    enter, leave = max(enter, 0.0), min(leave, 1.0)
    return [_between(line[0], line[1], t) for t in (enter, leave)] if enter < leave else None


def _chord(start: Point, end: Point, low: float, high: float) -> tuple[float, float]:
    """Where the infinite line through two points enters and leaves the box from ``low`` to ``high``, in lengths of the way
    between them; the first is not less than the second where it misses the box."""
    enter, leave = -math.inf, math.inf
    for a, b in zip(start, end):
        step = b - a
        if step:
            one, other = sorted(((low - a) / step, (high - a) / step))
            enter, leave = max(enter, one), min(leave, other)
        elif not low <= a <= high:
            return math.inf, -math.inf
    return enter, leave


def _between(start: Point, end: Point, t: float) -> Point:
    (ax, ay), (bx, by) = start, end
    return round(ax + t * (bx - ax), 6), round(ay + t * (by - ay), 6)


def _clipped(polygon: list[Point]) -> list[Point]:
    """A polygon cut at the bounds, side by side (Sutherland and Hodgman); what it contains within them is unchanged."""
    for axis in (0, 1):
        for bound, sign in ((LEAST, 1.0), (MOST, -1.0)):
            cut: list[Point] = []
            for start, end in zip([*polygon[-1:], *polygon[:-1]], polygon):
                before, after = ((point[axis] - bound) * sign for point in (start, end))
                if (before < 0) != (after < 0):
                    met = list(_between(start, end, before / (before - after)))
                    met[axis] = bound
                    cut.append((met[0], met[1]))
                if after >= 0:
                    cut.append(end)
            polygon = cut
    return polygon


def _arrow(points: list[Point]) -> list[Point]:
    """An arrow that reaches beyond the bounds, drawn within the picture: only where it points matters."""
    if all(LEAST <= value <= MOST for point in points for value in point):
        return points
    (ax, ay), (bx, by) = points
    dx, dy = bx - ax, by - ay
    scale = 2.0 * max(abs(dx), abs(dy))
    return [(round(0.5 + sign * dx / scale, 6), round(0.5 + sign * dy / scale, 6)) for sign in (-0.5, 0.5)]
