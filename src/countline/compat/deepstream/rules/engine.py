"""The exact engine: evaluates an nvdsanalytics configuration on tracks."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countline.compat.deepstream.files.nvdsanalytics import NvdsAnalyticsConfig, StreamRules
from countline.compat.deepstream.rules import evaluate
from countline.compat.deepstream.rules.explain import Past, cause, explain, past, tell
from countline.compat.deepstream.rules.infos import rule_infos
from countline.compat.deepstream.rules.memory import LAST, Motion, TrackMemory
from countline.compat.deepstream.rules.numeric import Array
from countline.compat.deepstream.rules.replaceable import Replaceable
from countline.compat.deepstream.rules.results import DeepStreamAnalytics
from countline.compat.deepstream.rules.stream import FrameJob, StreamState, Totals
from countline.compat.deepstream.rules.tables import DirectionTable, LineTable, RegionTable
from countline.telling import Told
from countline.types import UNTRACKED, Analytics, CounterKey, FrameInfo, FrameTracks, RuleInfo, SourceInfo, Tracks

__all__ = ["DeepStreamRules"]

EXPIRY = 8_001_000_000
"""ns after which a track is gone: NVIDIA compares whole milliseconds with 8000."""
REMEMBERED = 4096
"""Tracks that have left whose story is kept for explanations."""


@dataclass(slots=True)
class _Piece:
    """Objects of a frame that can be evaluated in one go: no track twice."""

    job: FrameJob
    start: int
    stop: int
    last: bool
    rounds: Array | None = None
    """Where a track may stand several times: how many times each object's track stood before."""


class DeepStreamRules(Replaceable):
    """Rules of a ``config_nvdsanalytics.txt``, with nvdsanalytics' results. See :class:`countline.protocols.RuleSet`.

    A stream is known by ``frame.source.index`` (DeepStream's pad_index). Boxes are taken from ``Tracks.ltwh`` where it is
    given, else from ``xyxy``. Cumulative counts belong to (source name, label).

    ``ignore_untracked``: evaluate no object without a track id, which in nvdsanalytics switches off every line and direction
    that looks at it.
    """

    def __init__(
        self,
        config: NvdsAnalyticsConfig,
        sources: Sequence[SourceInfo] = (),
        labels: Sequence[str] = (),
        *,
        ignore_untracked: bool = False,
    ) -> None:
        self.config = config
        self.ignore_untracked = ignore_untracked
        self.metrics: dict[str, int] = {"untracked": 0, "switched_off": 0}
        """Objects without a track id, and lines that one of them has switched off, as in nvdsanalytics."""
        self.notices: list[str] = []
        """Warnings for the user, each once; whoever logs them empties the list."""
        self._untracked: dict[str, int] = {}
        self.labels = tuple(labels)
        self.rules: Sequence[RuleInfo] = tuple(rule_infos(config, sources))
        self._indices = {source.name: source.index for source in sources}
        self.past: OrderedDict[tuple[str, int], Past] = OrderedDict()
        ways = any(way.enabled for stream in config.streams.values() for way in stream.directions)
        self.memory = TrackMemory(config.window, 1, still=ways)
        self.streams: dict[int, StreamState] = {}
        self._totals: dict[tuple[str, str], Totals] = {}
        self._region_table = RegionTable([], [])
        self._direction_table = DirectionTable([], [])
        self.line_table = LineTable([], [], [])

    # -- the protocol ---------------------------------------------------------------------------------------------

    def update(self, batch: Sequence[FrameTracks]) -> list[Analytics]:
        """One Analytics (a DeepStreamAnalytics) per entry, in order."""
        if not self.config.enable:
            return [DeepStreamAnalytics(i, t, enabled=False, class_names=self.labels) for i, t in batch]
        self._open([info for info, _ in batch])
        jobs = [FrameJob(self.streams[info.source.index], info, tracks, self.labels) for info, tracks in batch]
        results: dict[int, DeepStreamAnalytics] = {}
        if len(jobs) == 1:
            queues = [deque(self._pieces(jobs[0]))]
        else:
            by_stream: dict[int, deque[_Piece]] = {}
            for job in jobs:
                by_stream.setdefault(job.state.number, deque()).extend(self._pieces(job))
            queues = list(by_stream.values())
        while queues:
            wave = [queue.popleft() for queue in queues]
            self._evaluate(wave)
            for piece in wave:
                if piece.last:
                    results[id(piece.job)] = piece.job.finish(self._totals)
            queues = [queue for queue in queues if queue]
        return [results[id(job)] for job in jobs]

    def untracked(self, source: str) -> int:
        """Objects of a source that came without a track id."""
        return self._untracked.get(source, 0)

    def explain(self, source: str, track_id: int, rule: str) -> str:
        """Why the object was or was not counted by the line, in words."""
        return explain(self, source, track_id, rule)

    def tell(self, source: str, track_id: int, rule: str) -> Told:
        """The same in parts."""
        return tell(self, source, track_id, rule)

    def cause(self, source: str, track_id: int, rule: str) -> str:
        """The explanation in one word; see :func:`countline.compat.deepstream.rules.explain.cause`."""
        return cause(self, source, track_id, rule)

    def restore(self, counters: Mapping[CounterKey, int], resets: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        """Set cumulative counters, and (epoch, reset_at ns) by (source, rule)."""
        touched: set[tuple[str, str]] = set()
        for key, value in counters.items():
            where = (key.source, key.rule)
            if where not in self._totals or where not in touched:
                before = self._totals.get(where, Totals())
                fresh = self._totals[where] = Totals()
                fresh.epoch, fresh.reset_at = before.epoch, before.reset_at
                touched.add(where)
            if value:
                self._totals[where].add({key.class_name: value})
        for where, (epoch, reset_at) in resets.items():
            totals = self._totals.setdefault(where, Totals())
            totals.epoch, totals.reset_at, totals.quiet = epoch, reset_at, None

    def reset(self, source: str, time: int) -> None:
        """Set the cumulative counters of a source to 0 and begin a new epoch."""
        known = {key[1] for key in self._totals if key[0] == source}
        known.update(rule.name for rule in self.rules if rule.kind == "line" and rule.source == source)
        for label in known:
            before = self._totals.get((source, label), Totals())
            totals = self._totals[source, label] = Totals()
            totals.epoch, totals.reset_at = before.epoch + 1, time

    def forget(self, source: str) -> None:
        """Drop all that is known of a source's tracks; the next frame begins anew. Counters stay."""
        gone = [state for state in self.streams.values() if state.name == source]
        for state in gone:
            self._remove(state, list(state.slots))
            del self.streams[state.rules.index]
        if gone:
            self._rebuild()

    # -- streams --------------------------------------------------------------------------------------------------

    def _open(self, infos: Sequence[FrameInfo]) -> None:
        new = False
        for info in infos:
            index = info.source.index
            if index in self.streams:
                continue
            rules = self.config.streams.get(index) or StreamRules(index, self.config.width, self.config.height)
            state = self.streams[index] = StreamState(rules, info, self.config.window)
            state.pts = state.swept = state.oldest = _signed(info.pts)
            for label in state.labels:
                self._totals.setdefault((state.name, label), Totals())
            new = True
        if new:
            self._rebuild()

    def _rebuild(self) -> None:
        """Make the tables for the streams that are open; what lines have become is kept."""
        states = list(self.streams.values())
        old_lines, old_directions = self.line_table, self._direction_table
        regions = RegionTable([s.regions for s in states], [p for s in states for p in s.region_points])
        directions = DirectionTable(
            [s.rules.directions for s in states], [p for s in states for p in s.direction_points]
        )
        lines = LineTable(
            [s.rules.lines for s in states], [s.line_points for s in states], [s.label_numbers for s in states]
        )
        for number, state in enumerate(states):
            if state.number >= 0:
                lines.inherit(number, old_lines, state.number)
                here, there = int(directions.offset[number]), int(old_directions.offset[state.number])
                count = int(directions.count[number])
                directions.enabled[here : here + count] = old_directions.enabled[there : there + count]
            state.number = number
        self._region_table, self._direction_table, self.line_table = regions, directions, lines
        self.memory.widen(lines.width)

    def _remove(self, state: StreamState, ids: Sequence[int]) -> None:
        """Tracks out of memory; a bounded number of them is remembered for explanations."""
        if not ids:
            return
        slots = [state.slots.pop(track_id) for track_id in ids]
        for track_id, slot in zip(ids, slots):
            self._remember(state, track_id, slot)
        self.memory.give_back(slots)

    def _remember(self, state: StreamState, track_id: int, slot: int) -> None:
        self.past[state.name, track_id] = past(self, state, track_id, slot)
        self.past.move_to_end((state.name, track_id))
        if len(self.past) > REMEMBERED:
            self.past.popitem(last=False)
        for label in state.labels:
            state.counted.pop((track_id, label), None)

    def _advance(self, state: StreamState, pts: int) -> None:
        """Time of the stream's next frame. Expired tracks leave when their id comes again, or at the next sweep; before
        time steps back, and once a second, all of them leave."""
        if pts < state.pts:
            self._sweep(state, state.pts)
        elif not 0 <= pts - state.swept < 1_000_000_000 or pts > 2**62:
            self._sweep(state, pts)
        state.pts = pts
        state.oldest = min(state.oldest, pts)

    def _sweep(self, state: StreamState, pts: int) -> None:
        state.swept = state.oldest = pts
        if state.slots:
            last = self.memory.rows[list(state.slots.values()), LAST]
            gone = _expired(pts - last)
            if gone.any():
                ids = list(state.slots)
                self._remove(state, [ids[at] for at in np.flatnonzero(gone).tolist()])
            state.oldest = int(last[~gone].min(initial=pts))

    # -- one wave -------------------------------------------------------------------------------------------------

    def _pieces(self, job: FrameJob) -> list[_Piece]:
        ids = job.ids
        distinct = set(ids)
        if UNTRACKED in distinct:
            self._count_untracked(job)
        elif len(distinct) == len(ids):
            return [_Piece(job, 0, len(ids), True)]
        if not job.state.ordered and not (self.ignore_untracked and UNTRACKED in distinct):
            before: dict[int, int] = {}
            rounds = []
            for track_id in ids:
                rounds.append(before.get(track_id, 0))
                before[track_id] = rounds[-1] + 1
            return [_Piece(job, 0, len(ids), True, np.array(rounds, np.int64))]
        pieces: list[_Piece] = []
        start, seen = 0, set[int]()
        for at, track_id in enumerate(ids):
            if at > start and (track_id in seen or UNTRACKED in (track_id, ids[at - 1])):
                pieces.append(_Piece(job, start, self._stop(ids, start, at), False))
                start, seen = at, set()
            seen.add(track_id)
        pieces.append(_Piece(job, start, self._stop(ids, start, len(ids)), True))
        return pieces

    def _stop(self, ids: Sequence[int], start: int, stop: int) -> int:
        """End of a piece; one of an object that is to be ignored is empty."""
        return start if self.ignore_untracked and stop > start and ids[start] == UNTRACKED else stop

    def _count_untracked(self, job: FrameJob) -> None:
        count = job.ids.count(UNTRACKED)
        name = job.state.name
        if name not in self._untracked and not self.ignore_untracked and job.state.ordered:
            self.notices.append(
                f"source '{name}': an object without a track id came in frame {job.info.number}; as in nvdsanalytics, every line "
                "and direction that looks at it is switched off for good (`rules: {exact: {ignore_untracked: true}}` leaves such "
                "objects out; put the probe behind nvtracker)"
            )
        self._untracked[name] = self._untracked.get(name, 0) + count
        self.metrics["untracked"] += count

    def _slots(self, piece: _Piece) -> list[int]:
        state, memory = piece.job.state, self.memory
        ids = piece.job.ids[piece.start : piece.stop]
        known = state.slots
        if not known.keys() >= set(ids):
            for track_id in ids:
                if track_id not in known:
                    known[track_id] = memory.take(state.pts)
        slots = list(map(known.__getitem__, ids))
        if state.pts - state.oldest >= EXPIRY or state.oldest < 0:
            at = np.array(slots, np.int64)
            late = _expired(state.pts - memory.rows[at, LAST])
            for slot in dict.fromkeys(at[late].tolist()):
                self._remember(state, ids[slots.index(slot)], slot)
                memory.clear([slot])
        return slots

    def _evaluate(self, wave: Sequence[_Piece]) -> None:
        slots: list[int] = []
        for piece in wave:
            if piece.start == 0:
                self._advance(piece.job.state, _signed(piece.job.info.pts))
            slots += self._slots(piece)
        if not slots:
            return
        if len(wave) == 1:
            piece = wave[0]
            boxes, class_id = _boxes(piece.job.tracks), piece.job.tracks.class_id
            if piece.stop - piece.start < len(class_id):
                boxes, class_id = boxes[:, piece.start : piece.stop], class_id[piece.start : piece.stop]
            stream: int | Array = piece.job.state.number
            pts: int | Array = piece.job.state.pts
        else:
            lengths = [piece.stop - piece.start for piece in wave]
            boxes = np.concatenate([_boxes(p.job.tracks)[:, p.start : p.stop] for p in wave], axis=1)
            class_id = np.concatenate([p.job.tracks.class_id[p.start : p.stop] for p in wave])
            stream = np.repeat([p.job.state.number for p in wave], lengths)
            pts = np.repeat([p.job.state.pts for p in wave], lengths)
        motion = self._observe(wave, np.array(slots, np.int64), boxes, pts, class_id)
        self._judge(wave, motion, stream, class_id)

    def _observe(self, wave: Sequence[_Piece], slots: Array, boxes: Array, pts: int | Array, class_id: Array) -> Motion:
        memory = self.memory
        if all(piece.rounds is None for piece in wave):
            return memory.observe(slots, boxes, pts, class_id)
        rounds = np.concatenate([np.zeros(p.stop - p.start, np.int64) if p.rounds is None else p.rounds for p in wave])
        every = np.broadcast_to(pts, len(slots))
        parts = [np.flatnonzero(rounds == k) for k in range(int(rounds.max()) + 1)]
        motions = [memory.observe(slots[p], boxes[:, p], every[p], class_id[p]) for p in parts]
        return Motion.gathered(motions, np.argsort(np.concatenate(parts)))

    def _judge(self, wave: Sequence[_Piece], motion: Motion, stream: int | Array, class_id: Array) -> None:
        hit, region = evaluate.regions(self._region_table, motion, stream, class_id)
        stopped, heading, direction = evaluate.directions(self._direction_table, motion, stream, class_id)
        found = evaluate.LineTests(self.line_table, self.memory, motion, stream).crossings(class_id)
        high = 0
        for piece in wave:
            low, high = high, high + piece.stop - piece.start
            job, at = piece.job, piece.start - low
            if len(hit):
                job.add_regions(_part(hit, region, low, high, at))
            if len(stopped) or len(heading):
                still = [k + at for k in stopped.tolist() if low <= k < high]
                job.add_directions(still, _part(heading, direction, low, high, at))
            crossed = [(obj + at, line) for obj, line in found if low <= obj < high]
            if high == low + 1 and job.ids[piece.start] == UNTRACKED and job.state.ordered:
                stopped_here = motion.stopped is not None and bool(motion.stopped[low])
                self._switch_off(job, piece.start, stopped_here, int(motion.slot[low]), crossed)
            if crossed:
                job.add_crossings(crossed)

    def _switch_off(self, job: FrameJob, at: int, stopped: bool, slot: int, crossed: Sequence[tuple[int, int]]) -> None:
        """An untracked object disables every direction and line that has looked at it, for good."""
        state, class_id = job.state, job.classes[at]
        base = int(self._direction_table.offset[state.number])
        for number, direction in enumerate(state.rules.directions):
            if self._direction_table.enabled[base + number] and direction.accepts(class_id):
                self._direction_table.disable(base + number)
                if stopped:
                    break
        table, stream = self.line_table, state.number
        now = {state.rules.lines[number].label for _, number in crossed}
        stages = zip(state.rules.lines, self.memory.stage[slot].tolist())
        known = {line.label for line, stage in stages if stage == evaluate.COUNTED and line.label not in now}
        counted = {number for _, number in crossed}
        for number, line in enumerate(state.rules.lines):
            if table.enabled[number, stream] and line.accepts(class_id) and line.label not in known:
                table.disable(stream, number)
                self.metrics["switched_off"] += 1
                state.disabled.setdefault(line.label, job.info.number)
                if number in counted:
                    known.add(line.label)
        base = int(self._direction_table.offset[stream])
        ways = self._direction_table.enabled[base : base + len(state.rules.directions)]
        state.ordered = bool(table.enabled[:, stream].any() or ways.any())


def _part(obj: Array, item: Array, low: int, high: int, shift: int) -> list[tuple[int, int]]:
    if not len(obj):
        return []
    if low or high <= int(obj[-1]):
        first, last = np.searchsorted(obj, (low, high))
        obj, item = obj[first:last], item[first:last]
    return list(zip((obj + shift).tolist() if shift else obj.tolist(), item.tolist()))


def _expired(age: Array) -> Array:
    result: Array = age >= EXPIRY
    return result


def _signed(pts: int) -> int:
    pts &= 2**64 - 1
    return pts - 2**64 if pts >= 2**63 else pts


def _boxes(tracks: Tracks) -> Array:
    """(4, N) float32 left, top, width, height."""
    if tracks.ltwh is not None:
        return np.array(np.asarray(tracks.ltwh, np.float32).reshape(-1, 4).T, order="C")
    boxes: Array = np.array(tracks.xyxy.T, order="C")
    size = boxes[2:]
    size -= boxes[:2]
    return boxes
