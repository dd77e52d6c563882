"""What a frame is to nvmsgconv, and all that it makes of it: the door through which recordings are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.payloads import full, minimal, protobuf
from countline.errors import MessageError
from countline.types import Analytics

Item = Mapping[str, Any]
Ids = Iterator[str] | Callable[[], str]


def dsmeta_frame(a: Analytics) -> dict[str, Any]:
    """Frame metadata with all tracked objects. Boxes are in pixels of the source's picture."""
    info, tracks = a.frame, a.tracks
    names = a.class_names
    if tracks.ltwh is not None:
        ltwh = tracks.ltwh
    else:
        ltwh = np.column_stack([tracks.xyxy[:, :2], tracks.xyxy[:, 2:] - tracks.xyxy[:, :2]])
    objects = [
        {
            "object_id": track,
            "obj_label": names[klass] if 0 <= klass < len(names) else str(klass),
            "confidence": confidence,
            "class_id": klass,
            "bbox": {"left": box[0], "top": box[1], "width": box[2], "height": box[3]},
        }
        for track, klass, confidence, box in zip(
            tracks.track_id.tolist(), tracks.class_id.tolist(), tracks.confidence.tolist(), ltwh.tolist()
        )
    ]
    return {
        "source_id": info.source.index,
        "frame_num": info.number,
        "source_frame_width": info.width,
        "source_frame_height": info.height,
        "pipeline_width": info.width,
        "pipeline_height": info.height,
        "objects": objects,
    }


def custom() -> list[bytes]:
    """Payload type 257: what the stock library answers where a user's own one is expected."""
    return [b"CUSTOM Schema\0"]


def payloads(
    kind: str | int,
    item: Item,
    static: StaticDescription | None,
    *,
    ids: Ids,
    now: str | None = None,
    pretty: bool = False,
) -> list[bytes]:
    """All payloads that nvmsgconv makes of one frame. ``kind``: full, minimal, protobuf, custom, or their numbers 0, 1,
    2, 257. Raises MessageError for any other."""
    name = {0: "full", 1: "minimal", 2: "protobuf", 257: "custom"}.get(kind, kind) if isinstance(kind, int) else kind
    if name == "full":
        return full(item, static, ids=ids, now=now, pretty=pretty)
    if name == "minimal":
        return minimal(item, static, now=now, pretty=pretty)
    if name == "protobuf":
        return protobuf(item, static, now=now)
    if name == "custom":
        return custom()
    raise MessageError(f"unknown payload type {kind!r}", where="messages", fix="use full, minimal, protobuf or custom")
