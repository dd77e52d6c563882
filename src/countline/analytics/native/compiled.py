"""Lines and areas by the compiled kernel (:mod:`countline.kernels`), on the memory that the NumPy engine uses.

The kernel has no state of its own: it reads and writes the columns of the track table. So any frame may be evaluated by either
of the two, and what is kept, explained, stored and reloaded does not depend on which it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import Hit
from countline.analytics.native.source import FrameInput
from countline.analytics.native.table import TrackTable
from countline.analytics.native.tables import Tables

__all__ = ["CompiledBoundaries"]


class CompiledBoundaries:
    """What ``boundaries.select``, ``boundaries.follow`` and ``history.take_samples`` do, in one call."""

    def __init__(self, module: ModuleType, tables: Tables) -> None:
        self._module = module
        plans = [_plan(tables, p) for p in range(len(tables.plans))]
        self._made = module.Boundaries(plans, tables.fractions, tables.slack, tables.parts, tables.all_admit)
        self._low: Any = None
        self._memory: Any = None

    def follow(
        self, table: TrackTable, frames: Sequence[FrameInput], slots: Sequence[Any], spacing: int, *, keep: bool
    ) -> tuple[list[Hit], list[Hit]] | None:
        """Move all objects of the frames on, given the (n,) slots of each. Returns the crossings and the passages, as
        ``boundaries.follow``; None, and nothing is changed, where the kernel does not take them.

        ``spacing``: ns between two samples; ``keep``: whether ``table.box`` is to hold the boxes of these frames afterwards.
        """
        if table.low is not self._low:
            self._bind(table)
        inputs = []
        due = []
        for frame, at in zip(frames, slots):
            s, tracks = frame.source, frame.item.tracks
            sample = s.clock - s.sampled >= spacing
            if sample:
                due.append(s)
            inputs.append((tracks.xyxy, tracks.class_id, at, s.plan, s.aspect, s.width, s.height, s.clock, sample))
        try:
            found = self._made.follow(self._memory, inputs, keep)
        except TypeError:  # arrays of other types than Tracks makes
            return None
        if found is None:
            return None
        for s in due:
            s.sampled = s.clock
        crossings, passages = found
        if crossings or passages:
            return [Hit(*hit) for hit in crossings], [Hit(*hit) for hit in passages]
        return crossings, passages

    def follow_one(
        self, table: TrackTable, frame: FrameInput, slots: NDArray[np.intp], spacing: int
    ) -> tuple[()] | tuple[list[Hit], list[Hit]] | None:
        """The same for one frame, whose boxes ``table.box`` is to hold; an empty tuple where nothing was found."""
        if table.low is not self._low:
            self._bind(table)
        s, tracks = frame.source, frame.item.tracks
        due = s.clock - s.sampled >= spacing
        facts = s.plan, s.aspect, s.width, s.height, s.clock, due
        try:
            found = self._made.follow_one(self._memory, tracks.xyxy, tracks.class_id, slots, facts)
        except TypeError:  # arrays of other types than Tracks makes
            return None
        if due and found is not None:
            s.sampled = s.clock
        if not found:
            return found  # type: ignore[no-any-return]
        return [Hit(*hit) for hit in found[0]], [Hit(*hit) for hit in found[1]]

    def look_up(self, frame: FrameInput) -> tuple[NDArray[np.intp], tuple[list[tuple[int, int]], list[int]]] | None:
        """Find the (n,) slots of objects that are not those of the frame before; then who is gone, with their places there, and who
        is back. None, and nothing is changed, where somebody is new, or there twice."""
        found = self._module.look_up(frame.source.ids, frame.item.tracks.track_id, frame.source.present)
        if found is None:
            return None
        frame.slots, slots, gone, back = found
        return slots, (gone, back)

    def _bind(self, t: TrackTable) -> None:
        """Find the table's columns; they lie elsewhere when it has grown."""
        lines = t.low, t.high, t.left, t.phase, t.net, t.begun, t.passed, t.entry
        rest = t.inside, t.box, t.looked, t.sample_clock, t.sample_box, t.samples
        self._memory, self._low = self._module.Columns(*lines, *rest), t.low


def _plan(tables: Tables, p: int) -> tuple[list[Any], list[Any]]:
    """The lines and areas of a plan, as plain Python has them."""
    lines, areas = tables.plain[p]
    spans, admits = tables.spans[p], tables.admits[p].tolist()
    return [(*line, span) for line, span in zip(lines, spans)], [(*area, mask) for area, mask in zip(areas, admits)]
