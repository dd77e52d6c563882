"""The native rule set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.calm import stirred
from countline.analytics.native.explain import explain
from countline.analytics.native.intake import admit, turn_over
from countline.analytics.native.motion import evaluate_directions, evaluate_speeds, history_shape, take_samples
from countline.analytics.native.nearby import Object
from countline.analytics.native.places import evaluate_places, few, sides
from countline.analytics.native.plan import Plan, Rule, Tables, class_id, compile_rules
from countline.analytics.native.report import Report
from countline.analytics.native.rows import (
    MOST_EXTENT,
    Arrival,
    Findings,
    Group,
    Rows,
    anchor_points,
    group,
    stack,
)
from countline.analytics.native.state import SourceState
from countline.analytics.native.table import TrackTable
from countline.config.rules import LineConfig, RegionConfig, RulesConfig
from countline.errors import RuleError
from countline.types import Analytics, CounterKey, FrameTracks, RuleInfo, SourceInfo

__all__ = ["NativeRules"]


MOST_ASPECTS = 16
"""Aspect ratios for which tables are kept ready."""
NOBODY = Group([], np.empty(0, np.intp), [0], -1, 1.0, np.ones(4))
F8 = NDArray[np.float64]
Present = tuple[F8, NDArray[np.int32], NDArray[np.intp], "Rows | list[Object]"]


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
        self.notices: list[str] = []
        """What the user should be told, once; whoever tells it empties the list."""
        self._sources: dict[str, SourceState] = {}
        self._aspects: list[float] = [16 / 9]
        self._group = NOBODY
        """Of the last round, whose slots and plans are still right."""
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
        self._group = NOBODY
        old, self._tables = self._tables, Tables(list(plans.values()), self._classes)
        tables = self._tables
        self._plan_index = {key: i for i, key in enumerate(plans)}
        for source in self._sources.values():
            source.plan = self._plan_index.get((source.key, source.aspect), -1)
            source.disturb()
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
        self._group = NOBODY
        source.width, source.height = width, height
        source.scale = np.array([width, height, width, height], np.float64)
        aspect = width / height
        if aspect == source.aspect and source.plan >= 0:
            return
        # What is kept in picture heights keeps its place in the picture.
        ids = list(source.ids.values())
        entry = self._table.entry
        if source.aspect > 0 and entry.shape[1]:
            entry[ids] = entry[ids].real * (aspect / source.aspect) + 1j * entry[ids].imag
        source.aspect = aspect
        if (source.key, aspect) not in self._plan_index:
            if aspect not in self._aspects:
                self._aspects.append(aspect)
            self._build()
        source.plan = self._plan_index[source.key, aspect]
        self._refresh(source)

    def _refresh(self, source: SourceState) -> None:
        """Tell anew on which side of each line the objects of a source were last; none of them is calm any more."""
        slots = np.array(list(source.ids.values()), np.intp)
        self._table.low[slots] = np.inf
        if len(slots) and source.plan >= 0 and self._tables.lines:
            whole = Group([source], slots, [0, len(slots)], source.plan, source.aspect, source.scale)
            rows = self._rows(whole, self._table.box[slots], self._table.class_id[slots].astype(np.int32))
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
        arrivals = [self._arrive(item) for item in items]
        boxes, classes, stirring, chosen = self._known(arrivals) or self._any(arrivals)
        tables, table = self._tables, self._table
        lines, regions = evaluate_places(tables, table, chosen)
        for hit in (*lines, *regions):
            hit.row = int(stirring[hit.row])
        take_samples(table, self._group, boxes, self._spacing)
        findings = Findings(lines, regions, [], [], None)
        if tables.directions or tables.speeds:
            rows = self._rows(self._group, boxes, classes)
            findings.directions = evaluate_directions(tables, table, rows)
            findings.speeding, findings.speeds = evaluate_speeds(tables, table, rows) if tables.speeds else ([], None)
        table.box[self._group.slots] = boxes
        for a in arrivals:
            a.source.shown = a
        return Report(table, self.labels, self.metrics, arrivals, self._group, findings).make()

    def _arrive(self, item: FrameTracks) -> Arrival:
        info = item.info
        source = self._sources.get(info.source.name) or self._open(info.source)
        if info.width != source.width or info.height != source.height or source.plan < 0:
            self._look(source, info.width, info.height)
        source.tick(info.pts)
        source.number, source.time = info.number, info.time
        return Arrival(source, item)

    def _known(self, arrivals: list[Arrival]) -> Present | None:
        """Normalised boxes, classes, the rows that must be looked at and their objects, if nobody in these frames is new and all
        can be evaluated; else None."""
        for a in arrivals:
            if a.fresh or not (a.steady or len(set(a.slots)) == len(a.slots)):
                return None
        slots = [a.source.present if a.steady else np.array(a.slots, np.intp) for a in arrivals]
        steady = all(a.steady for a in arrivals)
        present = self._group
        if not steady or [a.source for a in arrivals] != present.sources:
            present = group(arrivals, slots)
        boxes, classes = stack(arrivals, present.scale)
        stirring = stirred(self._tables, self._table, present.slots, boxes, classes)
        chosen = self._choose(present, boxes, classes, stirring)
        # Who is in a calm zone has a box of sensible size, if its edges are in their order.
        if (boxes[:, 2:] < boxes[:, :2]).any() or not _fine(chosen):
            return None
        self._group = present
        if not steady:
            for a, now in zip(arrivals, slots):
                if not a.steady:
                    turn_over(a, self._table)
                    a.source.present = now
        return boxes, classes, stirring, chosen

    def _any(self, arrivals: list[Arrival]) -> Present:
        """The same for any frames, once it is known who is there."""
        scale = arrivals[0].source.scale
        if len(arrivals) > 1:
            scale = np.repeat(np.array([a.source.scale for a in arrivals]), [len(a) for a in arrivals], axis=0)
        boxes, classes = admit(arrivals, self._table, self.metrics, *stack(arrivals, scale))
        self._group = group(arrivals, [a.source.present for a in arrivals])
        stirring = stirred(self._tables, self._table, self._group.slots, boxes, classes)
        return boxes, classes, stirring, self._choose(self._group, boxes, classes, stirring)

    def _choose(
        self, present: Group, boxes: F8, classes: NDArray[np.int32], which: NDArray[np.intp]
    ) -> Rows | list[Object]:
        """The objects of chosen rows, as it is quickest to look at them."""
        if not few(self._tables, len(which)):
            return self._rows(present, boxes, classes, which)
        if not len(which):
            return []
        slots, plan, aspect = present.slots.take(which).tolist(), present.plan, present.aspect
        columns = boxes.take(which, 0).tolist(), classes.take(which).tolist()
        if isinstance(plan, np.ndarray):
            return [
                Object(*o) for o in zip(slots, columns[0], plan[which].tolist(), aspect[which].tolist(), columns[1])
            ]
        return [Object(slot, box, plan, aspect, class_id) for slot, box, class_id in zip(slots, *columns)]

    def _rows(self, group: Group, box: F8, class_id: NDArray[np.int32], which: NDArray[np.intp] | None = None) -> Rows:
        """All objects, or those of chosen rows."""
        slots, plan, aspect = group.slots, group.plan, group.aspect
        if which is not None and len(which) < len(slots):
            slots, box, class_id = slots.take(which), box.take(which, 0), class_id.take(which)
            if isinstance(plan, np.ndarray):
                plan, aspect = plan.take(which), aspect.take(which)
        extent = box[:, 2:] - box[:, :2]
        size = np.maximum(extent[:, 0] * aspect, extent[:, 1])
        anchors = anchor_points(box, extent, aspect, self._tables.anchors)
        return Rows(slots, box, plan, aspect, group.clock, class_id, extent, size, anchors)

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
            self._group = NOBODY
            self._sources[source].clear(self._table)

    def untracked(self, source: str) -> int:
        """Objects of a source that came without a track id, of which nothing can be said."""
        state = self._sources.get(source)
        return 0 if state is None else state.untracked

    def explain(self, source: str, track_id: int, rule: str) -> str:
        """Why the object was or was not counted by the rule, in words."""
        who = (source, track_id, rule)
        return explain(self._sources.get(source), self._table, self._rules, self.labels, who)

    @property
    def live(self) -> int:
        """Tracks that are remembered now."""
        return len(self._table)


def _fine(chosen: Rows | list[Object]) -> bool:
    """Whether all their boxes are boxes. NaN makes every comparison false."""
    if isinstance(chosen, list):
        extents = [(right - left, bottom - top) for left, top, right, bottom in [one.box for one in chosen]]
        return all(0 <= width < MOST_EXTENT and 0 <= height < MOST_EXTENT for width, height in extents)
    return bool(chosen.extent.min() >= 0 and chosen.extent.max() < MOST_EXTENT)


def _info(rule: Rule) -> RuleInfo:
    config = rule.config
    names: tuple[str, ...] = ()
    if isinstance(config, LineConfig):
        names = (config.direction_name("in"), config.direction_name("out"))
    crowding = isinstance(config, RegionConfig) and bool(config.crowding or config.limits)
    return RuleInfo(config.name, rule.kind, config.source, rule.points, names, crowding)
