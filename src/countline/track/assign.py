"""Which rows belong to which columns at the least cost."""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

__all__ = ["assign"]


def assign(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(n, m) costs, infinite where a pair cannot be -> the pairs (row, column) of an assignment with as many pairs as there
    can be, and of these the one of least cost (shortest augmenting paths: Jonker and Volgenant, Computing 38, 1987)."""
    possible = np.isfinite(cost)
    pairs: list[tuple[int, int]] = []
    for rows, columns in _islands(possible):
        if len(rows) == len(columns) == 1:
            pairs.append((rows[0], columns[0]))
        else:
            pairs += [(rows[i], columns[j]) for i, j in _solve(cost[np.ix_(rows, columns)])]
    return sorted(pairs)


def _islands(possible: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that have to do with each other: the time grows with the third power of their number, which is small."""
    towards = [row.nonzero()[0].tolist() for row in possible]
    back = [column.nonzero()[0].tolist() for column in possible.T]
    left = {row for row, columns in enumerate(towards) if columns}
    found = []
    while left:
        ahead, rows, columns = [left.pop()], set[int](), set[int]()
        while ahead:
            row = ahead.pop()
            rows.add(row)
            for column in towards[row]:
                if column not in columns:
                    columns.add(column)
                    ahead += [other for other in back[column] if other not in rows]
        left -= rows
        found.append((sorted(rows), sorted(columns)))
    return found


def _solve(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    rows, columns = cost.shape
    possible = np.isfinite(cost)
    if rows > columns:
        return [(row, column) for column, row in _solve(cost.T)]
    # What cannot be costs more than all that can together, so that it is taken last, and left out then.
    barred = 1.0 + 2.0 * float(np.abs(cost[possible]).sum())
    table = np.where(possible, cost, barred).tolist()
    u, v = [0.0] * (rows + 1), [0.0] * (columns + 1)
    taken = [0] * (columns + 1)
    """Row of each column, from 1; 0: none."""
    for row in range(1, rows + 1):
        taken[0], at = row, 0
        least, way, used = [inf] * (columns + 1), [0] * (columns + 1), [False] * (columns + 1)
        while taken[at]:
            used[at] = True
            of, best, following = taken[at], inf, 0
            for j in range(1, columns + 1):
                if used[j]:
                    continue
                reduced = table[of - 1][j - 1] - u[of] - v[j]
                if reduced < least[j]:
                    least[j], way[j] = reduced, at
                if least[j] < best:
                    best, following = least[j], j
            for j in range(columns + 1):
                if used[j]:
                    u[taken[j]] += best
                    v[j] -= best
                else:
                    least[j] -= best
            at = following
        while at:
            taken[at] = taken[way[at]]
            at = way[at]
    return [(row - 1, j - 1) for j, row in enumerate(taken) if j and row and possible[row - 1, j - 1]]
