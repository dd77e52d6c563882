"""What is in requests and answers of the API: JSON Schema, as OpenAPI 3.1 has it."""

from __future__ import annotations

from typing import Any, get_args

from countline.source_status import SourceState

__all__ = ["SCHEMAS", "json_object", "listed", "ref"]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number", "minimum": 0}
NUMBER: Schema = {"type": "number"}
TIME: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    """One of :data:`SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {"oneOf": [{"type": "null"}, schema]}


def json_object(optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object whose properties are all there but the optional ones; there may be more."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def by_name(values: Schema) -> Schema:
    """A mapping from names."""
    return {"type": "object", "additionalProperties": values}


POINT: Schema = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
DIGEST: Schema = {"type": "string", "description": "Of a configuration."}
VERDICTS = ["counted", "not-counted", "not-concerned"]

_SOURCE = json_object(
    ("decoder",),
    name=TEXT, index=COUNT, device_id=TEXT, live=FLAG, width=maybe(COUNT), height=maybe(COUNT), uri_shown=TEXT,
    state={"enum": list(get_args(SourceState))}, reason=TEXT, since=NUMBER, connections=COUNT, attempts=COUNT,
    last_packet_age=maybe(NUMBER), last_frame_age=maybe(NUMBER), clock_offset=maybe(NUMBER), rates=by_name(NUMBER),
    frames=COUNT, packets=COUNT, dropped=COUNT, thinned=COUNT, vanished=COUNT, corrupt=COUNT, corrupt_by=by_name(COUNT),
    reconnects=COUNT, resolution_changes=COUNT, repaired=COUNT, decoder=TEXT, overload=TEXT, processed=COUNT,
    age=maybe(NUMBER), objects=COUNT, link=maybe(TEXT),
)  # fmt: skip
_OUTPUT = json_object(
    name=TEXT, kind=TEXT, connected=maybe(FLAG), waiting=COUNT, oldest_age=SECONDS, sent=COUNT, acknowledged=COUNT,
    retried=COUNT, dead=COUNT, dropped=COUNT, dropped_by=by_name(COUNT), last_error=TEXT,
)  # fmt: skip
_STATE = json_object(
    time=TIME, version=TEXT,
    config=json_object(digest=DIGEST, since=TIME, by=TEXT, file=maybe(TEXT), writable=FLAG, why_not=TEXT),
    sources=listed(_SOURCE), outputs=listed(_OUTPUT),
    outbox=json_object(durable=FLAG, waiting=COUNT, bytes=COUNT, max_bytes=COUNT, oldest_age=SECONDS, writable=FLAG),
    health=json_object(alive=FLAG, ready=FLAG, reasons=listed(TEXT)),
    page=json_object(watchers=COUNT, streams=COUNT, frames_sent=COUNT, frames_skipped=COUNT, jpeg_ms=SECONDS),
)  # fmt: skip
_RULE = json_object(
    ("arrow",),
    kind=TEXT, name=TEXT, sources=listed(TEXT), shape={"enum": ["", "line", "area", "arrow", "quad"]},
    points=listed(POINT), arrow=listed(POINT), labels=by_name(TEXT), options={"type": "object"}, editable=FLAG, why_not=TEXT,
)  # fmt: skip
_COUNTS = json_object(
    counts=listed(
        json_object(source=TEXT, rule=TEXT, kind=TEXT, direction=TEXT, value=COUNT, **{"class": maybe(TEXT)})
    ),
    occupancy=listed(json_object(source=TEXT, rule=TEXT, kind=TEXT, value=COUNT, text=TEXT)),
)
_EVENT = json_object(
    id=TEXT, time=TIME, source=TEXT, kind=TEXT, rule=TEXT, direction=TEXT, object=maybe(json_object(id=TEXT, label=TEXT)),
    text=TEXT,
)  # fmt: skip
_OBJECT = json_object(
    ("live",),
    id=TEXT, label=TEXT, first=TIME, last=TIME, live=FLAG,
    path={**listed(listed(NUMBER)), "description": "Foot points: x, y, and the time in ms since the Unix epoch."},
)  # fmt: skip
_PUT = json_object(
    ("was", "source", "points", "arrow", "options"),
    op={"const": "put"}, kind=TEXT, name={"type": "string", "minLength": 1}, was=maybe(TEXT), source=maybe(TEXT),
    points=listed(POINT), arrow=listed(POINT), options={"type": "object"},
)  # fmt: skip
_REMOVE = json_object(("source",), op={"const": "remove"}, kind=TEXT, name=TEXT, source=maybe(TEXT))

SCHEMAS: dict[str, Schema] = {
    "Digest": DIGEST,
    "Problem": json_object(error=json_object(what=TEXT, where=TEXT, fix=TEXT)),
    "Conflict": json_object(error=json_object(what=TEXT, where=TEXT, fix=TEXT), disk=TEXT),
    "Session": json_object(signed_in=FLAG, can_write=FLAG, read_needs_sign_in=FLAG, version=TEXT, csrf=TEXT),
    "State": _STATE,
    "Rules": json_object(digest=DIGEST, rules=listed(_RULE), undo=FLAG),
    "Counts": _COUNTS,
    "History": json_object(
        step=COUNT, start=TIME, series=listed(json_object(source=TEXT, rule=TEXT, direction=TEXT, values=listed(COUNT)))
    ),
    "Event": _EVENT,
    "Objects": json_object(objects=listed(_OBJECT)),
    "Explanation": json_object(
        object=_OBJECT,
        rules=listed(json_object(("at",), kind=TEXT, name=TEXT, verdict={"enum": VERDICTS}, text=TEXT, at=maybe(POINT))),
    ),
    "Edit": {"oneOf": [_PUT, _REMOVE]},
    "Preview": json_object(
        changes=listed(TEXT),
        diff=TEXT,
        counted=listed(json_object(source=TEXT, rule=TEXT, kind=TEXT, direction=TEXT, now=COUNT, would=COUNT)),
        seconds=SECONDS,
        notes=listed(TEXT),
    ),
    "Applied": json_object(digest=DIGEST, changes=listed(TEXT), notes=listed(TEXT), undo=FLAG),
    "Dead": json_object(letters=listed(json_object(id=TEXT, time=TIME, reason=TEXT, size=COUNT)), total=COUNT),
    "FrameFacts": json_object(
        source=TEXT, number=COUNT, time=TIME, width=COUNT, height=COUNT,
        view=maybe({"type": "array", "items": NUMBER, "minItems": 6, "maxItems": 6}),
        objects=listed(
            json_object(
                id=TEXT, label=TEXT, confidence=NUMBER, counted=FLAG,
                box={"type": "array", "items": NUMBER, "minItems": 4, "maxItems": 4},
            )
        ),
    ),
}  # fmt: skip
