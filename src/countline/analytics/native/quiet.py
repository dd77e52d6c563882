"""Frames in which nothing happened, which most are: told without what an event would need.

What ``report.Report`` tells of such a frame, in less time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from countline.analytics.native.kind import RuleKind
from countline.analytics.native.source import FrameInput
from countline.analytics.native.statuses import Statuses
from countline.analytics.native.table import TrackTable
from countline.analytics.native.union import classes_of, is_settled
from countline.types import Analytics

__all__ = ["is_quiet", "quiet"]


def is_quiet(frame: FrameInput) -> bool:
    """Whether a frame without a hit brings nothing else: nobody is due to leave or to be forgotten, no rule waits for time to
    pass, and twins are as they were."""
    source = frame.source
    if source.ticking or not is_settled(frame):
        return False
    return not (source.lost or source.ended) or (source.clock < source.due and source.frames < source.due_frames)


def quiet(frame: FrameInput, table: TrackTable, labels: Sequence[str], kinds: Mapping[str, RuleKind]) -> Analytics:
    """The analytics of a frame without a hit whose source ``is_quiet``."""
    source, (info, tracks) = frame.source, frame.item
    classes = classes_of(source, tracks)
    analytics = Analytics(info, tracks, {}, {}, {}, {}, (), (), classes, (), {}, labels, {})
    if source.stale:  # what was counted in the frame before is not current any more
        source.publish()
        source.stale = False
    for name in source.by_kind:
        kinds[name].publish(analytics, source, None)
    if source.occupied():
        if source.statuses is None:
            if source.within is None:
                source.within = table.inside.take(source.present, 0)
            source.statuses = Statuses(frame, source.within, None, {})
        analytics.objects = source.statuses
    return analytics
