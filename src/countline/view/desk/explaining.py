"""Objects of the last minutes, and why each rule did or did not count them, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analysis.rules import RecordedRules
from countline.config import Config
from countline.config.kinds.base import PlacedConfig, RuleConfig
from countline.messages.time import rfc3339
from countline.protocols import RuleSet
from countline.telling import Note, TellingRules, Told
from countline.types import UNTRACKED, Event, RuleInfo, utc
from countline.view.desk.memory import Rows, TrackMemory
from countline.view.desk.paths import Path, approach
from countline.view.desk.trial import WARM_UP, replayed

__all__ = ["explain", "objects"]

MOST_POINTS = 150
"""Most points of a path."""
MOST_OBJECTS = 500
"""Most objects that are listed, the newest."""
AFTER = 10 * 10**9
"""ns after the end of a track that are replayed, too: some rules decide after an object has gone."""
_NEAR = 0.0005
"""Gap, as a fraction of the picture's height, up to which an anchor has touched a rule."""
_SIDES = {"bottom-center": "foot point", "center": "centre", "top-center": "head"}


def objects(memory: TrackMemory, source: str, seconds: float) -> dict[str, Any]:
    """Objects of the last ``seconds``, the most recently seen first, with the paths of their bottom centres."""
    last = memory.last(source)
    if last is None:
        return {"objects": []}
    rows = memory.rows(source, last.info.time - int(seconds * 1e9))
    live = set(last.tracks.track_id.tolist())
    order = np.argsort(rows.track_id, kind="stable")
    order = order[rows.track_id[order] != UNTRACKED]
    ids = rows.track_id[order]
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if len(ids) else np.empty(0, np.intp)
    each = np.split(order, starts[1:]) if len(ids) else []
    each.sort(key=lambda at: (-int(rows.time[at[-1]]), -int(rows.track_id[at[0]])))
    return {"objects": [_object(memory, rows, at, live) for at in each[:MOST_OBJECTS]]}


def _object(memory: TrackMemory, rows: Rows, at: NDArray[np.intp], live: set[int]) -> dict[str, Any]:
    """One object as JSON, from its rows."""
    track, box = int(rows.track_id[at[0]]), rows.box[at]
    return {
        "id": track,
        "label": _label(memory.labels, int(rows.class_id[at[-1]])),
        "first": rfc3339(int(rows.time[at[0]])),
        "last": rfc3339(int(rows.time[at[-1]])),
        "live": track in live,
        "box": [round(v, 5) for v in box[-1].tolist()],
        "path": _shown(rows.time[at], np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)),
    }


def _label(labels: Sequence[str], class_id: int) -> str:
    return labels[class_id] if 0 <= class_id < len(labels) else str(class_id)


def _shown(times: NDArray[np.int64], points: NDArray[np.float64]) -> list[list[float]]:
    """At most MOST_POINTS points [x, y, ms since the Unix epoch], the last one among them."""
    step = -(-len(times) // MOST_POINTS)
    kept = zip(times[::-1][::step].tolist(), points[::-1][::step].tolist())
    return [[round(x, 5), round(y, 5), time // 1_000_000] for time, (x, y) in kept][::-1]


def explain(memory: TrackMemory, config: Config, source: str, ident: int) -> dict[str, Any]:
    """Why each rule of ``config`` did or did not count an object. Raises KeyError for one that is not in the memory."""
    path, label = _path(memory, source, ident)
    engine = RecordedRules.of(config).make(memory.labels)
    events: dict[str, list[Event]] = {}
    first, last = int(path.times[0]), int(path.times[-1])
    for remembered, (analytics,) in replayed(memory, [engine], source, first - WARM_UP):
        if remembered.frame.info.time > last + AFTER:
            break
        for event in analytics.events:
            if event.track_id == ident:
                events.setdefault(event.rule, []).append(event)
    counted = memory.happened(source)
    rules = []
    configs = {rule.name: rule for _, _, rule in config.rules.each() if rule.source in (None, source)}
    for info in engine.rules:
        if info.source in (None, source):
            row = _rule(engine, info, configs.get(info.name), path, ident, source, events.get(info.name, []))
            then = [e for e in counted if e.track_id == ident and e.rule == info.name]
            if row["verdict"] == "counted" and not then:
                row["text"] = f"the rule was another one then, or not there; as it is now: {row['text']}"
                row |= {"verdict": "not-counted", "times": []}
            elif then and row["verdict"] != "counted":
                when = ", ".join(f"{e.kind} {e.direction}".strip() + f" at {_clock(e.time)}" for e in then)
                row["text"] = f"counted when it happened ({when}); by the rule as it is now: {row['text']}"
                row |= {"verdict": "counted", "times": [rfc3339(e.time) for e in then]}
            rules.append(row)
    return {
        "object": {
            "id": ident,
            "label": label,
            "first": rfc3339(first),
            "last": rfc3339(last),
            "path": _shown(path.times, path.points()),
        },
        "rules": rules,
    }


def _path(memory: TrackMemory, source: str, ident: int) -> tuple[Path, str]:
    if not 0 <= ident < UNTRACKED:
        raise KeyError(ident)
    rows = memory.rows(source)
    (at,) = (rows.track_id == np.uint64(ident)).nonzero()
    if not len(at):
        raise KeyError(ident)
    label = _label(memory.labels, int(rows.class_id[at[-1]]))
    return Path(rows.time[at], rows.number[at], rows.box[at], float(rows.aspect[at[-1]])), label


def _rule(
    engine: RuleSet,
    info: RuleInfo,
    rule: RuleConfig | None,
    path: Path,
    ident: int,
    source: str,
    events: Sequence[Event],
) -> dict[str, Any]:
    """One rule's verdict on an object, with its text, position and times."""
    anchor = rule.anchor if isinstance(rule, PlacedConfig) else "bottom-center"
    explanation = engine.tell(source, ident, info.name) if isinstance(engine, TellingRules) else None
    if explanation is None:
        explanation = Told(reason=engine.explain(source, ident, info.name))
    at: list[float] | None = None
    times = [rfc3339(event.frame.time) for event in events]
    spots = [spot for event in events if (spot := path.at(event.frame.number, anchor)) is not None]
    verdict = "counted" if events else "not-counted" if explanation.concerned else "not-concerned"
    if spots:
        at = spots[0][0]
    words = [_note(note, info, path, anchor) for note in explanation.notes]
    if not words:
        near = None
        if info.shape in ("line", "area") and info.points and explanation.concerned:
            near = approach(path, info.points, anchor, area=info.shape == "area")
            at = at or near.point
        nearest = "" if near is None else _nearest(near, info, anchor)
        words = [part for part in (nearest, explanation.reason) if part]
    return {
        "kind": info.kind,
        "name": info.name,
        "verdict": verdict,
        "text": explanation.before + "; ".join(words),
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
    """The nearest approach in words."""
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
