"""State of one stream between frames, and the gathering of one frame's results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from countline.compat.deepstream.files.nvdsanalytics import CrowdingItem, LineItem, RoiItem, StreamRules
from countline.compat.deepstream.rules.results import DeepStreamAnalytics
from countline.compat.deepstream.rules.smoothing import ClassCounts
from countline.compat.deepstream.rules.tables import Scaled, scale
from countline.types import (
    Count,
    CounterDelta,
    CounterKey,
    Crossing,
    Crowding,
    DirectionState,
    Event,
    FrameInfo,
    LineState,
    ObjectStatus,
    RegionState,
    Tracks,
)

__all__ = ["FrameJob", "StreamState", "Totals"]


class Totals:
    """Cumulative count of one label of one source; outlives the stream's other state."""

    __slots__ = ("classes", "epoch", "quiet", "reset_at", "total")

    def __init__(self) -> None:
        self.total = 0
        self.classes: dict[str, int] = {}
        self.epoch = 0
        self.reset_at = 0
        self.quiet: LineState | None = None

    def state(self, now: dict[str, int] | None = None) -> LineState:
        """State with ``now`` (crossings of this frame by class) as current counts."""
        if now is None and self.quiet is not None:
            return self.quiet
        current = now or {}
        state = LineState(
            sum(current.values()),
            self.total,
            {},
            {name: Count(current.get(name, 0), total) for name, total in self.classes.items()},
            self.epoch,
            self.reset_at,
        )
        if now is None:
            self.quiet = state
        return state

    def add(self, now: dict[str, int]) -> None:
        """Count crossings."""
        for name, amount in now.items():
            self.classes[name] = self.classes.get(name, 0) + amount
            self.total += amount
        self.quiet = None


class StreamState:
    """One pad_index: its items in frame pixels, its tracks, its smoothed counts."""

    def __init__(self, rules: StreamRules, info: FrameInfo, window: int) -> None:
        self.rules = rules
        self.name = info.source.name
        self.number = -1
        """Place in the engine's tables."""
        self.regions: list[RoiItem | CrowdingItem] = [*rules.rois, *rules.crowding]
        self.region_words = [
            (r.label, f" ROI:{r.label}", 0) if isinstance(r, RoiItem) else (r.label, "", r.object_threshold)
            for r in self.regions
        ]
        """Of each region: label, what it adds to an ROI's objects (empty: overcrowding), number from which it is crowded."""
        self.size = (info.width, info.height)

        def scaled(items: Iterable[RoiItem | CrowdingItem | LineItem]) -> list[Scaled]:
            return [scale(item, rules, *self.size) for item in items]

        self.region_points = scaled(self.regions)
        self.line_points = scaled(rules.lines)
        self.direction_points = [scale(item, rules, *self.size) for item in rules.directions]
        self.labels = list(dict.fromkeys(line.label for line in rules.lines))
        self.label_numbers = [self.labels.index(line.label) for line in rules.lines]
        self.line_labels = list(dict.fromkeys(line.label for line in rules.lines if line.enabled))
        self.region_labels = list(dict.fromkeys(region.label for region in self.regions if region.enabled))
        self.crowding_labels = tuple(dict.fromkeys(r.label for r in rules.crowding if r.enabled))
        self.direction_labels = list(dict.fromkeys(d.label for d in rules.directions if d.enabled))
        self.ordered = any(item.enabled for item in (*rules.lines, *rules.directions))
        """Whether something is evaluated whose result depends on the order of a frame's objects."""
        self.slots: dict[int, int] = {}
        self.counts = ClassCounts(window)
        self.pts = 0
        self.swept = 0
        self.oldest = 0
        """No track in memory was last seen before this."""
        self.crowded: set[str] = set()
        self.empty_region = RegionState()
        self.no_heading = DirectionState()
        self.counted: dict[tuple[int, str], int] = {}
        """(track id, label) -> frame number, of tracks in memory."""
        self.disabled: dict[str, int] = {}
        """Line label -> frame number at which an untracked object switched it off."""


class FrameJob:
    """One frame on its way through the tests."""

    def __init__(self, state: StreamState, info: FrameInfo, tracks: Tracks, names: Sequence[str]) -> None:
        self.state = state
        self.info = info
        self.tracks = tracks
        self.names = names
        self.ids: list[int] = tracks.track_id.tolist()
        self.classes: list[int] = tracks.class_id.tolist()
        self.status: list[ObjectStatus | None] = [None] * len(self.ids)
        self.inside: dict[str, dict[str, int]] = {}
        self.crowding: dict[str, int] = {}
        self.crowding_classes: dict[str, dict[str, int]] = {}
        self.crowded: set[str] = set()
        self.heading: dict[str, int] = {}
        self.crossed: dict[str, dict[str, int]] = {}
        self.events: list[Event] = []

    def class_name(self, class_id: int) -> str:
        """Label of a class; its number where there is no label."""
        return self.names[class_id] if 0 <= class_id < len(self.names) else str(class_id)

    def _status(self, at: int) -> ObjectStatus:
        status = self.status[at]
        if status is None:
            status = self.status[at] = ObjectStatus()
        return status

    def add_regions(self, hits: Iterable[tuple[int, int]]) -> None:
        """(object, region of this stream) in the order of objects and regions."""
        regions, class_ids, statuses, crowding = self.state.region_words, self.classes, self.status, self.crowding
        names = {class_id: self.class_name(class_id) for class_id in set(class_ids)}
        for at, number in hits:
            label, words, threshold = regions[number]
            status = statuses[at]
            if status is None:
                status = statuses[at] = ObjectStatus()
            if words:
                status.regions.append(label)
                status.text += words
                counts = self.inside
            else:
                status.crowding.append(label)
                count = crowding[label] = crowding.get(label, 0) + 1
                if count >= threshold:
                    self.crowded.add(label)
                counts = self.crowding_classes
            classes = counts.get(label)
            if classes is None:
                classes = counts[label] = {}
            name = names[class_ids[at]]
            classes[name] = classes.get(name, 0) + 1

    def add_directions(self, stopped: Iterable[int], hits: Iterable[tuple[int, int]]) -> None:
        """Objects that stand still, and (object, direction of this stream)."""
        for at in stopped:
            self._status(at).text += " STOPPED "
        for at, number in hits:
            label = self.state.rules.directions[number].label
            status = self._status(at)
            words = " DIR:" + label + " "
            status.text += words
            status.direction += words
            self.heading[label] = self.heading.get(label, 0) + 1

    def add_crossings(self, hits: Iterable[tuple[int, int]]) -> None:
        """(object, line of this stream) in the order of objects and lines."""
        tracks = self.tracks
        for at, number in hits:
            label = self.state.rules.lines[number].label
            status = self._status(at)
            status.lines.append(label)
            status.text += " LC:" + label + " "
            class_id = self.classes[at]
            name = self.class_name(class_id)
            classes = self.crossed.setdefault(label, {})
            classes[name] = classes.get(name, 0) + 1
            self.state.counted[self.ids[at], label] = self.info.number
            left, top, right, bottom = tracks.xyxy[at].tolist()
            self.events.append(
                Crossing(
                    self.info, label, len(self.events), self.ids[at], class_id, name,
                    float(tracks.confidence[at]), (left, top, right, bottom),
                )
            )  # fmt: skip

    def finish(self, totals: dict[tuple[str, str], Totals]) -> DeepStreamAnalytics:
        """The frame's analytics, after all of its objects have been evaluated."""
        state = self.state
        raw: dict[int, int] = {}
        for class_id in self.classes:
            raw[class_id] = raw.get(class_id, 0) + 1
        deltas: list[CounterDelta] = []
        for label, classes in self.crossed.items():
            totals[state.name, label].add(classes)
            deltas.extend(CounterDelta(CounterKey(state.name, label, "total", n), k) for n, k in classes.items())
        lines = {label: totals[state.name, label].state(self.crossed.get(label)) for label in state.line_labels}
        self._crowding_events()
        heading = self.heading
        return DeepStreamAnalytics(
            frame=self.info,
            tracks=self.tracks,
            lines=lines,
            regions={label: self._region(label) for label in state.region_labels},
            directions={
                label: DirectionState(heading[label]) if label in heading else state.no_heading
                for label in state.direction_labels
            },
            events=self.events,
            deltas=deltas,
            object_count=state.counts.update(raw, self.info.pts),
            objects=self.status,
            class_names=self.names,
            crowding_labels=state.crowding_labels,
        )

    def _region(self, label: str) -> RegionState:
        if label in self.state.crowding_labels:
            classes = self.crowding_classes.get(label)
        else:
            classes = self.inside.get(label)
        if classes is None:
            return self.state.empty_region
        return RegionState(sum(classes.values()), classes, crowded=label in self.crowded)

    def _crowding_events(self) -> None:
        before = self.state.crowded
        for label in self.state.crowding_labels:
            if (label in self.crowded) != (label in before):
                phase = "begin" if label in self.crowded else "end"
                count = self.crowding.get(label, 0)
                self.events.append(Crowding(self.info, label, len(self.events), phase=phase, occupancy=count))
        self.state.crowded = self.crowded
