"""Why an object was or was not counted, in words, from what is kept of live and lately ended tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from countline.analytics.native.kinds import kind_of
from countline.analytics.native.rule import Rule
from countline.analytics.native.source import ENDED_AGE, MEMORY, SourceState
from countline.analytics.native.table import TrackTable
from countline.analytics.native.track_record import TrackRecord

__all__ = ["explain"]


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
        only = ", ".join(str(c) for c in rule.config.classes or ())
        return f"class filtered: the object is a {label}, the rule looks at {only} only"
    one = int(record["object_id"])
    united = "" if one == track_id else f"is one object with track {one}, with which it counts; by itself it "
    return united + kind_of(rule.config).explain(TrackRecord(source, rule, record))


def noted(record: dict[str, Any], rule: str) -> list[str]:
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


def find(source: SourceState, table: TrackTable, track_id: int) -> dict[str, Any] | None:
    """All that is kept of a track, None if nothing is."""
    slot = source.ids.get(track_id)
    if slot is None:
        return source.ended.get(track_id)
    if slot in source.present_list:
        source.settle(slot, source.present_list.index(slot), table)
    record = table.row(slot)
    record["notes"] = source.notes.get(slot, [])
    record["recalled"] = source.recall(slot)
    record["object_id"] = source.objects.object_of(track_id)
    record["live"] = slot in source.present_list
    return record
