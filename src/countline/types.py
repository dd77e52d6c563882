"""The plain values that flow from stage to stage (design: source -> frame -> detections -> tracks -> analytics ->
message). NumPy only: no I/O, no clock, no threads.

Coordinate frame everywhere: pixels of the source's own picture, origin top left, x right, y down; boxes are ``xyxy``
(left, top, right, bottom). Times are integers in nanoseconds: ``pts`` on the source's own clock, ``time`` since the
Unix epoch in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from countline._changes import ConfigChange, StateChange
from countline._clips import ClipForm, CutPackets, FrameMark
from countline._counters import CounterDelta, CounterKey, RuleIdentity
from countline._device import DevicePlanes
from countline._events import (
    Crossing,
    Crowding,
    Dwell,
    Enter,
    Event,
    Heading,
    Journey,
    Leave,
    Speeding,
    ViewChange,
)
from countline._frames import FrameInfo, Seam, SourceInfo, TimeQuality, utc
from countline._gaps import Gap
from countline._heartbeats import Heartbeat
from countline._states import (
    Count,
    DirectionState,
    LineState,
    ObjectStatus,
    RegionState,
    RuleState,
)
from countline._views import View
from countline._windows import Window

__all__ = [
    "ANGLE",
    "CORNERS",
    "KEYPOINTS",
    "UNTRACKED",
    "Analytics",
    "ClipForm",
    "ConfigChange",
    "Count",
    "CounterDelta",
    "CounterKey",
    "Crossing",
    "Crowding",
    "CutPackets",
    "Detections",
    "DevicePlanes",
    "DirectionState",
    "Dwell",
    "Enter",
    "Event",
    "Frame",
    "FrameInfo",
    "FrameMark",
    "FrameTracks",
    "Gap",
    "Heading",
    "Heartbeat",
    "Journey",
    "Leave",
    "LineState",
    "Message",
    "ObjectStatus",
    "Picture",
    "RegionState",
    "RuleIdentity",
    "RuleInfo",
    "RuleState",
    "Seam",
    "SourceInfo",
    "Speeding",
    "StateChange",
    "TimeQuality",
    "Tracks",
    "View",
    "ViewChange",
    "Window",
    "utc",
]

UNTRACKED = 2**64 - 1
"""Track id of an object that no tracker follows (the value DeepStream uses)."""


class Picture(Protocol):
    """Pixels of a frame, on the host or a device, in whatever form the decoder gave them."""

    def bgr(self) -> NDArray[np.uint8]:
        """The whole picture as (height, width, 3) uint8, BGR, on the host. Converted once, then kept."""
        ...

    def letterbox(self, width: int, height: int) -> tuple[NDArray[np.uint8], float]:
        """The picture scaled by ``s`` to fit (height, width, 3) uint8 BGR, placed top left and padded right and below
        with 0; returns it and ``s`` (box in the result / s = box in the picture)."""
        ...


@dataclass(slots=True)
class Frame:
    """One decoded picture of a source with its times."""

    info: FrameInfo
    picture: Picture
    arrived: float = 0.0
    """Monotonic seconds at which the reader handed it over; for latency figures only, never for rules."""
    seam: Seam | None = None
    """Set on the first frame of each recording, where a source reads several one after the other."""
    mark: FrameMark | None = None
    """Where it lies in the encoded video, for clips; None where nobody wants any, or the source has no packets."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 BGR on the host."""
        return self.picture.bgr()


ANGLE = "angle"
"""Attribute that detectors give: the radians by which a turned box is turned, clockwise on screen."""
CORNERS = "corners"
"""Attribute that detectors give: the corners of a turned box, (4, 2) in pixels in order around it."""
KEYPOINTS = "keypoints"
"""Attribute that detectors give: (K, 2 or 3), x and y in pixels and, where the model tells it, how visible (0..1)."""


def _rows(attributes: Mapping[str, NDArray[Any]] | None, index: Any) -> dict[str, NDArray[Any]] | None:
    return None if attributes is None else {name: column[index] for name, column in attributes.items()}


@dataclass(slots=True)
class Detections:
    """Objects found in one frame, as a struct of arrays of equal length N.

    >>> import numpy as np
    >>> d = Detections(np.array([[0, 0, 10, 20]]), np.array([0.9]), np.array([2]))
    >>> len(d), d.xyxy.dtype
    (1, dtype('float32'))
    """

    xyxy: NDArray[np.float32]
    """(N, 4) left, top, right, bottom in pixels."""
    confidence: NDArray[np.float32]
    """(N,) in 0..1."""
    class_id: NDArray[np.int32]
    """(N,) index into the detector's labels."""
    attributes: Mapping[str, NDArray[Any]] | None = None
    """What else is known of each object, by name: arrays of N rows, such as :data:`ANGLE`, :data:`CORNERS` and
    :data:`KEYPOINTS`. None: nothing, the usual case."""

    def __post_init__(self) -> None:
        self.xyxy = np.asarray(self.xyxy, np.float32).reshape(-1, 4)
        self.confidence = np.asarray(self.confidence, np.float32).reshape(-1)
        self.class_id = np.asarray(self.class_id, np.int32).reshape(-1)
        if not len(self.xyxy) == len(self.confidence) == len(self.class_id):
            raise ValueError(
                f"xyxy, confidence and class_id must be of one length, not "
                f"{len(self.xyxy)}, {len(self.confidence)}, {len(self.class_id)}"
            )
        if self.attributes is not None:
            self.attributes = {name: np.asarray(column) for name, column in self.attributes.items()}
            for name, column in self.attributes.items():
                if column.shape[:1] != (len(self.xyxy),):
                    raise ValueError(f"the attribute '{name}' must have {len(self.xyxy)} rows, not {column.shape[:1]}")

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: Any) -> Detections:
        """Rows by boolean mask, slice or index array."""
        return Detections(self.xyxy[index], self.confidence[index], self.class_id[index], _rows(self.attributes, index))

    @classmethod
    def empty(cls) -> Detections:
        """No objects."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))

    @classmethod
    def from_supervision(cls, detections: Any) -> Detections:
        """From a ``supervision.Detections`` (or anything with ``xyxy``, ``confidence`` and ``class_id``); absent
        confidences become 1, absent classes 0."""
        n = len(detections.xyxy)
        confidence = detections.confidence
        class_id = detections.class_id
        return cls(
            detections.xyxy,
            np.ones(n, np.float32) if confidence is None else confidence,
            np.zeros(n, np.int32) if class_id is None else class_id,
        )


@dataclass(slots=True)
class Tracks:
    """Detections of one frame with a track id each."""

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int32]
    track_id: NDArray[np.uint64]
    """(N,) 64-bit ids; :data:`UNTRACKED` for objects that no tracker follows."""
    ltwh: NDArray[np.float32] | None = None
    """(N, 4) left, top, width, height, where the producer gave boxes so. The exact engine truncates these numbers one by
    one, so a detour over ``xyxy`` would change its results; None: derived from ``xyxy``."""
    attributes: Mapping[str, NDArray[Any]] | None = None
    """As :attr:`Detections.attributes`, of the detections behind the tracks; None: nothing, the usual case."""
    twin_of: NDArray[np.uint64] | None = None
    """(N,) of a twin (a second track on one object) the id of the oldest track of that object, which need not be in this
    frame; :data:`UNTRACKED` of all others. None: nobody is a twin, the usual case. Rules count an object once: see
    :meth:`object_id`."""

    def __post_init__(self) -> None:
        self.xyxy = np.asarray(self.xyxy, np.float32).reshape(-1, 4)
        self.confidence = np.asarray(self.confidence, np.float32).reshape(-1)
        self.class_id = np.asarray(self.class_id, np.int32).reshape(-1)
        self.track_id = np.asarray(self.track_id, np.uint64).reshape(-1)
        if self.twin_of is not None:
            self.twin_of = np.asarray(self.twin_of, np.uint64).reshape(-1)
            if len(self.twin_of) != len(self.track_id):
                raise ValueError(f"twin_of must have {len(self.track_id)} rows, not {len(self.twin_of)}")

    def __len__(self) -> int:
        return len(self.track_id)

    def object_id(self) -> NDArray[np.uint64]:
        """(N,) which object each row shows: ``twin_of`` where it is one, else its own track id. Rows of one object id are one
        object."""
        if self.twin_of is None:
            return self.track_id
        return np.where(self.twin_of == UNTRACKED, self.track_id, self.twin_of)

    def only(self, rows: NDArray[np.bool_]) -> Tracks:
        """Those of the rows for which (N,) ``rows`` is true."""
        return Tracks(
            self.xyxy[rows],
            self.confidence[rows],
            self.class_id[rows],
            self.track_id[rows],
            None if self.ltwh is None else self.ltwh[rows],
            self.attributes and {name: column[rows] for name, column in self.attributes.items()},
            None if self.twin_of is None else self.twin_of[rows],
        )

    def attributes_of(self, track_id: int | None) -> dict[str, Any]:
        """Attributes of one object of this frame by their names; empty where it has none, or is not in this frame."""
        if self.attributes is None or track_id is None:
            return {}
        (rows,) = (self.track_id == np.uint64(track_id)).nonzero()
        return {name: column[rows[0]] for name, column in self.attributes.items()} if len(rows) else {}

    @classmethod
    def empty(cls) -> Tracks:
        """No objects."""
        return cls(
            np.empty((0, 4), np.float32),
            np.empty(0, np.float32),
            np.empty(0, np.int32),
            np.empty(0, np.uint64),
        )


class FrameTracks(NamedTuple):
    """What enters at the rules: one frame's facts and its tracks."""

    info: FrameInfo
    tracks: Tracks


@dataclass(slots=True)
class Analytics:
    """All that the rules report for one frame."""

    frame: FrameInfo
    tracks: Tracks
    lines: dict[str, LineState] = field(default_factory=dict)
    regions: dict[str, RegionState] = field(default_factory=dict)
    directions: dict[str, DirectionState] = field(default_factory=dict)
    journeys: dict[str, dict[str, int]] = field(default_factory=dict)
    """Origin-destination matrices: rule name -> 'A>B' -> cumulative count."""
    events: Sequence[Event] = ()
    """In the order in which they happened; an event's ``sequence`` is its place here."""
    deltas: Sequence[CounterDelta] = ()
    """What the outbox adds to the durable counters together with this frame's messages."""
    object_count: dict[int, int] = field(default_factory=dict)
    """Objects by class id; smoothed in the exact engine as nvdsanalytics does."""
    objects: Sequence[ObjectStatus | None] = ()
    """Parallel to ``tracks``; empty where no rule had anything to say."""
    speeds: Mapping[int, float] = field(default_factory=dict)
    """Track id -> speed in km/h, where a speed rule applies."""
    class_names: Sequence[str] = ()
    """Label for each class id."""
    states: dict[str, dict[str, RuleState]] = field(default_factory=dict)
    """States of rules of further kinds: key of the kind in the configuration -> rule name -> state."""
    window: Window | None = None
    """What the message tells of, where its trigger is an interval."""
    gap: Gap | None = None
    """What was missed before this frame; in a message, all that was since the last message of its definition."""
    status: StateChange | None = None
    """The state of the source that a message tells of, where its trigger is one: then there is no frame."""
    heartbeat: Heartbeat | None = None
    """That the source is watched over, where the trigger of a message is the clock: then there is no frame, and ``status`` is set."""
    change: ConfigChange | None = None
    """The change of the configuration that a message tells of, where its trigger is one: then there is no frame."""
    view: View | None = None
    """Where the picture lies in the view that the rules refer to, for a source that is stabilised; None: it is the view."""
    placed: Tracks | None = None
    """The tracks in pixels of that view, as the rules saw them; None: they are ``tracks``, which are in pixels of the picture."""
    anew: bool = False
    """The tracks of the source began anew with this frame: the rules had been made to forget earlier ones."""


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What others (overlay, template check) may know of a rule before the first frame."""

    name: str
    kind: str
    """'line', 'region', 'direction', 'speed', 'journey' …"""
    source: str | None
    """Name of the only source it applies to; None: all sources."""
    points: tuple[tuple[float, float], ...] = ()
    """Geometry, normalised to 0..1 of the picture's width and height."""
    directions: tuple[str, ...] = ()
    """Direction names of a line: first the one that goes to the left-hand side of the line on screen, then the other."""
    crowding: bool = False
    shape: str = ""
    """What the points are: 'line', 'area', 'arrow' or 'quad' (four corners); '' where nobody said."""
    key: str = ""
    """Key of its kind in the configuration and in ``Analytics.states``."""
    arrow: tuple[tuple[float, float], ...] = ()
    """Tail and head of an arrow that belongs to an area, normalised."""
    identity: RuleIdentity | None = None
    """What it counts, for its counters; None where nobody said: they go by its name alone."""


@dataclass(slots=True, unsafe_hash=True)
class Message:
    """Ready for a broker. Treat it as fixed: it is not frozen only because that costs four times as much to make."""

    id: str
    """Deterministic: equal for the same event on every run over the same stream."""
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    time: int = 0
    """Event time, ns since the Unix epoch."""
    topic: str | None = None
    """None: the output's own."""
    definition: str = ""
    source: str = ""
    content_type: str = "application/json"
    outputs: tuple[str, ...] = ()
    """Names of the outputs it goes to; empty: all."""
