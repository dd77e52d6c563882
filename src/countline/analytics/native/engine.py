"""The native rule set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.explain import explain
from countline.analytics.native.lines import evaluate_lines, sides
from countline.analytics.native.motion import evaluate_directions, evaluate_speeds, history_shape, take_samples
from countline.analytics.native.plan import Plan, Rule, Tables, class_id, compile_rules
from countline.analytics.native.regions import evaluate_regions
from countline.analytics.native.report import Report
from countline.analytics.native.rows import Arrival, Findings, Rows, anchor_points
from countline.analytics.native.state import SourceState, begin, sift
from countline.analytics.native.table import TrackTable
from countline.config.rules import LineConfig, RegionConfig, RulesConfig
from countline.errors import RuleError
from countline.types import Analytics, CounterKey, FrameTracks, RuleInfo, SourceInfo

__all__ = ["NativeRules"]


MOST_EXTENT = 1e3
"""Boxes larger than so many pictures are no boxes."""
MOST_ASPECTS = 16
"""Aspect ratios for which tables are kept ready."""


class NativeRules:
    """Lines, regions, directions, speeds and journeys, evaluated on tracks of any number of sources.

    Pure: time comes with the frames. All objects of a batch are evaluated together, frames of one source in their order;
    how frames are grouped into batches does not change any result.

    Parameters
    ----------
    config: the rules.
    sources: the sources that exist; others are added when their first frame comes.
    labels: class name for each class id.

    Raises RuleError if a rule names a class that is no label.
    """

    def __init__(self, config: RulesConfig, sources: Sequence[SourceInfo], labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.metrics: dict[str, int] = {
            "untracked": 0,
            "bad_boxes": 0,
            "duplicate_ids": 0,
            "stitched": 0,
            "forgotten": 0,
        }
        """Objects left out by reason, tracks continued under a new id, and tracks forgotten because they were not seen
        any more."""
        self._number = 0
        """Rounds so far."""
        self._sources: dict[str, SourceState] = {}
        self._aspects: list[float] = [16 / 9]
        self._table = TrackTable(0, 0, 0, 0, 0, 1)
        self._tables = Tables([], 0)
        self._compile(config)
        for info in sources:
            self._open(info)
        self._build()

    # -- configuration -------------------------------------------------------------------------------------------

    def _compile(self, config: RulesConfig) -> None:
        rules = compile_rules(config, self.labels)
        for region in config.regions:
            for name in region.limits:
                number = class_id(name, self.labels, region.name)
                if name not in self.labels and number < len(self.labels):
                    fix = f"write '{self.labels[number]}'"
                    raise RuleError(f"limits are by class name, not '{name}'", where=f"rule '{region.name}'", fix=fix)
        self.config = config
        self._rules = rules
        self._classes = max([len(self.labels), *(c + 1 for rule in rules for c in rule.classes or ())])
        self.rules: Sequence[RuleInfo] = tuple(_info(rule) for rule in rules)

    def _open(self, info: SourceInfo) -> SourceState:
        """Take up a source."""
        source = self._sources[info.name] = SourceState(info)
        source.open([r for r in self._rules if r.config.source in (None, info.name)])
        return source

    def _build(self) -> None:
        """Tables for every set of rules at every aspect ratio in use, and track memory that is wide enough."""
        if len(self._aspects) > MOST_ASPECTS:
            self._aspects = sorted({s.aspect for s in self._sources.values()})
        sets = {s.key: s.rules for s in self._sources.values()}
        plans = {(key, a): Plan(rules, a) for a in self._aspects for key, rules in sets.items()}
        old, self._tables = self._tables, Tables(list(plans.values()), self._classes)
        tables = self._tables
        self._plan_index = {key: i for i, key in enumerate(plans)}
        for source in self._sources.values():
            source.plan = self._plan_index.get((source.key, source.aspect), -1)
        samples, self._spacing = history_shape(tables)
        self._table = self._table.relayout(
            tables.lines, tables.lines * tables.parts, tables.regions, tables.directions, tables.speeds, samples
        )
        if (old.lines, old.parts) != (tables.lines, tables.parts):
            for source in self._sources.values():
                self._refresh(source)

    def _look(self, source: SourceState, width: int, height: int) -> None:
        """The source's picture has another shape than before (or it is the first one): pick its plan."""
        width, height = max(width, 1), max(height, 1)  # recorded tracks may come without a size
        source.width, source.height = width, height
        source.scale = np.array([width, height, width, height], np.float64)
        aspect = width / height
        if aspect == source.aspect and source.plan >= 0:
            return
        source.aspect = aspect
        if (source.key, aspect) not in self._plan_index:
            if aspect not in self._aspects:
                self._aspects.append(aspect)
            self._build()
        source.plan = self._plan_index[source.key, aspect]
        self._refresh(source)

    def _refresh(self, source: SourceState) -> None:
        """Tell anew on which side of each line the objects of a source were last."""
        if source.ids and source.plan >= 0 and self._tables.lines:
            slots = np.array(list(source.ids.values()), np.intp)
            rows = self._rows(slots, self._table.box[slots], source.plan, source.aspect, 0, self._table.class_id[slots])
            self._table.left[slots] = sides(self._tables, rows) >= 0

    def replace(self, config: RulesConfig) -> None:
        """Apply another configuration while running. Counts and track memory of every rule that is the same in both
        (equal name, points and conditions) go on; a changed or new rule begins at 0, and an object in the picture is to
        it as one first seen.

        Raises RuleError, and changes nothing, if a rule names a class that is no label.
        """
        self._compile(config)
        moves = []
        for source in self._sources.values():
            columns = source.open([r for r in self._rules if r.config.source in (None, source.info.name)])
            moves.append((list(source.ids.values()), columns))
        old = self._table
        self._build()
        self._table.take_columns(old, moves)
        for source in self._sources.values():
            self._refresh(source)

    # -- evaluation ----------------------------------------------------------------------------------------------

    def update(self, batch: Sequence[FrameTracks]) -> list[Analytics]:
        """One Analytics per entry, in order; frames of one source must be in theirs."""
        if len(batch) == 1:
            return self._round(batch)
        result: list[Analytics | None] = [None] * len(batch)
        rounds: list[list[int]] = []
        seen: dict[str, int] = {}
        for i, item in enumerate(batch):
            name = item.info.source.name
            turn = seen.get(name, 0)
            seen[name] = turn + 1
            if turn == len(rounds):
                rounds.append([])
            rounds[turn].append(i)
        for members in rounds:
            for i, analytics in zip(members, self._round([batch[i] for i in members])):
                result[i] = analytics
        return result  # type: ignore[return-value]

    def _round(self, items: Sequence[FrameTracks]) -> list[Analytics]:
        """At most one frame of each source."""
        self._number += 1
        arrivals = [self._arrive(item) for item in items]
        boxes, classes = self._boxes(arrivals)
        boxes, classes = self._slots(arrivals, boxes, classes)
        rows = self._gather(arrivals, boxes, classes)
        findings = self._evaluate(arrivals, rows)
        self._remember(arrivals, rows)
        return Report(self._table, self.labels, self.metrics, arrivals, rows, findings).make()

    def _arrive(self, item: FrameTracks) -> Arrival:
        info = item.info
        source = self._sources.get(info.source.name) or self._open(info.source)
        if info.width != source.width or info.height != source.height or source.plan < 0:
            self._look(source, info.width, info.height)
        source.tick(info.pts)
        source.number, source.time = info.number, info.time
        return Arrival(source, item)

    def _boxes(self, arrivals: list[Arrival]) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Boxes of all objects of the round, normalised, and classes; objects that cannot be evaluated are sifted out
        of the arrivals (not yet of the arrays)."""
        if len(arrivals) == 1:
            tracks = arrivals[0].item.tracks
            boxes = tracks.xyxy / arrivals[0].source.scale
            classes = tracks.class_id
        else:
            counts = [len(a.ids) for a in arrivals]
            scales = np.repeat(np.array([a.source.scale for a in arrivals]), counts, axis=0)
            boxes = np.concatenate([a.item.tracks.xyxy for a in arrivals]) / scales
            classes = np.concatenate([a.item.tracks.class_id for a in arrivals])
        extent = boxes[:, 2:] - boxes[:, :2]
        # NaN makes both comparisons false.
        fine = not len(boxes) or bool(extent.min() >= 0 and extent.max() < MOST_EXTENT)
        sound = None if fine else np.asarray(((extent >= 0) & (extent < MOST_EXTENT)).all(axis=1))
        start = 0
        for arrival in arrivals:
            end = start + len(arrival.ids)
            # One -1 may be a new track or an object without one, so the whole frame is looked at.
            if arrival.steady and sound is None:
                pass
            elif arrival.fresh or sound is not None or len(set(arrival.slots)) != len(arrival.slots):
                part = None if sound is None else sound[start:end]
                arrival.slots, arrival.places = sift(arrival.source, arrival.ids, part, self.metrics)
                arrival.fresh = -1 in arrival.slots
                arrival.steady = False
            start = end
        return boxes, classes

    def _slots(
        self, arrivals: list[Arrival], boxes: NDArray[np.float64], classes: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Find out who is gone, give slots to new tracks, and drop the rows that were sifted out."""
        if any(a.places is not None and len(a.places) != len(a.ids) for a in arrivals):
            keep: list[int] = []
            start = 0
            for a in arrivals:
                keep += [start + p for p in (range(len(a.ids)) if a.places is None else a.places)]
                start += len(a.ids)
            boxes, classes = boxes[keep], classes[keep]
        table = self._table
        for a in arrivals:
            if not a.steady:
                table.seen[[s for s in a.slots if s >= 0]] = self._number
                self._part(a.source)
        start = 0
        for a in arrivals:
            end = start + len(a.slots)
            if a.fresh:
                new = [i for i, slot in enumerate(a.slots) if slot < 0]
                at = [start + i for i in new]
                places = new if a.places is None else [a.places[i] for i in new]
                tracks = [a.ids[p] for p in places]
                found = begin(a.source, table, tracks, boxes[at], classes[at].tolist(), self.metrics)
                for i, slot in zip(new, found):
                    a.slots[i] = slot
                table.seen[found] = self._number
            if not a.steady:
                a.source.present_list = a.slots
                # Where objects were left out, the next frame must be sifted too.
                a.source.present_ids = a.ids if a.places is None or len(a.places) == len(a.ids) else None
                a.source.present = np.array(a.slots, np.intp)
            start = end
        return boxes, classes

    def _part(self, source: SourceState) -> None:
        """Note which objects of the frame before are not in this one."""
        table = self._table
        for at in np.flatnonzero(table.seen[source.present] != self._number).tolist():
            source.lose(source.present_list[at], at, table)

    def _gather(self, arrivals: list[Arrival], boxes: NDArray[np.float64], classes: NDArray[Any]) -> Rows:
        if len(arrivals) == 1:
            source = arrivals[0].source
            return self._rows(source.present, boxes, source.plan, source.aspect, source.clock, classes)
        counts = [len(a.slots) for a in arrivals]
        slots = np.concatenate([a.source.present for a in arrivals])
        plan = np.repeat(np.array([a.source.plan for a in arrivals], np.intp), counts)
        aspect = np.repeat(np.array([a.source.aspect for a in arrivals]), counts)
        clock = np.repeat(np.array([a.source.clock for a in arrivals], np.int64), counts)
        return self._rows(slots, boxes, plan, aspect, clock, classes)

    def _rows(
        self,
        slots: NDArray[np.intp],
        boxes: NDArray[np.float64],
        plan: int | NDArray[np.intp],
        aspect: float | NDArray[np.float64],
        clock: int | NDArray[np.int64],
        classes: NDArray[Any],
    ) -> Rows:
        extent = boxes[:, 2:] - boxes[:, :2]
        size = np.maximum(extent[:, 0] * aspect, extent[:, 1])
        anchors = anchor_points(boxes, extent, aspect, self._tables.anchors)
        return Rows(slots, boxes, plan, aspect, clock, classes, size, anchors)

    def _evaluate(self, arrivals: list[Arrival], rows: Rows) -> Findings:
        tables, table = self._tables, self._table
        lines = evaluate_lines(tables, table, rows)
        regions = evaluate_regions(tables, table, rows)
        if tables.lines or tables.regions or tables.directions or tables.speeds:
            take_samples(table, rows, [a.source for a in arrivals], self._spacing)
        directions = evaluate_directions(tables, table, rows) if tables.directions else []
        speeding, speeds = evaluate_speeds(tables, table, rows) if tables.speeds else ([], None)
        return Findings(lines, regions, directions, speeding, speeds)

    def _remember(self, arrivals: list[Arrival], rows: Rows) -> None:
        table, slots = self._table, rows.slots
        table.box[slots] = rows.box
        table.frames[slots] += 1
        for a in arrivals:
            a.source.shown = a

    # -- counters ------------------------------------------------------------------------------------------------

    def restore(self, counters: Mapping[CounterKey, int], resets: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        """Set cumulative counters, and (epoch, reset_at ns) by (source, rule). Those of unknown rules are ignored."""
        stored: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
        for key, amount in counters.items():
            stored.setdefault((key.source, key.rule), {})[key.counter, key.class_name] = amount
        for name, source in self._sources.items():
            for book in source.books():
                place = (name, book.rule.name)
                if place in stored:
                    book.restore(stored[place])
                if place in resets:
                    book.epoch, book.reset_at = resets[place]
                    book.dirty = True
            source.publish()

    def reset(self, source: str, time: int) -> None:
        """Set the cumulative counters of a source to 0 and begin a new epoch at ``time`` (ns since the Unix epoch)."""
        if source in self._sources:
            for book in self._sources[source].books():
                book.reset(time)
            self._sources[source].publish()

    def forget(self, source: str) -> None:
        """Drop the track memory of a source (its stream ended or began anew); counters stay."""
        if source in self._sources:
            self._sources[source].clear(self._table)

    def explain(self, source: str, track_id: int, rule: str) -> str:
        """Why the object was or was not counted by the rule, in words."""
        who = (source, track_id, rule)
        return explain(self._sources.get(source), self._table, self._rules, self.labels, who)

    @property
    def live(self) -> int:
        """Tracks that are remembered now."""
        return len(self._table)


def _info(rule: Rule) -> RuleInfo:
    config = rule.config
    names: tuple[str, ...] = ()
    if isinstance(config, LineConfig):
        names = (config.direction_name("in"), config.direction_name("out"))
    crowding = isinstance(config, RegionConfig) and bool(config.crowding or config.limits)
    return RuleInfo(config.name, rule.kind, config.source, rule.points, names, crowding)
