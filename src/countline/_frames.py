"""What is known of sources and frames but their pixels, and how times are written. Re-exported by ``countline.types``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

__all__ = ["FrameInfo", "Seam", "SourceInfo", "TimeQuality", "utc"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def utc(ns: int) -> datetime:
    """Nanoseconds since the Unix epoch as an aware UTC ``datetime`` (microsecond resolution)."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


class TimeQuality(str, Enum):
    """How a frame's capture time is known, best first."""

    NTP = "ntp"
    """From the sender's wall clock: RTCP sender reports, or DeepStream's ntp_timestamp."""
    FILE_START = "file-start"
    """Start time told by the user or by the container's creation time, plus PTS."""
    FILE_MTIME = "file-mtime"
    """File modification time minus duration, plus PTS: an estimate."""
    ARRIVAL = "arrival"
    """This machine's clock when the stream was opened, plus PTS: late by the network's delay."""
    NONE = "none"
    """No clock at all: the Unix epoch plus PTS."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One camera or file as the user named it."""

    name: str
    index: int = 0
    """Position in the configuration, from 0 (DeepStream's pad_index / source_id)."""
    device_id: str = ""
    """Identity used in messages; equals ``name`` unless set."""
    uri: str = ""
    live: bool = False
    """True for cameras and network streams: the newest frame wins, and counts go on after a restart."""


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """All that is known of a frame but its pixels."""

    source: SourceInfo
    number: int
    """Frame number within the stream, from 0; frames that were dropped have used up theirs."""
    pts: int
    """Presentation time in ns on the source's own clock; never goes backward within a stream."""
    time: int
    """Capture time in ns since the Unix epoch (UTC): the event time of all that is made from this frame."""
    width: int
    """Picture width in pixels."""
    height: int
    time_quality: TimeQuality = TimeQuality.NONE
    stream: str = ""
    """Identity of the stream: for a file a digest of its content, for a live source the time of the first connection.
    (source, stream, number) names a frame for ever; deterministic message ids are made from it."""
    degraded: str = ""
    """Why what is counted from this frame may be wrong (pictures damaged on the way, ever later, too few a second); empty where
    nothing speaks against it, and for files."""


@dataclass(frozen=True, slots=True)
class Seam:
    """A stream goes on in another recording with this frame: a place where a later run can begin."""

    place: str
    """What the source needs to know to begin here, in its own words; stored with the frame."""
    number: int
    """Of this frame."""
    since: int
    """Number of the first frame that a run which resumes will begin with."""
    gap: bool = False
    """Nothing of the time before is there: who was in the picture is not who is now."""
