"""Whom a frame brings news of.

Most objects are far from every line and every region's edge most of the time, and looking at each of them anew in each
frame finds nothing. So whoever is looked at gets a *calm zone*: bounds for the edges of its box within which no rule about
places can find anything. A frame then costs four comparisons an object, and the rules are evaluated on those alone who
have left their zone, whatever the number of rules. This is the idea of safe regions, known from continuous queries over
moving objects (Prabhakar et al., IEEE Transactions on Computers 51(10), 2002).

How large may it be? Say each edge of the box moves by no more than s. Then the anchor point moves by at most sqrt(2) s and
the longer side of the box, by which bands are measured, changes by at most 2 s. An object that has *room* r to the nearest
thing that matters (edge of a region, line with its band) meets it not before s = r / (sqrt(2) + 2 b), where b is the widest
band as a part of the box. An object within a band has no room and is looked at in each frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.plan import Tables
from countline.analytics.native.table import TrackTable

__all__ = ["calm_down", "stirred", "zone"]

ROUNDING = 1e-9
"""Zones are smaller by so many picture heights, which is far more than sums of coordinates are rounded by."""
MOST_ROOM = 100.0
"""Zones extend by at most so many picture heights: boxes in them are never absurdly large."""
NOWHERE = (np.inf,) * 4 + (-np.inf,) * 4
ALL = np.uint32(0x01010101)
"""Four booleans that are all true, as one number."""


def stirred(
    tables: Tables, table: TrackTable, slots: NDArray[np.intp], box: NDArray[np.float64], class_id: NDArray[np.int32]
) -> NDArray[np.intp]:
    """Rows, in ascending order, of the objects that left their calm zone or have none, given the slots and the (N, 4)
    normalised boxes of all. A box with NaN is in no zone."""
    within = (box >= table.low.take(slots, 0)) & (box <= table.high.take(slots, 0))
    news = within.view(np.uint32).ravel() != ALL
    if not tables.all_admit:
        news |= class_id != table.looked.take(slots)
    rows: NDArray[np.intp] = news.nonzero()[0]
    return rows


def calm_down(
    tables: Tables,
    table: TrackTable,
    slots: NDArray[np.intp],
    box: NDArray[np.float64],
    aspect: Any,
    room: NDArray[np.float64],
) -> None:
    """Draw the calm zones of objects that were looked at just now, given their slots, (N, 4) normalised boxes, the aspect ratio
    of their pictures (float or (N,)) and the (N,) room that each has."""
    step = np.minimum(room / tables.slack, MOST_ROOM) - ROUNDING
    step[step <= 0] = -np.inf  # without room the zone is turned inside out: nothing is in it
    reach = np.empty((len(slots), 4))
    reach[:, 0] = reach[:, 2] = step / aspect
    reach[:, 1] = reach[:, 3] = step
    table.low[slots] = box - reach
    table.high[slots] = box + reach


def zone(tables: Tables, box: list[float], aspect: float, room: float) -> tuple[float, ...]:
    """The calm zone of one object: four lower, then four upper bounds."""
    step = min(room / tables.slack, MOST_ROOM) - ROUNDING
    if step <= 0:
        return NOWHERE
    across = step / aspect
    left, top, right, bottom = box
    low = left - across, top - step, right - across, bottom - step
    return (*low, left + across, top + step, right + across, bottom + step)
