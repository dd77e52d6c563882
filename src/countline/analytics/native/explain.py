"""Why an object was or was not counted, in words, from what is kept of live and lately ended tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from countline.analytics.native.kinds import kind_of
from countline.analytics.native.rule import Rule
from countline.analytics.native.source import ENDED_AGE, MEMORY, SourceState
from countline.analytics.native.table import TrackTable
from countline.analytics.native.track_record import TrackRecord
from countline.telling import Note, Told

__all__ = ["tell"]


def tell(
    source: SourceState | None,
    table: TrackTable,
    rules: Sequence[Rule],
    labels: Sequence[str],
    who: tuple[str, int, str],
) -> Told:
    """``who``: names of source, track id, name of the rule. See ``NativeRules.explain``."""
    name, track_id, rule_name = who
    if source is None:
        return Told(reason=f"no source is named '{name}'", concerned=False)
    rule = next((r for r in source.rules if r.name == rule_name), None)
    if rule is None:
        return Told(reason=_no_rule(source, rules, name, rule_name), concerned=False)
    record = find(source, table, track_id)
    after = continued(source, track_id)
    if record is None:
        if after == track_id:
            seconds = (ENDED_AGE + MEMORY) / 1e9
            return Told(reason=f"no such track in the last {seconds:.0f} s", concerned=False)
        rest = tell(source, table, rules, labels, (name, after, rule_name))
        return replace(rest, before=f"track {track_id} was continued as track {after}: {rest.before}")
    notes = noted(record, rule_name)
    if notes:
        return Told(notes)
    if after != track_id and (before := find(source, table, after)) is not None:
        # The tracker used the id again after another one had taken over its object.
        notes = noted(before, rule_name)
        if notes:
            return Told(notes, before=f"track {track_id} was at first continued as track {after}: ")
    class_id = int(record["class_id"])
    if not rule.accepts(class_id):
        label = labels[class_id] if 0 <= class_id < len(labels) else str(class_id)
        only = ", ".join(str(c) for c in rule.config.classes or ())
        text = f"class filtered: the object is a {label}, the rule looks at {only} only"
        return Told(reason=text, concerned=False)
    one = int(record["object_id"])
    united = "" if one == track_id else f"is one object with track {one}, with which it counts; by itself it "
    return Told(reason=united + kind_of(rule.config).explain(TrackRecord(source, rule, record)))


def _no_rule(source: SourceState, rules: Sequence[Rule], name: str, rule: str) -> str:
    if any(r.name == rule for r in rules):
        return f"rule '{rule}' does not apply to source '{name}'"
    return f"no rule is named '{rule}'; known are: " + ", ".join(r.name for r in source.rules)


def noted(record: dict[str, Any], rule: str) -> list[Note]:
    """What happened to the object at a rule."""
    return [Note(text, number, clock) for about, text, number, clock in record["notes"] if about == rule]


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
