"""The objects of one micro-batch: at most one frame of each source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import F8, Rows, anchor_points
from countline.analytics.native.source import FrameInput, SourceState
from countline.analytics.native.tables import Tables

__all__ = ["NOBODY", "MicroBatch", "batch_of", "micro_batches", "rows_of", "stack"]


@dataclass(slots=True)
class MicroBatch:
    """What the frames of a micro-batch have in common with those of the next while the same sources show the same objects."""

    sources: list[SourceState]
    slots: NDArray[np.intp]
    starts: list[int]
    """Where each source's objects begin among all; last, how many there are."""
    plan: Any
    aspect: Any
    """As in Rows."""
    scale: F8
    """(4,) or (N, 4) width, height, width, height of the picture in pixels."""

    def clock(self) -> Any:
        """As in Rows."""
        if len(self.sources) == 1:
            return self.sources[0].clock
        return np.repeat(np.array([s.clock for s in self.sources], np.int64), np.diff(self.starts))


NOBODY = MicroBatch([], np.empty(0, np.intp), [0], -1, 1.0, np.ones(4))


def micro_batches(names: Sequence[str]) -> list[list[int]]:
    """Indices of the frames of a batch, given the names of their sources, so that each part has at most one frame of each source, and
    those of one source are in their order."""
    parts: list[list[int]] = []
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        turn = seen.get(name, 0)
        seen[name] = turn + 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(i)
    return parts


def batch_of(frames: Sequence[FrameInput], slots: Sequence[NDArray[np.intp]]) -> MicroBatch:
    """The micro-batch of frames whose objects have these slots."""
    sources = [f.source for f in frames]
    if len(sources) == 1:
        s = sources[0]
        return MicroBatch(sources, slots[0], [0, len(slots[0])], s.plan, s.aspect, s.scale)
    counts = [len(at) for at in slots]
    return MicroBatch(
        sources,
        np.concatenate(slots),
        np.cumsum([0, *counts]).tolist(),
        np.repeat(np.array([s.plan for s in sources], np.intp), counts),
        np.repeat(np.array([s.aspect for s in sources]), counts),
        np.repeat(np.array([s.scale for s in sources]), counts, axis=0),
    )


def stack(frames: Sequence[FrameInput], scale: F8) -> tuple[F8, NDArray[np.int32]]:
    """(N, 4) normalised boxes and (N,) classes of all objects of all frames; ``scale`` as in MicroBatch."""
    if len(frames) == 1:
        tracks = frames[0].item.tracks
        return tracks.xyxy / scale, tracks.class_id
    boxes = np.concatenate([f.item.tracks.xyxy for f in frames])
    return boxes / scale, np.concatenate([f.item.tracks.class_id for f in frames])


def rows_of(
    tables: Tables,
    batch: MicroBatch,
    box: F8,
    class_id: NDArray[np.int32],
    which: NDArray[np.intp] | None = None,
) -> Rows:
    """All objects, or those of chosen rows, given (N, 4) normalised boxes and (N,) classes of all."""
    slots, plan, aspect = batch.slots, batch.plan, batch.aspect
    if which is not None and len(which) < len(slots):
        slots, box, class_id = slots.take(which), box.take(which, 0), class_id.take(which)
        if isinstance(plan, np.ndarray):
            plan, aspect = plan.take(which), aspect.take(which)
    extent = box[:, 2:] - box[:, :2]
    size = np.maximum(extent[:, 0] * aspect, extent[:, 1])
    anchors = anchor_points(box, extent, aspect, tables.anchors)
    return Rows(slots, box, plan, aspect, batch.clock, class_id, extent, size, anchors)
