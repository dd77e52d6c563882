"""Runs ``compare`` over a scenario and holds every word of it against the models."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from differential_model import Fact, Observer, Sample, Stay, Story, Witness, samples_of, story
from differential_world import Scenario

from countline.analytics.native import NativeRules
from countline.compat.deepstream.files.nvdsanalytics import NvdsAnalyticsConfig
from countline.compat.deepstream.migrate.compare import Comparison, Difference, compare
from countline.compat.deepstream.migrate.native_rules import ConvertedRule, convert
from countline.compat.deepstream.rules import DeepStreamRules
from countline.types import UNTRACKED, Crossing, FrameTracks

STITCH_NS = 1_000_000_000
Key = tuple[str, int]


@dataclass
class Life:
    """A track between its first sighting and 8000 ms without any."""

    source: str
    track_id: int
    first: tuple[int, int] = (0, 0)
    """pts and frame number."""
    last: tuple[int, int] = (0, 0)
    samples: list[Sample] = field(default_factory=list)
    seen: dict[int, Sample] = field(default_factory=dict)
    """pts -> sample, of sound ones."""
    facts: dict[str, dict[int, list[Fact]]] = field(default_factory=dict)
    """Label -> index of the line in its stream -> facts."""
    exact: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Label -> frames in which the exact engine counted."""
    native: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """Label -> (frame, native rule)."""


@dataclass
class Trial:
    """Everything there is to know of a scenario."""

    config: NvdsAnalyticsConfig
    comparison: Comparison
    lives: list[Life]
    rules: dict[tuple[str, str], list[ConvertedRule]]
    """(source, label) -> native rules."""
    indices: dict[tuple[str, str], int]
    """(source, name of the native rule) -> index of its line in the stream."""
    pictures: dict[str, tuple[int, int]]
    compared: int = 0
    """Tracks and lines of which native counts were held against passages in whole numbers."""
    tied: int = 0
    """Of these, such as are left undecided."""
    stitched: int = 0
    """Tracks that the native engine took for the continuation of others."""

    def stories(self, life: Life, label: str) -> dict[str, Story]:
        """Native rule -> the track's story with it."""
        return {
            str(rule.values["name"]): story(life.samples, rule.values["points"])
            for rule in self.rules.get((life.source, label), ())
        }


def run(scenario: Scenario) -> Trial:
    """Both engines by themselves, the oracle, and ``compare``. The engines are given all frames at once, and by ``compare`` one after
    the other: what they count does not depend on it."""
    config = scenario.config
    names = {frame.info.source.index: frame.info.source.name for frame in scenario.frames}
    converted = convert(config, names, count="every")
    exact, native = DeepStreamRules(config), NativeRules(converted.model(), (), ())
    observer = Observer(config)
    trial = Trial(config, compare(config, scenario.frames), [], defaultdict(list), {}, {})
    for rule in converted.rules:
        if rule.kind == "lines":
            source = str(rule.values["source"])
            trial.rules[source, rule.label].append(rule)
            lines = config.streams[rule.stream].lines
            trial.indices[source, str(rule.values["name"])] = next(k for k, i in enumerate(lines) if i is rule.item)
    labels = {(s, str(r.values["name"])): r.label for (s, _), rules in trial.rules.items() for r in rules}
    live: dict[Key, Life] = {}
    by_exact, by_native = exact.update(scenario.frames), native.update(scenario.frames)
    for frame, exactly, natively in zip(scenario.frames, by_exact, by_native):
        _frame(trial, live, frame)
        observer.frame(_record(frame)) if config.enable else None
        for event in exactly.events:
            if isinstance(event, Crossing) and event.track_id is not None:
                life = live[frame.info.source.name, event.track_id]
                life.exact[event.rule].append(frame.info.number)
        for event in natively.events:
            if isinstance(event, Crossing) and event.track_id is not None:
                life = live[frame.info.source.name, event.track_id]
                life.native[labels[life.source, event.rule]].append((frame.info.number, event.rule))
        stream = observer.streams.get(frame.info.source.index)
        if isinstance(stream, Witness):
            for (ident, label), facts in stream.facts.items():
                if (frame.info.source.name, ident) in live:
                    live[frame.info.source.name, ident].facts.setdefault(label, facts)
    trial.stitched = native.metrics["stitched"]
    return trial


def _frame(trial: Trial, live: dict[Key, Life], frame: FrameTracks) -> None:
    """Begin, go on with and end lives."""
    info = frame.info
    trial.pictures.setdefault(info.source.name, (info.width, info.height))
    for ident, samples in samples_of(frame).items():
        key = info.source.name, ident
        known = live.get(key)
        if known is None or int((info.pts - known.last[0]) / 1e6) > 8000:
            known = live[key] = Life(info.source.name, ident, (info.pts, info.number))
            trial.lives.append(known)
        known.last = info.pts, info.number
        known.samples += samples
        known.seen.update((info.pts, s) for s in samples if s.sound)


def _record(frame: FrameTracks) -> dict[str, Any]:
    info, tracks = frame
    assert tracks.ltwh is not None
    objects = [
        {"id": i, "class_id": c, **dict(zip(("left", "top", "width", "height"), box))}
        for i, c, box in zip(tracks.track_id.tolist(), tracks.class_id.tolist(), tracks.ltwh.tolist())
    ]
    head = {"stream": info.source.index, "frame": info.number, "pts": info.pts}
    return {**head, "width": info.width, "height": info.height, "objects": objects}


# -- what must hold ------------------------------------------------------------------------------------------------


def check(trial: Trial) -> Counter[str]:
    """Hold the comparison against the engines and the models; AssertionError, or how often each cause occurred."""
    check_totals(trial)
    told = Counter((d.source, d.line, d.track_id, d.exact, d.native) for d in trial.comparison.differences)
    found: Counter[Any] = Counter()
    for life in trial.lives:
        for label in {*life.exact, *life.native}:
            exact, native = len(life.exact[label]), len(life.native[label])
            if exact != native:
                found[life.source, label, life.track_id, exact, native] += 1
    assert told == found
    for difference in trial.comparison.differences:
        check_cause(trial, difference)
    check_native(trial)
    return Counter(d.cause for d in trial.comparison.differences)


def check_native(trial: Trial) -> None:
    """What the native engine counts are the passages that there are in whole numbers, no more and no less. A track that may
    have been continued is left out: its passages are those of several. So is one of which float64 cannot tell enough."""
    for (source, label), rules in trial.rules.items():
        for life in trial.lives:
            if life.source != source or related(trial, life):
                continue
            for rule in rules:
                told = story(life.samples, rule.values["points"])
                classes = rule.values.get("classes")
                there = [s.frame for s in told.stays if wanted(rule, s) and (classes is None or s.class_id in classes)]
                counted = [frame for frame, name in life.native[label] if name == rule.values["name"]]
                trial.compared += 1
                if told.tied:
                    trial.tied += 1
                else:
                    assert counted == there, f"{source} {label} track {life.track_id}"


def check_totals(trial: Trial) -> None:
    totals: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for life in trial.lives:
        for label, frames in life.exact.items():
            totals[life.source, label][0] += len(frames)
        for label, counts in life.native.items():
            totals[life.source, label][1] += len(counts)
    for key, counts in trial.comparison.lines.items():
        assert [counts.exact, counts.native] == totals.pop(key, [0, 0])
    assert not any(any(pair) for pair in totals.values())


def check_cause(trial: Trial, difference: Difference) -> None:
    """The cause of a difference is true."""
    lives = [
        life
        for life in trial.lives
        if (life.source, life.track_id) == (difference.source, difference.track_id)
        and (len(life.exact[difference.line]), len(life.native[difference.line]))
        == (difference.exact, difference.native)
        and life.first[1] <= difference.frame <= life.last[1]
    ]
    (life,) = lives
    judge = only_exact if difference.exact > difference.native else only_native
    assert judge(trial, life, difference), f"{difference}\nis not so"


def only_native(trial: Trial, life: Life, difference: Difference) -> bool:
    """A native count without one of the exact engine: is the cause true?"""
    cause, label = difference.cause, difference.line
    if cause == "off":
        return not trial.config.enable
    if cause == "size":
        return any(s.picture != trial.pictures[life.source] for s in life.samples)
    if cause == "omitted":
        return False
    stories = trial.stories(life, label)
    rules = [name for frame, name in life.native[label] if frame == difference.frame]
    assert rules, f"no native count in frame {difference.frame}"
    return any(_native_cause(trial, life, label, cause, difference.frame, name, stories[name]) for name in rules)


def _native_cause(trial: Trial, life: Life, label: str, cause: str, frame: int, name: str, told: Story) -> bool:
    rule = next(r for r in trial.rules[life.source, label] if r.values["name"] == name)
    stay = next((s for s in told.stays if s.frame == frame and wanted(rule, s)), None)
    if cause == "identity":
        return (stay is None or told.tied) and (related(trial, life) or told.tied)
    if stay is None:
        assert told.tied, f"counted at frame {frame} without a passage"
        return True
    facts = life.facts[label][trial.indices[life.source, name]]
    there = [f for f in facts if stay.passed <= f.frame < stay.until]
    looked = [f for f in there if f.accepted]
    long = [f for f in looked if f.long]
    gate = [f for f in long if f.far]
    if cause == "once":
        counted = life.exact[label]
        return any(e < stay.passed for e in counted) or any(
            (f.crosses and f.crossed) or f.frame in counted for f in there
        )
    if cause == "untracked":
        return not there[-1].enabled and not any(f.crosses and f.enabled and not f.crossed for f in there)
    if any(f.crosses for f in there):
        return False
    if cause == "class":
        return not looked
    if cause == "short":
        return bool(looked) and not long
    if cause == "slow":
        return bool(long) and not gate
    if cause == "window":
        return bool(gate) and not any(f.sides for f in gate)
    if cause == "arrow":
        turned = [f for f in gate if f.sides]
        return bool(turned) and all(f.sides < 0 or not f.along for f in turned)
    return cause == "segment" and any(f.sides > 0 and f.along and not f.on_segment for f in gate)


def only_exact(trial: Trial, life: Life, difference: Difference) -> bool:
    """A count of the exact engine without a native one: is the cause true?"""
    cause, label = difference.cause, difference.line
    if life.track_id == UNTRACKED or cause == "untracked":
        return life.track_id == UNTRACKED and cause == "untracked"
    if cause == "size":
        return any(s.picture != trial.pictures[life.source] for s in life.samples)
    if cause == "omitted":
        return _by_a_line_left_out(trial, life, label)
    if cause == "box":
        return any(not s.sound for s in life.samples) and len({s.frame for s in life.samples}) == len(life.samples)
    frame = life.exact[label][0]
    assert difference.frame == frame
    answers = []
    for rule in trial.rules[life.source, label]:
        facts = life.facts[label][trial.indices[life.source, str(rule.values["name"])]]
        if any(f.frame == frame and f.crosses for f in facts):
            answers.append(_exact_cause(trial, life, frame, cause, rule, facts))
    return any(answers)


def _by_a_line_left_out(trial: Trial, life: Life, label: str) -> bool:
    """Whether no line with a native rule counted, but one without."""
    kept = {trial.indices[life.source, str(rule.values["name"])] for rule in trial.rules[life.source, label]}
    counted = {
        index
        for index, facts in life.facts[label].items()
        if any(f.frame == life.exact[label][0] and f.crosses for f in facts)
    }
    return bool(counted) and not counted & kept


def _exact_cause(trial: Trial, life: Life, frame: int, cause: str, rule: ConvertedRule, facts: list[Fact]) -> bool:
    told = story(life.samples, rule.values["points"])
    if told.tied:
        return True
    classes = rule.values.get("classes")
    accepted = [s for s in told.stays if wanted(rule, s) and (classes is None or s.class_id in classes)]
    if cause == "identity":
        twins = len({s.frame for s in life.samples}) < len(life.samples)
        return twins or (bool(accepted) and related(trial, life))
    if accepted:
        return False  # then the native engine should have counted it
    n = next(f.n for f in facts if f.frame == frame)
    low = facts[0 if n < trial.config.window else n - trial.config.window].frame
    steps = {f: step for f, step in told.steps.items() if low < f <= frame}
    right = [f for f, step in steps.items() if step > 0 or rule.values["direction"] == "both"]
    if cause == "class":
        return any(wanted(rule, s) and s.class_id not in classes and low < s.passed <= frame for s in told.stays)
    if cause == "jitter":
        if right:
            return all(not clear_of_band(told, f) for f in right)
        return not steps and not told.outside.get(frame, True)
    if right:
        return False
    item = rule.item
    by_angle = item.mode != "loose" or rule.values["direction"] == "both"  # type: ignore[union-attr]
    if steps:
        return cause == ("arrow" if by_angle else "window")
    if any(low < f <= frame for f in told.beyond):
        return cause == "segment"
    return cause == "window" and told.outside.get(frame, True)


def clear_of_band(told: Story, passed: int) -> bool:
    """Whether the track was outside the band on one side when it last was so before a passage, and on the other when it
    first was so after it."""
    before = [f for f, out in told.outside.items() if out and f < passed]
    after = [f for f, out in told.outside.items() if out and f >= passed]
    goal = told.steps[passed] > 0
    return bool(before and after) and told.left[before[-1]] != goal and told.left[after[0]] == goal


def wanted(rule: ConvertedRule, stay: Stay) -> bool:
    return rule.values["direction"] == "both" or stay.sense > 0


def related(trial: Trial, life: Life) -> bool:
    """Whether the native engine may have taken this track and another for one: an earlier life of its id, or one of equal
    class and like size that was seen last within a second before the other one began; or whether it forgot the track, because
    it had left out its boxes for 8 s, where the exact engine went on."""
    sightings = sorted(life.seen)
    if any(later - sooner > 8_000_000_000 for sooner, later in pairwise(sightings)):
        return True
    for other in trial.lives:
        if other is life or other.source != life.source:
            continue
        if other.track_id == life.track_id:
            return True
        if trial.stitched and (_continues(life, other) or _continues(other, life)):
            return True
    return False


def _continues(old: Life, new: Life) -> bool:
    """A track that comes back after another had taken its object over begins anew: any sighting may be a beginning."""
    before = sorted(old.seen)
    for pts, sample in new.seen.items():
        at = bisect_left(before, pts)
        if at == 0 or pts in old.seen or pts - before[at - 1] > STITCH_NS:
            continue
        last = before[at - 1]
        end = old.seen[last]
        sizes = sorted((end.size / end.picture[1], sample.size / sample.picture[1]))
        if end.class_id == sample.class_id and sizes[1] <= 1.601 * sizes[0]:
            return True
    return False
