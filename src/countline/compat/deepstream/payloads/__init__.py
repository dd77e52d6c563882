"""DeepStream's payloads, equal to those that nvmsgconv makes, and two that it lacks: analytics and occupancy.

The input is a mapping as nvmsgconv sees it: ``{"events": [NvDsEventMsgMeta, ...]}`` for the event API, or
``{"frame": {...}}`` for the dsmeta API. Pure: ids and the current time are arguments.

>>> from countline.compat.deepstream.files.msgconv import StaticDescription
>>> item = {"frame": {"frame_num": 30, "source_id": 0, "objects": []}}
>>> minimal(item, StaticDescription(), now="2024-01-02T03:04:05.678Z")[0].decode()
'{"version":"4.0","id":"30","@timestamp":"2024-01-02T03:04:05.678Z","sensorId":"0","objects":[]}'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.payloads.definition import DeepStreamDefinition, make_definition
from countline.compat.deepstream.payloads.full import full_dsmeta, full_event
from countline.compat.deepstream.payloads.minimal import minimal_dsmeta, minimal_event
from countline.compat.deepstream.payloads.proto import SCHEMA, protobuf_dsmeta, protobuf_event
from countline.compat.deepstream.payloads.text import dump
from countline.errors import MessageError

__all__ = ["SCHEMA", "DeepStreamDefinition", "full", "make_definition", "minimal", "protobuf"]

Item = Mapping[str, Any]
Ids = Iterator[str] | Callable[[], str]


def full(
    item: Item, static: StaticDescription | None, *, ids: Ids, now: str | None = None, pretty: bool = False
) -> list[bytes]:
    """Payload type 0: one per event, or per object of the frame. Raises MessageError without a static description, which
    nvmsgconv needs for this type too."""
    if static is None:
        raise MessageError(
            "deepstream/full needs a static description",
            where="messages",
            fix="add `msgconv: dstest4_msgconv_config.txt` (sensors, places, analytics modules)",
        )
    next_id = ids if callable(ids) else partial(next, ids)
    if "frame" in item:
        made = full_dsmeta(item["frame"], static, next_id, now)
    else:
        made = [full_event(event, static, next_id) for event in item.get("events") or ()]
    return [dump(value, pretty=pretty) for value in made]


def minimal(
    item: Item, static: StaticDescription | None, *, now: str | None = None, pretty: bool = False
) -> list[bytes]:
    """Payload type 1: one per frame; none for a list of events that is empty."""
    if "frame" in item:
        return [dump(minimal_dsmeta(item["frame"], static, now), pretty=pretty)]
    made = minimal_event(item.get("events") or (), static)
    return [] if made is None else [dump(made, pretty=pretty)]


def protobuf(item: Item, static: StaticDescription | None, *, now: str | None = None) -> list[bytes]:
    """Payload type 2: one per frame; none without events, or where the time of the first cannot be read."""
    if "frame" in item:
        return [protobuf_dsmeta(item["frame"], static, now)]
    made = protobuf_event(item.get("events") or (), static)
    return [] if made is None else [made]
