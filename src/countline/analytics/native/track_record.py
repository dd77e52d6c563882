"""What is kept of one track, as a kind of rule reads it to explain why nothing happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from countline.analytics.geometry import distance_to_segments
from countline.analytics.native.band import band, half_width
from countline.analytics.native.rule import Rule
from countline.analytics.native.source import SourceState

__all__ = ["TrackRecord"]


@dataclass(frozen=True)
class TrackRecord:
    """A track, live or ended, and a rule."""

    source: SourceState
    rule: Rule
    values: Mapping[str, Any]
    """Columns of the table; 'recalled': what counters keep, by rule; 'live': it is in the picture."""

    def of_shape(self, column: str) -> Any:
        """What the table holds of the rule's shape (line, area)."""
        same = [r for r in self.source.rules if r.shape == self.rule.shape]
        return self.values[column][same.index(self.rule)]

    def of_kind(self, column: str) -> Any:
        """What the table holds of the rule in a column of its kind."""
        same = [r for r in self.source.rules if r.kind == self.rule.kind]
        return self.values[f"{self.rule.kind}.{column}"][same.index(self.rule)]

    def recalled(self) -> Any:
        """What the rule's counter keeps of the track; None: nothing."""
        return self.values.get("recalled", {}).get(self.rule.name)

    def lived(self) -> str:
        """Length and end of the track in words."""
        frames = int(self.values["frames"])
        return f"track of {frames} frame{'s' if frames != 1 else ''} " + ("is" if self.values.get("live") else "ended")

    def distance(self) -> float:
        """Pixels from the last anchor point to the line or to the polygon's edge."""
        points = np.array(self.rule.isotropic(self.source.aspect))
        closed = self.rule.shape == "area"
        ends = np.roll(points, -1, axis=0) if closed else points[1:]
        starts = points if closed else points[:-1]
        left, top, right, bottom = self.values["box"]
        fx, fy = self.rule.anchor
        x, y = float((left + (right - left) * fx) * self.source.aspect), float(top + (bottom - top) * fy)
        gaps = distance_to_segments(np.full(len(ends), x), np.full(len(ends), y), *starts.T, *ends.T)
        return float(gaps.min()) * self.source.height

    def band(self) -> float:
        """Half-width of the rule's band for this object in pixels."""
        left, top, right, bottom = self.values["box"]
        size = max((right - left) * self.source.aspect, bottom - top)
        return float(half_width(band(self.rule, self.source.aspect), size)) * self.source.height
