"""DeepStream's ``config_nvdsanalytics.txt`` (key file) and its YAML form, with NVIDIA's own reading of them.

Rule: every file that NVIDIA's parsers accept gives what they make of it, with a warning for each thing they pass over; a
file they reject, crash on, or read beyond its end is a RuleError with file, line, key and fix. Coordinates stay whole
numbers of the configured resolution; the engine scales them.
"""

from __future__ import annotations

import re
from pathlib import Path

from countline.compat.deepstream.files import kinds
from countline.compat.deepstream.files.keyfile import (
    Entry,
    KeyFile,
    boolean,
    foreign,
    integer,
    integer_list,
    unescape,
)
from countline.compat.deepstream.files.nvdsanalytics_items import (
    PREFIXES,
    CrowdingItem,
    DirectionItem,
    Group,
    LineItem,
    NvdsAnalyticsConfig,
    RoiItem,
    StreamRules,
    check_numbers,
    group_kind,
    note_oddities,
    note_stream,
    read_mode,
)
from countline.compat.deepstream.files.nvdsanalytics_yaml import parse_yaml
from countline.config.yaml_reader import MOST_BYTES
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


def read(path: str | Path) -> NvdsAnalyticsConfig:
    """Read a file; YAML if its name ends in .yml or .yaml, as in DeepStream. Raises RuleError."""
    file = str(path)
    yaml = file.endswith((".yml", ".yaml"))
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        # GLib takes any bytes in comments and in what nobody asks for, so a key file is refused only where they matter.
        text = data.decode("utf-8", "strict" if yaml or b"\0" in data else "surrogateescape")
    except FileNotFoundError:
        raise RuleError("no such file", where=file, fix="check the path") from None
    except UnicodeDecodeError as error:
        where = Place(file, data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start))
        raise RuleError(
            f"cannot be read: not UTF-8, byte 0x{data[error.start]:02X}", where=where, fix="save it as UTF-8"
        ) from None
    except OSError as error:
        raise RuleError(f"cannot be read: {error.strerror}", where=file, fix="give a readable file") from None
    if len(data) > MOST_BYTES:
        raise RuleError(
            f"is larger than {MOST_BYTES >> 20} MiB", where=file, fix="give a configuration of nvdsanalytics"
        )
    kinds.refuse_other(text, file, "analytics", error=RuleError)
    return parse(text, file, yaml=yaml)


def parse(text: str, file: str = "", *, yaml: bool = False) -> NvdsAnalyticsConfig:
    """Read the text of a file. Raises RuleError."""
    if yaml:
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
            note_stream(name, stream, keys.place(name), config)
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
