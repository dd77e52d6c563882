"""What a compiled template reads from: one frame's analytics, and where the loops stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from countline.types import UNTRACKED, Analytics, Event, ObjectStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Objects", "Scope"]

_NO_STATUS = ObjectStatus()


class Objects:
    """The tracks of a frame as Python lists, converted once per frame however many messages and fields use them."""

    __slots__ = ("boxes", "class_ids", "classes", "confidence", "length", "speeds", "status", "track_ids")

    def __init__(self, analytics: Analytics) -> None:
        tracks = analytics.tracks
        self.length = len(tracks)
        self.track_ids: list[int | None] = [None if t == UNTRACKED else t for t in tracks.track_id.tolist()]
        self.boxes: list[list[float]] = np.round(tracks.xyxy.astype(np.float64), 2).tolist()
        self.confidence: list[float] = np.round(tracks.confidence.astype(np.float64), 4).tolist()
        self.class_ids: list[int] = tracks.class_id.tolist()
        names = analytics.class_names
        known = len(names)
        self.classes = [names[c] if 0 <= c < known else str(c) for c in self.class_ids]
        self.status = analytics.objects
        self.speeds = analytics.speeds

    def of(self, i: int) -> ObjectStatus:
        """What the rules say of object ``i``; an empty status where they say nothing."""
        return (self.status[i] if i < len(self.status) else None) or _NO_STATUS


class Scope:
    """The data behind one message while it is made. Loops set and restore their own slot."""

    __slots__ = (
        "analytics",
        "attachment",
        "direction",
        "event",
        "events",
        "i",
        "id",
        "info",
        "journey",
        "klass",
        "line",
        "objects_",
        "region",
        "source",
        "state",
    )

    def __init__(
        self, analytics: Analytics, events: Sequence[Event], objects: list[Objects | None], state: Any
    ) -> None:
        self.analytics = analytics
        self.info = analytics.frame
        self.source = analytics.frame.source
        self.events = events
        self.event: Any = None
        self.id = ""
        self.i = -1
        self.direction: Any = None
        self.journey: Any = None
        self.klass: Any = None
        self.line: Any = None
        self.region: Any = None
        self.objects_ = objects
        self.state = state
        self.attachment: Any = None

    @property
    def objects(self) -> Objects:
        """The frame's objects; the list in ``objects_`` is shared by all messages of the frame."""
        found = self.objects_[0]
        if found is None:
            found = self.objects_[0] = Objects(self.analytics)
        return found
