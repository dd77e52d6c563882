"""Where objects were a while ago: samples of their boxes over the longest time window of any rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.batch import MicroBatch
from countline.analytics.native.table import TrackTable

__all__ = ["BASE_WINDOW", "earliest", "history_shape", "take_samples"]

SAMPLES_PER_WINDOW = 8
"""Boxes kept per shortest window: the window's begin is known to an eighth of it."""
MOST_SAMPLES = 64
"""Bound on memory per object, whatever the windows."""
BASE_WINDOW = int(0.5e9)
"""Window of the velocity that is kept of every object, to recognise it after an id switch, ns."""


def history_shape(windows: Sequence[int]) -> tuple[int, int]:
    """(number of samples kept, ns between two of them) for the windows in use, ns."""
    windows = [w for w in windows if w > 1]
    spacing = min([*(w // SAMPLES_PER_WINDOW for w in windows), BASE_WINDOW // 4])
    longest = max([*windows, BASE_WINDOW])
    count = -(-longest // spacing) + 1
    if count > MOST_SAMPLES:
        spacing = -(-longest // (MOST_SAMPLES - 1))
        count = MOST_SAMPLES
    return count, spacing


def take_samples(table: TrackTable, batch: MicroBatch, box: NDArray[np.float64], spacing: int) -> None:
    """Keep the boxes of all objects of those sources whose last sampling is old enough. (The first box of a track was
    kept when it began.)"""
    due = [source.clock - source.sampled >= spacing for source in batch.sources]
    if not any(due):
        return
    for source, is_due in zip(batch.sources, due):
        if is_due:
            source.sampled = source.clock
    slots, clock = batch.slots, batch.clock()
    if not all(due):
        at = np.flatnonzero(np.repeat(due, np.diff(batch.starts)))
        slots, clock, box = slots[at], clock[at], box[at]
    index = table.samples[slots] % table.sample_clock.shape[1]
    table.sample_clock[slots, index] = clock
    table.sample_box[slots, index] = box
    table.samples[slots] += 1


def earliest(table: TrackTable, slots: NDArray[np.intp], since: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(N,) clock and (N, 4) box of each object's earliest sample not before ``since``; its last one if all are older."""
    clocks = table.sample_clock[slots]
    size = clocks.shape[1]
    taken = table.samples[slots]
    valid = np.arange(size) < taken[:, None]
    fits = valid & (clocks >= np.reshape(since, (-1, 1)))
    clocks = np.where(fits, clocks, np.iinfo(np.int64).max)
    index = clocks.argmin(axis=1)
    index = np.where(fits.any(axis=1), index, (taken - 1) % size)
    return table.sample_clock[slots, index], table.sample_box[slots, index]
