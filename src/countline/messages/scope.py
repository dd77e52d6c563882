"""What a compiled template reads from: one frame's analytics, and where the loops stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from countline.types import UNTRACKED, Analytics, Event, ObjectStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Objects", "Scope"]

_NO_STATUS = ObjectStatus()
_NO_ITEMS: dict[str, Any] = {}


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
        statuses = analytics.objects
        self.status = [x or _NO_STATUS for x in statuses] if statuses else [_NO_STATUS] * self.length
        """What the rules say of each object; an empty status where they say nothing."""
        self.speeds = analytics.speeds


class Scope:
    """The data behind one message while it is made. Loops set and restore their own slot."""

    __slots__ = (
        "analytics",
        "attachment",
        "event",
        "events",
        "i",
        "id",
        "info",
        "items",
        "objects",
        "shared",
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
        self.objects: Any = None
        self.shared = objects
        self.state = state
        self.attachment: Any = None
        self.items: dict[str, Any] = _NO_ITEMS
        """Loop -> (name, item) where it stands, for loops over neither objects nor events."""

    def load_objects(self) -> Objects:
        """Put the frame's objects into ``objects``; the list in ``shared`` is that of all messages of the frame."""
        found = self.shared[0]
        if found is None:
            found = self.shared[0] = Objects(self.analytics)
        self.objects = found
        return found
