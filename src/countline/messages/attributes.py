"""What is known of an object beside its box: fields that are null where it is not known, or where the object is not seen in the
frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from countline.messages.scope import Scope
from countline.messages.shape import NUMBER, UINT64, Shape, list_of
from countline.messages.table import Entry
from countline.types import ANGLE, CORNERS, KEYPOINTS, UNTRACKED

__all__ = ["EVENT_ATTRIBUTES", "OBJECT_ATTRIBUTES"]

_POINTS = list_of(list_of(NUMBER))
_SHAPES: Mapping[str, Shape] = {ANGLE: NUMBER.or_null(), CORNERS: _POINTS.or_null(), KEYPOINTS: _POINTS.or_null()}
_DIGITS: Mapping[str, int] = {ANGLE: 4, CORNERS: 2, KEYPOINTS: 2}
"""Decimal places of radians and pixels."""

Get = Callable[[Scope], Any]


def _of_object(name: str) -> Get:
    """Reads an attribute of the object of a loop."""

    def get(s: Scope) -> Any:
        attributes = s.analytics.tracks.attributes
        return None if attributes is None else _value(name, attributes.get(name), s.i)

    return get


def _of_event(name: str) -> Get:
    """Reads an attribute of the object that an event is about, in the frame of the event."""

    def get(s: Scope) -> Any:
        tracks, track_id = s.analytics.tracks, s.event.track_id
        if tracks.attributes is None or track_id is None:
            return None
        (rows,) = (tracks.track_id == np.uint64(track_id)).nonzero()
        return _value(name, tracks.attributes.get(name), int(rows[0])) if len(rows) else None

    return get


def _value(name: str, column: Any, row: int) -> Any:
    return None if column is None else np.round(np.asarray(column[row], np.float64), _DIGITS[name]).tolist()


def _twin(s: Scope, row: int) -> int | None:
    twin_of = s.analytics.tracks.twin_of
    found = UNTRACKED if twin_of is None else int(twin_of[row])
    return None if found == UNTRACKED else found


def _twin_of_event(s: Scope) -> int | None:
    tracks, track_id = s.analytics.tracks, s.event.track_id
    if tracks.twin_of is None or track_id is None:
        return None
    (rows,) = (tracks.track_id == np.uint64(track_id)).nonzero()
    return _twin(s, int(rows[0])) if len(rows) else None


OBJECT_ATTRIBUTES = (
    Entry("twin_of", UINT64.or_null(), lambda s: _twin(s, s.i), "objects", in_record=False),
    *(Entry(n, shape, _of_object(n), "objects", in_record=False) for n, shape in _SHAPES.items()),
)
EVENT_ATTRIBUTES = (
    Entry("twin_of", UINT64.or_null(), _twin_of_event, "event", in_record=False),
    *(Entry(n, shape, _of_event(n), "event", in_record=False) for n, shape in _SHAPES.items()),
)
