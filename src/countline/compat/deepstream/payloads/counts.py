"""Two payloads that nvmsgconv lacks: the counts of every line and region, and entry, exit and occupancy of places."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from countline.compat.deepstream.payloads.config import PlaceConfig
from countline.errors import MessageError
from countline.types import Analytics, LineState, RuleInfo

__all__ = ["PlaceCounts", "analytics_payload", "default_places", "named_places", "occupancy_payload"]

Json = dict[str, Any]


def analytics_payload(message_id: str, time: str, a: Analytics) -> Json:
    """The recipe's message for every line and region of the frame: ``lc_curr_<line>`` and ``lc_cum_<line>`` (crossings in
    this frame and since the last reset), ``roi_<region>`` (objects inside now), ``oc_<region>`` (crowded, true or false,
    for every region). Keys of lines stand in the order of the rules."""
    module: Json = {"stream_source_id": a.frame.source.index}
    for name, line in a.lines.items():
        module[f"lc_curr_{name}"] = line.current
        module[f"lc_cum_{name}"] = line.cumulative
    for name, region in a.regions.items():
        module[f"roi_{name}"] = region.occupancy
        module[f"oc_{name}"] = region.crowded
    return {
        "messageid": message_id,
        "@timestamp": time,
        "deviceId": a.frame.source.device_id,
        "analyticsModule": module,
    }


@dataclass(frozen=True)
class PlaceCounts:
    """Which counts are a place's entries and exits: pairs of line and direction; direction None is the line's total."""

    name: str
    entry: tuple[tuple[str, str | None], ...]
    exit: tuple[tuple[str, str | None], ...]


_ROLE = re.compile(r"(?i)^(?P<place>.*?)[\s_\-.:]*(?P<role>entry|exit)$")


def default_places(rules: Sequence[RuleInfo]) -> list[PlaceCounts]:
    """Places by the names of the lines. ``Lobby Entry`` and ``lobby_exit`` (any case) are the two sides of ``Lobby``, by
    their totals; ``Entry`` and ``Exit`` alone are the place ''. Each other line that knows directions is a place of its
    own name: entries are its first direction (in), exits its second (out)."""
    sides: dict[str, tuple[str, dict[str, list[tuple[str, str | None]]]]] = {}
    places: list[PlaceCounts] = []
    for rule in {r.name: r for r in rules if r.kind == "line"}.values():
        match = _ROLE.match(rule.name)
        if match:
            _, found = sides.setdefault(match["place"].lower(), (match["place"], {"entry": [], "exit": []}))
            found[match["role"].lower()].append((rule.name, None))
        elif len(rule.directions) == 2:
            into, out = rule.directions
            places.append(PlaceCounts(rule.name, ((rule.name, into),), ((rule.name, out),)))
    named = [PlaceCounts(name, tuple(s["entry"]), tuple(s["exit"])) for name, s in sides.values()]
    return named + places


def named_places(places: Mapping[str, PlaceConfig], rules: Sequence[RuleInfo]) -> list[PlaceCounts]:
    """Places as configured: ``{lobby: {entry: [door.in], exit: [door.out, Exit]}}``. An item is a line, or a line, a dot
    and one of its directions. Raises MessageError for a line or direction that does not exist."""
    lines = {rule.name: rule for rule in rules if rule.kind == "line"}

    def item(text: str, where: str) -> tuple[str, str | None]:
        if text in lines:
            return text, None
        line, _, direction = text.rpartition(".")
        if line in lines and direction in lines[line].directions:
            return line, direction
        known = [n for r in lines.values() for n in (r.name, *(f"{r.name}.{d}" for d in r.directions))]
        raise MessageError(f"there is no line '{text}'", where=where, fix="known are: " + ", ".join(known))

    result = []
    for name, sides in places.items():
        pairs = {
            side: tuple(item(t, f"places.{name}.{side}") for t in getattr(sides, side)) for side in ("entry", "exit")
        }
        result.append(PlaceCounts(name, pairs["entry"], pairs["exit"]))
    return result


def _sum(lines: Mapping[str, LineState], items: Sequence[tuple[str, str | None]]) -> int:
    total = 0
    for name, direction in items:
        line = lines.get(name)
        if line is None:
            continue
        if direction is None:
            total += line.cumulative
        elif direction in line.directions:
            total += line.directions[direction].cumulative
    return total


def occupancy_payload(message_id: str, time: str, a: Analytics, place: PlaceCounts) -> Json | None:
    """Entries, exits and occupancy (entries minus exits) of one place; None where none of its lines is in this source.
    Keys of the counts are those of NVIDIA's occupancy application."""
    if not any(name in a.lines for name, _ in (*place.entry, *place.exit)):
        return None
    entries, exits = _sum(a.lines, place.entry), _sum(a.lines, place.exit)
    return {
        "messageid": message_id,
        "@timestamp": time,
        "deviceId": a.frame.source.device_id,
        "place": place.name or a.frame.source.device_id,
        "analyticsModule": {
            "source_id": a.frame.source.index,
            "occupancy": entries - exits,
            "lccum_cnt_entry": entries,
            "lccum_cnt_exit": exits,
        },
    }
