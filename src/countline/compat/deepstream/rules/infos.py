"""What others may know of an nvdsanalytics configuration's items before the first frame."""

from __future__ import annotations

from collections.abc import Sequence

from countline.compat.deepstream.files.nvdsanalytics import (
    CrowdingItem,
    DirectionItem,
    LineItem,
    NvdsAnalyticsConfig,
    RoiItem,
)
from countline.types import RuleIdentity, RuleInfo, SourceInfo

__all__ = ["rule_infos"]


def rule_infos(config: NvdsAnalyticsConfig, sources: Sequence[SourceInfo]) -> list[RuleInfo]:
    """Of each enabled item, with its points normalised to 0..1 of the configured resolution."""
    names = {source.index: source.name for source in sources}
    infos: list[RuleInfo] = []
    for rules in config.streams.values():
        source = names.get(rules.index, f"stream-{rules.index}")
        width, height = rules.width or 1, rules.height or 1
        every = (
            [("region", i, i.points, False) for i in rules.rois]
            + [("region", i, i.points, True) for i in rules.crowding]
            + [("direction", i, i.points, False) for i in rules.directions]
            + [("line", i, i.points[2:], False) for i in rules.lines]
        )
        for kind, item, points, crowding in every:
            if item.enabled:
                placed = tuple((x / width, y / height) for x, y in points)
                identity = _identity(kind, item, width, height)
                infos.append(RuleInfo(item.label, kind, source, placed, crowding=crowding, identity=identity))
    return infos


def _identity(
    kind: str, item: RoiItem | CrowdingItem | LineItem | DirectionItem, width: int, height: int
) -> RuleIdentity:
    """Objects are counted along the arrow of a line, so that is where it faces."""
    points = [(x / width, y / height) for x, y in item.points]
    conditions = repr(
        [*item.class_ids, getattr(item, "mode", ""), getattr(item, "extended", ""), getattr(item, "inverse", "")]
    )
    if isinstance(item, LineItem):
        outlines = {"points": points[:2], "line": sorted(points[2:])}
        return RuleIdentity.of(kind, outlines, conditions, directed=True)
    return RuleIdentity.of(kind, {"points": points}, conditions, directed=isinstance(item, DirectionItem))
