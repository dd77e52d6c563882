"""Why an object was or was not counted, in words."""

from __future__ import annotations

from collections.abc import Sequence

from countline.analytics.native.plan import Rule, Tables
from countline.analytics.native.state import SourceState
from countline.analytics.native.table import TrackTable

__all__ = ["explain"]


def explain(
    source: SourceState | None,
    table: TrackTable,
    tables: Tables,
    rules: Sequence[Rule],
    name: str,
    track_id: int,
    rule: str,
) -> str:
    """See ``NativeRules.explain``."""
    if source is None:
        return f"no source is named '{name}'"
    slot = source.ids.get(track_id)
    if slot is None:
        return f"no track {track_id} is remembered at '{name}'"
    notes = [text for who, text in source.notes.get(slot, []) if who == rule]
    return "; ".join(notes) or "nothing happened"
