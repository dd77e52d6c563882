"""What the rules say of each object, made when somebody asks: most consumers look at events and counts only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.source import FrameInput
from countline.types import ObjectStatus

__all__ = ["Statuses"]


class Statuses(Sequence["ObjectStatus | None"]):
    """What the rules say of each object of a frame, made when asked for.

    ``within``: (N, areas) who is in which area, None: nobody; ``headings``: (N, rules) who heads which way, with the rules'
    names; ``crossed``: index of an object -> names of the lines it crossed.
    """

    def __init__(
        self,
        frame: FrameInput,
        within: NDArray[np.bool_] | None,
        headings: tuple[Sequence[str], NDArray[np.bool_]] | None,
        crossed: dict[int, list[str]],
    ) -> None:
        source = frame.source
        self._length = len(frame)
        self._indices = frame.indices
        self._within, self._headings, self._crossed = within, headings, crossed
        self._areas = source.named_areas
        self._crowded = [c.name for c in source.status_areas if c.crowded()]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        at = range(self._length)[index]
        row = at
        if self._indices is not None:
            if at not in self._indices:
                return None
            row = self._indices.index(at)
        regions: list[str] = []
        if self._within is not None:
            regions = [name for (name, in_status), yes in zip(self._areas, self._within[row]) if yes and in_status]
        heading = ""
        if self._headings is not None:
            heading = " ".join(name for name, yes in zip(self._headings[0], self._headings[1][row]) if yes)
        lines = self._crossed.get(at, [])
        if not (regions or heading or lines):
            return None
        return ObjectStatus(regions, [n for n in regions if n in self._crowded], list(lines), heading)
