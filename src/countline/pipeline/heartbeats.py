"""Messages of ``on: heartbeat``: for each source by the clock, whether or not frames come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from countline.pipeline.aside import tell_aside
from countline.pipeline.states import StateWatch, state_of, tell_states
from countline.protocols import BeatingDefinition, Source
from countline.source_status import SourceStats
from countline.types import Analytics, FrameInfo, Heartbeat, TimeQuality, Tracks

if TYPE_CHECKING:
    from countline.pipeline.engine import Engine
    from countline.pipeline.exchange import Makers
    from countline.pipeline.worker import Worker

__all__ = ["GRACE", "Heartbeats", "SourceNews", "complete_until"]

GRACE = 5 * 10**9
"""ns by which ``until`` stays behind while no frame comes: frames may be on their way still."""
_SILENT = ("connecting", "stalled", "waiting-for-key-frame", "refused", "failed")
_CLOCKS = (TimeQuality.NTP, TimeQuality.ARRIVAL)
"""Times that go on while no frame comes; those of files do not."""
_SECOND = 10**9


def complete_until(
    last: FrameInfo | None, stats: SourceStats, live: bool, now: int, wall: int
) -> tuple[int | None, str]:
    """Event time up to which all of a source has been reported, and how that is known ('frames', 'clock' or '').

    Parameters
    ----------
    last: the last frame that was worked on.
    now, wall: ns of the monotonic clock, and since the Unix epoch.

    >>> complete_until(None, SourceStats(), True, 0, 10**18)
    (None, '')
    """
    silent = live and stats.state in _SILENT
    if last is None:
        since = int(stats.since * _SECOND)
        # Never seen: what its first frame shows is of the time at which it comes. A file that stands for a camera is soon open.
        return (wall - GRACE, "clock") if silent and wall - since > GRACE else (None, "")
    if silent and last.time_quality in _CLOCKS and stats.last_frame:
        # The source's own clock goes on as this machine's does, whatever lies between the two.
        gone = now - int(stats.last_frame * _SECOND) - GRACE
        if gone > 0:
            return last.time + gone, "clock"
    return last.time, "frames"


class Heartbeats:
    """Knows when the next one is due, and tells it.

    Parameters
    ----------
    monotonic: gives seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next: dict[int, float] = {}
        """By period (ns)."""
        self._sequence: dict[tuple[str, str], int] = {}
        self._until: dict[str, int] = {}
        self._beats = 0

    def due(self, makers: Makers) -> list[BeatingDefinition]:
        """The definitions that are due now; each at the first look, and then in equal steps. One that comes too late is left out,
        not made up for."""
        now = self._monotonic()
        beating = self.last(makers)
        periods = {definition.beats_every for definition in beating}
        due = {period for period in periods if now >= self._next.get(period, 0.0)}
        for period in due:
            seconds = period / _SECOND
            before = self._next.get(period, now)
            self._next[period] = before + seconds * (1 + (now - before) // seconds)
        return [definition for definition in beating if definition.beats_every in due]

    @staticmethod
    def last(makers: Makers) -> list[BeatingDefinition]:
        """All definitions that tell by the clock: at the end of a run each does once more."""
        return [d for d, _ in makers if isinstance(d, BeatingDefinition) and d.beats_every]

    def tell(self, worker: Worker, due: Sequence[BeatingDefinition], sources: Sequence[Source]) -> None:
        """Publish them. Between two frames, on the worker's thread: behind all that was made before."""
        known = {id(definition): failing for definition, failing in worker.makers}
        wall, now = time.time_ns(), time.monotonic_ns()
        asked = [
            (definition, known[id(definition)], self._of(worker, definition, source, now, wall))
            for definition in due
            if id(definition) in known  # else the configuration was changed meanwhile
            for source in sources
        ]
        tell_aside(worker, asked, wall)

    def _of(self, worker: Worker, definition: BeatingDefinition, source: Source, now: int, wall: int) -> Analytics:
        info, stats = source.info, source.stats
        last = worker.last_frame(info.name)
        until, by = complete_until(last, stats, info.live, now, wall)
        before = self._until.get(info.name)
        if until is not None:
            if before is not None and before > until:
                until = before
            self._until[info.name] = until
        which = definition.name, info.name
        number = self._sequence.get(which, 0)
        self._sequence[which] = number + 1
        self._beats += 1
        beat = Heartbeat(number, definition.beats_every / _SECOND, None if last is None else last.time, until, by)
        # Of a place of its own: no frame is behind it.
        frame = FrameInfo(info, self._beats, 0, wall, 0, 0, stream=f"heartbeat-{wall}")
        return Analytics(frame, Tracks.empty(), status=state_of(stats, stats.state), heartbeat=beat)


class SourceNews:
    """Messages about sources that belong to no frame: ``on: status`` and ``on: heartbeat``. Called from one thread."""

    def __init__(self) -> None:
        self._states = StateWatch()
        self._beats = Heartbeats()

    def look(self, engine: Engine, sources: Sequence[Source], wake: Callable[[], None]) -> None:
        """Have the messages that are due sent between two frames; ``wake`` makes the worker do it at once."""
        changes = self._states.look(sources)
        due = self._beats.due(engine.worker.makers)
        if changes:
            engine.at_boundary(lambda: tell_states(engine.worker, changes))
        if due:
            engine.at_boundary(lambda: self._beats.tell(engine.worker, due, sources))
        if changes or due:
            wake()

    def conclude(self, engine: Engine, sources: Sequence[Source]) -> None:
        """No more frames will come: the last states, and the last heartbeats."""
        tell_states(engine.worker, self._states.look(sources))
        self._beats.tell(engine.worker, self._beats.last(engine.worker.makers), sources)
