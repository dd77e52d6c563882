"""Two sets of rules over the same recorded tracks: where they differ, and why.

Of each rule that is in both but was changed, further rules run beside the new one, each with one changed option as it was before. An
option is the reason where putting it back alone gives the old count of a track again; where none does, several together are.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from countline.analysis.replay import marked_frames, spread
from countline.analysis.rules import RecordedRules
from countline.config import Config
from countline.config.kinds.base import PlacedConfig, RuleConfig
from countline.config.rules import RulesConfig
from countline.protocols import RuleSet
from countline.record.recording import Part, Recording, find
from countline.types import UNTRACKED, Event, FrameTracks

__all__ = ["Comparison", "Difference", "compare"]

_MARK = "\0"
"""Between the name of a rule and the option that is put back; no name that a user types has one."""
_UNSEEN = 30 * 10**9
"""ns after which a track that is not seen is judged: engines can explain it for longer."""
Key = tuple[str, str, str, str]
"""Source, rule, kind of event, direction."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A track of which the two sets of rules say something else."""

    source: str
    rule: str
    kind: str
    track_id: int | None
    """None: of a rule as a whole (crowding)."""
    time: int
    """Of the first event that only one of them has, ns since the Unix epoch."""
    frame: int
    old: int
    new: int
    reason: str
    old_says: str = ""
    new_says: str = ""


@dataclass
class Comparison:
    """All of it."""

    old: Counter[Key] = field(default_factory=Counter)
    new: Counter[Key] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    """What is different in the rules themselves, in words."""
    frames: int = 0
    objects: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether both say the same of every track."""
        return not self.differences and self.old == self.new

    def text(self, most: int = 40) -> Iterator[str]:
        """Changes, a table of totals, at most so many tracks with what both sides say of them, and how often each reason stands."""
        yield f"{self.frames} frames, {self.objects} objects"
        yield from (f"rules: {change}" for change in self.changes or ["the same in both"])
        yield ""
        keys = sorted({*self.old, *self.new})
        rows = [[*key, str(self.old[key]), str(self.new[key]), f"{self.new[key] - self.old[key]:+d}"] for key in keys]
        yield from _table(["source", "rule", "event", "direction", "old", "new", "difference"], rows)
        yield ""
        if not self.differences:
            yield "no track was counted differently"
        for d in self.differences[:most]:
            who = "as a whole" if d.track_id is None else f"track {d.track_id}"
            yield f"{d.source} {d.rule} {who}, {d.kind}: old {d.old}, new {d.new} (frame {d.frame}): {d.reason}"
            for side, says in (("old", d.old_says), ("new", d.new_says)):
                if says:
                    yield f"    {side}: {says}"
        if len(self.differences) > most:
            yield f"… and {len(self.differences) - most} more"
        if self.differences:
            yield ""
        for reason, count in Counter(d.reason for d in self.differences).most_common():
            yield f"{count} × {reason}"
        yield from (f"note: {fault}" for fault in self.faults)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("source", "rule", "kind", "direction")
        totals = [
            {**dict(zip(names, key)), "old": self.old[key], "new": self.new[key]}
            for key in sorted({*self.old, *self.new})
        ]
        return {
            "frames": self.frames, "objects": self.objects, "changes": self.changes, "totals": totals,
            "differences": [dataclasses.asdict(d) for d in self.differences], "faults": self.faults,
        }  # fmt: skip


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        yield "  ".join(c.rjust(w) if i > 3 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()


def compare(
    old: RecordedRules | Config | Mapping[str, Any] | str | Path,
    new: RecordedRules | Config | Mapping[str, Any] | str | Path,
    tracks: Recording | str | Path | Sequence[str | Path],
    *,
    since: int | None = None,
    until: int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Comparison:
    """Run two sets of rules over the same recorded tracks. Parameters and errors as :func:`countline.analysis.replay.replay`.

    >>> compare("before.yaml", "after.yaml", "recorded").differences  # doctest: +SKIP
    """
    recording = tracks if isinstance(tracks, Recording) else find(tracks, since, until)
    sides = _placed(RecordedRules.of(old)), _placed(RecordedRules.of(new))
    for side in sides:
        side.make(recording.labels)
    made = Comparison(changes=list(_changes(*(side.rules for side in sides))))
    for part in spread(partial(_compare, *sides), recording, workers, progress):
        made.old += part.old
        made.new += part.new
        made.frames += part.frames
        made.objects += part.objects
        made.differences += part.differences
        made.faults += [fault for fault in part.faults if fault not in made.faults]
    made.faults = list(dict.fromkeys([*recording.faults, *made.faults]))
    made.differences.sort(key=lambda d: (d.time, d.source, d.rule, d.track_id or 0))
    return made


def _compare(
    old: RecordedRules, new: RecordedRules, recording: Recording, keys: Sequence[str], on_part: Callable[[Part], object]
) -> Comparison:
    judge = _Judge(old, new, recording.labels)
    before = len(recording.faults)
    for batch in marked_frames(recording, keys, new, {}, on_part):
        judge.take([marked.frame for marked in batch], [marked.anew for marked in batch])
    judge.finish()
    judge.result.faults = recording.faults[before:]
    return judge.result


def _placed(side: RecordedRules) -> RecordedRules:
    """With points as 0..1 of the picture: the same place in other units is no change."""
    rules = side.rules
    if rules.file is not None:
        return side
    lists: dict[str, list[RuleConfig]] = {}
    for key, _, rule in rules.each():
        if isinstance(rule, PlacedConfig):
            points = {o: list(rules.normalised(rule, getattr(rule, o))) for o in rule.outlines}
            rule = rule.model_copy(update={**points, "resolution": None})
        lists.setdefault(key, []).append(rule)
    update: dict[str, Any] = {**lists, "coordinates": "normalized", "resolution": None}
    return dataclasses.replace(side, rules=rules.model_copy(update=update))


def _named(rules: RulesConfig) -> dict[tuple[str, str, str | None], tuple[str, RuleConfig]]:
    """(key in the configuration, rule) by kind, name and source."""
    return {(rule.kind, rule.name, rule.source): (key, rule) for key, _, rule in rules.each()}


def _options(before: RuleConfig, now: RuleConfig) -> list[str]:
    return [name for name in type(now).model_fields if getattr(before, name) != getattr(now, name)]


def _changes(old: RulesConfig, new: RulesConfig) -> Iterator[str]:
    if old.file is not None or new.file is not None:
        yield f"{old.file or 'native rules'} -> {new.file or 'native rules'}"
        return
    before, now = _named(old), _named(new)
    for kind, name, source in dict.fromkeys([*before, *now]):
        at = f"{kind} '{name}'" + (f" at source '{source}'" if source else "")
        if (kind, name, source) not in now:
            yield f"{at} removed"
        elif (kind, name, source) not in before:
            yield f"{at} added"
        else:
            options = _options(before[kind, name, source][1], now[kind, name, source][1])
            if options:
                yield f"{at} changed ({', '.join(o.rstrip('_') for o in options)})"


def _with_variants(
    old: RecordedRules, new: RecordedRules
) -> tuple[RecordedRules, dict[tuple[str, str | None], list[str]]]:
    """The new rules, with one more for each changed option of each rule; and the changed options by name and source."""
    if old.rules.file is not None or new.rules.file is not None:
        return new, {}
    before, changed = _named(old.rules), {}
    lists: dict[str, list[RuleConfig]] = {}
    for key, _, rule in new.rules.each():
        lists.setdefault(key, []).append(rule)
        known = before.get((rule.kind, rule.name, rule.source))
        options = _options(known[1], rule) if known is not None else []
        if known is None or not options:
            continue
        changed[rule.name, rule.source] = options
        for option in options if len(options) > 1 else ():
            update = {option: getattr(known[1], option), "name": f"{rule.name}{_MARK}{option}"}
            lists[key].append(rule.model_copy(update=update))
    return dataclasses.replace(new, rules=new.rules.model_copy(update=dict(lists))), changed


@dataclass(slots=True)
class _Track:
    """What the rules said of a track, or (without a track) of a rule as a whole."""

    seen: int
    """pts of its last sighting."""
    old: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    """By rule and what happened (kind and direction)."""
    new: dict[tuple[str, str], list[Event]] = field(default_factory=dict)


class _Judge:
    """Follows tracks, and judges each when it has not been seen for a while."""

    def __init__(self, old: RecordedRules, new: RecordedRules, labels: Sequence[str]) -> None:
        wider, self._changed = _with_variants(old, new)
        self._old: RuleSet = old.make(labels)
        self._new: RuleSet = wider.make(labels)
        self._names = [{rule.name for rule in engine.rules} for engine in (self._old, self._new)]
        self.result = Comparison()
        self._tracks: dict[str, dict[int | None, _Track]] = {}
        self._streams: dict[str, str] = {}
        self._swept: dict[str, int] = {}

    def take(self, frames: Sequence[FrameTracks], anew: Sequence[bool]) -> None:
        """One round: at most one frame of each source."""
        for (info, tracks), new in zip(frames, anew):
            name = info.source.name
            if new or self._streams.get(name, info.stream) != info.stream:
                self._judge_all(name)
                self._old.forget(name)
                self._new.forget(name)
            self._streams[name] = info.stream
            known = self._tracks.setdefault(name, {})
            for track in known.keys() & set(tracks.track_id.tolist()):
                known[track].seen = info.pts
            if abs(info.pts - self._swept.setdefault(name, info.pts)) > 10**9:
                self._swept[name] = info.pts
                self._judge_all(name, info.pts)
            self.result.frames += 1
            self.result.objects += len(tracks)
        for side, engine in (("old", self._old), ("new", self._new)):
            for analytics in engine.update(frames):
                for event in analytics.events:
                    self._note(side, event)

    def _note(self, side: str, event: Event) -> None:
        source = event.frame.source.name
        what = f"{event.kind}{_MARK}{getattr(event, 'direction', '') or getattr(event, 'phase', '')}"
        track = self._tracks.setdefault(source, {}).setdefault(event.track_id, _Track(event.frame.pts))
        (track.old if side == "old" else track.new).setdefault((event.rule, what), []).append(event)
        if _MARK not in event.rule:
            counts = self.result.old if side == "old" else self.result.new
            kind, direction = what.split(_MARK)
            counts[source, event.rule, kind, direction] += 1

    def finish(self) -> None:
        """Judge all that is left."""
        for source in list(self._tracks):
            self._judge_all(source)

    def _judge_all(self, source: str, now: int | None = None) -> None:
        """All tracks of a source; or those that were last seen long before ``now``."""
        known = self._tracks.get(source, {})
        for track_id in [t for t, k in known.items() if now is None or not 0 <= now - k.seen <= _UNSEEN]:
            self._judge(source, track_id, known.pop(track_id))

    def _judge(self, source: str, track_id: int | None, track: _Track) -> None:
        for rule, what in dict.fromkeys([*track.old, *track.new]):
            if _MARK in rule or not all(rule in names for names in self._names):
                continue  # of a rule that only one side has the totals say all
            old, new = track.old.get((rule, what), []), track.new.get((rule, what), [])
            same = (
                [e.frame.number for e in old] == [e.frame.number for e in new]
                if track_id is None
                else len(old) == len(new)
            )
            if same:
                continue
            longer = old if len(old) > len(new) else new
            first = longer[min(len(old), len(new), len(longer) - 1)]
            asked = track_id is not None and track_id != UNTRACKED
            self.result.differences.append(
                Difference(
                    source, rule, what.split(_MARK)[0], track_id, first.frame.time, first.frame.number, len(old), len(new),
                    self._reason(source, rule, what, track),
                    *(e.explain(source, track_id, rule) if asked else "" for e in (self._old, self._new)),  # type: ignore[arg-type]
                )
            )  # fmt: skip

    def _reason(self, source: str, rule: str, what: str, track: _Track) -> str:
        options = self._changed.get((rule, source)) or self._changed.get((rule, None))
        if not options:
            return "another rule that it builds on, or the engine, was changed"
        if len(options) == 1:
            return f"changed: {options[0].rstrip('_')}"
        wanted = len(track.old.get((rule, what), []))
        alone = [o for o in options if len(track.new.get((f"{rule}{_MARK}{o}", what), [])) == wanted]
        if len(alone) == 1:
            return f"changed: {alone[0].rstrip('_')}"
        shown = ", ".join(o.rstrip("_") for o in alone or options)
        return f"changed: any of {shown}" if alone else f"changed: {shown} together"
