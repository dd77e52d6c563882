"""Random configurations and frames for the differential test of engine and model, friendly and hostile."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from countline.compat.deepstream.files import nvdsanalytics
from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, Tracks

LABELS = ["A", "B", "C", "", "two words", "線"]


def config_text(rng: random.Random) -> str:
    width, height = rng.choice([(1920, 1080), (640, 360), (100, 100), (1000, 333)])
    window = rng.choice([None, None, 1, 2, 3, 4, 5, 11, 34, 65, 70, 130, 200])
    parts = [f"[property]\nenable=1\nconfig-width={width}\nconfig-height={height}"]
    if window:
        parts.append(f"obj-cnt-win-in-ms={window}")

    def point() -> str:
        return f"{rng.randrange(width)};{rng.randrange(height)}"

    def group(kind: str, items: list[str], *more: str) -> str:
        suffix = rng.choice(["0", "0", "00", "1", "x"])
        lines = [f"[{kind}-stream-{suffix}]", f"enable={int(rng.random() < 0.93)}"]
        if rng.random() < 0.4:
            lines.append("class-id=" + ";".join(str(rng.choice([-1, 0, 0, 1, 2])) for _ in range(rng.randint(1, 2))))
        return "\n".join([*lines, *items, *more])

    for _ in range(rng.randint(0, 3)):
        items = [f"line-crossing-{rng.choice(LABELS)}={line(rng, width, height)}" for _ in range(rng.randint(1, 3))]
        mode = rng.choice(["", "mode=loose", "mode=balanced", "mode=strict", "mode=odd"])
        parts.append(group("line-crossing", items, rng.choice(["", "extended=0", "extended=1"]), mode))
    for kind, extra in (
        ("roi-filtering", ["", "inverse-roi=1"]),
        ("overcrowding", ["", "object-threshold=2", "object-threshold=0"]),
    ):
        if rng.random() < 0.6:
            items = [
                f"roi-{rng.choice(LABELS)}=" + ";".join(point() for _ in range(rng.randint(1, 7)))
                for _ in range(rng.randint(1, 3))
            ]
            parts.append(group(kind, items, rng.choice(extra)))
    if rng.random() < 0.6:
        items = [f"direction-{rng.choice(LABELS)}={point()};{point()}" for _ in range(rng.randint(1, 4))]
        parts.append(group("direction-detection", items))
    return "\n".join(parts) + "\n"


def line(rng: random.Random, width: int, height: int) -> str:
    def point() -> tuple[int, int]:
        return rng.randrange(width), rng.randrange(height)

    tail, head, start, end = point(), point(), point(), point()
    kind = rng.random()
    if kind < 0.06:
        head = tail
    elif kind < 0.1:
        end = start
    elif kind < 0.2:
        end = (end[0], start[1])
    elif kind < 0.25:
        head, end = (tail[0], head[1]), (start[0], end[1])
    elif kind < 0.3:
        tail = start
    elif kind < 0.35:
        head = end
    return ";".join(f"{x};{y}" for x, y in (tail, head, start, end))


class World:
    """Objects that walk, turn, stand, jump and leave."""

    def __init__(self, rng: random.Random, hostile: bool) -> None:
        self.rng = rng
        self.hostile = hostile
        self.width, self.height = rng.choice([(1920, 1080), (640, 360), (333, 1000), (4000, 2000)])
        self.objects: list[dict[str, Any]] = []
        self.pts = rng.choice([0, 10**9, 2**62])
        self.step = rng.choice([33_333_333, 200_000_000, 5_000_000, 1_500_000_000])
        self.next_id = rng.choice([1, 2**53 + 1, 2**64 - 1000])

    def _spawn(self) -> None:
        rng = self.rng
        if self.objects and self.hostile and rng.random() < 0.15:
            track_id: int | None = rng.choice(self.objects)["id"]
        elif self.hostile and rng.random() < 0.02:
            track_id = None
        else:
            track_id = self.next_id
            self.next_id += 1
        size = rng.choice([0.4, 5.0, 60.0, 200.0])
        self.objects.append({
            "id": track_id, "class_id": rng.choice([0, 0, 0, 1, 2, 9, -1]),
            "x": rng.uniform(-0.1, 1.1) * self.width, "y": rng.uniform(-0.1, 1.1) * self.height,
            "vx": rng.choice([0.0, rng.gauss(0, 2), rng.gauss(0, 15)]), "vy": rng.choice([0.0, rng.gauss(0, 2), rng.gauss(0, 15)]),
            "w": size * rng.uniform(0.5, 1.5), "h": size * rng.uniform(0.5, 3), "whole": rng.random() < 0.3,
        })  # fmt: skip

    def frame(self, number: int, stream: int) -> dict[str, Any]:
        rng = self.rng
        while len(self.objects) < 3 or (rng.random() < 0.15 and len(self.objects) < 14):
            self._spawn()
        if rng.random() < 0.03:
            self.objects.pop(rng.randrange(len(self.objects)))
        out = []
        for item in self.objects:
            item["x"] += item["vx"] + rng.choice([0, 0, rng.gauss(0, 1)])
            item["y"] += item["vy"]
            if rng.random() < 0.02:
                item["vx"], item["vy"] = -item["vx"], -item["vy"]
            if rng.random() < 0.01:
                item["x"], item["y"] = rng.uniform(0, self.width), rng.uniform(0, self.height)
            if rng.random() < 0.08:
                continue
            item["h"] *= rng.uniform(0.97, 1.03)
            box = [item["x"], item["y"], item["w"], item["h"]]
            if item["whole"]:
                box = [float(int(v)) for v in box]
            if self.hostile and rng.random() < 0.003:
                box[rng.randrange(4)] = rng.choice([-1.5, -40.0, 1e5, 3e9, 1e12, 1e30, 0.0])
            out.append(
                dict(zip(("id", "class_id", "left", "top", "width", "height"), (item["id"], item["class_id"], *box)))
            )
        if self.hostile and rng.random() < 0.03 and out:
            out.append(dict(rng.choice(out)))
        if self.hostile and rng.random() < 0.1:
            rng.shuffle(out)
        self.pts += self.step
        if self.hostile:
            self.pts += rng.choice(
                [0] * 30 + [-self.step, -10 * self.step, 8_000_000_000, 8_001_000_000, 7_900_000_000, -9_000_000_000]
            )
        return {
            "stream": stream,
            "frame": number,
            "pts": self.pts,
            "width": self.width,
            "height": self.height,
            "objects": out,
        }


def to_tracks(frame: dict[str, Any]) -> FrameTracks:
    objects = frame["objects"]
    ltwh = np.array([[o[k] for k in ("left", "top", "width", "height")] for o in objects], np.float32).reshape(-1, 4)
    xyxy = ltwh.copy()
    xyxy[:, 2:] += xyxy[:, :2]
    ids = np.array([UNTRACKED if o["id"] is None else o["id"] for o in objects], np.uint64)
    stream = frame["stream"]
    info = FrameInfo(
        SourceInfo(f"stream-{stream}", stream), frame["frame"], frame["pts"], 0, frame["width"], frame["height"]
    )
    return FrameTracks(info, Tracks(xyxy, np.ones(len(objects)), [o["class_id"] for o in objects], ids, ltwh))


def scenario(seed: int) -> tuple[nvdsanalytics.NvdsAnalyticsConfig, list[dict[str, Any]]]:
    rng = random.Random(seed)
    config = nvdsanalytics.parse(config_text(rng), "fuzz.txt")
    worlds = [World(rng, hostile=seed % 2 == 1) for _ in range(rng.choice([1, 1, 2, 3]))]
    frames = [world.frame(n, stream) for n in range(rng.choice([40, 80, 150])) for stream, world in enumerate(worlds)]
    return config, frames
