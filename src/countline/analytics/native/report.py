"""From what was found in a micro-batch to the events, counts and states of each frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import Hit
from countline.analytics.native.batch import MicroBatch
from countline.analytics.native.frame_result import FrameResult
from countline.analytics.native.kind import Part, RuleKind
from countline.analytics.native.source import MEMORY, MOST_UNSEEN, FrameInput, SourceState
from countline.analytics.native.statuses import Statuses
from countline.analytics.native.table import TrackTable
from countline.analytics.native.union import Union, classes_of, is_settled
from countline.types import Analytics

__all__ = ["Findings", "Report"]


@dataclass(slots=True)
class Findings:
    """What was found in a micro-batch."""

    crossings: list[Hit]
    passages: list[Hit]
    """Who entered or left which area."""
    others: list[tuple[RuleKind, list[Hit], NDArray[Any] | None]] = field(default_factory=list)
    """What the kinds found that evaluate objects themselves (``RuleKind.evaluate``)."""


class Report:
    """Makes one Analytics for each frame of a micro-batch."""

    def __init__(
        self,
        table: TrackTable,
        labels: Sequence[str],
        metrics: dict[str, int],
        kinds: dict[str, RuleKind],
        frames: Sequence[FrameInput],
        batch: MicroBatch,
        findings: Findings,
    ) -> None:
        self.table = table
        self.labels = labels
        self.metrics = metrics
        self.kinds = kinds
        self.frames = frames
        self.slots, self.starts = batch.slots, batch.starts
        self.findings = findings
        self.found: dict[str, NDArray[Any]] = {}
        if findings.others:
            self.found = {kind.config.kind: found for kind, _, found in findings.others if found is not None}
        self.results: dict[int, FrameResult] = {}
        """Index of the frame in the micro-batch -> what happened in it; most frames have none."""

    def make(self) -> list[Analytics]:
        """Count what was found and tell of it."""
        found = self.findings
        for i, frame in enumerate(self.frames):
            if not is_settled(frame):
                Union(self._result(i), found.passages if len(self.frames) == 1 else self._of(i)).update()
        if found.crossings:
            self._passed(found.crossings, "line")
        if found.passages:
            self._passed(found.passages, "area")
        for kind, hits, _ in found.others:
            for hit in hits:
                i, index, slot = self._where(hit.row)
                counter, result = self.frames[i].source.by_kind[kind.config.kind][hit.column], self._result(i)
                if not result.reported_before(counter, index, slot, hit):
                    counter.hit(result, index, slot, hit)
        return [self._frame(i) for i in range(len(self.frames))]

    def _passed(self, hits: Sequence[Hit], shape: str) -> None:
        for hit in hits:
            i, index, slot = self._where(hit.row)
            self.frames[i].source.by_shape[shape][hit.column].passed(self._result(i), index, slot, hit)

    def _of(self, i: int) -> list[Hit]:
        """Who entered or left which area in a frame, rows counted within it."""
        first, end = self.starts[i], self.starts[i + 1]
        return [replace(hit, row=hit.row - first) for hit in self.findings.passages if first <= hit.row < end]

    def _where(self, row: int) -> tuple[int, int, int]:
        """(index of the frame in the micro-batch, index of the object in the frame, slot) of a row."""
        i = bisect_right(self.starts, row) - 1
        at, indices = row - self.starts[i], self.frames[i].indices
        return i, at if indices is None else indices[at], int(self.slots[row])

    def _result(self, i: int) -> FrameResult:
        result = self.results.get(i)
        if result is None:
            result = self.results[i] = FrameResult(self.frames[i], self.table, self.labels)
        return result

    # -- what time brings ----------------------------------------------------------------------------------------

    def _expire(self, i: int) -> None:
        """Let objects that have not been seen for long leave areas, and forget those unseen for very long."""
        source = self.frames[i].source
        if source.clock < source.due and source.frames < source.due_frames:
            return
        table, clock = self.table, source.clock
        due, due_frames = clock + MEMORY, source.frames + MOST_UNSEEN
        source.due = due  # who takes over from another track of its object may lessen it
        clocks = table.clock[list(source.lost)].tolist()
        for (slot, frames), last in zip(list(source.lost.items()), clocks):
            old = clock - last > MEMORY or source.frames - frames > MOST_UNSEEN
            for column, area in enumerate(source.areas):
                if slot in area.inside and (old or clock - last > area.grace):
                    result = self._result(i)
                    table.inside[slot, column] = False
                    table.low[slot] = np.inf  # if it comes back, it enters anew
                    heir = result.heir(slot, column, area.grace)
                    if heir is None:
                        area.leave(result, result.gone, slot, last, "was seen no more and left")
                    else:
                        area.hand_over(slot, heir)
                elif slot in area.inside:
                    due = min(due, last + area.grace + 1)
            if old:
                self._result(i).keep(slot)
                source.drop(slot, table)
                self.metrics["forgotten"] += 1
            else:
                due = min(due, last + MEMORY + 1)
                due_frames = min(due_frames, frames + MOST_UNSEEN + 1)
        source.due, source.due_frames = min(due, source.due), due_frames
        source.forget_old()

    # -- the result ----------------------------------------------------------------------------------------------

    def _frame(self, i: int) -> Analytics:
        frame = self.frames[i]
        source, item = frame.source, frame.item
        if source.lost or source.ended:
            self._expire(i)
        for counter in source.ticking:
            counter.tick(self._result(i))
        result = self.results.get(i) if self.results else None
        # Fresh dicts for kinds of rules that publish nothing here: quicker than the defaults.
        info, tracks = item
        classes = classes_of(source, tracks)
        analytics = Analytics(info, tracks, {}, {}, {}, {}, (), (), classes, (), {}, self.labels, {})
        counted = False
        if result is not None:
            counted = self._happened(analytics, source, result)
        if counted or source.stale:
            source.publish()
        kinds, found = self.kinds, self.found
        for name in source.by_kind:
            kinds[name].publish(analytics, source, self._part(name, i) if found else None)
        if found or (result is not None and result.crossed):
            self._statuses_now(analytics, i, result)
        elif source.occupied():
            if source.statuses is None:
                source.statuses = Statuses(frame, self._within(source), None, {})
            analytics.objects = source.statuses
        if counted or source.stale:
            for counter in source.counters:
                counter.settle()
            source.stale = counted
        return analytics

    def _happened(self, analytics: Analytics, source: SourceState, result: FrameResult) -> bool:
        """Events and counts of a frame; whether anything was counted."""
        if result.events:
            for name, counters in source.by_kind.items():
                if self.kinds[name].finishes:
                    self.kinds[name].finish(result, counters)
            analytics.events = result.made_events()
        analytics.deltas = result.made_deltas()
        return bool(analytics.deltas)

    def _part(self, kind: str, i: int) -> Part | None:
        found = self.found.get(kind)
        if found is None:
            return None
        part = slice(self.starts[i], self.starts[i + 1])
        made = Part(found[part], self.slots[part], self.table)
        if self.frames[i].source.objects.known:
            objects = [self.frames[i].source.objects.object_of(t) for t in self.table.track_id[made.slots].tolist()]
            made.objects = np.unique(objects, return_inverse=True)[1].reshape(-1)
        return made

    def _statuses_now(self, analytics: Analytics, i: int, result: FrameResult | None) -> None:
        """What the rules say of each object in a frame with a crossing, or where rules tell which way objects head."""
        frame = self.frames[i]
        headings = None
        for name in self.found:
            part = self._part(name, i) if self.kinds[name].heads else None
            if part is not None:
                headings = frame.source.names(name), part.found
        crossed = result.crossed if result is not None else {}
        if crossed or headings is not None:
            analytics.objects = Statuses(frame, self._within(frame.source), headings, crossed)
        elif frame.source.occupied():
            analytics.objects = Statuses(frame, self._within(frame.source), None, {})

    def _within(self, source: SourceState) -> NDArray[np.bool_] | None:
        """(N, areas) which of the objects in the picture are in which area."""
        if source.within is None and source.status_areas:
            source.within = self.table.inside.take(source.present, 0)
        return source.within
