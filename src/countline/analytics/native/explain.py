"""Why an object was or was not counted, in words, from what is kept of live and lately ended tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from countline.analytics.geometry import distance_to_segments
from countline.analytics.native.band import band, half_width
from countline.analytics.native.plan import Rule
from countline.analytics.native.state import ENDED_AGE, MEMORY, SourceState
from countline.analytics.native.table import ARMED, BORN, TrackTable
from countline.config.rules import DirectionConfig, JourneyConfig, LineConfig, RegionConfig, SpeedConfig

__all__ = ["explain"]

Record = dict[str, Any]


def explain(
    source: SourceState | None,
    table: TrackTable,
    rules: Sequence[Rule],
    labels: Sequence[str],
    who: tuple[str, int, str],
) -> str:
    """``who``: names of source, track id, name of the rule. See ``NativeRules.explain``."""
    name, track_id, rule_name = who
    if source is None:
        return f"no source is named '{name}'"
    rule = next((r for r in source.rules if r.name == rule_name), None)
    if rule is None:
        if any(r.name == rule_name for r in rules):
            return f"rule '{rule_name}' does not apply to source '{name}'"
        return f"no rule is named '{rule_name}'; known are: " + ", ".join(r.name for r in source.rules)
    record = find(source, table, track_id)
    after = continued(source, track_id)
    if record is None:
        if after == track_id:
            return f"no such track in the last {(ENDED_AGE + MEMORY) / 1e9:.0f} s"
        rest = explain(source, table, rules, labels, (name, after, rule_name))
        return f"track {track_id} was continued as track {after}: {rest}"
    notes = noted(record, rule_name)
    if notes:
        return "; ".join(notes)
    if after != track_id and (before := find(source, table, after)) is not None:
        # The tracker used the id again after another one had taken over its object.
        notes = noted(before, rule_name)
        if notes:
            return f"track {track_id} was at first continued as track {after}: " + "; ".join(notes)
    class_id = int(record["class_id"])
    if not rule.accepts(class_id):
        label = labels[class_id] if 0 <= class_id < len(labels) else str(class_id)
        return f"class filtered: the object is a {label}, the rule looks at {listed(rule)}"
    return uneventful(source, rule, record)


def noted(record: Record, rule: str) -> list[str]:
    """What happened to the object at a rule."""
    notes = record["notes"]
    return [f"{text} at frame {number} ({clock / 1e9:.2f} s)" for about, text, number, clock in notes if about == rule]


def continued(source: SourceState, track_id: int) -> int:
    """The last of the ids under which a track was continued; its own if it was not."""
    seen = set()
    while track_id in source.renamed and track_id not in seen:
        seen.add(track_id)
        track_id = source.renamed[track_id]
    return track_id


def find(source: SourceState, table: TrackTable, track_id: int) -> Record | None:
    """All that is kept of a track, None if nothing is."""
    slot = source.ids.get(track_id)
    if slot is None:
        return source.ended.get(track_id)
    if slot in source.present_list:
        source.settle(slot, source.present_list.index(slot), table)
    record = table.row(slot)
    record["notes"] = source.notes.get(slot, [])
    record["origins"] = {b.rule.name: b.origins.get(slot) for b in source.journeys}
    record["live"] = slot in source.present_list
    return record


def listed(rule: Rule) -> str:
    """The classes a rule looks at, in words."""
    return ", ".join(str(c) for c in rule.config.classes or ()) + " only"


def uneventful(source: SourceState, rule: Rule, record: Record) -> str:
    """Why nothing happened."""
    config = rule.config
    same = [r for r in source.rules if r.kind == rule.kind]
    column = same.index(rule)
    if isinstance(config, LineConfig):
        return no_crossing(source, rule, record, column)
    if isinstance(config, RegionConfig):
        gap = distance(source, rule, record, closed=True)
        return f"{lived(record)} {gap:.0f} px from the region's edge and was never inside"
    if isinstance(config, DirectionConfig):
        return (
            f"never moved by {config.distance:g} of its size within {config.window:g} s, "
            f"at most {config.tolerance:g} degrees off this direction"
        )
    if isinstance(config, SpeedConfig):
        limit = "the rule has no limit" if config.limit is None else f"was never measured above {config.limit:g} km/h"
        return f"{limit}; a speed is known after {config.window / 2:g} s within the four points"
    assert isinstance(config, JourneyConfig)
    place = (record.get("origins") or {}).get(rule.name)
    return f"has been at {place} only" if place else "has been at none of the journey's places"


def no_crossing(source: SourceState, rule: Rule, record: Record, column: int) -> str:
    """Why a line was not crossed."""
    gap = distance(source, rule, record, closed=False)
    band = _band_pixels(source, rule, record)
    phase, net = int(record["phase"][column]), int(record["net"][column])
    live = lived(record)
    if phase == BORN:
        return (
            f"never left the band of {band:.0f} px on either side of the line, so where it came from is unknown; "
            f"{live} {gap:.0f} px from the line"
        )
    if phase == ARMED and net:
        return (
            f"passed the line, but {live} {gap:.0f} px behind it, within the band of {band:.0f} px that it must leave"
        )
    passed = float(record["passed"][column])
    if np.isfinite(passed) and passed > 0:
        return f"crossed the line's extension {passed * source.height:.0f} px beyond its end"
    begun = "was first seen within the line's band, so that passage is unknown; " if record["begun"][column] else ""
    return f"{begun}{live} {gap:.0f} px before the line"


def lived(record: Record) -> str:
    """Length and end of a track in words."""
    frames = int(record["frames"])
    return f"track of {frames} frame{'s' if frames != 1 else ''} " + ("is" if record.get("live") else "ended")


def foot(source: SourceState, rule: Rule, record: Record) -> tuple[float, float]:
    """Last anchor point in picture heights."""
    left, top, right, bottom = record["box"]
    fx, fy = rule.anchor
    return float((left + (right - left) * fx) * source.aspect), float(top + (bottom - top) * fy)


def distance(source: SourceState, rule: Rule, record: Record, *, closed: bool) -> float:
    """Pixels from the last anchor point to the line or to the polygon's edge."""
    points = np.array([(x * source.aspect, y) for x, y in rule.points])
    ends = np.roll(points, -1, axis=0) if closed else points[1:]
    starts = points if closed else points[:-1]
    x, y = foot(source, rule, record)
    gaps = distance_to_segments(np.full(len(ends), x), np.full(len(ends), y), *starts.T, *ends.T)
    return float(gaps.min()) * source.height


def _band_pixels(source: SourceState, rule: Rule, record: Record) -> float:
    """Half-width of the band for this object in pixels."""
    left, top, right, bottom = record["box"]
    size = max((right - left) * source.aspect, bottom - top)
    return float(half_width(band(rule, source.aspect), size)) * source.height
