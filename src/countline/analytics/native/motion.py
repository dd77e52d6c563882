"""Headings and speeds, measured over a time window from samples of each object's boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import project
from countline.analytics.native.plan import Tables
from countline.analytics.native.rows import Group, Hit, Rows, boxes_anchors
from countline.analytics.native.table import TrackTable

__all__ = ["evaluate_directions", "evaluate_speeds", "history_shape", "take_samples"]

SAMPLES_PER_WINDOW = 8
"""Boxes kept per shortest window: the window's begin is known to an eighth of it."""
MOST_SAMPLES = 64
"""Bound on memory per object, whatever the windows."""
BASE_WINDOW = int(0.5e9)
"""Window of the velocity that is kept of every object, to recognise it after an id switch, ns."""
SPEEDING_ENDS = 0.9
"""Fraction of the limit below which an object that was speeding no longer is."""


def history_shape(tables: Tables) -> tuple[int, int]:
    """(number of samples kept, ns between two of them) for the windows in use."""
    windows = [int(w) for w in (*tables.direction_window.flat, *tables.speed_window.flat) if w > 1]
    spacing = min([*(w // SAMPLES_PER_WINDOW for w in windows), BASE_WINDOW // 4])
    longest = max([*windows, BASE_WINDOW])
    count = -(-longest // spacing) + 1
    if count > MOST_SAMPLES:
        spacing = -(-longest // (MOST_SAMPLES - 1))
        count = MOST_SAMPLES
    return count, spacing


def take_samples(table: TrackTable, group: Group, box: NDArray[np.float64], spacing: int) -> None:
    """Keep the boxes of all objects of those sources whose last sampling is old enough. (The first box of a track was
    kept when it began.)"""
    due = [source.clock - source.sampled >= spacing for source in group.sources]
    if not any(due):
        return
    for source, is_due in zip(group.sources, due):
        if is_due:
            source.sampled = source.clock
    slots, clock = group.slots, group.clock()
    if not all(due):
        at = np.flatnonzero(np.repeat(due, np.diff(group.starts)))
        slots, clock, box = slots[at], clock[at], box[at]
    place = table.samples[slots] % table.sample_clock.shape[1]
    table.sample_clock[slots, place] = clock
    table.sample_box[slots, place] = box
    table.samples[slots] += 1


def earliest(table: TrackTable, slots: NDArray[np.intp], since: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(N,) clock and (N, 4) box of each object's earliest sample not before ``since``; its last one if all are older."""
    clocks = table.sample_clock[slots]
    size = clocks.shape[1]
    taken = table.samples[slots]
    valid = np.arange(size) < taken[:, None]
    fits = valid & (clocks >= np.reshape(since, (-1, 1)))
    clocks = np.where(fits, clocks, np.iinfo(np.int64).max)
    place = clocks.argmin(axis=1)
    place = np.where(fits.any(axis=1), place, (taken - 1) % size)
    return table.sample_clock[slots, place], table.sample_box[slots, place]


def evaluate_directions(tables: Tables, table: TrackTable, rows: Rows) -> list[Hit]:
    """Who begins to head which way. ``table.heading`` tells afterwards who does."""
    hits: list[Hit] = []
    for i in range(tables.directions if len(rows) else 0):
        window = tables.direction_window[rows.plan, i]
        _, box = earliest(table, rows.slots, rows.clock() - window)
        anchor = np.broadcast_to(tables.direction_anchor[rows.plan, i], len(rows))
        each = np.arange(len(rows))
        move = rows.anchors[:, each, anchor] - boxes_anchors(box, rows.aspect, tables.anchors)[:, each, anchor]
        length = np.hypot(*move)
        arrow = tables.arrow[:, rows.plan, i]
        along = move[0] * arrow[0] + move[1] * arrow[1]
        was = table.heading[rows.slots, i]
        cos = np.where(was, tables.cos[1][rows.plan, i], tables.cos[0][rows.plan, i])
        # Half the distance is enough to go on, so that a slow object does not flap.
        least = tables.least[rows.plan, i] * rows.size * np.where(was, 0.5, 1.0)
        now = (length > 0) & (length >= least) & (along >= cos * length - 1e-12)
        now &= admits(tables.direction_admits, rows, i)
        table.heading[rows.slots, i] = now
        hits += [Hit(int(r), i) for r in np.flatnonzero(now & ~was)]
    return hits


def evaluate_speeds(tables: Tables, table: TrackTable, rows: Rows) -> tuple[list[Hit], NDArray[np.float64]]:
    """Who goes over the limit (``value``: km/h), and (N,) the speed of each object in km/h, NaN where unknown.

    Straight distance on the ground between the begin of the window and now, over the time between; known once half the
    window has passed, for objects within the quadrangle.
    """
    speeds = np.full(len(rows), np.nan)
    hits: list[Hit] = []
    for i in range(tables.speeds if len(rows) else 0):
        window = tables.speed_window[rows.plan, i]
        clock, box = earliest(table, rows.slots, rows.clock() - window)
        anchor = np.broadcast_to(tables.speed_anchor[rows.plan, i], len(rows))
        each = np.arange(len(rows))
        x, y = rows.anchors[:, each, anchor]
        px, py = boxes_anchors(box, rows.aspect, tables.anchors)[:, each, anchor]
        ground = tables.ground[rows.plan, i]
        u, v = project(ground, x, y)
        pu, pv = project(ground, px, py)
        seconds = (rows.clock() - clock) / 1e9
        enough = (seconds > 0) & (seconds * 2e9 >= window) & within(tables.quad[:, rows.plan, i], x, y)
        enough &= admits(tables.speed_admits, rows, i)
        speed = np.divide(np.hypot(u - pu, v - pv) * 3.6, seconds, out=np.full(len(rows), np.nan), where=enough)
        was = table.speeding[rows.slots, i]
        limit = tables.limit[rows.plan, i]
        now = np.where(np.isnan(speed), was, speed > np.where(was, limit * SPEEDING_ENDS, limit))
        table.speeding[rows.slots, i] = now
        hits += [Hit(int(r), i, float(speed[r])) for r in np.flatnonzero(now & ~was)]
        speeds = np.where(np.isnan(speeds), speed, speeds)
    return hits, speeds


def within(quad: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points lie in a convex quadrangle (4, ..., 4): on one side of all its edges."""
    x1, y1, x2, y2 = quad
    side = (x2 - x1) * (y[:, None] - y1) - (y2 - y1) * (x[:, None] - x1)
    result: NDArray[np.bool_] = (side >= 0).all(axis=1) | (side <= 0).all(axis=1)
    return result


def admits(mask: NDArray[np.bool_], rows: Rows, rule: int) -> NDArray[np.bool_]:
    """(N,) whether the rule looks at each object's class."""
    last = mask.shape[2] - 1
    class_id = np.where((rows.class_id < 0) | (rows.class_id > last), last, rows.class_id)
    result: NDArray[np.bool_] = mask[rows.plan, rule, class_id]
    return result
