"""What happened, told by slow models that share nothing with ``countline compare``: the exact engine's gates by the scalar
oracle of tests/analytics_exact, and the native line by whole numbers (no rounding at all)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

from exact_oracle import GATE, Oracle, OracleStream, cdiv, heads, hits, s32

from countline.compat.deepstream.files.nvdsanalytics import NvdsAnalyticsConfig, StreamRules
from countline.types import UNTRACKED, FrameTracks

UNIT = 32_000_000
"""Whole numbers are pixels times this: boxes lie on a grid of 1/16 pixel, points of native rules are millionths of the picture."""
Whole = tuple[int, int]


# -- the exact engine ----------------------------------------------------------------------------------------------


@dataclass
class Fact:
    """One sample of a track at one line of the file, as the oracle met it."""

    frame: int
    n: int
    accepted: bool
    enabled: bool
    crossed: bool
    """The track had this label already."""
    moved: int
    far: bool
    """Displacement beyond the mode's limit."""
    long: bool
    """More samples than the mode's limit (and than 3, below which there is no reference)."""
    extended: bool
    given: tuple[Any, ...]
    """What its geometry follows from."""

    @cached_property
    def geometry(self) -> tuple[int, bool, bool]:
        """Exact fractions take long, and few facts are asked for them."""
        return _geometry(*self.given)

    @property
    def sides(self) -> int:
        """+1: changed sides as the line asks; -1: the other way (loose lines only); 0: did not."""
        return self.geometry[0]

    @property
    def along(self) -> bool:
        return self.geometry[1]

    @property
    def on_segment(self) -> bool:
        return self.extended or self.geometry[2]

    @property
    def open(self) -> bool:
        return self.accepted and self.far and self.long

    @property
    def crosses(self) -> bool:
        return self.open and self.sides > 0 and self.along and self.on_segment


class Witness(OracleStream):
    """The oracle of a stream, writing down what it saw of every sample at every line."""

    def __init__(self, config: NvdsAnalyticsConfig, rules: StreamRules, width: int, height: int) -> None:
        super().__init__(config, rules, width, height)
        self.facts: dict[tuple[int, str], dict[int, list[Fact]]] = defaultdict(lambda: defaultdict(list))
        """(track id, label) -> index of the line -> facts of the present life."""
        self.number = 0

    def line_of(self, *given: Any) -> None:
        """What the oracle calls for each sample and line."""
        entry, _, ident, cls, track, moved, old, now, mean_h, hh = given
        item, points, enabled = entry
        index = next(k for k, e in enumerate(self.lines) if e is entry)
        far, long, cosine = GATE[item.mode]
        fact = Fact(
            self.number, track.n, item.accepts(cls), enabled, item.label in track.crossed, moved, moved > far,
            track.n > max(long, 3), item.extended, (item, points, old, now, mean_h, hh, cosine),
        )  # fmt: skip
        if track.n == 1 and self.facts[ident, item.label].get(index):
            del self.facts[ident, item.label]  # another life begins
        self.facts[ident, item.label][index].append(fact)
        super().line_of(*given)


def _geometry(
    item: Any, points: Any, old: Any, now: Any, mean_h: float, hh: int, cosine: float
) -> tuple[int, bool, bool]:
    """(sides, along, on the segment): sides by exact fractions instead of a normal form."""
    tail, head, start, end = points
    (px, py, pw), (cx, cy, cw, ch) = old, now
    foot = s32(cy + cdiv(ch, 2))
    ax, ay = end[0] - start[0], end[1] - start[1]
    if (ax, ay) == (0, 0):
        return 0, False, False
    ux, uy = head[0] - tail[0], head[1] - tail[1]

    def offset(x: int, y: int | Fraction) -> int | Fraction:
        """Positive on the right-hand side; |AB| times the distance."""
        return ax * (y - start[1]) - ay * (x - start[0])

    across = ax * uy - ay * ux
    size = math.hypot(ax, ay) * math.hypot(ux, uy)
    segment = any(
        hits((px + k * cdiv(pw, 2), py + mean_h / 2), (cx + k * cdiv(cw, 2), cy + ch / 2), start, end)
        for k in (0, 1, -1)
    )
    here = offset(cx, foot)
    if item.mode == "loose" and size and abs(across) >= 1e-5 * size:
        then = offset(px, Fraction(py) + Fraction(mean_h) / 2) * (1 if across < 0 else -1)
        here *= 1 if across < 0 else -1
        return (1 if then > 0 >= here else -1 if then < 0 <= here else 0), True, segment
    before = s32(py + hh)
    then = offset(px, before)
    changed = _side(then, ax, ay) * _side(here, ax, ay) < 0
    return int(changed), heads(tail, head, (s32(cx - px), s32(foot - before)), cosine), segment


def _side(offset: int | Fraction, ax: int, ay: int) -> int:
    """Sign of a distance cut to a 32-bit whole number; what does not fit becomes the least one."""
    square = ax * ax + ay * ay
    if offset * offset >= square * 2**62:
        return -1
    return 0 if offset * offset < square else 1 if offset > 0 else -1


class Observer(Oracle):
    """The whole element, written down."""

    def frame(self, frame: dict[str, Any]) -> dict[str, Any]:
        index = frame["stream"]
        if index not in self.streams:
            rules = self.config.streams.get(index) or StreamRules(index, 1920, 1080)
            self.streams[index] = Witness(self.config, rules, frame["width"], frame["height"])
        stream = self.streams[index]
        assert isinstance(stream, Witness)
        stream.number = frame["frame"]
        return stream.frame(frame)


# -- the native engine ---------------------------------------------------------------------------------------------


@dataclass
class Sample:
    """One box of a track in one frame."""

    frame: int
    class_id: int
    sound: bool
    """The native engine takes it."""
    x: int
    y: int
    """Bottom centre, whole numbers."""
    size: int
    picture: Whole


@dataclass
class Stay:
    """A passage that the native line counts, if it counts this sense and class."""

    frame: int
    """At which the track was outside the band again."""
    passed: int
    """At which its path passed the line last."""
    until: int
    """At which its path passes the line again; beyond all frames if never."""
    sense: int
    class_id: int


@dataclass
class Story:
    """A track and a line in whole numbers."""

    stays: list[Stay] = field(default_factory=list)
    steps: dict[int, int] = field(default_factory=dict)
    """Frame -> +1 or -1 where the path passed the segment, to the left-hand or right-hand side."""
    beyond: set[int] = field(default_factory=set)
    """Frames in which it passed the segment's extension."""
    outside: dict[int, bool] = field(default_factory=dict)
    """Frame -> outside the band (at the first sighting: far enough from the line for its side to be known), for sound samples."""
    left: dict[int, bool] = field(default_factory=dict)
    """Frame -> on the left-hand side of the segment's line."""
    tied: bool = False
    """A decision hung on less than a float64 can tell: the engine may see it either way."""


NEVER = 2**62


def story(samples: Iterable[Sample], points: list[list[float]]) -> Story:
    """Follow a track past a native line of two points, as docs/rules.md says."""
    told = Story()
    phase, net, passed = "new", 0, 0
    before: Whole | None = None
    entry: Whole | None = None
    picture = (1, 1)
    for sample in (s for s in samples if s.sound):
        width, height = sample.picture
        if before is not None and sample.picture != picture:
            # The place in the picture is what is kept.
            before = before[0] * width // picture[0], before[1] * height // picture[1]
            entry = entry and (entry[0] * width // picture[0], entry[1] * height // picture[1])
        picture = sample.picture
        a, b = ((round(x * 1_000_000) * width * 32, round(y * 1_000_000) * height * 32) for x, y in points)
        here = sample.x, sample.y
        outside = _farther(here, a, b, sample.size, (width, height), told)
        told.outside[sample.frame], told.left[sample.frame] = outside, _left(here, a, b, told)
        step = 0
        if before is not None and _left(before, a, b, told) != (left := _left(here, a, b, told)):
            if _meets(before, here, a, b, told):
                step = 1 if left else -1
                told.steps[sample.frame] = step
                passed = sample.frame
                for stay in told.stays:
                    stay.until = min(stay.until, sample.frame)
            else:
                told.beyond.add(sample.frame)
        if phase == "new" and not outside and _farther(here, a, b, sample.size, (width, height), told, part=2):
            phase, entry, passed = "inside", here, sample.frame
            told.outside[sample.frame] = True
        elif phase in ("new", "born"):
            phase = "outside" if outside else "born"
        else:
            if phase == "outside" and not outside:
                entry, passed = before, sample.frame
            net = net + step
            total = net
            if phase == "inside" and outside and not total and entry is not None:
                was, now = _left(entry, a, b, told), _left(here, a, b, told)
                if was != now and _meets(entry, here, a, b, told):
                    total = 1 if now else -1
            phase = "outside" if outside else "inside"
            if outside:
                if total:
                    told.stays.append(Stay(sample.frame, passed, NEVER, 1 if total > 0 else -1, sample.class_id))
                net = 0
        before = here
    return told


def _near_tie(value: int, scale: int) -> bool:
    return abs(value) * 10**11 <= scale


def _left(p: Whole, a: Whole, b: Whole, told: Story) -> bool:
    dx, dy = b[0] - a[0], b[1] - a[1]
    offset = dy * (p[0] - a[0]) - dx * (p[1] - a[1])
    told.tied |= _near_tie(offset, (abs(dx) + abs(dy)) * (abs(p[0]) + abs(p[1]) + abs(a[0]) + abs(a[1]) + UNIT))
    return offset >= 0


def _meets(p: Whole, q: Whole, a: Whole, b: Whole, told: Story) -> bool:
    """Whether the ends of the segment are on two sides of the movement."""
    sides = []
    for end in (a, b):
        mx, my = q[0] - p[0], q[1] - p[1]
        offset = mx * (end[1] - p[1]) - my * (end[0] - p[0])
        told.tied |= _near_tie(offset, (abs(mx) + abs(my)) * (abs(p[0]) + abs(p[1]) + abs(end[0]) + abs(end[1]) + UNIT))
        sides.append(offset >= 0)
    return sides[0] != sides[1]


@lru_cache(maxsize=1000)
def _most(a: Whole, b: Whole, picture: tuple[int, int]) -> int:
    """60 % of the way from the middle of the line, square to it, to the nearer end of the picture, in thousandths; 2.5 % of
    its height where that is more. A side on which there is less than that does not matter."""
    middle = (Fraction(a[0] + b[0], 2), Fraction(a[1] + b[1], 2))
    ways = []
    for square in ((b[1] - a[1], a[0] - b[0]), (a[1] - b[1], b[0] - a[0])):
        times = []
        for place, step, size in zip(middle, square, picture):
            if step:
                times.append(((size * UNIT if step > 0 else 0) - place) / step)
        way = min(times) if times else Fraction(0)
        ways.append(float(way) * math.hypot(*square))
    least = picture[1] * UNIT * 25
    valid = [way for way in ways if way * 1000 > least]
    most = max(least, round(min(valid) * 600)) if valid else least
    return most if most < 200 * picture[1] * UNIT else 2**200


def _farther(p: Whole, a: Whole, b: Whole, size: int, picture: tuple[int, int], told: Story, *, part: int = 1) -> bool:
    """Than the band's half-width, or the given part of it: 13 % of the box's longer side, at least 1 % of the picture's height,
    as far as there is room."""
    tall = picture[1] * UNIT
    half = min(max(size * 130, tall * 10), _most(a, b, picture))  # in thousandths
    dx, dy = b[0] - a[0], b[1] - a[1]
    along, square = (p[0] - a[0]) * dx + (p[1] - a[1]) * dy, dx * dx + dy * dy
    if 0 < along < square:
        across = (dx * (p[1] - a[1]) - dy * (p[0] - a[0])) * 1000
        left, right = across * across * part * part, half * half * square
    else:
        end = a if along <= 0 else b
        gap = ((p[0] - end[0]) ** 2 + (p[1] - end[1]) ** 2) * 1_000_000
        left, right = gap * part * part, half * half
    told.tied |= abs(left - right) * 10**10 <= right
    return left > right


def samples_of(frame: FrameTracks) -> dict[int, list[Sample]]:
    """Samples of each id of a frame, in the order of its objects."""
    info, tracks = frame
    found: dict[int, list[Sample]] = defaultdict(list)
    for ident, cls, box in zip(tracks.track_id.tolist(), tracks.class_id.tolist(), tracks.xyxy.tolist()):
        left, top, right, bottom = box
        good = (
            ident != UNTRACKED
            and 0 <= right - left < 1000 * info.width
            and 0 <= bottom - top < 1000 * info.height
            and not any(s.sound for s in found[ident])
        )
        size = max(right - left, bottom - top)
        found[ident].append(
            Sample(
                info.number, cls, good, round((left + right) * UNIT / 2), round(bottom * UNIT), round(size * UNIT),
                (info.width, info.height),
            )
        )  # fmt: skip
    return found
