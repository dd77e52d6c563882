"""Why two engines counted a track differently at a line: one word, decided on what each of them saw of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from countline.compat.deepstream.files.nvdsanalytics import StreamRules
from countline.compat.deepstream.migrate.evidence import (
    BESIDE,
    CLASS,
    COUNTED,
    SHORT,
    SIDE,
    SLOW,
    WAY,
    Life,
    NativeView,
    Passage,
    exact_view,
)
from countline.compat.deepstream.migrate.native_rules import ConvertedRule
from countline.types import UNTRACKED

__all__ = ["CAUSES", "Stream", "explain"]

CAUSES = {
    "slow": "slow: below the exact engine's floor of movement within its window while it was beyond the line",
    "short": "short track: fewer frames than the exact engine's mode asks for, until it came back or its track ended",
    "once": "once-only: the exact engine counts a track once per label",
    "segment": "segment: passed beside the line's ends for one of the engines",
    "arrow": "arrow: the movement's angle to the arrow decides in the exact engine, the side in the native one",
    "window": "window: the exact engine compares with a position of up to a whole window ago, means and whole pixels included",
    "untracked": "untracked: an object without track id disabled the line, or was evaluated as one",
    "jitter": "jitter: was not farther than the native line's band on both sides of the line",
    "identity": "identity: tracks that the native engine took for one, or told apart",
    "class": "class: filtered by class at the moment of crossing",
    "box": "box: only the exact engine takes boxes that are inside out or beyond all size",
    "size": "size: the picture's size changed, which the exact engine does not follow",
    "off": "off: enable=0 in [property], so the exact engine evaluates nothing",
    "omitted": "omitted: the line has no equal in the native engine (see the notes)",
    "other": "other",
}
"""Each cause and the sentence for it. docs/rules.md says what must hold for each."""

_WORDS = {CLASS: "class", SHORT: "short", SLOW: "slow", SIDE: "window", WAY: "arrow", BESIDE: "segment"}


@dataclass(slots=True)
class Stream:
    """What is the same for all tracks of a stream."""

    rules: StreamRules
    window: int
    picture: tuple[int, int]
    """Width and height of its first frame."""
    lines: dict[str, list[ConvertedRule]] = field(default_factory=dict)
    """Label -> the native rules made of the lines of this label."""
    disabled: dict[str, int] = field(default_factory=dict)
    """Name of a native rule -> number of the frame in which an untracked object switched its line off."""
    enabled: bool = True


@dataclass(slots=True)
class _Case:
    """A track and a label."""

    life: Life
    stream: Stream
    label: str
    views: dict[str, NativeView]
    stages: dict[str, NDArray[np.int8]]
    exact: Sequence[int]
    native: Sequence[tuple[int, str]]

    def rule(self, name: str) -> ConvertedRule:
        return next(r for r in self.stream.lines[self.label] if r.values["name"] == name)

    def wanted(self, name: str, sense: int) -> bool:
        """Whether the native rule counts passages of this sense."""
        return self.rule(name).values["direction"] == "both" or sense > 0

    def accepted(self, name: str, sample: int) -> bool:
        classes = self.rule(name).values.get("classes")
        return classes is None or self.life.classes[sample] in classes


def explain(life: Life, track_id: int, label: str, stream: Stream) -> tuple[int, str]:
    """(number of the frame in which only one engine counted for the first time, key of :data:`CAUSES`)."""
    exact, native = life.exact.get(label, []), life.native.get(label, [])
    first = min([*exact, *(at for at, _ in native)])
    if not stream.enabled:
        return life.numbers[first], "off"
    if track_id == UNTRACKED:
        return life.numbers[first], "untracked"
    pictures = life.table()[:, 6:]
    if (pictures != np.array(stream.picture, np.float64)).any():
        return life.numbers[first], "size"
    rules = stream.lines.get(label, [])
    if not rules:
        return life.numbers[first], "omitted"
    views = {str(r.values["name"]): NativeView(life, r.values["points"]) for r in rules}
    stages = {
        str(r.values["name"]): exact_view(life, r.line(), stream.rules, stream.window, stream.picture) for r in rules
    }
    case = _Case(life, stream, label, views, stages, exact, native)
    if len(exact) > len(native):
        at = exact[0]
        return life.numbers[at], _only_exact(case, at)
    return _only_native(case)


# -- counted by the native engine only -----------------------------------------------------------------------------


def _stay(view: NativeView, passage: Passage) -> tuple[int, int]:
    """Samples from a passage until the path passes the line again (or the track ends)."""
    later = (at for at in range(passage.passed + 1, len(view.steps)) if view.steps[at])
    return passage.passed, next(later, len(view.steps))


def _only_native(case: _Case) -> tuple[int, str]:
    stays: list[tuple[int, str, tuple[int, int] | None]] = []
    for at, name in case.native:
        passage = next((p for p in case.views[name].passages if p.sample == at), None)
        own = passage if passage is not None and case.wanted(name, passage.sense) else None
        stays.append((at, name, None if own is None else _stay(case.views[name], own)))
    matched = _matched(case, stays)
    for number, (at, name, stay) in enumerate(stays):
        if number not in matched:
            return case.life.numbers[at], "identity" if stay is None else _missed(case, name, stay)
    raise AssertionError("every count has its match")


def _matched(case: _Case, stays: Sequence[tuple[int, str, tuple[int, int] | None]]) -> set[int]:
    """Native counts that the exact engine's belong to: the passage it was beyond the line after, else the nearest."""
    matched: set[int] = set()
    for at in case.exact:
        free = [k for k in range(len(stays)) if k not in matched]

        def gap(k: int, at: int = at) -> tuple[int, int]:
            stay = stays[k][2] or (stays[k][0], stays[k][0] + 1)
            return (0 if stay[0] <= at < stay[1] else min(abs(at - stay[0]), abs(at - stay[1]) + 1) + 1), k

        if free:
            matched.add(min(free, key=gap))
    return matched


def _missed(case: _Case, name: str, stay: tuple[int, int]) -> str:
    """Why the exact engine counted nothing during a stay beyond the line."""
    low, high = stay
    if any(at < low for at in case.exact):
        return "once"
    numbers = np.array(case.life.numbers[low:high])
    off = case.stream.disabled.get(name)
    stages = case.stages[name][low:high]
    if off is not None and (numbers >= off).all():
        return "untracked"
    furthest = int(stages.max())
    if furthest < COUNTED:
        return _WORDS[furthest]
    at = numbers[stages == COUNTED][0]
    if off is not None and at >= off:
        return "untracked"
    return "once" if any(case.life.numbers[e] <= at for e in case.exact) else "other"


# -- counted by the exact engine only ------------------------------------------------------------------------------


def _only_exact(case: _Case, at: int) -> str:
    life, stream = case.life, case.stream
    # An id that stands twice in the frame has two samples there.
    same = [k for k in range(at, -1, -1) if life.numbers[k] == life.numbers[at]]
    found = next(((n, k) for n, stages in case.stages.items() for k in same if stages[k] == COUNTED), None)
    if found is None:
        return "omitted" if _by_another_line(case, same) else "other"
    name, at = found
    if not life.sound[at] or (not all(life.sound) and not _still_counts(case, name)):
        return "identity" if len(set(life.numbers)) < len(life.numbers) else "box"
    view = case.views[name]
    if any(case.wanted(name, p.sense) and case.accepted(name, p.sample) for p in view.passages):
        return "identity"  # the native engine counted it under another id, or not, for what another id had done
    # Samples that the exact engine's reference is made of, and all since.
    oldest = 0 if at + 1 < stream.window else at + 1 - stream.window
    inside = range(oldest + 1, at + 1)
    if any(case.wanted(name, p.sense) and p.passed in inside for p in view.passages):
        return "class"
    steps = {view.steps[i] for i in inside} - {0}
    if any(case.wanted(name, sense) for sense in steps):
        return "jitter"
    if steps:
        return "arrow" if _by_angle(case, name) else "window"
    if any(view.beyond[i] for i in inside):
        return "segment"
    return "jitter" if view.near[at] else "window"


def _by_another_line(case: _Case, samples: Sequence[int]) -> bool:
    """Whether a line of this label that has no native rule counted at one of the samples."""
    stream = case.stream
    known = {id(rule.item) for rule in stream.lines[case.label]}
    for line in stream.rules.lines:
        if line.label == case.label and line.enabled and id(line) not in known:
            stages = exact_view(case.life, line, stream.rules, stream.window, stream.picture)
            if (stages[list(samples)] == COUNTED).any():
                return True
    return False


def _still_counts(case: _Case, name: str) -> bool:
    """Whether the exact engine would count the track without the samples that the native engine leaves out."""
    line, stream = case.rule(name).line(), case.stream
    keep = np.flatnonzero(case.life.sound)
    stages = exact_view(case.life, line, stream.rules, stream.window, stream.picture, keep)
    return bool((stages == COUNTED).any())


def _by_angle(case: _Case, name: str) -> bool:
    """Whether the exact engine tests the movement's angle to the arrow instead of its sense."""
    rule = case.rule(name)
    return rule.line().mode != "loose" or rule.values["direction"] == "both"
