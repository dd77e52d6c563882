"""Events as the page shows them: plain values and a sentence."""

from __future__ import annotations

from typing import Any

from countline.messages.time import rfc3339
from countline.observe.notes import direction_of
from countline.types import Event

__all__ = ["event_row"]

_VERBS = {"enter": "entered", "leave": "left", "wrong-way": "went the wrong way in"}


def event_row(event: Event, ident: str) -> dict[str, Any]:
    """An event for JSON; ``ident``: by which streams name it."""
    return {
        "id": ident,
        "time": rfc3339(event.time_ns),
        "source": event.source.name,
        "kind": event.kind,
        "rule": event.rule,
        "direction": direction_of(event),
        "object": None
        if event.track_id is None
        else {"id": str(event.track_id), "label": event.class_name or str(event.class_id)},
        "text": _text(event),
    }


def _text(event: Event) -> str:
    who = f"{event.class_name or 'object'} {event.track_id}" if event.track_id is not None else ""
    direction = direction_of(event)
    if event.kind == "crossing":
        return f"{who} crossed '{event.rule}'" + (f": {direction}" if direction else "")
    if event.kind == "heading":
        return f"{who} heads '{direction or event.rule}'"
    if event.kind == "journey":
        return f"{who} went from '{getattr(event, 'origin', '')}' to '{getattr(event, 'destination', '')}'"
    if event.kind == "speeding":
        return f"{who} drove {getattr(event, 'speed', 0.0):.0f} km/h in '{event.rule}'"
    if event.kind == "view-change":
        return f"the camera shows another view ({direction})"
    if event.kind == "dwell":
        return f"{who} has stayed in '{event.rule}' for {getattr(event, 'dwell', 0.0):.0f} s"
    if event.kind in _VERBS:
        return f"{who} {_VERBS[event.kind]} '{event.rule}'"
    words = event.kind.replace("-", " ") + (f" ({direction})" if direction else "")
    return f"{who + ': ' if who else ''}{words} at '{event.rule}'"
