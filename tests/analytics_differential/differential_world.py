"""Random nvdsanalytics configurations and tracks of many kinds near their lines, for the test of both engines against each
other. Boxes lie on a grid of 1/16 pixel, so that sums of their numbers are exact in float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from countline.compat.deepstream.files import nvdsanalytics
from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, Tracks

FRAME_NS = 33_333_333
SIZES = [(1920, 1080), (1280, 720), (640, 360), (1000, 333), (3840, 2160)]
LABELS = ["A", "B", "", "two words", "線"]
Point = tuple[float, float]


@dataclass
class Box:
    """One object in one frame: frame pixels."""

    track_id: int
    x: float
    """Bottom centre."""
    y: float
    width: float
    height: float
    class_id: int = 0


@dataclass
class Scenario:
    """A configuration and what the cameras saw."""

    text: str
    frames: list[FrameTracks]
    kinds: list[str] = field(default_factory=list)

    @property
    def config(self) -> nvdsanalytics.NvdsAnalyticsConfig:
        return nvdsanalytics.parse(self.text, "fuzz.txt")


def tracks_of(boxes: list[Box]) -> Tracks:
    """Boxes on the grid."""
    rows = [[_grid(b.x - b.width / 2), _grid(b.y - b.height), _grid(b.width), _grid(b.height)] for b in boxes]
    ltwh = np.array(rows, np.float32).reshape(-1, 4)
    xyxy = ltwh.copy()
    xyxy[:, 2:] += xyxy[:, :2]
    return Tracks(xyxy, np.ones(len(rows)), [b.class_id for b in boxes], [b.track_id for b in boxes], ltwh)


def _grid(value: float) -> float:
    return round(value * 16) / 16


# -- configurations ------------------------------------------------------------------------------------------------


def line_numbers(rng: Random, width: int, height: int) -> list[int]:
    """Arrow and line: mostly as people draw them, sometimes degenerate."""
    cx, cy = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7)
    turn = rng.choice([0.0, math.pi / 2, rng.uniform(0, math.tau)])
    half = min(width, height) * rng.choice([0.04, 0.15, 0.25, 0.4])
    ux, uy = math.cos(turn), math.sin(turn)
    ends = [(cx - ux * half, cy - uy * half), (cx + ux * half, cy + uy * half)]
    lean = rng.choice([math.pi / 2, -math.pi / 2, rng.uniform(0, math.tau), 0.0 if rng.random() < 0.4 else math.pi / 3])
    ax, ay = math.cos(turn + lean) * half, math.sin(turn + lean) * half
    arrow = [(cx - ax / 2, cy - ay / 2), (cx + ax / 2, cy + ay / 2)]
    if rng.random() < 0.02:
        arrow[1] = arrow[0]
    return [max(0, round(v)) for point in (*arrow, *ends) for v in point]


def config_text(rng: Random, streams: int) -> str:
    """A whole file; lines in every stream but, rarely, the last."""
    width, height = rng.choice(SIZES)
    enable = int(rng.random() > 0.03)
    out = [f"[property]\nenable={enable}\nconfig-width={width}\nconfig-height={height}"]
    window = rng.choice([None, None, None, None, None, 1, 3, 4, 11, 34, 120])
    if window:
        out.append(f"obj-cnt-win-in-ms={window}")
    for stream in range(streams):
        for suffix in ("", "0")[: rng.choice([1, 1, 2])]:
            out.append(f"[line-crossing-stream-{suffix}{stream}]\nenable={int(rng.random() < 0.97)}")
            if rng.random() < 0.4:
                out.append("class-id=" + rng.choice(["0", "0", "0;2", "0;2", "-1", "1", "-5", "-5"]))
            out.append(f"extended={int(rng.random() < 0.4)}")
            mode = rng.choice(["loose", "loose", "balanced", "strict", ""])
            if mode:
                out.append(f"mode={mode}")
            for label in rng.sample(LABELS, rng.choice([1, 1, 2])):
                out.append(f"line-crossing-{label}=" + ";".join(map(str, line_numbers(rng, width, height))))
        if rng.random() < 0.3:
            corners = [(rng.randrange(width), rng.randrange(height)) for _ in range(rng.randint(1, 6))]
            out.append(f"[roi-filtering-stream-{stream}]\nenable=1\ninverse-roi={rng.randrange(2)}")
            out.append(f"roi-{rng.choice(LABELS)}=" + ";".join(f"{x};{y}" for x, y in corners))
            out.append(f"[direction-detection-stream-{stream}]\nenable=1\ndirection-{rng.choice(LABELS)}=1;1;9;5")
    return "\n".join(out) + "\n"


# -- tracks --------------------------------------------------------------------------------------------------------


class Camera:
    """One stream's picture and lines in its own pixels, and the tracks that walk there."""

    def __init__(self, rng: Random, config: nvdsanalytics.NvdsAnalyticsConfig, index: int, frames: int) -> None:
        self.rng = rng
        self.index = index
        self.frames = frames
        self.width, self.height = rng.choice(SIZES)
        rules = config.streams.get(index)
        sx, sy = self.width / config.width, self.height / config.height
        lines = [line.points for line in rules.lines] if rules else []
        self.lines = [[(x * sx, y * sy) for x, y in points] for points in lines] or [
            [(1.0, 1.0)] * 2 + [(9.0, 9.0)] * 2
        ]
        self.filters = [line.class_ids for line in rules.lines] if rules else [()]
        self.classes: tuple[int, ...] = ()
        """That the line looks at of which ``frame_of`` told last."""
        self.boxes: list[list[Box]] = [[] for _ in range(frames)]
        self.next_id = rng.choice([1, 2**53 + 1, 2**64 - 10_000])

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def size(self) -> Point:
        """Width and height of somebody's box."""
        height = self.height * self.rng.choice([0.02, 0.06, 0.1, 0.25])
        return max(2.0, height * self.rng.uniform(0.4, 1.4)), max(2.0, height)

    def frame_of(self) -> tuple[Point, Point, Point, float]:
        """(middle, direction, left-hand normal, half length) of one of the lines."""
        chosen = self.rng.randrange(len(self.lines))
        _, _, (ax, ay), (bx, by) = self.lines[chosen]
        self.classes = self.filters[chosen]
        length = math.hypot(bx - ax, by - ay) or 1.0
        along = (bx - ax) / length, (by - ay) / length
        return ((ax + bx) / 2, (ay + by) / 2), along, (along[1], -along[0]), length / 2

    def put(self, path: list[Point | None], start: int, size: Point, **change: Any) -> None:
        """Show an object along a path. ``ids``, ``classes``, ``heights``: functions of the number of its sample."""
        ids: Callable[[int], int] = change.get("ids") or (lambda _, own=self.new_id(): own)
        classes: Callable[[int], int] = change.get("classes") or (lambda _: 0)
        heights: Callable[[int], float] = change.get("heights") or (lambda _: 1.0)
        for k, point in enumerate(path):
            if point is not None and start + k < self.frames:
                box = Box(ids(k), *point, size[0], max(1.0, size[1] * heights(k)), classes(k))
                self.boxes[start + k].append(box)

    def way(self, *, across: float, lean: float, speed: float, before: float, frames: int) -> list[Point | None]:
        """Straight through a line's carrier: at ``across`` half lengths from its middle, ``lean`` off its normal."""
        middle, along, normal, half = self.frame_of()
        side = self.rng.choice([-1.0, 1.0])
        c, s = math.cos(lean) * side, math.sin(lean)
        step = normal[0] * c + along[0] * s, normal[1] * c + along[1] * s
        at = middle[0] + along[0] * half * across, middle[1] + along[1] * half * across
        return [(at[0] + step[0] * (speed * k - before), at[1] + step[1] * (speed * k - before)) for k in range(frames)]

    # Each of the following is a kind of track.

    def straight(self) -> None:
        rng = self.rng
        speed = rng.choice([0.2, 0.5, 0.8, 1.2, 2.0, 4.0, 9.0, 20.0, 70.0, 300.0]) * rng.uniform(0.8, 1.25)
        lean = rng.choice([0.0, rng.uniform(-1.4, 1.4)])
        before = speed * rng.uniform(0, self.frames * 0.6)
        path = self.way(across=rng.uniform(-0.9, 0.9), lean=lean, speed=speed, before=before, frames=self.frames)
        self.put(path, 0, self.size(), classes=lambda _, c=rng.choice([0, 0, 1, 2]): c)

    def short(self) -> None:
        rng, frames = self.rng, self.rng.randint(2, 26)
        speed = rng.uniform(2, 40)
        before = speed * rng.uniform(0.1, 0.9) * frames
        path = self.way(
            across=rng.uniform(-0.9, 0.9), lean=rng.uniform(-1, 1), speed=speed, before=before, frames=frames
        )
        self.put(path, rng.randrange(20), self.size())

    def beside(self) -> None:
        rng = self.rng
        across = rng.choice([-1, 1]) * (1 + rng.choice([-0.03, -0.005, 0.01, 0.1, 0.4, 2.0]) * rng.random())
        speed = rng.uniform(2, 20)
        path = self.way(
            across=across, lean=rng.uniform(-0.8, 0.8), speed=speed, before=speed * self.frames / 2, frames=self.frames
        )
        self.put(path, 0, self.size())

    def jitter(self) -> None:
        rng, size = self.rng, self.size()
        middle, along, normal, half = self.frame_of()
        noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 1, (self.frames, 2))
        amount = max(size) * rng.choice([0.02, 0.05, 0.1, 0.2])
        drift = rng.choice([0.0, 0.0, rng.uniform(-1.5, 1.5)])
        across = rng.uniform(-1.2, 1.2) * half
        slip = rng.choice([0.0, rng.uniform(-40, 40)])
        path: list[Point | None] = []
        for k, (e, f) in enumerate((noise * amount).tolist()):
            a, n = across + e + drift * k, f + slip
            path.append((middle[0] + along[0] * a + normal[0] * n, middle[1] + along[1] * a + normal[1] * n))
        self.put(path, 0, size)

    def there_and_back(self) -> None:
        rng = self.rng
        middle, along, normal, half = self.frame_of()
        reach, period = self.height * rng.choice([0.01, 0.03, 0.1, 0.25]), rng.uniform(12, 120)
        across, phase = rng.uniform(-1.1, 1.1) * half, rng.uniform(0, math.tau)
        waves = [reach * math.sin(phase + math.tau * k / period) for k in range(self.frames)]
        drift = rng.choice([0.0, rng.uniform(-3, 3)])
        path: list[Point | None] = [
            (
                middle[0] + along[0] * (across + drift * k) + normal[0] * n,
                middle[1] + along[1] * (across + drift * k) + normal[1] * n,
            )
            for k, n in enumerate(waves)
        ]
        self.put(path, 0, self.size())

    def round_the_end(self) -> None:
        rng, size = self.rng, self.size()
        middle, along, normal, half = self.frame_of()
        radius = self.height * rng.choice([0.005, 0.02, 0.08, 0.2])
        side = rng.choice([-1, 1])
        end = side * (half + radius * rng.choice([0.0, 0.8, 0.95, 1.05]))
        turn, phase = rng.choice([-1, 1]) * rng.uniform(0.03, 0.3), rng.uniform(0, math.tau)
        path: list[Point | None] = []
        for k in range(self.frames):
            a, n = end + radius * math.cos(phase + turn * k), radius * math.sin(phase + turn * k)
            path.append((middle[0] + along[0] * a + normal[0] * n, middle[1] + along[1] * a + normal[1] * n))
        self.put(path, 0, size)

    def class_flip(self) -> None:
        rng = self.rng
        speed, arrival = rng.uniform(2, 8), rng.choice([25, 40])
        path = self.way(across=rng.uniform(-0.8, 0.8), lean=0, speed=speed, before=speed * arrival, frames=self.frames)
        at = arrival + rng.randint(-5, 6)
        one = rng.choice(self.classes or (0,))
        other = rng.choice([1 - one, 1 - one, one])
        if rng.random() < 0.25:
            one, other = other, one
        every = rng.choice([10**6, 5, 12])
        self.put(path, 0, self.size(), classes=lambda k: other if at <= k < at + every else one)

    def untracked(self) -> None:
        rng = self.rng
        speed = rng.uniform(2, 12)
        path = self.way(
            across=rng.uniform(-0.8, 0.8), lean=0, speed=speed, before=speed * 30, frames=rng.randint(3, 90)
        )
        one, at = rng.choice(self.classes or (0,)), rng.choice([0, 5, 33])
        # While the line does not look at it, it makes a history; the first time that it does, it counts and is switched off.
        self.put(
            path, rng.randrange(60), self.size(), ids=lambda _: UNTRACKED, classes=lambda k: one if k >= at else 1 - one
        )

    def id_switch(self) -> None:
        rng = self.rng
        speed = rng.uniform(0.5, 12)
        before = speed * rng.uniform(15, 60)
        path = self.way(
            across=rng.uniform(-0.8, 0.8), lean=rng.uniform(-0.5, 0.5), speed=speed, before=before, frames=self.frames
        )
        at = min(max(2, round(before / speed) + rng.randint(-6, 12)), self.frames - 2)
        gap = rng.choice([0, 0, 2, 8, 25])
        path[at : at + gap] = [None] * len(path[at : at + gap])
        one, other = self.new_id(), self.new_id()
        back = at + rng.choice([10**6, 10**6, rng.randint(1, 15)])
        if rng.random() < 0.5:
            path[back : back + gap] = [None] * len(path[back : back + gap])
        self.put(path, 0, self.size(), ids=lambda k: other if at <= k < back else one)

    def teleport(self) -> None:
        rng = self.rng
        noise = np.random.default_rng(rng.randrange(2**32))
        path: list[Point | None] = []
        here = None
        for _ in range(self.frames):
            if here is None or noise.random() < 0.04:
                here = noise.uniform((0, 0), (self.width, self.height))
            here = here + noise.normal(0, 0.5, 2)
            path.append((float(here[0]), float(here[1])))
        self.put(path, 0, self.size())

    def gaps(self) -> None:
        rng = self.rng
        speed = rng.uniform(1, 12)
        path = self.way(
            across=rng.uniform(-1, 1), lean=rng.uniform(-1, 1), speed=speed, before=speed * 50, frames=self.frames
        )
        for _ in range(rng.randint(1, 4)):
            at, long = rng.randrange(self.frames), rng.randint(1, 40)
            path[at : at + long] = [None] * len(path[at : at + long])
        self.put(path, 0, self.size())

    def twins(self) -> None:
        """Two objects under one id."""
        rng, own = self.rng, self.new_id()
        for _ in range(2):
            speed = rng.uniform(0, 10)
            path = self.way(
                across=rng.uniform(-1, 1), lean=rng.uniform(-1, 1), speed=speed, before=rng.uniform(0, 200), frames=70
            )
            self.put(path, rng.randrange(30), self.size(), ids=lambda _: own)

    def growing(self) -> None:
        rng = self.rng
        speed = rng.choice([0.0, rng.uniform(0, 4)])
        path = self.way(
            across=rng.uniform(-0.9, 0.9),
            lean=0,
            speed=speed,
            before=speed * 40 + rng.uniform(-60, 60),
            frames=self.frames,
        )
        rate, at = rng.choice([1.01, 0.985, 1.0]), rng.randint(5, 80)
        jump = rng.choice([1.0, 3.0, 0.3])
        self.put(path, 0, self.size(), heights=lambda k: min(8.0, max(0.05, rate**k)) * (jump if k > at else 1.0))

    def odd_box(self) -> None:
        """Boxes that are none for a while."""
        rng = self.rng
        speed = rng.uniform(2, 9)
        path = self.way(across=rng.uniform(-0.8, 0.8), lean=0, speed=speed, before=speed * 40, frames=self.frames)
        (width, height), own = self.size(), self.new_id()
        low, long, shape = rng.choice([rng.randint(0, 30), 38]), rng.choice([1, 30, 200]), rng.choice([-1.0, 2.0**22])
        for k, point in enumerate(path):
            assert point is not None
            odd = low <= k < low + long
            self.boxes[k].append(Box(own, *point, *((width * shape, height) if odd else (width, height))))


KINDS = {
    "straight": 6, "short": 3, "beside": 3, "jitter": 3, "there_and_back": 3, "round_the_end": 2, "class_flip": 5, "untracked": 1,
    "id_switch": 3, "teleport": 1, "gaps": 2, "twins": 1, "growing": 2, "odd_box": 4,
}  # fmt: skip


def scenario(rng: Random) -> Scenario:
    """One file and one to three streams of some tracks each."""
    streams = rng.choice([1, 1, 1, 2, 3])
    text = config_text(rng, streams)
    config = nvdsanalytics.parse(text, "fuzz.txt")
    length = rng.choice([40, 90, 130])
    made = Scenario(text, [])
    pools: list[list[FrameTracks]] = []
    for index in range(streams):
        camera = Camera(rng, config, index, length)
        for kind in rng.choices(list(KINDS), list(KINDS.values()), k=rng.randint(2, 6)):
            getattr(camera, kind)()
            made.kinds.append(kind)
        pools.append(_frames(rng, camera))
    made.frames = [frame for frames in zip(*pools) for frame in frames]
    return made


def _frames(rng: Random, camera: Camera) -> list[FrameTracks]:
    source = SourceInfo(f"camera {camera.index}" if rng.random() < 0.5 else f"stream-{camera.index}", camera.index)
    pts = rng.choice([0, 10**9, 2**62])
    jump_at = rng.randrange(camera.frames) if rng.random() < 0.12 else -1
    jump = rng.choice([900_000_000, 8_000_000_000, 8_000_500_000, 8_001_000_000, 20_000_000_000])
    grown_at = rng.randrange(camera.frames) if rng.random() < 0.04 else camera.frames
    out = []
    for number, boxes in enumerate(camera.boxes):
        pts += jump if number == jump_at else FRAME_NS
        width, height = camera.width, camera.height
        if number >= grown_at:
            width, height = width // 2, height // 2
            boxes = [Box(b.track_id, b.x / 2, b.y / 2, b.width / 2, b.height / 2, b.class_id) for b in boxes]
        out.append(FrameTracks(FrameInfo(source, number, pts, 0, width, height), tracks_of(boxes)))
    return out
