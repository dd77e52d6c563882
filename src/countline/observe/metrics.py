"""Every metric that countline has, in one table. Prometheus, OpenTelemetry, docs/metrics.md and the checks of the dashboard follow
from it. Pure.

A family is named as OpenTelemetry names things; Prometheus's name follows by the rule that both agree on: dots become underscores,
the unit is spelled out at the end, and counters end in ``_total``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from countline.observe.histogram import Distribution
from countline.observe.measured import STATES, Measured, OutputMeasures, SourceMeasures

__all__ = ["FAMILIES", "Family", "Kind", "Point"]

Kind = Literal["counter", "gauge", "histogram", "state", "info"]


class Point(NamedTuple):
    """One value of a family."""

    labels: tuple[str, ...]
    """Values of the family's labels, in their order; of an info all that it says."""
    value: float | Distribution


Points = Iterable[Point]
_UNITS = {"s": "seconds", "By": "bytes"}


@dataclass(frozen=True)
class Family:
    """One metric: name, kind, what it says, unit (UCUM, as OpenTelemetry has them), labels, and how it is read."""

    name: str
    kind: Kind
    help: str
    unit: str
    labels: tuple[str, ...]
    read: Callable[[Measured], Points]
    states: tuple[str, ...] = ()
    """Of a state: all that there are; the last label's value is the one that holds."""

    @property
    def base(self) -> str:
        """Name in Prometheus without the suffix of a counter.

        >>> next(f for f in FAMILIES if f.name == "countline.source.missed").base
        'countline_source_missed_seconds'
        """
        unit = _UNITS.get(self.unit, "")
        return self.name.replace(".", "_") + (f"_{unit}" if unit else "")

    @property
    def prometheus(self) -> str:
        """Name in Prometheus, of a histogram without its suffixes.

        >>> next(f for f in FAMILIES if f.name == "countline.source.missed").prometheus
        'countline_source_missed_seconds_total'
        """
        return self.base + {"counter": "_total", "info": "_info"}.get(self.kind, "")


def _each(value: Callable[[SourceMeasures], float | None]) -> Callable[[Measured], Iterator[Point]]:
    """One value of each source that has it."""

    def read(measured: Measured) -> Iterator[Point]:
        for source in measured.sources:
            found = value(source)
            if found is not None:
                yield Point((source.name,), found)

    return read


def _by(value: Callable[[SourceMeasures], Iterable[tuple[tuple[str, ...], int]]]) -> Callable[[Measured], Points]:
    """Several values of each source, by more labels."""

    def read(measured: Measured) -> Iterator[Point]:
        for source in measured.sources:
            for labels, found in value(source):
                yield Point((source.name, *labels), found)

    return read


def _output(value: Callable[[OutputMeasures], float | Distribution | None]) -> Callable[[Measured], Points]:
    """One value of each output that has it."""

    def read(measured: Measured) -> Iterator[Point]:
        for output in measured.outputs:
            found = value(output)
            if found is not None:
                yield Point((output.name,), found)

    return read


def _one(value: Callable[[Measured], float | Distribution | None]) -> Callable[[Measured], Points]:
    def read(measured: Measured) -> Iterator[Point]:
        found = value(measured)
        if found is not None:
            yield Point((), found)

    return read


def _singly(found: Iterable[tuple[str, int]]) -> Iterator[tuple[tuple[str, ...], int]]:
    return (((label,), value) for label, value in found)


def _connected(output: OutputMeasures) -> float | None:
    return None if output.connected is None else float(output.connected)


SOURCE, OUTPUT = ("source",), ("output",)

FAMILIES: tuple[Family, ...] = (
    Family("countline.build", "info", "What runs.", "", ("version", "python", "kernels"),
           lambda m: [Point((m.build.version, m.build.python, m.build.kernels), 1)]),
    Family("countline.run.duration", "gauge", "Time since the start of the run.", "s", (), _one(lambda m: m.seconds)),
    Family("countline.source.state", "state", "State of the source: 1 for the one that it is in.", "", SOURCE,
           lambda m: [Point((s.name, s.state), 1) for s in m.sources], STATES),
    Family("countline.source.frames", "counter", "Frames that came from the source.", "{frame}", SOURCE,
           _each(lambda s: s.read)),
    Family("countline.source.packets", "counter", "Packets of video that came from the source.", "{packet}", SOURCE,
           _each(lambda s: s.packets)),
    Family("countline.frames.processed", "counter", "Frames that went through the rules.", "{frame}", SOURCE,
           _each(lambda s: s.processed)),
    Family("countline.frames.dropped", "counter", "Frames that were not processed, by reason.", "{frame}",
           ("source", "reason"), _by(lambda s: _singly(s.dropped.items()))),
    Family("countline.source.corrupt", "counter", "Packets and frames that could not be decoded whole, by reason.",
           "{packet}", ("source", "reason"), _by(lambda s: _singly(s.corrupt.items()))),
    Family("countline.source.reconnects", "counter", "Connections after the first one.", "{connection}", SOURCE,
           _each(lambda s: s.reconnects)),
    Family("countline.source.gaps", "counter", "Times that nothing was seen of the source for a while.", "{gap}",
           SOURCE, _each(lambda s: s.gaps)),
    Family("countline.source.missed", "counter", "Time of the source that nothing was seen of.", "s", SOURCE,
           _each(lambda s: s.missed)),
    Family("countline.source.overloaded", "gauge",
           "1 while fewer frames of the source can be processed than counts need.", "", SOURCE,
           _each(lambda s: float(s.overloaded))),
    Family("countline.source.clock.offset", "gauge", "By how much the camera's clock is ahead, transport included.",
           "s", SOURCE, _each(lambda s: s.clock_offset)),
    Family("countline.source.frame.delay", "gauge",
           "Age of the source's last frame when all that came of it was handed to the outbox.", "s", SOURCE,
           _each(lambda s: s.age)),
    Family("countline.source.frame.idle", "gauge", "Time since a frame of the source was processed.", "s", SOURCE,
           _each(lambda s: s.since_frame)),
    Family("countline.source.packet.idle", "gauge", "Time since a packet came from the source.", "s", SOURCE,
           _each(lambda s: s.since_packet)),
    Family("countline.frame.age", "histogram",
           "Age of frames since they were decoded, when they reached a stage: detector, worker, outbox.", "s",
           ("stage",), lambda m: [Point((stage,), ages) for stage, ages in m.ages.items()]),
    Family("countline.frames.queued", "gauge", "Frames that wait between two stages.", "{frame}", (),
           _one(lambda m: m.queued)),
    Family("countline.stage.busy", "counter", "Time that a stage was at work; decode: waiting for the source included.", "s", ("stage",),
           lambda m: [Point((stage,), seconds) for stage, seconds in m.busy.items()]),
    Family("countline.detector.away", "gauge", "1 while the detector is away: an inference server that does not answer.", "", (),
           _one(lambda m: None if m.detector_away is None else float(m.detector_away))),
    Family("countline.detections", "counter", "Objects that were detected in frames.", "{object}", SOURCE,
           _each(lambda s: s.detections)),
    Family("countline.tracks", "counter", "Tracks that began.", "{track}", SOURCE, _each(lambda s: s.tracks_begun)),
    Family("countline.tracks.active", "gauge", "Objects that were tracked in the source's last frame.", "{track}",
           SOURCE, _each(lambda s: s.tracks)),
    Family("countline.objects.untracked", "counter", "Objects that came to the rules without a track id.", "{object}",
           SOURCE, _each(lambda s: s.untracked)),
    Family("countline.objects.unmatched", "counter", "Sure detections that the tracker could not join to a track.",
           "{object}", SOURCE, _each(lambda s: s.never_tracked)),
    Family("countline.objects.doubtful", "counter",
           "Sightings of tracks that were left out: farther from where the track had to be than things move.", "{object}", SOURCE,
           _each(lambda s: s.doubtful)),
    Family("countline.objects.twins", "counter",
           "Crossings and the like of a second track on an object, which were not counted again.", "{event}", SOURCE,
           _each(lambda s: s.twins)),
    Family("countline.events", "counter", "Events of this run by kind, rule and direction.", "{event}",
           ("source", "kind", "rule", "direction"), _by(lambda s: s.events.items())),
    Family("countline.counts", "counter",
           "The durable counts by rule and counter, as messages have them; they go on after a restart, and begin anew at a reset.",
           "{count}", ("source", "rule", "counter"), _by(lambda s: s.counts.items())),
    Family("countline.region.occupancy", "gauge", "Objects in the region now.", "{object}", ("source", "rule"),
           _by(lambda s: _singly(s.occupancy.items()))),
    Family("countline.messages.made", "counter", "Messages that were made and given to the outbox.", "{message}", (),
           _one(lambda m: m.messages)),
    Family("countline.messages.failed", "counter", "Messages that could not be made; they are in the failure file.",
           "{message}", (), _one(lambda m: m.failures)),
    Family("countline.outbox.writable", "gauge", "1 while the outbox can be written.", "", (),
           _one(lambda m: float(m.outbox.writable))),
    Family("countline.outbox.used", "gauge", "Size of the messages in the outbox.", "By", (),
           _one(lambda m: m.outbox.bytes)),
    Family("countline.outbox.limit", "gauge", "Bound of the outbox.", "By", (), _one(lambda m: m.outbox.max_bytes)),
    Family("countline.outbox.unwritten", "gauge", "Messages that are not written to the outbox yet.", "{message}", (),
           _one(lambda m: m.outbox.waiting)),
    Family("countline.outbox.commit.duration", "histogram", "Time of one transaction of the outbox.", "s", (),
           _one(lambda m: m.outbox.commit)),
    Family("countline.output.messages.waiting", "gauge", "Messages that the output has not acknowledged.", "{message}",
           OUTPUT, _output(lambda o: o.waiting)),
    Family("countline.output.oldest.age", "gauge",
           "Age of the oldest message that the output has not acknowledged; 0 when there is none.", "s", OUTPUT,
           _output(lambda o: o.oldest_age)),
    Family("countline.output.messages.inflight", "gauge", "Messages that the output has taken and not answered for.",
           "{message}", OUTPUT, _output(lambda o: o.in_flight)),
    Family("countline.output.messages.sent", "counter", "Messages given to the output, each time that they were.",
           "{message}", OUTPUT, _output(lambda o: o.sent)),
    Family("countline.output.messages.acknowledged", "counter", "Messages that the output has acknowledged.",
           "{message}", OUTPUT, _output(lambda o: o.acknowledged)),
    Family("countline.output.messages.retried", "counter", "Messages that came back, to be sent again.", "{message}",
           OUTPUT, _output(lambda o: o.retried)),
    Family("countline.output.messages.dead", "counter", "Messages that the output refused for good: dead letters.",
           "{message}", OUTPUT, _output(lambda o: o.dead)),
    Family("countline.output.messages.dropped", "counter", "Messages given up for the output, by reason.", "{message}",
           ("output", "reason"),
           lambda m: [Point((o.name, reason), n) for o in m.outputs for reason, n in o.dropped.items()]),
    Family("countline.output.connected", "gauge", "1 while the output is connected; absent before it was tried.", "",
           OUTPUT, _output(_connected)),
    Family("countline.output.latency", "histogram", "Time from the commit of a message to its acknowledgement.", "s",
           OUTPUT, _output(lambda o: o.latency)),
    Family("countline.config.reloads", "counter", "Changes of the configuration while running, by result.", "{change}",
           ("result",), lambda m: [Point((result,), n) for result, n in m.reloads.items()]),
    Family("countline.config.reload.successful", "gauge", "1 unless the last change of the configuration was refused.",
           "", (), _one(lambda m: float(m.reload_ok))),
)  # fmt: skip
