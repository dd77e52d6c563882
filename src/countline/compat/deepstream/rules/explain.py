"""Why the exact engine counted an object, or did not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from countline.compat.deepstream.files.nvdsanalytics import LineItem, NvdsAnalyticsConfig
from countline.compat.deepstream.rules.evaluate import BESIDE, SAME_SIDE, WRONG_WAY
from countline.compat.deepstream.rules.memory import CLASS, PEAK, SAMPLES, TrackMemory
from countline.compat.deepstream.rules.stream import StreamState
from countline.compat.deepstream.rules.tables import GATES
from countline.telling import Note, Told
from countline.types import UNTRACKED

__all__ = ["Evaluated", "Past", "cause", "explain", "past", "tell"]


@dataclass(frozen=True, slots=True)
class Past:
    """What is kept of a track for its explanation."""

    samples: int
    farthest: float
    """Greatest distance in pixels between the bottom centre and its reference."""
    class_id: int
    stages: dict[str, int] = field(default_factory=dict)
    """Line label -> how far the track came with it."""
    counted: dict[str, int] = field(default_factory=dict)
    """Line label -> number of the frame in which it was counted."""


class Evaluated(Protocol):
    """What the exact engine remembers, from which an explanation is made."""

    @property
    def config(self) -> NvdsAnalyticsConfig: ...

    @property
    def memory(self) -> TrackMemory: ...

    @property
    def streams(self) -> Mapping[int, StreamState]: ...

    @property
    def past(self) -> Mapping[tuple[str, int], Past]:
        """Tracks that have left, by source and track id."""
        ...


def past(engine: Evaluated, state: StreamState, track_id: int, slot: int) -> Past:
    """What the memory knows of a track now."""
    memory = engine.memory
    row = memory.rows[slot].tolist()
    stages: dict[str, int] = {}
    for line, stage in zip(state.rules.lines, memory.stage[slot].tolist()):
        if stage:
            stages[line.label] = max(stage, stages.get(line.label, 0))
    return Past(
        row[SAMPLES],
        math.sqrt(row[PEAK]),
        row[CLASS],
        stages,
        {label: state.counted[track_id, label] for label in state.labels if (track_id, label) in state.counted},
    )


def explain(engine: Evaluated, source: str, track_id: int, rule: str) -> str:
    """See :meth:`countline.protocols.RuleSet.explain`."""
    if not engine.config.enable:
        return "nothing is evaluated: enable=0 in [property]"
    state = _state(engine, source)
    if state is None:
        return f"no frame of '{source}' has been seen"
    lines = [line for line in state.rules.lines if line.label == rule]
    if not lines:
        others = [*state.region_labels, *state.direction_labels]
        if rule in others:
            return f"'{rule}' is evaluated anew in every frame and counts no object once and for all"
        return f"'{source}' has no rule '{rule}'"
    story = _story(engine, state, track_id)
    if story is None:
        return f"track {track_id} was never seen, or left too long ago"
    if rule in story.counted:
        return f"counted in frame {story.counted[rule]}; a track is counted once per label until it is away for more than 8 s"
    found = dict(_reason(line, story, engine.config.window) for line in lines)
    if rule in state.disabled:
        found.pop("late", None)
        found["untracked"] = f"an untracked object switched the line off for good in frame {state.disabled[rule]}"
    reasons = list(found.values())
    if track_id == UNTRACKED:
        reasons.append("objects without a track share one history")
    return "not counted: " + "; ".join(reasons)


def tell(engine: Evaluated, source: str, track_id: int, rule: str) -> Told:
    """The same in parts."""
    state = _state(engine, source)
    story = _story(engine, state, track_id) if state is not None else None
    if story is not None and rule in story.counted:
        return Told([Note("counted", story.counted[rule], 0)])
    concerned = cause(engine, source, track_id, rule) != "class"
    return Told(reason=explain(engine, source, track_id, rule), concerned=concerned)


def cause(engine: Evaluated, source: str, track_id: int, rule: str) -> str:
    """The explanation in a word: counted, untracked, class, slow, short, late (way and length never together), side,
    arrow, segment, other."""
    state = _state(engine, source)
    story = _story(engine, state, track_id) if state is not None else None
    if state is None or story is None:
        return "other"
    if rule in story.counted:
        return "counted"
    codes = [_reason(line, story, engine.config.window)[0] for line in state.rules.lines if line.label == rule]
    if track_id == UNTRACKED or (rule in state.disabled and codes and codes[0] in ("short", "slow", "late", "side")):
        return "untracked"
    return codes[0] if codes else "other"


def _state(engine: Evaluated, source: str) -> StreamState | None:
    return next((s for s in engine.streams.values() if s.name == source), None)


def _story(engine: Evaluated, state: StreamState, track_id: int) -> Past | None:
    slot = state.slots.get(track_id)
    return past(engine, state, track_id, slot) if slot is not None else engine.past.get((state.name, track_id))


def _reason(line: LineItem, story: Past, window: int) -> tuple[str, str]:
    """(word, sentence)."""
    if not line.enabled:
        return "other", "the line is not enabled"
    if not line.accepts(story.class_id):
        wanted = ";".join(map(str, line.class_ids))
        return "class", f"class {story.class_id} is filtered (class-id {wanted})"
    far, long, cosine = GATES[line.mode]
    stage = story.stages.get(line.label, 0)
    if stage >= BESIDE:
        return "segment", "crossed the infinite line, but outside the segment (extended=0)"
    if stage == WRONG_WAY:
        text = f"changed sides, but its movement was not along the arrow ({line.mode} needs a cosine of {cosine:.1g})"
        return "arrow", text
    if stage == SAME_SIDE:
        return "side", "moved far enough, but never changed from one side to the other the way the line asks"
    if story.samples <= long:
        return "short", f"only {story.samples} frames seen, {line.mode} needs more than {long}"
    limit = math.sqrt(far)
    if stage < SAME_SIDE and story.farthest <= limit:
        text = (
            f"moved at most {story.farthest:.1f} px within its window of {window} frames, {line.mode} needs more than "
            f"{limit:.1f} px (too slow, or too short a way)"
        )
        return "slow", text
    text = f"had not moved more than {limit:.1f} px and been seen more than {long} frames at the same time"
    return "late", text
