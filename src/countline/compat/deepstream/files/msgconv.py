"""nvmsgconv's static description files: ``.txt`` / ``.ini`` (key file), ``.yml`` / ``.yaml`` and ``.csv``.

They hold what does not change from message to message: sensors, places and analytics modules, each with a number by
which events refer to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countline.compat.deepstream.files.keygroups import Group, parse_groups, read_text, yaml_groups
from countline.compat.deepstream.files.kinds import refuse_other
from countline.errors import ConfigError, Place

__all__ = ["AnalyticsModule", "PlaceInfo", "Sensor", "StaticDescription", "parse", "read"]

Triple = tuple[float, float, float]

_ZERO: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Sensor:
    """``[sensor<N>]``."""

    id: str = ""
    type: str = ""
    description: str = ""
    location: Triple = _ZERO
    """Latitude and longitude in degrees, altitude."""
    coordinate: Triple = _ZERO
    """x, y, z in whatever frame the user means."""


@dataclass(frozen=True)
class PlaceInfo:
    """``[place<N>]``."""

    id: str = ""
    type: str = ""
    name: str = ""
    location: Triple = _ZERO
    coordinate: Triple = _ZERO
    sub1: str = ""
    sub2: str = ""
    sub3: str = ""


@dataclass(frozen=True)
class AnalyticsModule:
    """``[analytics<N>]``."""

    id: str = ""
    description: str = ""
    source: str = ""
    version: str = ""


@dataclass(frozen=True)
class StaticDescription:
    """What a description file says; ``notes`` name what it says in vain (unknown groups and keys)."""

    sensors: Mapping[int, Sensor] = field(default_factory=dict)
    places: Mapping[int, PlaceInfo] = field(default_factory=dict)
    analytics: Mapping[int, AnalyticsModule] = field(default_factory=dict)
    file: str = ""
    notes: tuple[str, ...] = ()


def read(path: str | Path) -> StaticDescription:
    """Read a description file. Raises ConfigError with file and line for what nvmsgconv refuses too: a group without
    a number, a number twice, a location or coordinate that is not three numbers, a line that is none."""
    text = read_text(path, "msgconv file")
    if Path(path).suffix.lower() != ".csv":
        refuse_other(text, str(path), "msgconv")
    return parse(text, str(path))


def parse(text: str, file: str) -> StaticDescription:
    """Parse the text of a description file; the kind is told by the end of the file's name."""
    suffix = Path(file).suffix.lower()
    if suffix == ".csv":
        return _csv(text, file)
    sections = yaml_groups(text, file) if suffix in (".yml", ".yaml") else iter(parse_groups(text, file))
    return _collect(sections, file)


_KINDS: dict[str, tuple[type[Any], dict[str, str], dict[str, str]]] = {
    "sensor": (
        Sensor,
        {"id": "id", "type": "type", "description": "description"},
        {"location": "location", "coordinate": "coordinate"},
    ),
    "place": (
        PlaceInfo,
        {
            "id": "id",
            "type": "type",
            "name": "name",
            "place-sub-field1": "sub1",
            "place-sub-field2": "sub2",
            "place-sub-field3": "sub3",
        },
        {"location": "location", "coordinate": "coordinate"},
    ),
    "analytics": (
        AnalyticsModule,
        {"id": "id", "description": "description", "source": "source", "version": "version"},
        {},
    ),
}


def _collect(sections: Iterator[Group], file: str) -> StaticDescription:
    found: dict[str, dict[int, Any]] = {kind: {} for kind in _KINDS}
    notes: list[str] = []
    for group in sections:
        kind = next((k for k in _KINDS if group.name.startswith(k)), None)
        if kind is None:
            notes.append(f"{group.place()}: unknown group, ignored")
            continue
        number = re.match(r"\s*([+-]?\d+)", group.name[len(kind) :])
        if number is None:
            raise ConfigError(f"[{group.name}] has no number", where=group.place(), fix=f"write [{kind}0]")
        n = int(number[1])
        if n in found[kind]:
            raise ConfigError(
                f"{kind} {n} is described twice", where=group.place(), fix=f"give each {kind} a number of its own"
            )
        if not _enabled(group, notes):
            continue
        found[kind][n] = _entry(group, kind, notes)
    return StaticDescription(found["sensor"], found["place"], found["analytics"], file, tuple(notes))


def _enabled(group: Group, notes: list[str]) -> bool:
    if "enable" not in group:
        return False
    try:
        return group.boolean("enable")
    except ConfigError:
        notes.append(f"{group.place('enable')}: {group.raw('enable')!r} is neither 1 nor 0; the group is skipped")
        return False


def _entry(group: Group, kind: str, notes: list[str]) -> Any:
    make, strings, triples = _KINDS[kind]
    values: dict[str, Any] = {}
    for key in group:
        if key in strings:
            values[strings[key]] = group.string(key)
        elif key in triples:
            numbers = group.doubles(key)
            if len(numbers) != 3:
                raise ConfigError(
                    f"'{key}' has {len(numbers)} numbers, not 3",
                    where=group.place(key),
                    fix=f"write three numbers with semicolons: {key}=45.29;-75.83;48.15",
                )
            values[triples[key]] = (numbers[0], numbers[1], numbers[2])
        elif key != "enable":
            notes.append(f"{group.place(key)}: unknown key, ignored")
    return make(**values)


def _csv(text: str, file: str) -> StaticDescription:
    """A header, then one camera a row: (ignored), sensor id, description, (ignored), three sub-fields of the place.
    Cells
    are split at every comma and stripped, as nvmsgconv does; a short row is refused."""
    sensors: dict[int, Sensor] = {}
    places: dict[int, PlaceInfo] = {}
    modules: dict[int, AnalyticsModule] = {}
    rows = [(i, line) for i, line in enumerate(text.split("\n"), 1) if i > 1 and line.strip()]
    for n, (line, row) in enumerate(rows):
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) < 7:
            raise ConfigError(
                f"the row has {len(cells)} cells, not 7",
                where=Place(file, line),
                fix="write: any,sensor id,description,any,sub-field 1,sub-field 2,sub-field 3",
            )
        sensors[n] = Sensor(id=cells[1], type="Camera", description=cells[2])
        places[n] = PlaceInfo("Id", "building/garage", "endeavor", sub1=cells[4], sub2=cells[5], sub3=cells[6])
        modules[n] = AnalyticsModule(version="1.0")
    return StaticDescription(sensors, places, modules, file)
