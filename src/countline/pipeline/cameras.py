"""Cameras that move, on the worker's thread: detections are brought into the view that the rules refer to, and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countline.pipeline.stats import SourceSummary
from countline.protocols import ForgettingTracker, RuleSet, Tracker
from countline.track.camera import CameraMotion
from countline.types import Analytics, Detections, Frame, View, ViewChange

__all__ = ["Cameras"]

log = logging.getLogger("countline.pipeline")


class Cameras:
    """Of the sources that are stabilised.

    Parameters
    ----------
    motions: by source.
    trackers, rules: forget what they know of a view that is gone.
    sources: summaries, where changes are counted.
    """

    def __init__(
        self,
        motions: Mapping[str, CameraMotion],
        trackers: Mapping[str, Tracker],
        rules: RuleSet,
        sources: Mapping[str, SourceSummary],
    ) -> None:
        self._motions, self._trackers, self._rules, self._sources = motions, trackers, rules, sources
        self._views: dict[str, View] = {}
        self._boxes: dict[str, NDArray[np.float32]] = {}
        """By source: boxes of the last picture, in its pixels."""

    def use(self, trackers: Mapping[str, Tracker], motions: Mapping[str, CameraMotion] | None = None) -> None:
        """Trackers by source from now on; and the sources that are stabilised, where those are others. Of one that stays so its
        view goes on."""
        self._trackers = trackers
        if motions is not None:
            self._motions = {name: self._motions.get(name, motion) for name, motion in motions.items()}
            for kept in (self._views, self._boxes):
                for name in [name for name in kept if name not in motions]:
                    del kept[name]

    def begin(self, source: str) -> None:
        """A stream begins: its first picture is the view."""
        if source in self._motions:
            self._motions[source].begin()
            self._boxes.pop(source, None)

    def see(self, frame: Frame, found: Detections | None) -> Detections | None:
        """The detections in pixels of the view; none at all where the view is not found. ``found``: None for a frame without
        inference."""
        name = frame.info.source.name
        motion = self._motions.get(name)
        if motion is None:
            return found
        if found is not None:
            self._boxes[name] = found.xyxy
        view = self._views[name] = motion.see(frame, self._boxes.get(name, np.empty((0, 4), np.float32)))
        if view.change == "cut":
            self._forget(name)
        if view.lost:
            self._sources[name].view_lost += 1
            return Detections.empty()
        return None if found is None else replace(found, xyxy=view.to_view(found.xyxy))

    def _forget(self, name: str) -> None:
        tracker: object = self._trackers.get(name)
        if isinstance(tracker, ForgettingTracker):
            tracker.forget()
        self._rules.forget(name)

    def tell(self, analytics: Analytics) -> None:
        """What the rules found, with boxes in pixels of the picture again; and what happened to the view."""
        name = analytics.frame.source.name
        view = self._views.get(name)
        if view is None:
            return
        analytics.view, analytics.placed = view, analytics.tracks
        analytics.anew |= view.change == "cut"
        analytics.tracks = replace(analytics.tracks, xyxy=view.to_picture(analytics.tracks.xyxy), ltwh=None)
        events = [e if e.box is None else replace(e, box=_box(view, e.box)) for e in analytics.events]
        if view.change:
            self._sources[name].view_changes += 1
            log.warning("source '%s': %s", name, _WORDS[view.change])
            events.append(ViewChange(analytics.frame, "", len(events), change=view.change))
        if events:
            analytics.events = events


_WORDS = {
    "cut": "the camera shows another view: tracks are dropped, and the rules refer to what it shows now",
    "pan": "the camera has turned: the rules follow the scene",
}


def _box(view: View, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = view.to_picture(np.array([box], np.float32))[0].tolist()
    return left, top, right, bottom
