"""Safe regions: whom a frame brings news of.

Most objects are far from every line and every area's edge most of the time, and looking at each of them anew in each
frame finds nothing. So whoever is looked at gets a *safe region*: bounds for the edges of its box within which no line and no
area can find anything. A frame then costs four comparisons an object, and the rules are evaluated on those alone who
have left their safe region, whatever the number of rules. The idea is known from continuous queries over
moving objects (Prabhakar et al., IEEE Transactions on Computers 51(10), 2002).

How large may it be? Say each edge of the box moves by no more than s. Then the anchor point moves by at most sqrt(2) s and
the longer side of the box, by which bands are measured, changes by at most 2 s. An object that has *clearance* r to the nearest
thing that matters (edge of an area, line with its band) meets it not before s = r / (sqrt(2) + 2 b), where b is the widest
band as a part of the box. An object within a band has no clearance and is looked at in each frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.table import TrackTable
from countline.analytics.native.tables import Tables

__all__ = ["bounds", "draw", "left_safe_region"]

ROUNDING = 1e-9
"""Safe regions are smaller by so many picture heights, which is far more than sums of coordinates are rounded by."""
MOST_CLEARANCE = 100.0
"""Safe regions extend by at most so many picture heights: boxes in them are never absurdly large."""
NOWHERE = (np.inf,) * 4 + (-np.inf,) * 4
ALL = np.uint32(0x01010101)
"""Four booleans that are all true, as one number."""


def left_safe_region(
    tables: Tables, table: TrackTable, slots: NDArray[np.intp], box: NDArray[np.float64], class_id: NDArray[np.int32]
) -> NDArray[np.intp]:
    """Rows, in ascending order, of the objects that left their safe region or have none, given the slots and the (N, 4)
    normalised boxes of all. A box with NaN is in none."""
    within = (box >= table.low.take(slots, 0)) & (box <= table.high.take(slots, 0))
    news = within.view(np.uint32).ravel() != ALL
    if not tables.all_admit:
        news |= class_id != table.looked.take(slots)
    rows: NDArray[np.intp] = news.nonzero()[0]
    return rows


def draw(
    tables: Tables,
    table: TrackTable,
    slots: NDArray[np.intp],
    box: NDArray[np.float64],
    aspect: Any,
    clearance: NDArray[np.float64],
) -> None:
    """Draw the safe regions of objects that were looked at just now, given their slots, (N, 4) normalised boxes, the aspect ratio
    of their pictures (float or (N,)) and the (N,) clearance that each has."""
    step = np.minimum(clearance / tables.slack, MOST_CLEARANCE) - ROUNDING
    step[step <= 0] = -np.inf  # without clearance the region is turned inside out: nothing is in it
    reach = np.empty((len(slots), 4))
    reach[:, 0] = reach[:, 2] = step / aspect
    reach[:, 1] = reach[:, 3] = step
    table.low[slots] = box - reach
    table.high[slots] = box + reach


def bounds(tables: Tables, box: list[float], aspect: float, clearance: float) -> tuple[float, ...]:
    """The safe region of one object: four lower, then four upper bounds."""
    step = min(clearance / tables.slack, MOST_CLEARANCE) - ROUNDING
    if step <= 0:
        return NOWHERE
    across = step / aspect
    left, top, right, bottom = box
    low = left - across, top - step, right - across, bottom - step
    return (*low, left + across, top + step, right + across, bottom + step)
