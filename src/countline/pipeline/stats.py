"""What a run knows of itself while it runs, and the summary at its end."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from countline.types import Analytics

__all__ = ["OutputStats", "SourceSummary", "StageClock", "Summary", "fill"]


class StageClock:
    """Seconds spent in each stage. Each stage is written by one thread only, and not within itself."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stages: dict[str, _Stage] = {}

    def measure(self, stage: str) -> _Stage:
        """Add the time of the block to a stage."""
        known = self._stages.get(stage)
        if known is None:
            known = self._stages[stage] = _Stage(self.seconds, stage)
        return known


class _Stage:
    """Entered several times for each frame: one object for all of them."""

    __slots__ = ("_began", "_name", "_seconds")

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name, self._began = seconds, name, 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] += time.perf_counter() - self._began


@dataclass
class SourceSummary:
    """One source after (or during) a run."""

    frames: int = 0
    """Frames that went through the rules."""
    resumed_after: int | None = None
    """Frame up to which an earlier, unfinished run had already delivered; those were processed again but not sent."""
    dropped: int = 0
    undetected: int = 0
    """Of these: because the detector was away (an inference server)."""
    thinned: int = 0
    """Passed over evenly, because fewer frames a second are wanted (``fps``) or can be processed."""
    state: str = ""
    """Its last state, and the reason for it (see :class:`countline.source_status.SourceStats`)."""
    reason: str = ""
    corrupt: int = 0
    """Packets and frames that were left out because they could not be read or decoded whole."""
    corrupt_by: dict[str, int] = field(default_factory=dict)
    """``corrupt`` by reason."""
    reconnects: int = 0
    gaps: int = 0
    """How often nothing of a live source was seen for a while: countline did not run, or no frames came."""
    missed: float = 0.0
    """Seconds of all gaps together."""
    view_changes: int = 0
    """How often a camera that is stabilised was seen to show another view."""
    view_lost: int = 0
    """Frames of such a camera in which the view was not found: their objects were not counted."""
    error: str = ""
    lines: dict[str, dict[str, int]] = field(default_factory=dict)
    """Cumulative counts: line -> direction -> count."""
    regions: dict[str, dict[str, int]] = field(default_factory=dict)
    """Region -> entered / left / occupancy."""
    directions: dict[str, int] = field(default_factory=dict)
    """How often an object began to head this way, in this run: direction -> count."""
    journeys: dict[str, dict[str, int]] = field(default_factory=dict)
    """Cumulative counts: journey -> 'A>B' -> count."""
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    """Rules of further kinds: key of the kind in the configuration -> rule -> how it stands, in words."""
    untracked: int = 0
    """Objects that came without a track id."""
    never_tracked: int = 0
    """Sure detections that the tracker could not join to a track: objects seen once, or too fast for the frame rate."""
    doubtful: int = 0
    """Sightings of tracks that the tracker left out: farther from where the track had to be than things move."""
    twins: int = 0
    """Crossings, entries and the like of a second track on an object that had been reported of the object already, and were not reported
    again."""


@dataclass(slots=True)
class OutputStats:
    """One output of a run at one moment, or at its end. Counts are of this run. What the outbox stores of it is
    :class:`countline.outbox.StoredOutput`."""

    acknowledged: int = 0
    pending: int = 0
    """Messages that wait for it in the outbox, of earlier runs too."""
    dead: int = 0
    """Refused for good, kept as dead letters."""
    dropped: int = 0
    """Given up because a bound was reached, or not written to the outbox."""
    error: str = ""
    """What stands in the way; empty when all is well."""
    dropped_by: dict[str, int] = field(default_factory=dict)
    """``dropped`` by reason."""
    retried: int = 0
    in_flight: int = 0
    oldest_age: float = 0.0
    """Seconds since the oldest message that waits was written."""
    connected: bool | None = None
    """None: not tried yet."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what the summary and progress lines tell."""
        names = ("acknowledged", "pending", "dead", "dropped", "error", "dropped_by")
        return {name: getattr(self, name) for name in names}


@dataclass
class Summary:
    """How a run went."""

    sources: dict[str, SourceSummary] = field(default_factory=dict)
    outputs: dict[str, OutputStats] = field(default_factory=dict)
    frames: int = 0
    messages: int = 0
    """Messages made (and committed to the outbox)."""
    failures: int = 0
    """Messages whose making failed in a user's function; in the failure file."""
    failures_dropped: int = 0
    """Of these and earlier ones: no longer in the file, because it was full or could not be written."""
    failure_file: str = ""
    """Where those are kept."""
    clips: dict[str, int] = field(default_factory=dict)
    """Clips that messages asked for, by what became of them: ``made``, of these ``short`` (less than was asked for), ``impossible`` (there
    was no key frame yet: the message names none), ``lost`` (a message names it, and it could not be made or stored)."""
    recorded: dict[str, Any] = field(default_factory=dict)
    """Of a run that keeps its tracks (``record:``): frames, bytes, frames that were not recorded by reason (``dropped_by``), files
    that its bounds removed."""
    seconds: float = 0.0
    first_message: float | None = None
    """Seconds from the start of the run to its first message."""
    stages: dict[str, float] = field(default_factory=dict)
    """Busy seconds by stage; stages run side by side, so they may add up to more than ``seconds``."""
    interrupted: bool = False
    durable: bool = True
    """Whether the outbox is on disk; in memory, what is pending at the end is lost."""
    error: str = ""
    exit_code: int = 0

    @property
    def fps(self) -> float:
        """Frames per second over all sources."""
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def pending(self) -> int:
        """Messages that some output has not acknowledged yet."""
        return sum(output.pending for output in self.outputs.values())

    def as_dict(self) -> Mapping[str, Any]:
        """For JSON."""
        outputs = {name: output.as_dict() for name, output in self.outputs.items()}
        return {**asdict(self), "outputs": outputs, "fps": round(self.fps, 2), "pending": self.pending}


def fill(source: SourceSummary, analytics: Analytics) -> None:
    """Bring the counts of a source up to date with its last frame."""
    for rule, line in analytics.lines.items():
        directions = {k: c.cumulative for k, c in line.directions.items()}
        source.lines[rule] = {**directions, "total": line.cumulative}
    for rule, region in analytics.regions.items():
        source.regions[rule] = {
            "entered": region.entered.cumulative,
            "left": region.left.cumulative,
            "occupancy": region.occupancy,
        }
    for rule in analytics.directions:
        source.directions.setdefault(rule, 0)
    for rule, journeys in analytics.journeys.items():
        source.journeys[rule] = dict(journeys)
    for key, states in analytics.states.items():
        source.states[key] = {rule: state.summary() for rule, state in states.items()}
