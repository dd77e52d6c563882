"""What an engine, and what stands before it, has measured: read when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Mapping

from countline.observe.health import Health
from countline.observe.measured import Measured, OutboxMeasures, OutputMeasures, SourceMeasures
from countline.observe.notes import SourceNotes
from countline.pipeline.control import Control
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.engine import Engine
from countline.pipeline.stats import OutputStats, SourceSummary
from countline.protocols import Check
from countline.source_status import SourceStats

__all__ = ["healthy", "measured", "outbox", "outbox_check", "outputs", "sources_check", "state_of"]

STUCK = 120.0
"""Seconds for which one batch of frames may take before the worker, or the detector that it waits for, counts as stuck."""
LATE = 30.0
"""Seconds without a round after which the loop that looks after a run counts as stuck."""
SILENT = 10.0
"""Seconds without a frame after which a source that is read elsewhere counts as stalled."""
LIVE = ("live", "degraded")
"""States of a source that gives frames."""
_DROPS = ("age", "quota", "size", "not-written")
"""Reasons for which an output may lose messages, told as 0 from the beginning: a rate needs the step from 0 to 1."""


def measured(
    engine: Engine, stats: Mapping[str, SourceStats], *, queued: int = 0, control: Control, away: bool | None = None
) -> Measured:
    """All of an engine, as of now. ``stats``: of the sources that are read here, by name; of others the engine's notes say what
    there is. ``away``: whether the detector is; None: there is none. From any thread."""
    summary = engine.refresh()
    names = [source.name for source in engine.stages.sources]
    notes = engine.notes
    return Measured(
        seconds=summary.seconds,
        sources=[
            _source(name, summary.sources.get(name) or SourceSummary(), notes.of(name), stats.get(name))
            for name in names
        ],
        outputs=outputs(engine.delivery, summary.outputs),
        outbox=outbox(engine.delivery),
        ages={stage: ages.read() for stage, ages in notes.ages.items() if stats or stage == "outbox"},
        busy=_busy(summary.stages),
        queued=queued,
        detector_away=away,
        messages=summary.messages,
        failures=summary.failures,
        reloads=dict(control.results),
        reload_ok=control.succeeded,
    )


def _busy(stages: Mapping[str, float]) -> dict[str, float]:
    """Busy seconds by stage; the decoders of all sources together."""
    found: dict[str, float] = {}
    for name, seconds in stages.items():
        stage = "decode" if name.startswith("decode ") else name
        found[stage] = found.get(stage, 0.0) + seconds
    return found


def _source(name: str, summary: SourceSummary, notes: SourceNotes, stats: SourceStats | None) -> SourceMeasures:
    now = time.monotonic()
    made = SourceMeasures(
        name,
        state=state_of(notes),
        read=summary.frames + summary.dropped,
        processed=summary.frames,
        dropped={"replaced": summary.dropped},
        gaps=summary.gaps,
        missed=summary.missed,
        age=notes.age if notes.last else None,
        since_frame=now - notes.last if notes.last else None,
        detections=notes.detections,
        tracks=notes.tracks,
        tracks_begun=notes.tracks_begun,
        untracked=summary.untracked,
        never_tracked=summary.never_tracked,
        doubtful=summary.doubtful,
        twins=summary.twins,
        events=dict(notes.events),
        counts=_counts(summary),
        occupancy={rule: region["occupancy"] for rule, region in list(summary.regions.items())},
    )
    if stats is not None:
        made.state = stats.state
        made.read, made.reconnects = stats.frames, stats.reconnects
        made.packets = stats.packets if stats.last_packet else None
        made.dropped = {
            "replaced": stats.dropped,
            "detector-away": stats.undetected,
            "thinned": stats.thinned,
            "vanished": stats.vanished,
        }
        made.corrupt = dict(stats.lost)
        made.overloaded = bool(stats.overload)
        made.since_packet = now - stats.last_packet if stats.last_packet else None
        made.clock_offset = stats.clock_offset
    return made


def _counts(summary: SourceSummary) -> dict[tuple[str, str], int]:
    """Cumulative counts by rule and counter. A line's total is measured only where the engine knows no directions."""
    found: dict[tuple[str, str], int] = {}
    for rule, line in list(summary.lines.items()):
        directions = {name: count for name, count in line.items() if name != "total"} or line
        found.update({(rule, name): count for name, count in directions.items()})
    for rule, region in list(summary.regions.items()):
        found[rule, "enter"], found[rule, "leave"] = region["entered"], region["left"]
    for rule, journeys in list(summary.journeys.items()):
        found.update({(rule, name): count for name, count in journeys.items()})
    return found


def outputs(delivery: Delivery, stats: Mapping[str, OutputStats]) -> list[OutputMeasures]:
    """Of each output; ``stats``: what :meth:`Delivery.stats` gave."""
    found = []
    senders = delivery.senders
    for name, output in stats.items():
        sender = senders.get(name)
        if sender is None:  # it was taken away just now
            continue
        found.append(
            OutputMeasures(
                name,
                waiting=output.pending,
                in_flight=output.in_flight,
                oldest_age=output.oldest_age,
                sent=sender.sent,
                acknowledged=output.acknowledged,
                retried=output.retried,
                dead=output.dead,
                dropped={**dict.fromkeys(_DROPS, 0), **output.dropped_by},
                connected=output.connected,
                latency=sender.latency.read(),
            )
        )
    return found


def outbox(delivery: Delivery) -> OutboxMeasures:
    """Of the outbox."""
    stored, writer = delivery.outbox, delivery.writer
    return OutboxMeasures(
        bytes=stored.used_bytes,
        max_bytes=stored.max_bytes,
        writable=not writer.last_error,
        waiting=writer.waiting,
        commit=writer.commits.read(),
    )


def outbox_check(delivery: Delivery) -> Check:
    """Whether it can be written."""
    error = delivery.writer.last_error
    return Check("outbox", not error, error or "writable", "make room for it")


def sources_check(states: Mapping[str, str]) -> Check:
    """Whether at least one source gives frames, by name and state. A run whose sources have all been read to their end is about to
    end, and wants for nothing."""
    live = [name for name, state in states.items() if state in LIVE]
    by: dict[str, int] = {}
    for state in states.values():
        by[state] = by.get(state, 0) + 1
    words = ", ".join(f"{count} {state}" for state, count in sorted(by.items()))
    return Check("sources", bool(live) or set(by) == {"ended"}, words or "none", "see its log for the reasons")


def state_of(notes: SourceNotes) -> str:
    """State of a source that is read elsewhere, by the frames that came of it."""
    if not notes.last:
        return "connecting"
    return "stalled" if time.monotonic() - notes.last > SILENT else "live"


def healthy(
    engine: Engine, states: Mapping[str, str], *, started: bool = True, beat: float = 0.0, away: str = ""
) -> Health:
    """Health of an engine with sources in these states. ``beat``: when the loop that looks after it went round last, seconds of the
    monotonic clock; 0: there is none. ``away``: why the detector is; empty when it is not."""
    failure, writer = engine.failure, engine.delivery.writer
    since = engine.notes.busy_since
    took = time.monotonic() - since if since else 0.0
    # A file waits for room in the outbox for as long as that takes: then it is the outbox that is not well, and not this.
    # So do its frames while the detector is away.
    stuck = took > STUCK and not writer.last_error and not away
    late = time.monotonic() - beat if beat else 0.0
    alive = [
        Check("run", failure is None, "goes on" if failure is None else f"has failed: {failure}", "start it anew"),
        Check("worker", not stuck, f"at work on one batch for {took:.0f} s" if stuck else "at work", "start it anew"),
        Check("loop", late <= LATE, f"stands still for {late:.0f} s" if late > LATE else "goes round", "start it anew"),
    ]
    ready = [
        Check("model", not away, f"away: {away}" if away else "loaded", "see to the inference server"),
        outbox_check(engine.delivery),
        sources_check(states),
    ]
    return Health(alive, ready, started)
