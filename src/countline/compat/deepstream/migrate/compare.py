"""Both engines on the same tracks: where their counts differ, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from countline.analytics.native import NativeRules
from countline.compat.deepstream.files.nvdsanalytics import NvdsAnalyticsConfig, StreamRules
from countline.compat.deepstream.migrate.causes import CAUSES, Stream, explain
from countline.compat.deepstream.migrate.evidence import Life
from countline.compat.deepstream.migrate.native_rules import convert
from countline.compat.deepstream.rules import DeepStreamRules
from countline.record.jsonl import ltwh
from countline.types import UNTRACKED, Crossing, FrameInfo, FrameTracks, Tracks

__all__ = ["Comparison", "Difference", "LineCounts", "compare"]

EXPIRY_MS = 8000
"""The exact engine forgets a track that was not seen for longer."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A track whose counts at one line differ."""

    source: str
    line: str
    track_id: int
    frame: int
    """Number of the frame of the first count that only one engine made."""
    exact: int
    """Counts of the track from its first sighting until the exact engine forgets it."""
    native: int
    cause: str
    """Of that count: a key of :data:`countline.compat.deepstream.migrate.causes.CAUSES`."""
    exact_says: str
    native_says: str


@dataclass(slots=True)
class LineCounts:
    """Totals of one line."""

    source: str
    line: str
    exact: int = 0
    native: int = 0


@dataclass(slots=True)
class Comparison:
    """All of it."""

    lines: dict[tuple[str, str], LineCounts] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    frames: int = 0
    objects: int = 0
    notes: list[str] = field(default_factory=list)

    def text(self) -> Iterator[str]:
        """A table of the lines, then a table of the tracks, then the causes."""
        yield f"{self.frames} frames, {self.objects} objects"
        yield ""
        yield from _table(
            ["source", "line", "exact", "native", "difference"],
            [
                [
                    c.source,
                    c.line,
                    str(c.exact),
                    str(c.native),
                    f"{c.native - c.exact:+d}" if c.native != c.exact else "0",
                ]
                for c in self.lines.values()
            ],
        )
        yield ""
        if not self.differences:
            yield "no track was counted differently"
        else:
            yield from _table(
                ["source", "line", "track", "frame", "exact", "native", "cause"],
                [
                    [d.source, d.line, _name(d.track_id), str(d.frame), str(d.exact), str(d.native), d.cause]
                    for d in self.differences
                ],
            )
            yield ""
            for d in self.differences:
                yield f"{d.source} {d.line} track {_name(d.track_id)}: exact: {d.exact_says}; native: {d.native_says}"
            yield ""
            for cause, number in Counter(d.cause for d in self.differences).most_common():
                yield f"{number} × {CAUSES[cause]}"
        for note in self.notes:
            yield f"note: {note}"


def _name(track_id: int) -> str:
    return "untracked" if track_id == UNTRACKED else str(track_id)


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    numeric = [all(row[i].lstrip("+-").isdigit() for row in rows) and bool(rows) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [cell.rjust(w) if n else cell.ljust(w) for cell, w, n in zip(row, widths, numeric)]
        yield "  ".join(cells).rstrip()


class _Judge:
    """Follows tracks, and judges each when the exact engine forgets it."""

    def __init__(self, config: NvdsAnalyticsConfig) -> None:
        self.config = config
        self.exact = DeepStreamRules(config)
        self.native: NativeRules | None = None
        self.result = Comparison()
        self.names: dict[int, str] = {}
        self.streams: dict[str, Stream] = {}
        self.labels: dict[tuple[str, str], str] = {}
        """(source, name of the native rule) -> label."""
        self.lives: dict[str, dict[int, Life]] = {}
        """By source and track id."""
        self.swept: dict[str, int] = {}

    def open(self, info: FrameInfo) -> None:
        """Take up the source of a frame."""
        source = info.source
        self.names[source.index] = source.name
        converted = convert(self.config, self.names, count="every")
        if self.native is None:
            self.native = NativeRules(converted.model(), (), ())
            self.result.notes = [note for note in converted.notes if "left out" in note]
        else:
            self.native.replace(converted.model())
        rules = self.config.streams.get(source.index) or StreamRules(source.index, 0, 0)
        stream = Stream(rules, self.config.window, (info.width, info.height), enabled=self.config.enable)
        self.streams[source.name], self.lives[source.name], self.swept[source.name] = stream, {}, info.pts
        for rule in converted.rules:
            if rule.kind == "lines" and rule.stream == source.index:
                stream.lines.setdefault(rule.label, []).append(rule)
                self.labels[source.name, str(rule.values["name"])] = rule.label
                self.result.lines.setdefault((source.name, rule.label), LineCounts(source.name, rule.label))

    def take(self, frame: FrameTracks) -> None:
        """One frame."""
        info, tracks = frame
        if info.source.name not in self.streams:
            self.open(info)
        assert self.native is not None
        source, ids = info.source.name, tracks.track_id.tolist()
        self._part(source, info.pts, ids)
        self.result.frames += 1
        self.result.objects += len(tracks)
        exact, native = self.exact.update([frame])[0], self.native.update([frame])[0]
        lives = self.lives[source]
        before = {track_id: len(lives[track_id].numbers) for track_id in ids if track_id in lives}
        self._record(frame, ids, lives)
        self._untracked(info, tracks, self.streams[source])
        for event in exact.events:
            if isinstance(event, Crossing) and event.track_id is not None:
                life = lives[event.track_id]
                life.exact.setdefault(event.rule, []).append(len(life.numbers) - 1)
                self._counts(source, event.rule).exact += 1
        for event in native.events:
            if isinstance(event, Crossing) and event.track_id is not None:
                life, label = lives[event.track_id], self.labels[source, event.rule]
                at = next(k for k in range(before.get(event.track_id, 0), len(life.numbers)) if life.sound[k])
                life.native.setdefault(label, []).append((at, event.rule))
                self._counts(source, label).native += 1

    def finish(self) -> Comparison:
        """Judge all that is left."""
        for source, lives in self.lives.items():
            for track_id in list(lives):
                self.judge(source, track_id)
        return self.result

    def judge(self, source: str, track_id: int) -> None:
        """Compare what the engines counted of a track."""
        assert self.native is not None
        life, stream = self.lives[source].pop(track_id), self.streams[source]
        for label in dict.fromkeys([*life.exact, *life.native]):
            exact, native = len(life.exact.get(label, ())), len(life.native.get(label, ()))
            if exact == native:
                continue
            number, cause = explain(life, track_id, label, stream)
            explanations = [
                self.native.explain(source, track_id, str(rule.values["name"])) for rule in stream.lines.get(label, ())
            ]
            self.result.differences.append(
                Difference(
                    source, label, track_id, number, exact, native, cause,
                    self.exact.explain(source, track_id, label),
                    "; ".join(explanations) or "the line was left out",
                )
            )  # fmt: skip

    def _counts(self, source: str, label: str) -> LineCounts:
        return self.result.lines.setdefault((source, label), LineCounts(source, label))

    def _part(self, source: str, pts: int, ids: list[int]) -> None:
        """Judge the tracks that the exact engine forgets: those in this frame now, all others once a second."""
        lives = self.lives[source]
        due = [track_id for track_id in dict.fromkeys(ids) if track_id in lives]
        if not 0 <= pts - self.swept[source] < 1_000_000_000:
            self.swept[source] = pts
            due = list(lives)
        for track_id in due:
            if _age(pts, lives[track_id].pts) > EXPIRY_MS:
                self.judge(source, track_id)

    @staticmethod
    def _record(frame: FrameTracks, ids: list[int], lives: dict[int, Life]) -> None:
        info, tracks = frame
        picture = (info.width, info.height)
        boxes, corners = ltwh(tracks).tolist(), tracks.xyxy[:, 2:].tolist()
        for track_id, class_id, box, corner in zip(ids, tracks.class_id.tolist(), boxes, corners):
            life = lives.get(track_id)
            if life is None:
                life = lives[track_id] = Life(info.pts)
            life.pts = info.pts
            life.add(info.number, box, corner, picture, class_id)

    def _untracked(self, info: FrameInfo, tracks: Tracks, stream: Stream) -> None:
        """Note which lines an untracked object switches off."""
        classes = tracks.class_id[tracks.track_id == UNTRACKED].tolist()
        for rule in [rule for rules in stream.lines.values() for rule in rules] if classes else ():
            if any(rule.line().accepts(c) for c in classes):
                stream.disabled.setdefault(str(rule.values["name"]), info.number)


def _age(pts: int, last: int) -> int:
    """Whole milliseconds between two times, as the exact engine reckons them: in signed 64 bits."""
    age = (pts - last) & (2**64 - 1)
    return int((age - 2**64 if age >= 2**63 else age) / 1e6)


def compare(config: NvdsAnalyticsConfig, frames: Iterable[FrameTracks]) -> Comparison:
    """Run the exact engine, and the native one with the converted rules, ``count: every`` and ``debounce: 0``, over the same
    tracks.

    Compares the line crossings of every track, from its first sighting until the exact engine forgets it. The boxes of the
    tracks that are remembered are kept: about 80 bytes for each. Raises what reading the frames raises.
    """
    judge = _Judge(config)
    for frame in frames:
        judge.take(frame)
    return judge.finish()
