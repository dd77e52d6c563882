"""Kinds of scenes, each made from a seed.

* ``apart``: people who never touch, each in a good distance from all others.
* ``street``: people alone, in twos side by side, against each other and behind each other; some stand, some turn back.
* ``crowd``: the same, dense, with groups of three to five.
* ``traffic``: cars, lorries, buses and riders in lanes, seen from above the road; some follow closely, some overtake.

No way is doubtful at a line: who passes is seen well away from it before and after, passes far from its ends, and nobody stands
or turns on it (:func:`scenes.ways.clear`). And nobody passes who is hidden then: an eye could not tell either.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from scenes.hiding import visible
from scenes.ways import Ends, Seen, Way, clear, passages
from scenes.world import Camera, Scene, Thing

__all__ = ["KINDS", "make"]

ROOM = 0.45
"""Sizes (longer side of the box) of that distance."""
LEAST = 1.0
"""Seconds for which somebody is in the picture before and after a passage: two frames at the lowest rates."""
LOWEST = 0.8
"""Part of the picture's height down to which lines reach."""
AROUND, SHOWN = 1.5, 0.4
"""Seconds before and after a passage, and the part of somebody that must show for half of each."""
PIECE = 0.25
"""Seconds for which an object moves evenly."""
FEWEST = 0.3
"""Crossings a second."""
DENSE = 0.05
"""Seconds between samples of a way that is checked."""

Rng = np.random.Generator


def make(kind: str, seed: int, seconds: float = 60.0) -> Scene:
    """The scene of this kind and seed; always the same. A camera and lines at which hardly anybody could be told are drawn anew."""
    rng = np.random.default_rng([seed, *kind.encode()])
    while True:
        scene = KINDS[kind](rng, kind, seed, seconds)
        while scene.things and (hidden := _hidden(scene)):
            scene.things = [thing for i, thing in enumerate(scene.things) if i not in hidden]
        if len(scene.crossings()) >= FEWEST * seconds:
            return scene


def _hidden(scene: Scene) -> set[int]:
    """Who passes a line without that anybody could tell: at less than half of the times around it (:data:`AROUND`), before or
    after, does as much as :data:`SHOWN` of him show. They are left out."""
    times = scene.times(5)
    boxes, alive = scene.true_boxes(5)
    shown = np.zeros(alive.shape)
    for f in range(len(times)):
        rows = np.flatnonzero(alive[:, f])
        shown[rows, f] = visible(boxes[rows, f], scene.camera.size, np.zeros(len(rows), bool))[1]
    found = set()
    for crossing in scene.crossings():
        i, time = crossing.thing, crossing.passage.time
        for begin, end in ((time - AROUND, time), (time, time + AROUND)):
            part = shown[i, (times >= begin) & (times <= end) & alive[i]]
            if len(part) and (part >= SHOWN).mean() < 0.5:
                found.add(i)
    return found


def _lines(rng: Rng, size: tuple[int, int], count: int) -> dict[str, Ends]:
    """Through the middle part of the picture, in all directions: from edge to edge, each second one shorter. None reaches the lower
    edge, where the ground points of those who come in lie outside of the picture and boxes end at the edge."""
    width, height = size
    found: dict[str, Ends] = {}
    for i in range(count):
        angle = np.pi * (i + rng.uniform(-0.3, 0.3)) / count
        along = np.array([np.cos(angle), np.sin(angle)])
        middle = np.array([width, height]) * rng.uniform(0.4, 0.6, 2)
        reach = [_to_edge(middle, sign * along, width, LOWEST * height) for sign in (-1, 1)]
        part = rng.uniform(0.7, 0.9) if i % 2 else 1.0
        a, b = middle - part * reach[0] * along, middle + part * reach[1] * along
        if rng.random() < 0.5:
            a, b = b, a
        found[f"l{i}"] = (
            (round(float(a[0]), 1), round(float(a[1]), 1)),
            (round(float(b[0]), 1), round(float(b[1]), 1)),
        )
    return found


def _to_edge(start: np.ndarray, step: np.ndarray, width: float, height: float) -> float:
    ways = [((side if s > 0 else 0) - p) / s for p, s, side in zip(start, step, (width, height)) if s]
    return float(min(ways))


def _walk(rng: Rng, camera: Camera, corners: list[np.ndarray], begin: float, speed: float) -> Way:
    """Along the corners, ``speed`` in heights a second where it is (who is far away seems slow), with a gait of its own."""
    x, y = (float(v) for v in corners[0])
    times, points = [begin], [(x, y)]
    pace = 1.0
    for corner in corners[1:]:
        u, v = (float(w) for w in corner)
        while (length := math.hypot(u - x, v - y)) > 1e-6:
            pace = min(max(pace + rng.normal(0, 0.08), 0.75), 1.25)
            scale = max(4.0, camera.height * (y - camera.horizon) / (camera.size[1] - camera.horizon))
            reach = max(1.0, PIECE * speed * pace * scale)
            part = min(1.0, reach / length)
            x, y = (x + part * (u - x), y + part * (v - y)) if part < 1 else (u, v)
            points.append((x, y))
            times.append(times[-1] + PIECE * part * length / reach)
    return Way(np.array(times), np.array(points))


def _edge_point(rng: Rng, camera: Camera, side: int) -> np.ndarray:
    """A ground point from which nothing of a person shows in the picture."""
    width, height = camera.size
    top = max(camera.horizon + 0.15 * (height - camera.horizon), 0.2 * height)
    y = rng.uniform(top, height * 0.98)
    if side == 2:
        return np.array([rng.uniform(0.05, 0.95) * width, height + 1.3 * float(camera.scale(height))])
    margin = 0.4 * float(camera.scale(y))
    return np.array([-margin if side == 0 else width + margin, y])


def _corners(rng: Rng, camera: Camera) -> list[np.ndarray]:
    """From one edge to another, straight or with a bend; one in eight turns round and goes back."""
    width, height = camera.size
    first, last = rng.permutation(3)[:2]
    start, end = _edge_point(rng, camera, int(first)), _edge_point(rng, camera, int(last))
    bend = np.array([width, height]) * rng.uniform((0.2, 0.35), (0.8, 0.95))
    style = rng.random()
    if style < 0.125:
        return [start, bend, start + rng.normal(0, 5, 2)]
    return [start, bend, end] if style < 0.5 else [start, end]


def _allowed(thing: Thing, scene: Scene) -> bool:
    """Whether its way is clear at all lines."""
    begin, end = max(0.0, float(thing.way.times[0])), min(scene.seconds, float(thing.way.times[-1]))
    if end - begin < 1.5 or thing.way.times[0] < 0 or thing.way.times[-1] > scene.seconds:
        return False
    seen = _seen(thing, scene, np.arange(begin, end, DENSE))
    return all(clear(seen, passages(thing.way, line), line, ROOM, LEAST) for line in scene.lines.values())


def _seen(thing: Thing, scene: Scene, times: np.ndarray) -> Seen:
    boxes = thing.boxes(times, scene.camera)
    width, height = scene.camera.size
    shown = boxes.clip(0, (width, height, width, height))
    return Seen(
        times,
        np.stack([(shown[:, 0] + shown[:, 2]) / 2, shown[:, 3]], 1),
        np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]),
        (boxes[:, 0] > 0) & (boxes[:, 2] < width) & (boxes[:, 3] < height),
        (shown[:, 2] > shown[:, 0]) & (shown[:, 3] > shown[:, 1]),
    )


def _touches(thing: Thing, scene: Scene, gap: float) -> bool:
    """Whether its box comes nearer to another's than ``gap`` widths."""
    times = np.arange(thing.way.times[0], thing.way.times[-1], 0.1)
    mine = thing.boxes(times, scene.camera)
    grow = gap * (mine[:, 2] - mine[:, 0])
    for other in scene.things:
        alive = other.alive(times)
        box = other.boxes(times, scene.camera)
        across = (mine[:, 0] - grow < box[:, 2]) & (box[:, 0] < mine[:, 2] + grow)
        if (alive & across & (mine[:, 1] - grow < box[:, 3]) & (box[:, 1] < mine[:, 3] + grow)).any():
            return True
    return False


def _people(rng: Rng, name: str, seed: int, seconds: float, count: int, largest: int, gap: float | None) -> Scene:
    """``count`` people in groups of up to ``largest``; ``gap``: the least distance between any two, in widths."""
    size = ((768, 576), (1280, 720), (640, 360))[int(rng.integers(3))]
    camera = Camera(size, rng.uniform(-0.4, 0.15) * size[1], rng.uniform(0.28, 0.42) * size[1])
    scene = Scene(name, seed, camera, seconds, _lines(rng, size, 4))
    for _ in range(25 * count):
        if len(scene.things) >= count:
            break
        corners, speed = _corners(rng, camera), rng.uniform(0.55, 1.1)
        way = _walk(rng, camera, corners, rng.uniform(0, max(0.1, seconds - 4)), speed)
        group = int(rng.integers(1, largest + 1)) if rng.random() < 0.5 else 1
        things = []
        for place in range(group):
            scale = float(camera.scale(way.points[len(way.points) // 2][1]))
            step = np.array([0.48 * (place % 3) + 0.24 * (place // 3), 0.3 * (place // 3)]) + rng.uniform(
                -0.07, 0.07, 2
            )
            things.append(
                Thing(
                    way.moved(step * scale if place else step * 0), 0, rng.uniform(0.88, 1.08), rng.uniform(0.33, 0.42)
                )
            )
        if gap is not None and not any(passages(way, line) for line in scene.lines.values()):
            continue
        if all(_allowed(t, scene) for t in things) and not (
            gap is not None and any(_touches(t, scene, gap) for t in things)
        ):
            scene.things += things
    if gap is None:
        _stand(rng, scene, count // 12)
    return scene


def _stand(rng: Rng, scene: Scene, count: int) -> None:
    """So many people stand about all the time."""
    for _ in range(10 * count):
        place = np.array(scene.camera.size) * rng.uniform((0.1, 0.4), (0.9, 0.95))
        way = Way(np.array([0, scene.seconds]), np.array([place, place]))
        thing = Thing(way, 0, rng.uniform(0.88, 1.08), rng.uniform(0.33, 0.42))
        if (
            count
            and _allowed(thing, scene)
            and all(len(t.way.times) > 2 for t in scene.things if _near(t, place, scene))
        ):
            scene.things.append(thing)
            count -= 1


def _near(other: Thing, place: np.ndarray, scene: Scene) -> bool:
    """Whether it begins within a body's length."""
    return bool(np.hypot(*(other.way.points[0] - place)) < scene.camera.scale(place[1]))


def _apart(rng: Rng, name: str, seed: int, seconds: float) -> Scene:
    return _people(rng, name, seed, seconds, round(0.9 * seconds), 1, 0.5)


def _street(rng: Rng, name: str, seed: int, seconds: float) -> Scene:
    return _people(rng, name, seed, seconds, round(0.9 * seconds), 2, None)


def _crowd(rng: Rng, name: str, seed: int, seconds: float) -> Scene:
    return _people(rng, name, seed, seconds, round(2.2 * seconds), 5, None)


VEHICLES = ((2, 0.85, 1.25, 0.72), (5, 1.75, 0.9, 0.14), (4, 1.8, 0.95, 0.04), (1, 1.0, 0.5, 0.1))
"""Class, height, width by height, share."""


def _traffic(rng: Rng, name: str, seed: int, seconds: float) -> Scene:
    size = ((768, 432), (1280, 720), (640, 360))[int(rng.integers(3))]
    camera = Camera(size, rng.uniform(-0.3, 0.1) * size[1], rng.uniform(0.16, 0.3) * size[1])
    scene = Scene(name, seed, camera, seconds, _lines(rng, size, 4))
    width, height = size
    lanes = int(rng.integers(3, 6))
    vanish, spread = rng.uniform(0.35, 0.65) * width, rng.uniform(0.9, 1.4) * width
    last = np.zeros(lanes)
    share = np.array([v[3] for v in VEHICLES])
    cruise = rng.uniform(1.0, 3.0)
    for _ in range(int(40 * seconds)):
        lane = int(rng.integers(lanes))
        begin = float(last[lane] + rng.uniform(0.5, 4.0))
        if begin > seconds - 3:
            if (last > seconds - 5).all():
                break
            last[lane] = begin
            continue
        class_id, high, aspect, _ = VEHICLES[int(rng.choice(len(VEHICLES), p=share))]
        far_y, near_y = 0.12 * height, height + 2.4 * float(camera.scale(height))
        near_x = width / 2 + spread * ((lane + 0.5) / lanes - 0.5)
        part = (far_y - camera.horizon) / (height - camera.horizon)
        far = np.array([vanish + (near_x - vanish) * part, far_y])
        near = far + (np.array([near_x, height]) - far) * (near_y - far_y) / (height - far_y)
        ends = [far, near] if lane < lanes / 2 else [near, far]
        way = _walk(rng, camera, ends, begin, cruise * rng.uniform(0.9, 1.1))
        thing = Thing(way, class_id, high * rng.uniform(0.9, 1.1), aspect * rng.uniform(0.9, 1.1))
        last[lane] = begin
        if _allowed(thing, scene) and not _collides(thing, scene):
            scene.things.append(thing)
    return scene


def _collides(thing: Thing, scene: Scene) -> bool:
    """Whether it drives through another: their ground points come nearer than half their widths."""
    times = np.arange(thing.way.times[0], thing.way.times[-1], 0.1)
    at, mine = thing.way.at(times), thing.boxes(times, scene.camera)
    for other in scene.things:
        box = other.boxes(times, scene.camera)
        apart = np.hypot(*(at - other.way.at(times)).T)
        near = apart < 0.5 * (mine[:, 2] - mine[:, 0] + box[:, 2] - box[:, 0])
        if (near & other.alive(times)).any():
            return True
    return False


KINDS: dict[str, Callable[[Rng, str, int, float], Scene]] = {
    "apart": _apart,
    "street": _street,
    "crowd": _crowd,
    "traffic": _traffic,
}
