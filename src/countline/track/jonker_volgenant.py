"""The linear assignment problem by shortest augmenting paths (Jonker and Volgenant, Computing 38, 1987) on square matrices.

:func:`countline.track.assign.assign` solves another one, in which pairs may be barred. Where several assignments cost the same, which
of them is found depends on the order of the steps; here it is the order of the algorithm's usual implementations, as in the
kernel's ``assignment.rs``, so that ties are broken alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["solve"]

_LARGE = 1_000_000.0
_NONE = -1

F8 = NDArray[np.float64]


def solve(cost: F8) -> list[tuple[int, int]]:
    """(n, m) costs below a million -> the pairs (row, column) of the cheapest assignment, by row."""
    rows, columns = cost.shape
    size = max(rows, columns)
    if rows == columns == 1:
        return [(0, 0)]
    table = np.zeros((size, size))
    table[:rows, :columns] = cost
    found = _Solver(table).x
    return [(row, column) for row, column in enumerate(found[:rows]) if column < columns]


class _Solver:
    """``x``: column of each row; ``y``: row of each column; ``v``: price of each column."""

    def __init__(self, cost: F8) -> None:
        self.cost, self.n = cost, len(cost)
        self.x, self.y = [_NONE] * self.n, cost.argmin(axis=0).tolist()
        self.v = cost.min(axis=0)
        self.free: list[int] = []
        self._reduce_columns()
        for _ in range(2):
            if self.free:
                self._reduce_rows()
        for start in self.free:
            self._augment(start)

    def _reduce_columns(self) -> None:
        """Each column takes its cheapest row; what a row is surely worth more than its next choice is transferred."""
        unique = [True] * self.n
        for column in range(self.n - 1, -1, -1):
            row = self.y[column]
            if self.x[row] == _NONE:
                self.x[row] = column
            else:
                unique[row] = False
                self.y[column] = _NONE
        for row, column in enumerate(self.x):
            if column == _NONE:
                self.free.append(row)
            elif unique[row]:
                others = self.cost[row] - self.v
                others[column] = _LARGE
                self.v[column] -= others.min()

    def _reduce_rows(self) -> None:
        """Free rows take their best column, at the price of their second best."""
        free, x, y, v = self.free, self.x, self.y, self.v
        count, current, left, turns = len(free), 0, 0, 0
        while current < count:
            turns += 1
            row = free[current]
            current += 1
            reduced = self.cost[row] - v
            first = int(reduced.argmin())
            best = reduced[first]
            reduced[first] = _LARGE
            second = int(reduced.argmin())
            holder, price = y[first], v[first] - (reduced[second] - best)
            lowers = bool(price < v[first])
            if turns < current * self.n:
                if lowers:
                    v[first] = price
                elif holder != _NONE:
                    first = second
                    holder = y[second]
                if holder != _NONE and lowers:
                    current -= 1
                    free[current] = holder
                elif holder != _NONE:
                    free[left] = holder
                    left += 1
            elif holder != _NONE:
                free[left] = holder
                left += 1
            x[row], y[first] = first, row
        del free[left:]

    def _augment(self, start: int) -> None:
        """The free row gets a column by the shortest path."""
        column, before = self._path(start)
        while True:
            row = before[column]
            self.y[column] = row
            column, self.x[row] = self.x[row], column
            if row == start:
                return

    def _path(self, start: int) -> tuple[int, list[int]]:
        """The free column at the end of the shortest path from a free row, and the row before each column on the way."""
        columns, before = list(range(self.n)), [start] * self.n
        far: list[Any] = (self.cost[start] - self.v).tolist()
        low = high = ready = 0
        while True:
            if low == high:
                ready, high = low, self._nearest(columns, far, low)
                last = [column for column in columns[low:high] if self.y[column] == _NONE]
                if last:
                    end = last[-1]
                    break
            low, high, end = self._scan(columns, far, before, low, high)
            if end != _NONE:
                break
        least = far[columns[low]]
        for column in columns[:ready]:
            self.v[column] += far[column] - least
        return end, before

    def _nearest(self, columns: list[int], far: list[float], low: int) -> int:
        """Bring the nearest of the columns from ``low`` on to the front; where they end."""
        high, least = low + 1, far[columns[low]]
        for k in range(high, self.n):
            column = columns[k]
            if far[column] <= least:
                if far[column] < least:
                    high, least = low, far[column]
                columns[k], columns[high] = columns[high], column
                high += 1
        return high

    def _scan(
        self, columns: list[int], far: list[float], before: list[int], low: int, high: int
    ) -> tuple[int, int, int]:
        """Go on from the columns ``low`` ... ``high``: where they are then, and a free column if one is met, or -1."""
        at, end = low, high
        while at != end:
            column = columns[at]
            at += 1
            row, least = self.y[column], far[column]
            reduced = (self.cost[row] - self.v).tolist()
            h = reduced[column] - least
            for k in range(end, self.n):
                other = columns[k]
                cost = reduced[other] - h
                if cost < far[other]:
                    far[other], before[other] = cost, row
                    if cost == least:
                        if self.y[other] == _NONE:
                            return low, high, other
                        columns[k], columns[end] = columns[end], other
                        end += 1
        return at, end, _NONE
