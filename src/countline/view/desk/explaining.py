"""Objects of the last minutes, and why each rule did or did not count them, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from countline.analysis.rules import RecordedRules
from countline.config import Config
from countline.config.kinds.base import PlacedConfig, RuleConfig
from countline.messages.time import rfc3339
from countline.protocols import RuleSet
from countline.telling import Note, TellingRules, Told
from countline.types import Event, RuleInfo, utc
from countline.view.desk.memory import TrackMemory
from countline.view.desk.paths import Path, approach
from countline.view.desk.trial import WARM_UP, played

__all__ = ["explain", "objects"]

MOST_POINTS = 150
"""Of a path that is shown."""
MOST_OBJECTS = 500
"""That are listed, the newest."""
AFTER = 10 * 10**9
"""ns behind the end of a track that are looked at, too: some rules say something when nobody is seen any more."""
_NEAR = 0.0005
"""Heights of the picture from which on a gap is one."""
_SIDES = {"bottom-center": "foot point", "center": "centre", "top-center": "head"}


def objects(memory: TrackMemory, source: str, seconds: float) -> dict[str, Any]:
    """Those that were seen in the last seconds, by their newest sight, with the ways of their foot points."""
    last = memory.last(source)
    if last is None:
        return {"objects": []}
    ways: dict[int, list[tuple[int, float, float]]] = {}
    classes: dict[int, int] = {}
    boxes: dict[int, list[float]] = {}
    for frame, _ in memory.frames(source, last.info.time - int(seconds * 1e9)):
        width, height = max(frame.info.width, 1), max(frame.info.height, 1)
        size = np.array([width, height, width, height])
        for track, label, box in zip(
            frame.tracks.track_id.tolist(), frame.tracks.class_id.tolist(), (frame.tracks.xyxy / size).tolist()
        ):
            classes[track], boxes[track] = label, box
            ways.setdefault(track, []).append((frame.info.time, (box[0] + box[2]) / 2, box[3]))
    live = set(last.tracks.track_id.tolist())
    newest = sorted(ways, key=lambda track: (-ways[track][-1][0], -track))[:MOST_OBJECTS]
    return {
        "objects": [
            {
                "id": track,
                "label": _label(memory.labels, classes[track]),
                "first": rfc3339(ways[track][0][0]),
                "last": rfc3339(ways[track][-1][0]),
                "live": track in live,
                "box": [round(v, 5) for v in boxes[track]],
                "path": _shown(ways[track]),
            }
            for track in newest
        ]
    }


def _label(labels: Sequence[str], class_id: int) -> str:
    return labels[class_id] if 0 <= class_id < len(labels) else str(class_id)


def _shown(way: Sequence[tuple[int, float, float]]) -> list[list[float]]:
    """At most so many points, the last one among them."""
    step = -(-len(way) // MOST_POINTS)
    kept = list(way[::-1][::step])[::-1]
    return [[round(x, 5), round(y, 5), time // 1_000_000] for time, x, y in kept]


def explain(memory: TrackMemory, config: Config, source: str, ident: int) -> dict[str, Any]:
    """What each rule of ``config`` says of an object. Raises KeyError for one that is not remembered."""
    path, label = _path(memory, source, ident)
    engine = RecordedRules.of(config).make(memory.labels)
    events: dict[str, list[Event]] = {}
    first, last = int(path.times[0]), int(path.times[-1])
    for remembered, (analytics,) in played(memory, [engine], source, first - WARM_UP):
        if remembered.frame.info.time > last + AFTER:
            break
        for event in analytics.events:
            if event.track_id == ident:
                events.setdefault(event.rule, []).append(event)
    told = memory.happened(source)
    rules = []
    configs = {rule.name: rule for _, _, rule in config.rules.each() if rule.source in (None, source)}
    for info in engine.rules:
        if info.source in (None, source):
            said = _rule(engine, info, configs.get(info.name), path, ident, source, events.get(info.name, []))
            then = [e for e in told if e.track_id == ident and e.rule == info.name]
            if said["verdict"] == "counted" and not then:
                said["text"] = f"the rule was another one then, or not there; as it is now: {said['text']}"
                said["verdict"] = "not-counted"
            elif then and said["verdict"] != "counted":
                when = ", ".join(f"{e.kind} {e.direction}".strip() + f" at {_clock(e.time)}" for e in then)
                said["text"] = f"counted when it happened ({when}); by the rule as it is now: {said['text']}"
                said |= {"verdict": "counted", "times": [rfc3339(e.time) for e in then]}
            rules.append(said)
    points = path.points()
    way = [(int(t), float(x), float(y)) for t, (x, y) in zip(path.times, points)]
    return {
        "object": {
            "id": ident,
            "label": label,
            "first": rfc3339(first),
            "last": rfc3339(last),
            "path": _shown(way),
        },
        "rules": rules,
    }


def _path(memory: TrackMemory, source: str, ident: int) -> tuple[Path, str]:
    times, numbers, boxes, label, aspect = [], [], [], "", 1.0
    for frame, _ in memory.frames(source):
        (rows,) = (frame.tracks.track_id == np.uint64(ident)).nonzero()
        if len(rows):
            width, height = max(frame.info.width, 1), max(frame.info.height, 1)
            times.append(frame.info.time)
            numbers.append(frame.info.number)
            boxes.append(frame.tracks.xyxy[rows[0]] / np.array([width, height, width, height]))
            label, aspect = _label(memory.labels, int(frame.tracks.class_id[rows[0]])), width / height
    if not times:
        raise KeyError(ident)
    return Path(np.array(times, np.int64), np.array(numbers, np.int64), np.array(boxes, float), aspect), label


def _rule(
    engine: RuleSet,
    info: RuleInfo,
    rule: RuleConfig | None,
    path: Path,
    ident: int,
    source: str,
    events: Sequence[Event],
) -> dict[str, Any]:
    """What one rule says."""
    anchor = rule.anchor if isinstance(rule, PlacedConfig) else "bottom-center"
    told = engine.tell(source, ident, info.name) if isinstance(engine, TellingRules) else None
    text = told if told is not None else Told(reason=engine.explain(source, ident, info.name))
    at: list[float] | None = None
    times = [rfc3339(event.frame.time) for event in events]
    spots = [spot for event in events if (spot := path.at(event.frame.number, anchor)) is not None]
    verdict = "counted" if events else "not-counted" if text.concerned else "not-concerned"
    if spots:
        at = spots[0][0]
    words = [_note(note, info, path, anchor) for note in text.notes]
    if not words:
        near = None
        if info.shape in ("line", "area") and info.points and text.concerned:
            near = approach(path, info.points, anchor, area=info.shape == "area")
            at = at or near.point
        said = "" if near is None else _nearest(near, info, anchor)
        words = [part for part in (said, text.reason) if part]
    return {
        "kind": info.kind,
        "name": info.name,
        "verdict": verdict,
        "text": text.before + "; ".join(words),
        "at": at,
        "times": times,
    }


def _note(note: Note, info: RuleInfo, path: Path, anchor: str) -> str:
    spot = path.at(note.frame, anchor)
    when = _clock(spot[1]) if spot is not None else f"{note.clock / 1e9:.2f} s"
    if note.text.startswith("counted ") and info.shape == "line":
        return f"crossed {note.text.removeprefix('counted ')} at {when}, counted"
    return f"{note.text} at {when}"


def _nearest(near: Any, info: RuleInfo, anchor: str) -> str:
    """How near it came, in words."""
    point, what = _SIDES.get(anchor, f"point {anchor} of its box"), "line" if info.shape == "line" else "area"
    if near.inside:
        return f"its {point} was inside"
    if near.gap <= _NEAR:
        return f"its {point} touched the {what} at {_clock(near.time)}"
    gap = f"{near.gap * 100:.0f} %" if near.gap >= 0.01 else f"{near.gap * 100:.1f} %"
    never = "never touched the line" if what == "line" else "was never inside"
    return f"its {point} {never}: the nearest it came was {gap} of the picture's height {near.side} it, at {_clock(near.time)}"


def _clock(time: int) -> str:
    return f"{utc(time):%H:%M:%S} UTC"
