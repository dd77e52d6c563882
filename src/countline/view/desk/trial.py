"""Counts of edited rules over the memory, beside those of the rules in force.

Both go through the same frames in the caller's thread, so that a difference is one of the rules and of nothing else.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from countline.analysis.rules import RecordedRules
from countline.config import Config
from countline.config.kinds.base import PlacedConfig, RuleConfig
from countline.config.rules import RulesConfig, rule_models
from countline.protocols import RuleSet
from countline.types import Analytics
from countline.view.desk.memory import Remembered, TrackMemory, direction_of

__all__ = ["MOST_FRAMES", "WARM_UP", "Trial", "replayed", "try_rules"]

MOST_FRAMES = 200_000
"""Most frames that are replayed, of all sources together: the newest."""
MOST_SECONDS = 10.0
"""Longest time, in seconds, that a trial may take."""
WARM_UP = 10 * 10**9
"""ns at the beginning of the replay in which nothing is counted, where earlier frames were dropped: where the objects in the picture
came from is not known."""

Key = tuple[str, str, str, str]
"""Source, rule, kind of event, direction."""
Named = tuple[str, str, "str | None"]


@dataclass
class Trial:
    """Counts of the rules that differ."""

    now: Counter[Key] = field(default_factory=Counter)
    would: Counter[Key] = field(default_factory=Counter)
    seconds: float = 0.0
    """Seconds replayed, of the source with most."""
    frames: int = 0
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """For JSON."""
        return [
            {
                "source": source, "rule": rule, "kind": kind, "direction": direction,
                "now": self.now[key], "would": self.would[key],
            }
            for key in sorted({*self.now, *self.would})
            for source, rule, kind, direction in [key]
        ]  # fmt: skip


def replayed(
    memory: TrackMemory, engines: Sequence[RuleSet], source: str, since: int | None = None
) -> Iterator[tuple[Remembered, list[Analytics]]]:
    """Replay the memory of a source through engines: (frame, the analytics of each engine) one by one."""
    stream: str | None = None
    for remembered in memory.frames(source, since):
        info = remembered.frame.info
        if remembered.anew or stream not in (None, info.stream):
            for engine in engines:
                engine.forget(source)
        stream = info.stream
        yield remembered, [engine.update([remembered.frame])[0] for engine in engines]


def try_rules(old: Config, new: Config, memory: TrackMemory) -> Trial:
    """Count with both. Raises RuleError, ConfigError for rules that cannot be evaluated."""
    trial = Trial()
    changed = _changed(old.rules, new.rules)
    if not changed:
        return trial
    names = {name for _, name, _ in changed}
    sides = [_reduced(config, names) for config in (old, new)]
    sources = [
        name
        for name in memory.sources()
        if any(s.name == name for s in new.sources) and any(source in (None, name) for _, _, source in changed)
    ]
    reported = [{r.name for _, _, r in side.rules.each() if r.name in names or r.kind == "journey"} for side in sides]
    most = max(MOST_FRAMES // max(len(sources), 1), 1)
    deadline = time.monotonic() + MOST_SECONDS
    for source in sources:
        engines = [side.make(memory.labels) for side in sides]
        _count(trial, memory, engines, reported, source, most, deadline)
        for side, counts in zip(sides, (trial.now, trial.would)):
            _zeros(side.rules, names, source, counts)
    if not sources:
        trial.notes.append("no frame of these sources is remembered yet")
    return trial


def _count(
    trial: Trial,
    memory: TrackMemory,
    engines: Sequence[RuleSet],
    reported: Sequence[set[str]],
    source: str,
    most: int,
    deadline: float,
) -> None:
    """Count the events of one source with both engines."""
    frames = memory.count(source)
    span = memory.span()[source]
    since, begun = None, memory.cut(source)
    if frames > most:
        since, begun = span[1] - (span[1] - span[0]) * most // frames, True
    first = last = None
    for remembered, found in replayed(memory, engines, source, since):
        info = remembered.frame.info
        first = info.time if first is None else first
        counts = not begun or info.time - first >= WARM_UP
        last = info.time
        trial.frames += 1
        for analytics, names, counter in zip(found, reported, (trial.now, trial.would)):
            for event in analytics.events if counts else ():
                if event.rule in names:
                    counter[source, event.rule, event.kind, direction_of(event)] += 1
        if trial.frames % 64 == 0 and time.monotonic() > deadline:
            trial.notes.append(
                f"only a part of what is remembered of '{source}' was gone through: there are many objects"
            )
            break
    if first is not None and last is not None:
        trial.seconds = max(trial.seconds, (last - first - (WARM_UP if begun else 0)) / 1e9, 0.0)


def _changed(old: RulesConfig, new: RulesConfig) -> set[Named]:
    """Kind, name and source of the rules that are not the same in both."""
    before, now = _normalised(old), _normalised(new)
    return {key for key in {*before, *now} if before.get(key) != now.get(key)}


def _normalised(rules: RulesConfig) -> Mapping[Named, RuleConfig]:
    """Rules with their points as 0..1 of the picture, so that the same points in other units are no change."""
    found: dict[Named, RuleConfig] = {}
    for _, _, rule in rules.each():
        if isinstance(rule, PlacedConfig):
            points = {o: list(rules.normalised(rule, getattr(rule, o))) for o in rule.outlines}
            rule = rule.model_copy(update={**points, "resolution": None})
        found[rule.kind, rule.name, rule.source] = rule
    return found


def _reduced(config: Config, names: set[str]) -> RecordedRules:
    """The rules of these names, and the journeys that use them with their other rules."""
    wanted = set(names)
    for _, _, rule in config.rules.each():
        places = getattr(rule, "places", None)
        if isinstance(places, list) and (rule.name in names or names.intersection(places)):
            wanted |= {rule.name, *places}
    lists: dict[str, list[RuleConfig]] = {key: [] for key in rule_models() if hasattr(config.rules, key)}
    for key, _, rule in config.rules.each():
        if rule.name in wanted:
            lists[key].append(rule)
    complete = RecordedRules.of(config)
    return RecordedRules(config.rules.model_copy(update=lists), complete.sources, complete.labels, complete.where)


def _zeros(rules: RulesConfig, names: set[str], source: str, counts: Counter[Key]) -> None:
    """Add zeros for events that were not counted at all."""
    for _, _, rule in rules.each():
        if rule.name not in names or rule.source not in (None, source) or not rule.events:
            continue
        name = getattr(rule, "direction_name", None)
        only = getattr(rule, "direction", "both")
        if callable(name):
            for direction in ("in", "out"):
                if only in ("both", direction):
                    counts[source, rule.name, rule.events[0], name(direction)] += 0
        elif not any(key[:2] == (source, rule.name) for key in counts):
            counts[source, rule.name, rule.events[0], ""] += 0
