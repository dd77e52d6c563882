"""What the rules say of each object, made when somebody asks: most consumers look at events and counts only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.rows import Arrival
from countline.types import ObjectStatus

__all__ = ["Statuses"]


class Statuses(Sequence["ObjectStatus | None"]):
    """What the rules say of each object of a frame, made when asked for."""

    def __init__(
        self,
        arrival: Arrival,
        regions: NDArray[np.bool_] | None,
        headings: NDArray[np.bool_] | None,
        crossed: dict[int, list[str]],
    ) -> None:
        source = arrival.source
        self._length = len(arrival.ids)
        self._places = arrival.places
        self._regions, self._headings, self._crossed = regions, headings, crossed
        self._names = source.names
        self._crowded = [b.rule.name for b in source.regions if b.active]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        place = range(self._length)[index]
        row = place
        if self._places is not None:
            if place not in self._places:
                return None
            row = self._places.index(place)
        regions = (
            [] if self._regions is None else [n for n, yes in zip(self._names["region"], self._regions[row]) if yes]
        )
        heading = (
            ""
            if self._headings is None
            else " ".join(n for n, yes in zip(self._names["direction"], self._headings[row]) if yes)
        )
        lines = self._crossed.get(place, [])
        if not (regions or heading or lines):
            return None
        return ObjectStatus(regions, [n for n in regions if n in self._crowded], list(lines), heading)
