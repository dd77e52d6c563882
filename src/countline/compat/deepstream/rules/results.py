"""What the exact engine reports beyond :class:`countline.types.Analytics`, and its form in nvdsanalytics' own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countline.types import UNTRACKED, Analytics, ObjectStatus

__all__ = ["UNIQUE_ID", "DeepStreamAnalytics", "object_info"]

UNIQUE_ID = 17
"""Default of the element's property ``unique-id``, which every result carries."""


@dataclass(slots=True)
class DeepStreamAnalytics(Analytics):
    """Analytics of one frame, from which nvdsanalytics' own metadata can be made again.

    Regions carry the count that ``objInROIcnt`` has: where an overcrowding region and an ROI share a label, the former's.
    """

    enabled: bool = True
    """False: ``enable=0`` in [property], nothing was evaluated."""
    crowding_labels: tuple[str, ...] = ()
    """Labels of the enabled overcrowding regions of this stream."""

    @property
    def frame_meta(self) -> dict[str, Any] | None:
        """NvDsAnalyticsFrameMeta with the maps' keys sorted; None where nothing was evaluated."""
        if not self.enabled:
            return None
        lines = sorted(self.lines.items())
        return {
            "objCnt": {str(key): value for key, value in sorted(self.object_count.items(), key=lambda i: str(i[0]))},
            "objInROIcnt": {name: region.occupancy for name, region in sorted(self.regions.items())},
            "ocStatus": {name: self.regions[name].crowded for name in sorted(self.crowding_labels)},
            "objLCCurrCnt": {name: line.current for name, line in lines},
            "objLCCumCnt": {name: line.cumulative for name, line in lines},
            "unique_id": UNIQUE_ID,
        }

    def record(self) -> dict[str, Any]:
        """The whole frame as one JSON object: stream, frame, frame_meta, objects with their information."""
        record: dict[str, Any] = {"stream": self.frame.source.index, "frame": self.frame.number}
        meta = self.frame_meta
        if meta is not None:
            record["frame_meta"] = meta
        statuses = self.objects or [None] * len(self.tracks)
        record["objects"] = [
            {"id": None if track_id == UNTRACKED else track_id, "class_id": class_id, "info": object_info(status)}
            for track_id, class_id, status in zip(
                self.tracks.track_id.tolist(), self.tracks.class_id.tolist(), statuses
            )
        ]
        return record


def object_info(status: ObjectStatus | None) -> dict[str, Any] | None:
    """NvDsAnalyticsObjInfo of an object; None where nvdsanalytics attaches nothing."""
    if status is None:
        return None
    return {
        "roiStatus": status.regions,
        "ocStatus": status.crowding,
        "lcStatus": status.lines,
        "dirStatus": status.direction,
        "objStatus": status.text,
        "unique_id": UNIQUE_ID,
    }
