"""The native rule set."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native import boundaries
from countline.analytics.native.arrays import F8
from countline.analytics.native.batch import NOBODY, MicroBatch, batch_of, micro_batches, rows_of, stack
from countline.analytics.native.compiled import CompiledBoundaries
from countline.analytics.native.counter import Counter
from countline.analytics.native.explain import tell
from countline.analytics.native.history import history_shape, take_samples
from countline.analytics.native.ingest import change_presence, ingest, update_presence
from countline.analytics.native.kind import EvaluationView
from countline.analytics.native.kinds import kind_of
from countline.analytics.native.quiet import is_quiet, quiet
from countline.analytics.native.report import Findings, Report
from countline.analytics.native.rule import Rule, compile_rules
from countline.analytics.native.source import FrameInput, SourceState
from countline.analytics.native.table import Layout, TrackTable
from countline.analytics.native.tables import Plan, Tables
from countline.config.rules import RulesConfig
from countline.kernels import find
from countline.protocols import RuleSet
from countline.telling import Told
from countline.types import Analytics, CounterKey, FrameTracks, RuleInfo, SourceInfo

__all__ = ["NativeRules"]

MOST_ASPECTS = 16
"""Aspect ratios for which tables are kept ready."""


class Followed(NamedTuple):
    """Who was there in a micro-batch, and what was found at lines and areas."""

    findings: Findings
    boxes: F8 | None
    """(N, 4) normalised boxes of all objects that are evaluated; None: nobody needs them any more."""
    classes: NDArray[np.int32] | None


class NativeRules:
    """Rules of all kinds, evaluated on tracks of any number of sources.

    Pure: time comes with the frames. All objects of a batch are evaluated together, frames of one source in their order;
    how frames are grouped into batches does not change any result.

    Parameters
    ----------
    config: the rules.
    sources: the sources that exist; others are added when their first frame comes.
    labels: class name for each class id.
    fast: False looks at every object in every frame with arrays, without any short cut. That gives the same results and
        is what tests compare the short cuts with.
    kernel: whether the compiled kernel is used where it is there (:mod:`countline.kernels`); the results are the same.

    Raises RuleError if a rule names a class that is no label.
    """

    def __init__(
        self,
        config: RulesConfig,
        sources: Sequence[SourceInfo],
        labels: Sequence[str],
        *,
        fast: bool = True,
        kernel: bool = True,
    ) -> None:
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
        """Warnings for the user, each once; whoever logs them empties the list."""
        self._fast = fast
        self._kernel = find().module if fast and kernel else None
        self._compiled: CompiledBoundaries | None = None
        self._sources: dict[str, SourceState] = {}
        self._aspects: list[float] = [16 / 9]
        self._batch: MicroBatch = NOBODY
        """The last micro-batch, whose slots and plans are still right."""
        self._table = TrackTable(Layout())
        self._tables = Tables([], 0)
        self._compile(config)
        for info in sources:
            self._open(info)
        self._build()

    # -- configuration -------------------------------------------------------------------------------------------

    def _compile(self, config: RulesConfig) -> None:
        rules = compile_rules(config, self.labels)
        kinds = {rule.kind: kind_of(rule.config) for rule in rules}
        for rule in rules:
            kinds[rule.kind].check(rule, self.labels)
        self.config = config
        self._rules, self._kinds = rules, kinds
        self._classes = max([len(self.labels), *(c + 1 for rule in rules for c in rule.classes or ())])
        self.rules: Sequence[RuleInfo] = tuple(
            dataclasses.replace(kinds[rule.kind].info(rule), identity=rule.lasting) for rule in rules
        )

    def _counter(self, rule: Rule) -> Counter:
        return self._kinds[rule.kind].counter(rule)

    def _open(self, info: SourceInfo) -> SourceState:
        """Take up a source."""
        source = self._sources[info.name] = SourceState(info)
        source.open([r for r in self._rules if r.config.source in (None, info.name)], self._counter)
        return source

    def _build(self) -> None:
        """Tables for every set of rules at every aspect ratio in use, and track memory that is wide enough."""
        if len(self._aspects) > MOST_ASPECTS:
            self._aspects = sorted({s.aspect for s in self._sources.values()})
        sets = {s.key: s.rules for s in self._sources.values()}
        plans = {(key, a): Plan(rules, a) for a in self._aspects for key, rules in sets.items()}
        self._batch = NOBODY
        old, self._tables = self._tables, Tables(list(plans.values()), self._classes)
        tables = self._tables
        self._plan_index = {key: i for i, key in enumerate(plans)}
        for source in self._sources.values():
            source.plan = self._plan_index.get((source.key, source.aspect), -1)
            source.invalidate()
        widths = {name: max((len(plan.of(name)) for plan in tables.plans), default=0) for name in self._kinds}
        self._evaluating = [kind for name, kind in self._kinds.items() if kind.evaluates and widths[name]]
        if self._kernel is not None:
            self._compiled = CompiledBoundaries(self._kernel, tables)
        for kind in self._evaluating:
            tables.own[kind.config.kind] = kind.compile(tables, self._classes)
        windows = [self._kinds[rule.kind].window(rule) for plan in tables.plans for rule in plan.rules]
        samples, self._spacing = history_shape(windows)
        own = {name: (kind.columns, widths[name]) for name, kind in self._kinds.items() if kind.columns}
        layout = Layout(tables.lines, tables.lines * tables.parts, tables.areas, samples, own)
        self._table = self._table.relayout(layout)
        if (old.lines, old.parts) != (tables.lines, tables.parts):
            for source in self._sources.values():
                self._refresh(source)

    def _look(self, source: SourceState, width: int, height: int) -> None:
        """The source's picture has another shape than before (or it is the first one): pick its plan."""
        width, height = max(width, 1), max(height, 1)  # recorded tracks may come without a size
        self._batch = NOBODY
        source.width, source.height = width, height
        source.scale = np.array([width, height, width, height], np.float64)
        aspect = width / height
        if aspect == source.aspect and source.plan >= 0:
            return
        # What is kept in picture heights keeps its position in the picture.
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
        """Tell anew on which side of each line the objects of a source were last; none of them is in a safe region any more."""
        slots = np.array(list(source.ids.values()), np.intp)
        self._table.low[slots] = np.inf
        if len(slots) and source.plan >= 0 and self._tables.lines:
            batch = MicroBatch([source], slots, [0, len(slots)], source.plan, source.aspect, source.scale)
            rows = rows_of(self._tables, batch, self._table.box[slots], self._table.class_id[slots].astype(np.int32))
            self._table.left[slots] = boundaries.sides(self._tables, rows) >= 0

    def replace(self, config: RulesConfig) -> None:
        """Apply another configuration while running. Counts and track memory of every rule that is the same in both
        (equal name, points and conditions) go on; a changed or new rule begins at 0, and an object in the picture is to
        it as one first seen.

        Raises RuleError, and changes nothing, if a rule names a class that is no label.
        """
        self._compile(config)
        moves = []
        for source in self._sources.values():
            mine = [r for r in self._rules if r.config.source in (None, source.info.name)]
            moves.append((list(source.ids.values()), source.open(mine, self._counter)))
        old = self._table
        self._build()
        self._table.take_columns(old, moves)
        for source in self._sources.values():
            self._refresh(source)

    def take(self, other: RuleSet) -> Sequence[str]:
        """As :meth:`replace`, with the rules of a set that was made of the other configuration."""
        assert isinstance(other, NativeRules)
        self.replace(other.config)
        return ()

    def renew(self, source: str, rules: Collection[str]) -> None:
        """These rules begin anew at a source: at 0, and an object in the picture is to them as one first seen."""
        state = self._sources.get(source)
        if state is not None:
            state.part_with(rules)
            self.replace(self.config)

    def close(self, source: str) -> None:
        """A source is gone, and all that is known of it."""
        if source in self._sources:
            self.forget(source)
            del self._sources[source]
            self._build()

    # -- evaluation ----------------------------------------------------------------------------------------------

    def update(self, batch: Sequence[FrameTracks]) -> list[Analytics]:
        """One Analytics per entry, in order; frames of one source must be in theirs."""
        if len(batch) == 1:
            frame = self._receive(batch[0])
            single = None if self._compiled is None or self._evaluating else self._single(frame, self._compiled)
            return self._micro_batch([frame]) if single is None else [single]
        result: list[Analytics | None] = [None] * len(batch)
        for members in micro_batches([item.info.source.name for item in batch]):
            for i, analytics in zip(members, self._micro_batch([self._receive(batch[i]) for i in members])):
                result[i] = analytics
        return result  # type: ignore[return-value]

    def _single(self, frame: FrameInput, compiled: CompiledBoundaries) -> Analytics | None:
        """What ``_micro_batch`` gives for a single frame, without what several need; None, and nothing is changed, where somebody is
        new or not all can be evaluated."""
        source, table, slots = frame.source, self._table, frame.source.present
        change: tuple[list[tuple[int, int]], list[int]] | None = None
        if not frame.steady:
            found = compiled.look_up(frame)
            if found is None:
                return None
            slots, change = found
        hits = compiled.follow_one(table, frame, slots, self._spacing)
        if hits is None:
            return None
        if change is not None:
            self._batch = NOBODY
            change_presence(frame, table, *change)
            source.present = slots
        source.shown = frame
        if not hits and is_quiet(frame):
            return quiet(frame, table, self.labels, self._kinds)
        batch = batch_of([frame], [slots])
        findings = Findings(*hits) if hits else Findings([], [])
        return Report(table, self.labels, self.metrics, self._kinds, [frame], batch, findings).make()[0]

    def _micro_batch(self, frames: list[FrameInput]) -> list[Analytics]:
        """At most one frame of each source."""
        for f in frames:
            if not f.steady:
                f.look_up()
        findings, boxes, classes = (self._follow_known(frames) if self._fast else None) or self._follow(frames)
        tables, table = self._tables, self._table
        if boxes is not None and classes is not None:
            if self._evaluating:
                rows = rows_of(tables, self._batch, boxes, classes)
                for kind in self._evaluating:
                    name = kind.config.kind
                    view = EvaluationView(tables, table, rows, tables.own[name], table.own.get(name, {}))
                    findings.others.append((kind, *kind.evaluate(view)))
            table.box[self._batch.slots] = boxes
        for f in frames:
            f.source.shown = f
        return Report(table, self.labels, self.metrics, self._kinds, frames, self._batch, findings).make()

    def _receive(self, item: FrameTracks) -> FrameInput:
        info = item.info
        source = self._sources.get(info.source.name) or self._open(info.source)
        if info.width != source.width or info.height != source.height or source.plan < 0:
            self._look(source, info.width, info.height)
        source.tick(info.pts)
        source.number, source.time = info.number, info.time
        return FrameInput(source, item)

    def _follow_known(self, frames: list[FrameInput]) -> Followed | None:
        """What ``_follow`` gives, if nobody in these frames is new and all can be evaluated; else None, and nothing is
        changed."""
        for f in frames:
            if f.fresh or not (f.steady or len(set(f.slots)) == len(f.slots)):
                return None
        slots = [f.source.present if f.steady else np.array(f.slots, np.intp) for f in frames]
        steady = all(f.steady for f in frames)
        batch = self._batch
        if not steady or [f.source for f in frames] != batch.sources:
            batch = batch_of(frames, slots)
        found = self._follow_compiled(frames, batch, slots) or self._follow_selected(frames, batch)
        if found is None:
            return None
        self._batch = batch
        if not steady:
            for f, now in zip(frames, slots):
                if not f.steady:
                    update_presence(f, self._table)
                    f.source.present = now
        return found

    def _follow_compiled(
        self, frames: list[FrameInput], batch: MicroBatch, slots: list[NDArray[np.intp]]
    ) -> Followed | None:
        """By the kernel; None where there is none, or it does not take the frames."""
        if self._compiled is None:
            return None
        evaluating = self._evaluating
        hits = self._compiled.follow(self._table, frames, slots, self._spacing, keep=not evaluating)
        if hits is None:
            return None
        boxes, classes = stack(frames, batch.scale) if evaluating else (None, None)
        return Followed(Findings(hits[0], hits[1]), boxes, classes)

    def _follow_selected(self, frames: list[FrameInput], batch: MicroBatch) -> Followed | None:
        """By NumPy, those who left their safe region; None where a box is no box."""
        boxes, classes = stack(frames, batch.scale)
        selection = boundaries.select(self._tables, self._table, batch, boxes, classes)
        # Who is in a safe region has a box of sensible size, if its edges are in their order.
        if (boxes[:, 2:] < boxes[:, :2]).any() or not selection.sound():
            return None
        hits = boundaries.follow(self._tables, self._table, selection)
        take_samples(self._table, batch, boxes, self._spacing)
        return Followed(Findings(*hits), boxes, classes)

    def _follow(self, frames: list[FrameInput]) -> Followed:
        """Find out who is there, in any frames, and what they did at lines and areas."""
        scale = frames[0].source.scale
        if len(frames) > 1:
            scale = np.repeat(np.array([f.source.scale for f in frames]), [len(f) for f in frames], axis=0)
        boxes, classes = ingest(frames, self._table, self.metrics, *stack(frames, scale))
        slots = [f.source.present for f in frames]
        self._batch = batch = batch_of(frames, slots)
        if all(len(f) == len(f.slots) for f in frames):
            found = self._follow_compiled(frames, batch, slots)
            if found is not None:
                return found
        selection = boundaries.select(self._tables, self._table, batch, boxes, classes, fast=self._fast)
        hits = boundaries.follow(self._tables, self._table, selection)
        take_samples(self._table, batch, boxes, self._spacing)
        return Followed(Findings(*hits), boxes, classes)

    # -- counters ------------------------------------------------------------------------------------------------

    def restore(self, counters: Mapping[CounterKey, int], resets: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        """Set cumulative counters, and (epoch, reset_at ns) by (source, rule). Those of unknown rules are ignored."""
        stored: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
        for key, amount in counters.items():
            stored.setdefault((key.source, key.rule), {})[key.counter, key.class_name] = amount
        for name, source in self._sources.items():
            for counter in source.counters:
                at = (name, counter.name)
                if at in stored:
                    counter.restore(stored[at])
                if at in resets:
                    counter.epoch, counter.reset_at = resets[at]
                    counter.dirty = True
            source.publish()

    def reset(self, source: str, time: int) -> None:
        """Set the cumulative counters of a source to 0 and begin a new epoch at ``time`` (ns since the Unix epoch)."""
        if source in self._sources:
            for counter in self._sources[source].counters:
                counter.reset(time)
            self._sources[source].publish()

    def forget(self, source: str) -> None:
        """Drop the track memory of a source (its stream ended or began anew); counters stay."""
        if source in self._sources:
            self._batch = NOBODY
            self._sources[source].clear(self._table)

    def untracked(self, source: str) -> int:
        """Number of objects of a source that came without a track id: they are not evaluated."""
        return self._sources[source].untracked if source in self._sources else 0

    def twins(self, source: str) -> int:
        """What second tracks on one object did at a source and was not told a second time: crossings, entries, …"""
        return self._sources[source].objects.repeated if source in self._sources else 0

    def explain(self, source: str, track_id: int, rule: str) -> str:
        """Why the object was or was not counted by the rule, in words."""
        return str(self.tell(source, track_id, rule))

    def tell(self, source: str, track_id: int, rule: str) -> Told:
        """The same in parts."""
        return tell(self._sources.get(source), self._table, self._rules, self.labels, (source, track_id, rule))

    @property
    def live(self) -> int:
        """Tracks that are remembered now."""
        return len(self._table)
