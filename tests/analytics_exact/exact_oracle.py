"""A slow model of nvdsanalytics, one object after the other, written from the description in docs/deepstream-rules.md and
not from the engine. Tests compare the two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from countline.compat.deepstream.files.nvdsanalytics import NvdsAnalyticsConfig, StreamRules
from countline.types import UNTRACKED

F = np.float32
GATE = {"loose": (1000, 3, float(F(0.1))), "balanced": (3000, 10, 0.5), "strict": (6000, 20, float(F(0.8)))}


def s32(v: int) -> int:
    v &= 0xFFFFFFFF
    return v - 2**32 if v >= 2**31 else v


def u32_of_float(v: float) -> int:
    if math.isnan(v) or abs(v) >= 2**63:
        return 0
    return int(v) & 0xFFFFFFFF


def s32_of_float(v: float) -> int:
    return int(v) if not math.isnan(v) and -(2**31) - 1 < v < 2**31 else -(2**31)


def cdiv(a: int, b: int) -> int:
    q = abs(a) // abs(b)
    return q if (a >= 0) == (b >= 0) else -q


class Track:
    def __init__(self, length: int) -> None:
        self.n = 0
        self.ring = [(0, 0, 0, 0)] * length
        self.sum = [0, 0, 0, 0, 0]
        self.crossed: set[str] = set()
        self.last = 0


class OracleStream:
    """One stream's context."""

    def __init__(self, config: NvdsAnalyticsConfig, rules: StreamRules, width: int, height: int) -> None:
        self.length = config.window
        self.window = config.window
        self.tracks: dict[int, Track] = {}
        self.cumulative: dict[str, int] = {}
        self.histories: dict[int, dict[str, Any]] = {}
        sx, sy = F(width) / F(rules.width or 1), F(height) / F(rules.height or 1)

        def scaled(points: Any) -> list[tuple[int, int]]:
            return [(s32_of_float(F(x) * sx), s32_of_float(F(y) * sy)) for x, y in points]

        self.rois = [(i, scaled(i.points)) for i in rules.rois]
        self.crowding = [(i, scaled(i.points)) for i in rules.crowding]
        self.directions = [[i, scaled(i.points), i.enabled] for i in rules.directions]
        self.lines = [[i, scaled(i.points), i.enabled] for i in rules.lines]

    def frame(self, frame: dict[str, Any]) -> dict[str, Any]:
        pts = frame.get("pts", frame["frame"] * 33_333_333)
        for key in [k for k, t in self.tracks.items() if int((pts - t.last) / 1e6) > 8000]:
            del self.tracks[key]
        self.in_roi: dict[str, int] = {i.label: 0 for i, _ in self.rois if i.enabled}
        self.crowd: dict[str, int] = {i.label: 0 for i, _ in self.crowding if i.enabled}
        self.crowded: dict[str, bool] = {i.label: False for i, _ in self.crowding if i.enabled}
        self.current: dict[str, int] = {i.label: 0 for i, _, _ in self.lines if i.enabled}
        raw: dict[int, int] = {}
        objects = []
        with np.errstate(all="ignore"):
            for obj in frame["objects"]:
                raw[obj["class_id"]] = raw.get(obj["class_id"], 0) + 1
                objects.append({"id": obj["id"], "class_id": obj["class_id"], "info": self.object(obj, pts)})
        meta = {
            "objCnt": self.smooth(raw, pts % 2**64),
            "objInROIcnt": {**self.in_roi, **self.crowd},
            "ocStatus": self.crowded,
            "objLCCurrCnt": self.current,
            "objLCCumCnt": {label: self.cumulative.get(label, 0) for label in self.current},
            "unique_id": 17,
        }
        return {"stream": frame["stream"], "frame": frame["frame"], "frame_meta": meta, "objects": objects}

    def object(self, obj: dict[str, Any], pts: int) -> dict[str, Any] | None:
        ident = UNTRACKED if obj["id"] is None else obj["id"]
        left, top, w, h = (u32_of_float(float(F(obj[k]))) for k in ("left", "top", "width", "height"))
        cx, cy, cw, ch = s32(left + w // 2), s32(top + h // 2), s32(w), s32(h)
        track = self.tracks.setdefault(ident, Track(self.length))
        track.last = pts
        at = track.n % self.length
        if track.n >= self.length:
            ox, oy, _, oh = track.ring[at]
            for k, v in enumerate((ox, oy, s32(ox * ox), s32(oy * oy), oh)):
                track.sum[k] = (track.sum[k] - v) % 2**64
        track.ring[at] = (cx, cy, cw, ch)
        for k, v in enumerate((cx, cy, s32(cx * cx), s32(cy * cy), h)):
            track.sum[k] = (track.sum[k] + v) % 2**64
        window = F(min(track.n + 1, self.length))
        track.n += 1
        mx, my, qx, qy, mean_h = (F(np.uint64(v)) / window for v in track.sum)
        vx, vy = qx - mx * mx, qy - my * my
        still = track.n > self.length and vx <= 400 and float(vy / mean_h) <= 0.01
        hh = cdiv(s32_of_float(float(mean_h)), 2)
        info: dict[str, Any] = {
            "roiStatus": [],
            "ocStatus": [],
            "lcStatus": [],
            "dirStatus": "",
            "objStatus": "",
            "unique_id": 17,
        }
        cls = obj["class_id"]
        for item, points in self.rois:
            if item.enabled and item.accepts(cls) and self.inside(points, cx, s32(cy + hh)) != item.inverse:
                info["objStatus"] += " ROI:" + item.label
                info["roiStatus"].append(item.label)
                self.in_roi[item.label] += 1
        for item, points in self.crowding:
            if item.enabled and item.accepts(cls) and self.inside(points, cx, s32(cy + hh)):
                info["ocStatus"].append(item.label)
                self.crowd[item.label] += 1
                if self.crowd[item.label] >= item.object_threshold:
                    self.crowded[item.label] = True
        px = py = pw = ph = 0
        if track.n > 3:
            if track.n < self.length:
                px, py, pw, ph = (cdiv(s32(a + b), 2) for a, b in zip(track.ring[0], track.ring[1]))
            else:
                old = [track.ring[(track.n + k) % self.length] for k in range(4)]
                px, py, pw, ph = (cdiv(s32(sum(v)), 4) for v in zip(*old))
        dx = F(s32(cx - px))
        dy = F(s32(cy + cdiv(ch, 2) - py - cdiv(ph, 2)))
        moved = s32_of_float(float(dx * dx + dy * dy))
        self.directions_of(info, ident, cls, track, still, moved, (s32(cx - px), s32(cy - py)))
        here = (cx, cy, cw, ch)
        for entry in self.lines:
            self.line_of(entry, info, ident, cls, track, moved, (px, py, pw), here, float(mean_h), hh)
        return info if info["objStatus"] or info["ocStatus"] else None

    def directions_of(
        self, info: dict[str, Any], ident: int, cls: int, track: Track, still: bool, moved: int, step: tuple[int, int]
    ) -> None:
        for entry in self.directions:
            item, points, enabled = entry
            if not enabled or not item.accepts(cls):
                continue
            if ident == UNTRACKED:
                entry[2] = False
            if still:
                info["objStatus"] += " STOPPED "
                break
            if moved > 3000 and track.n > 10 and heads(points[0], points[1], step, 0.5):
                info["objStatus"] += f" DIR:{item.label} "
                info["dirStatus"] += f" DIR:{item.label} "

    def line_of(
        self,
        entry: Any,
        info: dict[str, Any],
        ident: int,
        cls: int,
        track: Track,
        moved: int,
        old: Any,
        now: Any,
        mean_h: float,
        hh: int,
    ) -> None:
        item, (tail, head, start, end), enabled = entry
        if not enabled or item.label in track.crossed or not item.accepts(cls):
            return
        if ident == UNTRACKED:
            entry[2] = False
        far, long, cosine = GATE[item.mode]
        if moved <= far or track.n <= long or start == end:
            return
        px, py, pw = old
        cx, cy, cw, ch = now
        foot = s32(cy + cdiv(ch, 2))
        ax, ay = end[0] - start[0], end[1] - start[1]
        size = math.sqrt(float(ax * ax + ay * ay))
        a, b, c = -ay / size, ax / size, (float(start[0]) * end[1] - float(end[0]) * start[1]) / size
        ux, uy = head[0] - tail[0], head[1] - tail[1]
        arrow = s32(ux * ux + uy * uy)  # no side where its root is not a number
        across = (a * ux + b * uy) / math.sqrt(arrow) if arrow > 0 else 0.0
        if item.mode == "loose" and abs(across) >= 1e-5:
            then = a * px + b * float(F(py) + F(mean_h) / F(2)) + c
            here = a * cx + b * foot + c
            crosses = (then > 0 and here <= 0) if across < 0 else (then < 0 and here >= 0)
        else:
            crosses = heads(tail, head, (s32(cx - px), s32(foot - s32(py + hh))), cosine)
            sides = (s32_of_float(a * px + b * s32(py + hh) + c), s32_of_float(a * cx + b * foot + c))
            crosses = crosses and (sides[0] < 0 < sides[1] or sides[1] < 0 < sides[0])
        if crosses and not item.extended:
            crosses = any(
                hits((px + k * cdiv(pw, 2), py + mean_h / 2), (cx + k * cdiv(cw, 2), cy + ch / 2), start, end)
                for k in (0, 1, -1)
            )
        if crosses:
            track.crossed.add(item.label)
            self.current[item.label] += 1
            self.cumulative[item.label] = self.cumulative.get(item.label, 0) + 1
            info["lcStatus"].append(item.label)
            info["objStatus"] += f" LC:{item.label} "

    @staticmethod
    def inside(points: list[tuple[int, int]], x: int, y: int) -> bool:
        odd = False
        for (qx, qy), (rx, ry) in zip(points, points[1:] + points[:1]):
            if qy <= y < ry or ry <= y < qy:
                a, b, c = qy - ry, rx - qx, s32(ry * qx - rx * qy)
                meet = cdiv(-s32(b * y + c), a)
                odd ^= 0 <= meet <= x
        return odd

    def smooth(self, raw: dict[int, int], pts: int) -> dict[str, int]:
        answer = {}
        for cls in [*raw, *(c for c in self.histories if c not in raw)]:
            history = self.histories.setdefault(
                cls, {"times": {}, "order": [], "past": {}, "last": None, "buckets": 13}
            )
            if cls not in raw and history["last"] == pts:
                continue
            answer[str(cls)] = self.vote(history, raw.get(cls, 0), pts)
        return answer

    def vote(self, history: dict[str, Any], count: int, pts: int) -> int:
        times = history["times"]
        if count in times:
            times[count] += 1
        else:
            times[count] = 1
            order = history["order"]
            if len(order) + 1 > history["buckets"]:
                history["buckets"] = {13: 29, 29: 59, 59: 127, 127: 257}[history["buckets"]]
                relinked: list[int] = []
                for key in order:
                    link(relinked, key, history["buckets"])
                order = history["order"] = relinked
            link(order, count, history["buckets"])
        for key in [p for p in history["past"] if ((pts - p) % 2**64) / 1e6 > self.window]:
            times[history["past"].pop(key)] -= 1
        best = history["order"][0]
        for key in history["order"]:
            if times[key] > times[best]:
                best = key
        history["past"][pts] = count
        history["last"] = pts
        return int(best)


def link(order: list[int], key: int, buckets: int) -> None:
    for at, known in enumerate(order):
        if known % buckets == key % buckets:
            order.insert(at, key)
            return
    order.insert(0, key)


def heads(tail: tuple[int, int], head: tuple[int, int], step: tuple[int, int], cosine: float) -> bool:
    if step == (0, 0):
        return False
    ux, uy = head[0] - tail[0], head[1] - tail[1]
    size = s32(ux * ux + uy * uy)
    length = s32(s32(step[0] ** 2) + s32(step[1] ** 2))
    if length < 0 or size < 0:
        return True  # the root is not a number, which is not below the limit
    if not size:
        return cosine <= 0
    along = ux / math.sqrt(size) * step[0] + uy / math.sqrt(size) * step[1]
    return length == 0 or not along / math.sqrt(length) < cosine


def hits(p: tuple[float, float], q: tuple[float, float], start: tuple[int, int], end: tuple[int, int]) -> bool:
    def form(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float] | None:
        a, b, c = y1 - y2, x2 - x1, x1 * y2 - x2 * y1
        size = math.sqrt(a * a + b * b)
        return (a / size, b / size, c / size) if size else None

    walk, line = form(*p, *q), form(*map(float, start), *map(float, end))
    if walk is None or line is None:
        return False
    det = walk[0] * line[1] - walk[1] * line[0]
    if abs(det) < 1e-5:
        return False
    x = (-walk[2] * line[1] + walk[1] * line[2]) / det - start[0]
    y = (-walk[0] * line[2] + walk[2] * line[0]) / det - start[1]
    bx, by = end[0] - start[0], end[1] - start[1]
    return x * bx + y * by > 0 and x * x + y * y < s32(bx * bx + by * by)


class Oracle:
    """The whole element."""

    def __init__(self, config: NvdsAnalyticsConfig) -> None:
        self.config = config
        self.streams: dict[int, OracleStream] = {}

    def frame(self, frame: dict[str, Any]) -> dict[str, Any]:
        index = frame["stream"]
        if index not in self.streams:
            rules = self.config.streams.get(index) or StreamRules(index, 1920, 1080)
            self.streams[index] = OracleStream(self.config, rules, frame["width"], frame["height"])
        return self.streams[index].frame(frame)
