"""What ``config_nvdsanalytics`` says, in whichever syntax: groups, items, and what NVIDIA's two parsers have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from countline.compat.deepstream.files.keyfile import strtol
from countline.errors import Place, RuleError

__all__ = [
    "PREFIXES",
    "CrowdingItem",
    "DirectionItem",
    "Group",
    "LineItem",
    "NvdsAnalyticsConfig",
    "RoiItem",
    "StreamRules",
    "check_numbers",
    "group_kind",
    "note_oddities",
    "note_stream",
    "read_mode",
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


def group_kind(name: str) -> tuple[str, int]:
    """Kind of a group ('' unknown) and its stream: the number behind the prefix read by C's rules (none: 0)."""
    for prefix, kind in PREFIXES.items():
        if name.startswith(prefix):
            number, _ = strtol(name[len(prefix) :])
            number = min(max(number or 0, -(2**64) + 1), 2**64 - 1) & 0xFFFFFFFF
            return kind, number - 2**32 if number >= 2**31 else number
    return "", 0


def note_stream(name: str, stream: int, place: Place, config: NvdsAnalyticsConfig) -> None:
    """Warn of a group whose stream is not the number that stands behind its prefix (``…-stream-all``)."""
    word = next(name[len(prefix) :] for prefix in PREFIXES if name.startswith(prefix))
    if not re.fullmatch("[0-9]{1,9}", word):
        config.warn(
            place,
            f"'{word}' is no number of a stream: DeepStream takes this group for stream {stream} alone; write one group for each "
            "stream",
        )


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
        config.warn(
            place, f"{len(numbers)} numbers instead of {wanted} ({shape}): those behind are left out, as by DeepStream"
        )
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
