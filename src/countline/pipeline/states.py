"""Messages of ``on: status``: a source got into another state."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from countline.pipeline.aside import tell_aside
from countline.protocols import Source, StateDefinition
from countline.source_status import SourceStats
from countline.types import Analytics, FrameInfo, SourceInfo, StateChange, Tracks

if TYPE_CHECKING:
    from countline.pipeline.worker import Worker

__all__ = ["StateWatch", "state_of", "tell_states"]

Seen = tuple[SourceInfo, StateChange]


class StateWatch:
    """Notices that a source is in another state than when it was looked at last; called from one thread.

    A state that lasts for less than from one look to the next is not seen; each that lasts is.
    """

    def __init__(self) -> None:
        self._before: dict[str, tuple[SourceStats, str]] = {}

    def look(self, sources: Sequence[Source]) -> list[Seen]:
        """What has changed since the last look, in the order of the sources; at the first look all of them."""
        return [seen for source in sources if (seen := self._of(source)) is not None]

    def _of(self, source: Source) -> Seen | None:
        name, stats = source.info.name, source.stats
        known, before = self._before.get(name, (stats, ""))
        if known is not stats:  # another source of this name, after a change of the configuration
            before = ""
        if stats.state == before:
            return None
        self._before[name] = stats, stats.state
        return source.info, state_of(stats, before)


def state_of(stats: SourceStats, before: str) -> StateChange:
    """The state that a source is in now."""
    return StateChange(
        stats.state,
        stats.reason,
        before,
        int(stats.since * 1e9),
        stats.rates()["frames"],
        stats.connections,
        stats.reconnects,
        stats.dropped + stats.undetected,
        stats.thinned,
        stats.corrupt,
        None if stats.clock_offset is None else round(stats.clock_offset, 3),
    )


def tell_states(worker: Worker, changes: Sequence[Seen]) -> None:
    """Publish them. Between two frames, on the worker's thread."""
    now = time.time_ns()
    for info, change in changes:
        # Of a place of its own: no frame is behind it, and a source that was never seen has none at all.
        frame = FrameInfo(info, 0, 0, now, 0, 0, stream=f"status-{now}")
        analytics = Analytics(frame, Tracks.empty(), status=change)
        tell_aside(
            worker,
            [
                (d, failing, analytics)
                for d, failing in worker.makers
                if isinstance(d, StateDefinition) and d.tells_states
            ],
            now,
        )
