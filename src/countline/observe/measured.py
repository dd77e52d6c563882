"""What was measured at one moment, as plain values: metrics are read from these, whoever asks for them."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import get_args

from countline.observe.histogram import Distribution
from countline.source_status import SourceState

__all__ = ["STATES", "Build", "Measured", "OutboxMeasures", "OutputMeasures", "SourceMeasures", "build", "merged"]

STATES: tuple[str, ...] = get_args(SourceState)
"""All that a source may be."""


@dataclass(frozen=True, slots=True)
class Build:
    """What runs."""

    version: str
    python: str
    kernels: str = ""
    """Version of the compiled kernels; empty: none."""


@lru_cache(maxsize=1)
def build() -> Build:
    """What runs here."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("countline", "countline-kernels"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return Build(found["countline"] or "unknown", platform.python_version(), found["countline-kernels"])


@dataclass(slots=True)
class SourceMeasures:
    """One source. Counts are of this run, but for ``counts``."""

    name: str
    state: str = "connecting"
    read: int = 0
    """Frames that came from it, those that were dropped later among them."""
    packets: int | None = None
    """Packets of video; None: nobody counts them."""
    processed: int = 0
    """Frames that went through the rules."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Frames and packets that were not processed, by reason."""
    corrupt: Mapping[str, int] = field(default_factory=dict)
    """Packets and frames that could not be decoded whole, by reason."""
    reconnects: int = 0
    gaps: int = 0
    missed: float = 0.0
    """Seconds of all gaps."""
    overloaded: bool = False
    age: float | None = None
    """Seconds from the arrival of the last frame until all that came of it was handed over; None: there was none."""
    since_frame: float | None = None
    """Seconds since the last frame was processed; None: there was none."""
    since_packet: float | None = None
    """Seconds since the last packet came; None: there was none, or nobody knows."""
    clock_offset: float | None = None
    detections: int = 0
    tracks: int = 0
    tracks_begun: int = 0
    untracked: int = 0
    never_tracked: int = 0
    doubtful: int = 0
    twins: int = 0
    events: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """By kind, rule and direction."""
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Cumulative counts by rule and counter: durable, since the last reset."""
    occupancy: Mapping[str, int] = field(default_factory=dict)
    """Objects in regions now, by rule."""


@dataclass(slots=True)
class OutputMeasures:
    """One output. Counts are of this run."""

    name: str
    waiting: int = 0
    """Messages that it has not acknowledged, in flight or in the outbox, of earlier runs too."""
    in_flight: int = 0
    oldest_age: float = 0.0
    """Seconds for which the oldest message has waited; 0 when none waits."""
    sent: int = 0
    """Messages that it has taken, again and again where they were sent again."""
    acknowledged: int = 0
    retried: int = 0
    dead: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Messages given up for it, by reason."""
    connected: bool | None = None
    """None: not known."""
    latency: Distribution | None = None
    """Seconds from the commit of a message to its acknowledgement."""


@dataclass(slots=True)
class OutboxMeasures:
    """The durable queue."""

    bytes: int = 0
    """Of messages in it."""
    max_bytes: int = 0
    writable: bool = True
    waiting: int = 0
    """Messages that are not written yet."""
    commit: Distribution | None = None
    """Seconds that one transaction took."""


@dataclass(slots=True)
class Measured:
    """All that was measured of one run (or several in one process)."""

    build: Build = field(default_factory=build)
    seconds: float = 0.0
    """Since the start of the run."""
    sources: Sequence[SourceMeasures] = ()
    outputs: Sequence[OutputMeasures] = ()
    outbox: OutboxMeasures = field(default_factory=OutboxMeasures)
    ages: Mapping[str, Distribution] = field(default_factory=dict)
    """Ages of frames in seconds, by stage."""
    busy: Mapping[str, float] = field(default_factory=dict)
    """Busy seconds by stage."""
    queued: int = 0
    """Frames that wait between two stages."""
    detector_away: bool | None = None
    """Whether the detector (an inference server) is away; None: nothing is detected here."""
    messages: int = 0
    failures: int = 0
    """Messages that could not be made."""
    reloads: Mapping[str, int] = field(default_factory=dict)
    """Changes of the configuration while running, by what became of them: 'applied', 'refused'."""
    reload_ok: bool = True
    """Whether the last one was applied."""


def merged(parts: Sequence[Measured]) -> Measured:
    """Several runs in one process as one: sources side by side, an output or outbox that they share once, the rest added up."""
    if len(parts) == 1:
        return parts[0]
    total = Measured()
    outputs: dict[str, OutputMeasures] = {}
    ages: dict[str, Distribution] = {}
    busy: dict[str, float] = {}
    reloads: dict[str, int] = {}
    for part in parts:
        total.seconds = max(total.seconds, part.seconds)
        total.sources = [*total.sources, *part.sources]
        total.queued += part.queued
        if part.detector_away is not None:
            total.detector_away = total.detector_away or part.detector_away
        total.messages += part.messages
        total.failures += part.failures
        total.reload_ok &= part.reload_ok
        total.outbox = part.outbox
        outputs.update({output.name: output for output in part.outputs})
        for stage, age in part.ages.items():
            ages[stage] = ages[stage] + age if stage in ages else age
        for stage, seconds in part.busy.items():
            busy[stage] = busy.get(stage, 0.0) + seconds
        for result, count in part.reloads.items():
            reloads[result] = reloads.get(result, 0) + count
    total.outputs, total.ages, total.busy, total.reloads = list(outputs.values()), ages, busy, reloads
    return total
