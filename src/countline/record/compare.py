"""Both engines on the same tracks: where their counts differ, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from countline.analytics.deepstream import DeepStreamRules
from countline.analytics.native import NativeRules
from countline.config.nvdsanalytics import NvdsAnalyticsConfig
from countline.config.nvdsanalytics_native import ConvertedRule, convert
from countline.types import UNTRACKED, Analytics, Crossing, FrameTracks

__all__ = ["Comparison", "Difference", "LineCounts", "compare"]

QUIET_NS = 1_000_000_000
"""A track that was not seen for so long is judged."""

NEAR_FRAMES = 5
"""Passages that both engines noticed within so many frames are the same one."""

CAUSES = {
    "slow": "slow: below the exact engine's floor of movement within its window",
    "short": "short track: fewer frames than the exact engine's mode asks for",
    "once": "once-only: the exact engine counts a track once per line",
    "segment": "segment: passed beside the line's ends for one of the engines",
    "arrow": "arrow: the movement's angle to the arrow did not suit the exact engine",
    "window": "window: the exact engine compares with a position of up to a whole window ago, means included",
    "untracked": "untracked: an object without track id disabled the line, or was evaluated as one",
    "jitter": "jitter: never left the native line's band",
    "identity": "identity: tracks that the native engine took for one, or told apart",
    "class": "class: filtered by class at the moment of crossing",
    "other": "other",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A track whose counts at one line differ."""

    source: str
    line: str
    track_id: int
    frame: int
    """Of the first count, or the last frame in which the track was seen."""
    exact: int
    native: int
    cause: str
    """Key of :data:`CAUSES`."""
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


@dataclass(slots=True)
class _Sighting:
    """What was counted of a track since it was last judged."""

    pts: int
    frame: int
    exact: Counter[str] = field(default_factory=Counter)
    native: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)


class _Judge:
    """Follows tracks and judges them when they have left."""

    def __init__(
        self, exact: DeepStreamRules, native: NativeRules, rules: list[ConvertedRule], result: Comparison
    ) -> None:
        self.exact, self.native, self.result = exact, native, result
        self.names = {(str(r.values["source"]), r.label): str(r.values["name"]) for r in rules if r.kind == "lines"}
        self.labels = {(source, name): label for (source, label), name in self.names.items()}
        self.seen: dict[tuple[str, int], _Sighting] = {}
        self.checked: dict[str, int] = {}

    def take(self, exact: Analytics, native: Analytics) -> None:
        """One frame's results."""
        info = exact.frame
        source = info.source.name
        for track_id in exact.tracks.track_id.tolist():
            sighting = self.seen.setdefault((source, track_id), _Sighting(info.pts, info.number))
            sighting.pts, sighting.frame = info.pts, info.number
        for analytics, which in ((exact, "exact"), (native, "native")):
            for event in analytics.events:
                if isinstance(event, Crossing) and event.track_id is not None:
                    label = event.rule if which == "exact" else self.labels[source, event.rule]
                    sighting = self.seen.setdefault((source, event.track_id), _Sighting(info.pts, info.number))
                    getattr(sighting, which)[label] += 1
                    sighting.first.setdefault(label, info.number)
                    counts = self.result.lines.setdefault((source, label), LineCounts(source, label))
                    setattr(counts, which, getattr(counts, which) + 1)
        if abs(info.pts - self.checked.get(source, info.pts - QUIET_NS)) >= QUIET_NS:
            self.checked[source] = info.pts
            for key, sighting in list(self.seen.items()):
                if key[0] == source and abs(info.pts - sighting.pts) >= QUIET_NS:
                    self.judge(key)

    def judge(self, key: tuple[str, int]) -> None:
        """Compare what the engines counted of a track."""
        source, track_id = key
        sighting = self.seen.pop(key)
        for label in dict.fromkeys([*sighting.exact, *sighting.native]):
            exact, native = sighting.exact[label], sighting.native[label]
            if exact == native:
                continue
            exact_says = self.exact.explain(source, track_id, label)
            native_says = self.native.explain(source, track_id, self.names[source, label])
            frame = sighting.first.get(label, sighting.frame)
            cause = _cause(exact, native, self.exact.cause(source, track_id, label), native_says, frame)
            self.result.differences.append(
                Difference(source, label, track_id, frame, exact, native, cause, exact_says, native_says)
            )


def _cause(exact: int, native: int, code: str, native_says: str, frame: int) -> str:
    if exact and native > exact:
        return "once"
    if native > exact:
        return {"side": "window", "late": "window"}.get(code, code)
    if "continued as" in native_says:
        return "identity"
    if "band" in native_says:
        return "jitter"
    if "extension" in native_says:
        return "segment"
    if "class filtered" in native_says:
        return "class"
    if "does not count" in native_says:
        passages = [int(number) for number in re.findall(r"at frame (\d+)", native_says)]
        return "arrow" if any(abs(number - frame) <= NEAR_FRAMES for number in passages) else "window"
    return "window" if "px before the line" in native_says else "other"


def compare(config: NvdsAnalyticsConfig, frames: Iterable[FrameTracks]) -> Comparison:
    """Run the exact engine, and the native one with the converted rules and ``count: every``, over the same tracks.

    Compares the line crossings of every track. Raises what reading the frames raises.
    """
    exact = DeepStreamRules(config)
    result = Comparison()
    judge: _Judge | None = None
    names: dict[int, str] = {}
    pending = iter(frames)
    for frame in pending:
        source = frame.info.source
        if judge is None or source.index not in names:
            names[source.index] = source.name
            converted = convert(config, names, count="every")
            if judge is None:
                judge = _Judge(exact, NativeRules(converted.model(), (), ()), converted.rules, result)
                result.notes = [note for note in converted.notes if "left out" in note]
            else:
                judge.native.replace(converted.model())
                judge = _adopt(judge, converted.rules)
            for rule in converted.rules:
                if rule.kind == "lines" and rule.stream == source.index:
                    result.lines.setdefault((source.name, rule.label), LineCounts(source.name, rule.label))
        result.frames += 1
        result.objects += len(frame.tracks)
        judge.take(exact.update([frame])[0], judge.native.update([frame])[0])
    if judge is not None:
        for key in list(judge.seen):
            judge.judge(key)
    return result


def _adopt(old: _Judge, rules: list[ConvertedRule]) -> _Judge:
    fresh = _Judge(old.exact, old.native, rules, old.result)
    fresh.seen, fresh.checked = old.seen, old.checked
    return fresh
