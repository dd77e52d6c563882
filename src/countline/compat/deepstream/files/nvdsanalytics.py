"""DeepStream's ``config_nvdsanalytics.txt`` (key file) and its YAML form, with NVIDIA's own reading of them.

Rule: every file that NVIDIA's parsers accept gives what they make of it, with a warning for each thing they pass over; a
file they reject, crash on, or read beyond its end is a RuleError with file, line, key and fix. Coordinates stay whole
numbers of the configured resolution; the engine scales them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countline.compat.deepstream.files.keyfile import (
    Entry,
    KeyFile,
    boolean,
    foreign,
    integer,
    integer_list,
    strtol,
    unescape,
)
from countline.errors import Place, RuleError

__all__ = [
    "CrowdingItem",
    "DirectionItem",
    "LineItem",
    "NvdsAnalyticsConfig",
    "RoiItem",
    "StreamRules",
    "is_nvdsanalytics",
    "parse",
    "read",
]

Point = tuple[int, int]
PREFIXES = {
    "roi-filtering-stream-": "roi",
    "overcrowding-stream-": "crowding",
    "line-crossing-stream-": "line",
    "direction-detection-stream-": "direction",
}
MODES = ("strict", "balanced", "loose")
DEFAULT_WINDOW = 50


_NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class _Item:
    label: str
    points: tuple[Point, ...]
    """Pixels of the configured resolution."""
    enabled: bool = False
    class_ids: tuple[int, ...] = ()
    """Empty, or with -1 in it: all classes."""
    place: Place = _NOWHERE

    def accepts(self, class_id: int) -> bool:
        """Whether objects of this class are looked at."""
        return not self.class_ids or -1 in self.class_ids or class_id in self.class_ids


@dataclass(frozen=True, slots=True)
class RoiItem(_Item):
    """A polygon; objects in it (``inverse``: outside it) are reported."""

    inverse: bool = False


@dataclass(frozen=True, slots=True)
class CrowdingItem(_Item):
    """A polygon that is overcrowded from ``object_threshold`` objects on."""

    object_threshold: int = 1
    time_threshold_ms: int = 2000
    """Read, but nvdsanalytics never uses it."""


@dataclass(frozen=True, slots=True)
class LineItem(_Item):
    """``points``: tail and head of the direction arrow, then the two ends of the line."""

    extended: bool = True
    mode: str = "loose"


@dataclass(frozen=True, slots=True)
class DirectionItem(_Item):
    """``points``: tail and head of the arrow."""

    mode: str = "balanced"
    """Read, but nvdsanalytics never uses it."""


@dataclass(slots=True)
class StreamRules:
    """All items of one stream, in the order in which they are evaluated."""

    index: int
    """The frame's pad_index."""
    width: int
    height: int
    rois: list[RoiItem] = field(default_factory=list)
    crowding: list[CrowdingItem] = field(default_factory=list)
    lines: list[LineItem] = field(default_factory=list)
    directions: list[DirectionItem] = field(default_factory=list)


@dataclass(slots=True)
class NvdsAnalyticsConfig:
    """A whole file."""

    file: str = ""
    enable: bool = True
    width: int = 1920
    height: int = 1080
    window: int = DEFAULT_WINDOW
    """``obj-cnt-win-in-ms``: smoothing window of the object counts in ms, and length of the track history in frames."""
    osd_mode: int = 2
    font_size: int = 12
    display_obj_cnt: bool = False
    streams: dict[int, StreamRules] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    """What was passed over or means something else than it seems, one sentence each, with its place."""

    def stream(self, index: int) -> StreamRules:
        """The rules of a stream, made when first asked for."""
        if index not in self.streams:
            self.streams[index] = StreamRules(index, self.width, self.height)
        return self.streams[index]

    def warn(self, where: Place | str, what: str) -> None:
        """Note something that the user should know."""
        self.warnings.append(f"{where}: {what}" if str(where) else what)


@dataclass(slots=True)
class Group:
    """What both syntaxes gather of one group before its items are finished."""

    kind: str
    enabled: bool = False
    class_ids: tuple[int, ...] = ()
    inverse: bool = False
    extended: bool = True
    mode: str = ""
    object_threshold: int = 1
    time_threshold_ms: int = 2000
    items: list[tuple[str, tuple[Point, ...], Place]] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        """What an item's key begins with."""
        return {"roi": "roi-", "crowding": "roi-", "line": "line-crossing-", "direction": "direction-"}[self.kind]

    def add(self, label: str, numbers: Sequence[int], place: Place) -> None:
        """One item; a line or direction of the same label is replaced in its place, a polygon is added again."""
        points = tuple(zip(numbers[::2], numbers[1::2]))
        if self.kind in ("line", "direction"):
            for at, (known, _, _) in enumerate(self.items):
                if known == label:
                    self.items[at] = (label, points, place)
                    return
        self.items.append((label, points, place))

    def finish(self, rules: StreamRules) -> None:
        """Append the items, with what holds for the whole group, to a stream."""
        for label, points, place in self.items:
            common = (label, points, self.enabled, self.class_ids, place)
            if self.kind == "roi":
                rules.rois.append(RoiItem(*common, self.inverse))
            elif self.kind == "crowding":
                rules.crowding.append(CrowdingItem(*common, self.object_threshold, self.time_threshold_ms))
            elif self.kind == "line":
                rules.lines.append(LineItem(*common, self.extended, self.mode or "loose"))
            else:
                rules.directions.append(DirectionItem(*common, self.mode or "balanced"))


def read(path: str | Path) -> NvdsAnalyticsConfig:
    """Read a file; YAML if its name ends in .yml or .yaml, as in DeepStream. Raises RuleError."""
    file = str(path)
    yaml = file.endswith((".yml", ".yaml"))
    try:
        data = Path(path).read_bytes()
        # GLib takes any bytes in comments and in what nobody asks for, so a key file is refused only where they matter.
        text = data.decode("utf-8", "strict" if yaml or b"\0" in data else "surrogateescape")
    except FileNotFoundError:
        raise RuleError("no such file", where=file, fix="check the path") from None
    except UnicodeDecodeError as error:
        where = Place(file, data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start))
        raise RuleError(f"cannot be read: not UTF-8, byte 0x{data[error.start]:02X}", where=where, fix="save it as UTF-8") from None
    except OSError as error:
        raise RuleError(f"cannot be read: {error.strerror}", where=file, fix="give a readable file") from None
    return parse(text, file, yaml=yaml)


def parse(text: str, file: str = "", *, yaml: bool = False) -> NvdsAnalyticsConfig:
    """Read the text of a file. Raises RuleError."""
    if yaml:
        from countline.compat.deepstream.files.nvdsanalytics_yaml import parse_yaml

        return parse_yaml(text, file)
    keys = KeyFile.parse(text, file)
    config = NvdsAnalyticsConfig(file)
    if "property" not in keys.groups:
        raise RuleError(
            "the group [property] is missing",
            where=file,
            fix="add [property] with enable, config-width and config-height",
        )
    for name, entries in keys.groups.items():
        kind, stream = group_kind(name)
        if name == "property":
            _property(config, keys)
        elif kind:
            _group(config, keys, name, entries, kind, stream)
        else:
            config.warn(keys.place(name), "unknown group, ignored")
    for rules in config.streams.values():
        rules.width, rules.height = config.width, config.height
    note_oddities(config)
    return config


def is_nvdsanalytics(path: str | Path) -> bool:
    """Whether a rule file is DeepStream's: by its name (.txt, .ini, .conf), or YAML with DeepStream's top-level keys."""
    name = str(path).lower()
    if name.endswith((".txt", ".ini", ".conf", ".cfg")):
        return True
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    words = "|".join(re.escape(prefix) for prefix in PREFIXES)
    return re.search(rf"^[\"']?(?:property[\"']?\s*:|(?:{words})[^:\s]*[\"']?\s*:)", text, re.MULTILINE) is not None


def group_kind(name: str) -> tuple[str, int]:
    """Kind of a group ('' unknown) and its stream: the number behind the prefix read by C's rules (none: 0)."""
    for prefix, kind in PREFIXES.items():
        if name.startswith(prefix):
            number, _ = strtol(name[len(prefix) :])
            number = min(max(number or 0, -(2**64) + 1), 2**64 - 1) & 0xFFFFFFFF
            return kind, number - 2**32 if number >= 2**31 else number
    return "", 0


def _required(keys: KeyFile, key: str) -> Entry:
    entry = keys.last("property", key)
    if entry is None:
        raise RuleError(f"the key '{key}' is missing", where=keys.place("property"), fix=f"add {key}= to [property]")
    return entry


def _natural(keys: KeyFile, group: str, entry: Entry) -> int:
    place = keys.place(group, entry)
    value = integer(entry.value, place)
    if value < 0:
        raise RuleError(f"{value} is negative", where=place, fix="write 0 or more")
    return value


def _property(config: NvdsAnalyticsConfig, keys: KeyFile) -> None:
    config.width = _natural(keys, "property", _required(keys, "config-width"))
    enable = _required(keys, "enable")
    config.enable = boolean(enable.value, keys.place("property", enable))
    config.height = _natural(keys, "property", _required(keys, "config-height"))
    known = {"config-width", "config-height", "enable"}
    for key, low, high in (("display-font-size", None, 0), ("osd-mode", 0, 2), ("obj-cnt-win-in-ms", 1, 10**9)):
        known.add(key)
        entry = keys.last("property", key)
        if entry is None:
            continue
        place = keys.place("property", entry)
        value = integer(entry.value, place)
        if low is not None and not low <= value <= high:
            raise RuleError(
                f"{value} is outside {low}..{high}", where=place, fix=f"write a number from {low} to {high}"
            )
        if key == "osd-mode":
            config.osd_mode = value
        elif key == "obj-cnt-win-in-ms":
            config.window = value
        else:
            config.font_size = value or 12
    entry = keys.last("property", "display-obj-cnt")
    if entry is not None:
        config.display_obj_cnt = boolean(entry.value, keys.place("property", entry))
    for entry in keys.groups["property"]:
        if entry.key not in known | {"display-obj-cnt"}:
            config.warn(keys.place("property", entry), "unknown key, ignored")


def _group(config: NvdsAnalyticsConfig, keys: KeyFile, name: str, entries: list[Entry], kind: str, stream: int) -> None:
    group = Group(kind)
    for visited in entries:
        entry = keys.last(name, visited.key) or visited  # a key that stands twice is visited twice, and read last
        place = keys.place(name, entry)
        if entry is not visited and entry.value != visited.value:
            config.warn(keys.place(name, visited), f"stands again in line {entry.line}, whose value is used for both")
        if not _group_key(group, keys, name, entry, place, config):
            if not entry.key.startswith(group.prefix):
                config.warn(place, "unknown key, ignored")
                continue
            if foreign(entry.key):
                raise RuleError("the label is not UTF-8", where=place, fix="write the file in UTF-8")
            numbers = integer_list(entry.value, place)
            if (
                numbers[-1:] == (0,)
                and entry.value.endswith((" ", "\t"))
                and len(numbers) == {"line": 9, "direction": 5}.get(kind)
            ):
                numbers = numbers[:-1]  # GLib reads the blanks behind a final ; as a 0, which NVIDIA passes over
                config.warn(place, "blanks behind the last ; are passed over")
            numbers = check_numbers(kind, numbers, place, config)
            group.add(entry.key[len(group.prefix) :], numbers, place)
    if not group.items:
        raise RuleError(
            f"no {group.prefix}<label> in this group",
            where=keys.place(name),
            fix=f"add {group.prefix}<label>=… or remove the group",
        )
    group.finish(config.stream(stream))


def _group_key(group: Group, keys: KeyFile, name: str, entry: Entry, place: Place, config: NvdsAnalyticsConfig) -> bool:
    """Read a key that holds for the whole group; False if it is none."""
    key = entry.key
    if key == "enable":
        group.enabled = boolean(entry.value, place)
    elif key == "class-id":
        group.class_ids = integer_list(entry.value, place)
    elif key == "inverse-roi" and group.kind == "roi":
        group.inverse = boolean(entry.value, place)
    elif key == "extended" and group.kind == "line":
        group.extended = boolean(entry.value, place)
    elif key == "object-threshold" and group.kind == "crowding":
        group.object_threshold = _natural(keys, name, entry)
    elif key == "time-threshold" and group.kind == "crowding":
        group.time_threshold_ms = _natural(keys, name, entry)
    elif key == "mode" and group.kind in ("line", "direction"):
        group.mode = read_mode(unescape(entry.value, place)[0], group.kind, place, config)
    else:
        return False
    return True


def read_mode(word: str, kind: str, place: Place, config: NvdsAnalyticsConfig) -> str:
    """The mode, or the default with a warning."""
    if word in MODES:
        return word
    default = "loose" if kind == "line" else "balanced"
    blank = " (a blank behind the word belongs to it)" if word.strip() in MODES else ""
    config.warn(place, f"unknown mode '{word}'{blank}, '{default}' is used")
    return default


def check_numbers(kind: str, numbers: Sequence[int], place: Place, config: NvdsAnalyticsConfig) -> tuple[int, ...]:
    """The numbers that NVIDIA uses: more than a line or direction takes are left out with a warning. Lists that NVIDIA reads
    beyond their end, and negative coordinates: RuleError."""
    wanted = {"line": 8, "direction": 4}.get(kind)
    shape = {"line": "arrow x1;y1;x2;y2, then line x1;y1;x2;y2", "direction": "x1;y1;x2;y2"}.get(kind, "x;y;x;y;…")
    if wanted is not None and len(numbers) < wanted:
        raise RuleError(f"{len(numbers)} numbers instead of {wanted}", where=place, fix=f"write {shape}")
    if wanted is None and (len(numbers) % 2 or not numbers):
        raise RuleError(f"{len(numbers)} numbers are no list of points", where=place, fix=f"write {shape}")
    for number in numbers:
        if number < 0:
            raise RuleError(f"the coordinate {number} is negative", where=place, fix="write 0 or more")
    if wanted is not None and len(numbers) > wanted:
        config.warn(place, f"{len(numbers)} numbers instead of {wanted} ({shape}): those behind are left out, as by DeepStream")
    return tuple(numbers[:wanted])


def note_oddities(config: NvdsAnalyticsConfig) -> None:
    """Warn of what is accepted but hardly meant."""
    if not config.enable:
        config.warn(config.file, "enable=0 in [property]: frames pass without results")
    for rules in config.streams.values():
        items: list[_Item] = [*rules.rois, *rules.crowding, *rules.lines, *rules.directions]
        for item in items:
            if not item.enabled:
                config.warn(item.place, "is not enabled (enable is 0 or absent in its group)")
        if 0 in (rules.width, rules.height) and items:
            config.warn(items[0].place, "the configured width or height is 0: no coordinate means anything")
        for line in rules.lines:
            if line.points[2] == line.points[3]:
                config.warn(line.place, "the line has no length and counts nothing")
            if line.points[0] == line.points[1]:
                config.warn(line.place, "the direction arrow has no length: nothing is counted")
        for roi in [*rules.rois, *rules.crowding]:
            if len(roi.points) < 3:
                config.warn(roi.place, f"a polygon of {len(roi.points)} points contains nothing")
