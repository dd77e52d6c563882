"""Configurations of whole applications: deepstream-app, deepstream-test5, and the test applications' YAML.

What stands in them, as it stands: sources in the order of the stream muxer's pads, message sinks, and the files that detector
and analytics are configured by. What it becomes here is said in :mod:`countline.compat.deepstream.migrate.app`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from countline.compat.deepstream.files.keygroups import Group, parse_groups, read_text, yaml_groups
from countline.compat.deepstream.files.kinds import refuse_other
from countline.errors import ConfigError

__all__ = ["App", "Sink", "Source", "read"]

_CAMERA, _URI, _MULTI, _RTSP, _CSI = 1, 2, 3, 4, 5
MOST_SOURCES = 10_000
_TEST_APPS = {"config": "msg-conv-config", "payload-type": "msg-conv-payload-type", "msg2p-newapi": "msg-conv-msg2p-new-api",
              "frame-interval": "msg-conv-frame-interval", "msg2p-lib": "msg-conv-msg2p-lib"}  # fmt: skip


@dataclass
class Source:
    """One stream of pictures."""

    name: str
    uri: str
    """Path or address; paths are relative to the working directory."""
    place: str
    """Where it stands, for notes."""
    sensor: str = ""
    """``sensor-id-list``."""
    options: dict[str, str] = field(default_factory=dict)
    """FFmpeg options."""


@dataclass
class Sink:
    """A message sink (type 6): keys as in deepstream-app, paths resolved."""

    name: str
    place: str
    values: Mapping[str, str]

    def number(self, key: str, default: int) -> int:
        """A whole number. Raises ConfigError."""
        text = self.values.get(key, "").strip()
        if not text:
            return default
        match = re.match(r"[+-]?\d+", text)
        if match is None:
            raise ConfigError(f"'{text}' is not a whole number", where=f"{self.place} {key}", fix="write digits only")
        return int(match[0])


class App:
    """A file; groups by their names in :attr:`groups`."""

    def __init__(self, file: str, groups: Mapping[str, Group]) -> None:
        self.file = file
        self.groups = groups
        self.folder = Path(file).parent
        self.notes: list[str] = []
        self._plain = not any("enable" in group for group in groups.values())
        """The test applications' YAML switches nothing on or off."""

    def enabled(self, group: Group) -> bool:
        """``enable``; a group without it is off, but for the test applications."""
        if "enable" not in group:
            return self._plain
        text = group.quoted("enable").lower()
        number = re.match("[+-]?[0-9]+", text)  # what stands behind a number is not looked at
        return int(number[0]) != 0 if number else text == "true"

    def group(self, *names: str) -> Group | None:
        """The first of these groups that is there and enabled; where it is not enabled, a note says so."""
        for name in names:
            group = self.groups.get(name)
            if group is None:
                continue
            if self.enabled(group):
                return group
            self.notes.append(f"{group.place()}: is not enabled there, and left out")
        return None

    def path(self, group: Group, *keys: str) -> str:
        """A file that a key names, relative to this file; '' where there is none."""
        for key in keys:
            if key in group and group.quoted(key):
                return self.resolved(group.quoted(key))
        return ""

    def resolved(self, text: str) -> str:
        """A path of the file, for the working directory."""
        text = re.sub("^file:(//)?", "", text)
        return text if Path(text).is_absolute() else str(self.folder / text)

    def sources(self) -> list[Source]:
        """All sources, in the order of their pads. Raises ConfigError."""
        found: list[Source] = []
        if "source-list" in self.groups:
            found += self._listed(self.groups["source-list"])
        for name, group in self.groups.items():
            if re.fullmatch("source[0-9]+", name) and self.enabled(group):
                found += self._source(group, name)
            elif name == "source":
                found += self._plain_source(group)
            if len(found) > MOST_SOURCES:
                raise ConfigError(
                    f"names more than {MOST_SOURCES} sources", where=self.file, fix="name those there are"
                )
        return found

    def _listed(self, group: Group) -> Iterator[Source]:
        """``list=uri;uri``, with ``sensor-id-list`` and ``sensor-name-list`` beside it."""
        uris, ids, names = (_words(group, key) for key in ("list", "sensor-id-list", "sensor-name-list"))
        common = self.groups.get("source-attr-all")
        for i, uri in enumerate(uris):
            name = names[i] if i < len(names) else ids[i] if i < len(ids) else f"source{i}"
            source = Source(name, self._uri(uri), str(group.place("list")), ids[i] if i < len(ids) else "")
            source.options = self._options(common) if common is not None and "://" in source.uri else {}
            yield source
        if not uris and "use-nvmultiurisrcbin" in group:
            self.notes.append(
                f"{group.place('use-nvmultiurisrcbin')}: sources are added over HTTP there: name them under `sources`"
            )

    def _source(self, group: Group, name: str) -> Iterator[Source]:
        kind = group.integer("type") if "type" in group else _URI
        place = str(group.place("type"))
        if kind == _CAMERA:
            number = group.quoted("camera-v4l2-dev-node") if "camera-v4l2-dev-node" in group else "0"
            yield Source(name, f"/dev/video{number}", place, options=_camera(group))
        elif kind in (_URI, _MULTI, _RTSP):
            uri = group.quoted("uri") if "uri" in group else ""
            if not uri:
                raise ConfigError("the source has no uri", where=group.place(), fix="write uri=file:///… or rtsp://…")
            count = max(1, group.integer("num-sources")) if kind == _MULTI and "num-sources" in group else 1
            if count > MOST_SOURCES:
                raise ConfigError(
                    f"{count} sources are too many", where=group.place("num-sources"), fix="name those there are"
                )
            for i in range(count):
                one = re.sub(r"%0?[0-9]*[du]", str(i), uri)
                label = name if count == 1 else f"{name}-{i}"
                yield Source(label, self._uri(one), str(group.place("uri")), options=self._options(group))
        else:
            what = "a CSI camera (Jetson)" if kind == _CSI else f"of type {kind}"
            self.notes.append(f"{place}: NOT CARRIED OVER: the source is {what}; give it by RTSP or as /dev/video0")
        for key in ("smart-record", "drop-frame-interval", "intra-decode-enable"):
            if key in group and group.quoted(key) not in ("", "0"):
                self.notes.append(f"{group.place(key)}: not carried over")

    def _plain_source(self, group: Group) -> Iterator[Source]:
        """``source:`` of the test applications, or ``csv-file-path``."""
        if "csv-file-path" in group:
            yield from self._table(group)
        for key in ("location", "uri", "list"):
            for i, uri in enumerate(_words(group, key)):
                yield Source(f"source{i}", self._uri(uri), str(group.place(key)))

    def _table(self, group: Group) -> Iterator[Source]:
        path = self.path(group, "csv-file-path")
        rows = csv.DictReader(read_text(path, "list of sources").splitlines(), skipinitialspace=True)
        number = 0
        for row in rows:
            cells = {str(k or "").strip(): str(v or "").strip() for k, v in row.items() if isinstance(v, str)}
            if cells.get("enable", "1") in ("0", "") or not cells.get("uri"):
                continue
            several = cells.get("type") == str(_MULTI) and re.fullmatch("[0-9]{1,6}", cells.get("num-sources", ""))
            count = int(cells["num-sources"]) if several else 1
            for _ in range(min(count, MOST_SOURCES)):
                yield Source(
                    f"source{number}", self._uri(cells["uri"].replace("%d", str(number))), f"{path}:{rows.line_num}"
                )
                number += 1

    def _uri(self, text: str) -> str:
        text = text.strip()
        if re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://", text) or text.startswith("/dev/"):
            return text
        return text if text.startswith("file:///") else self.resolved(text)

    def _options(self, group: Group) -> dict[str, str]:
        protocol = group.quoted("select-rtp-protocol") if "select-rtp-protocol" in group else ""
        transport = {"4": "tcp", "0x04": "tcp", "1": "udp"}.get(protocol)
        return {"rtsp_transport": transport} if transport else {}

    def sinks(self) -> list[Sink]:
        """Message sinks that are enabled. A converter in a group of its own holds for those that have none."""
        found = []
        for name, group in self.groups.items():
            if re.fullmatch("sink[0-9]*", name) and self.enabled(group):
                kind = group.integer("type") if "type" in group else 0
                if kind == 6:
                    found.append(
                        Sink(name, str(group.place("type")), self._values(group, self.groups.get("message-converter")))
                    )
                elif kind in (3, 4):
                    what = (
                        "a video with boxes (`countline run --annotate FILE` writes one)"
                        if kind == 3
                        else "a stream with boxes"
                    )
                    self.notes.append(f"{group.place('type')}: not carried over: {what}")
        broker, converter = self.groups.get("msgbroker"), self.groups.get("msgconv")
        if broker is not None:  # the test applications' own form
            values = {**self._values(broker, None), **(self._renamed(converter) if converter is not None else {})}
            own = {
                "proto-lib": "msg-broker-proto-lib",
                "conn-str": "msg-broker-conn-str",
                "config": "msg-broker-config",
            }
            for theirs, ours in own.items():
                if theirs in broker:
                    text = broker.quoted(theirs)
                    values[ours] = self.resolved(text) if theirs == "config" and text else text
            found.append(Sink("msgbroker", str(broker.place()), values))
        return found

    def _values(self, group: Group, converter: Group | None) -> dict[str, str]:
        values: dict[str, str] = {}
        for one in (converter, group):
            if one is None or (one is converter and "msg-conv-config" in group):
                continue
            for key in one:
                text = one.quoted(key)
                named = key in ("msg-conv-config", "msg-broker-config") and text
                values[key] = self.resolved(text) if named else text
        return values

    def _renamed(self, converter: Group) -> dict[str, str]:
        values = {_TEST_APPS.get(key, key): converter.quoted(key) for key in converter}
        if values.get("msg-conv-config"):
            values["msg-conv-config"] = self.resolved(values["msg-conv-config"])
        return values


def read(path: str | Path) -> App:
    """Read a file. Raises ConfigError for one that cannot be read, or is none."""
    file = str(path)
    text = read_text(path, "application configuration")
    refuse_other(text, file, "app")
    yaml = Path(file).suffix.lower() in (".yml", ".yaml")
    groups = {group.name: group for group in (yaml_groups(text, file) if yaml else parse_groups(text, file))}
    return App(file, groups)


def _words(group: Group, key: str) -> list[str]:
    """A ``;`` list of texts; quotes around the whole are left out."""
    if key not in group:
        return []
    return [word.strip() for word in group.quoted(key).split(";") if word.strip()]


def _camera(group: Group) -> dict[str, str]:
    options = {}
    if "camera-width" in group and "camera-height" in group:
        options["video_size"] = f"{group.integer('camera-width')}x{group.integer('camera-height')}"
    if "camera-fps-n" in group:
        below = group.integer("camera-fps-d") if "camera-fps-d" in group else 1
        options["framerate"] = f"{group.integer('camera-fps-n')}/{below}"
    return options
