"""What a middling detector would say of a scene, at any frame rate.

Faults are processes in time, not draws by frame: a miss lasts for a moment, an edge of a box strays for a moment, confidence
sinks while somebody is hidden. In detail, with the figures of :class:`Quality`:

* edges stray by a part of the box's size, half of it for ``calm`` seconds, half from frame to frame;
* who is hidden is seen less surely, and not at all when little of him shows; where somebody in front hides the lower part, the box
  mostly ends there (so that the bottom centre jumps); two who overlap are sometimes one box around both, besides or instead of
  their own;
* second boxes on a part of an object, or larger than it; on lorries and buses they last;
* false boxes at a few places that look like something, for a while, and anywhere, for a frame;
* suppression: of two boxes that overlap by more than ``nms``, the stronger one stays; boxes end at the picture's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.hiding import visible
from scenes.world import Scene

__all__ = ["QUALITIES", "Frames", "Quality", "detect"]

THRESHOLD = 0.45
"""Confidence from which such a detector is believed."""
FLOOR = 0.12
"""Confidence from which its boxes are told at all."""


@dataclass(frozen=True)
class Quality:
    """How good a detector is."""

    stray: tuple[float, float] = (0.06, 0.02)
    """Of people: across, as a part of the width (arms and legs move), and up and down, of the height."""
    stray_vehicles: float = 0.025
    calm: float = 0.25
    sure: float = 0.78
    """Middle confidence of what is seen whole."""
    spread: float = 0.08
    missed: float = 0.02
    """Part of the time."""
    gap: float = 0.2
    """Mean seconds of a miss."""
    cut: float = 0.7
    """Part of the time for which a hidden lower part is cut off."""
    doubled: float = 0.08
    large_doubled: float = 0.25
    """Part of the time for which lorries and buses have a second box."""
    merged: float = 0.15
    """Part of the time for which two who overlap are one box."""
    spots: int = 2
    false: float = 0.05
    """False boxes anywhere, by frame."""
    nms: float = 0.6


QUALITIES = {"usual": Quality()}

Frames = list[np.ndarray]
"""For each frame (n, 6): x1, y1, x2, y2, confidence, class id."""


class _Switch:
    """(n,) things that are on for a part of the time, for ``mean`` seconds at a time."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...], part: np.ndarray | float, mean: float) -> None:
        self._rng, self._mean = rng, mean
        self._part = np.broadcast_to(np.asarray(part, float), shape)
        self.on = rng.random(shape) < self._part

    def step(self, seconds: float) -> np.ndarray:
        ends = 1 - np.exp(-seconds / self._mean)
        drawn = self._rng.random(self.on.shape) < ends
        self.on = np.where(drawn, self._rng.random(self.on.shape) < self._part, self.on)
        return self.on


class _Drift:
    """Numbers of mean 0 and deviation 1 that change slowly."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...], seconds: float) -> None:
        self._rng, self._seconds = rng, seconds
        self.value = rng.normal(size=shape)

    def step(self, seconds: float) -> np.ndarray:
        kept = np.exp(-seconds / self._seconds)
        self.value = kept * self.value + np.sqrt(1 - kept**2) * self._rng.normal(size=self.value.shape)
        return self.value


class _Detector:
    """One run over a scene."""

    def __init__(self, scene: Scene, rng: np.random.Generator, quality: Quality) -> None:
        self.scene, self.rng, self.q = scene, rng, quality
        n = len(scene.things)
        self.classes = np.array([t.class_id for t in scene.things])
        large = np.isin(self.classes, (4, 5))
        people = np.isin(self.classes, (0, 1))
        self.stray = np.where(people[:, None], np.tile(quality.stray, 2), quality.stray_vehicles)
        self.edges, self.mood = _Drift(rng, (n, 4), quality.calm), _Drift(rng, (n,), 0.6)
        self.missed = _Switch(rng, (n,), quality.missed, quality.gap)
        self.cut = _Switch(rng, (n,), quality.cut, 0.5)
        self.second = _Switch(rng, (n,), np.where(large, quality.large_doubled, quality.doubled), 0.6)
        self.second_at = _Drift(rng, (n, 3), 5.0)
        self.other_class = _Switch(rng, (n,), np.where(self.classes >= 2, 0.06, 0.0), 0.3)
        self.merged = _Switch(rng, (n, n), quality.merged, 0.3)
        self.alone = _Switch(rng, (n, n), 0.5, 0.3)
        width, height = scene.camera.size
        self.spots = rng.uniform((0, 0.3 * height), (width, height), (quality.spots, 2))
        self.spot_on = _Switch(rng, (quality.spots,), 0.15, 0.5)

    def frame(self, whole: np.ndarray, alive: np.ndarray, seconds: float) -> np.ndarray:
        for process in (self.edges, self.mood, self.missed, self.cut, self.second, self.second_at, self.other_class):
            process.step(seconds)
        self.merged.step(seconds), self.alone.step(seconds), self.spot_on.step(seconds)
        rows = np.flatnonzero(alive)
        box, shown = visible(whole[rows], self.scene.camera.size, self.cut.on[rows])
        score = (
            self.q.sure
            - 0.55 * (1 - shown)
            + self.q.spread * (0.8 * self.mood.value[rows] + 0.6 * self.rng.normal(size=len(rows)))
        )
        seen = (shown > 0.2) & ~self.missed.on[rows]
        size = np.tile(box[:, 2:] - box[:, :2], 2)
        drift = np.sqrt(0.5) * (self.edges.value[rows] + self.rng.normal(size=box.shape))
        box = box + self.stray[rows] * size * drift
        classes = np.where(self.other_class.on[rows], 7 - self.classes[rows], self.classes[rows])
        table = np.column_stack([box, score, classes])
        seconds_ = self._second_boxes(table, rows, seen)
        groups, gone = self._groups(table, rows, seen)
        found = np.concatenate([table[seen & ~gone], seconds_, groups, self._false()])
        return suppressed(self._within(found), self.q.nms)

    def _second_boxes(self, table: np.ndarray, rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Of a part of an object (mostly the upper or the front one), or somewhat larger than it."""
        on = seen & self.second.on[rows]
        result, at = table[on].copy(), self.second_at.value[rows][on]
        size = result[:, 2:4] - result[:, :2]
        part = np.clip(0.72 + 0.22 * at[:, :1], 0.4, 1.3)
        room = size * (1 - part)
        place = np.clip(0.5 + 0.4 * at[:, 1:3], 0, 1)
        result[:, :2] += place * room
        result[:, 2:4] = result[:, :2] + part * size
        result[:, 4] *= np.clip(0.7 + 0.12 * self.rng.normal(size=len(result)), 0.4, 0.98)
        return result

    def _groups(self, table: np.ndarray, rows: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes around two who overlap, and whose own box is left out for one."""
        gone = np.zeros(len(rows), bool)
        result = []
        common = overlaps(table[:, :4])
        for i, j in np.argwhere(np.triu(common > 0.1, 1)):
            a, b = rows[i], rows[j]
            if not (self.merged.on[a, b] and seen[i] and seen[j]):
                continue
            union = [*np.minimum(table[i, :2], table[j, :2]), *np.maximum(table[i, 2:4], table[j, 2:4])]
            score = 0.75 * max(table[i, 4], table[j, 4]) + 0.06 * self.rng.normal()
            if self.alone.on[a, b]:
                gone[[i, j]] = True
                score += 0.12
            result.append([*union, score, table[i, 5]])
        return np.array(result).reshape(-1, 6), gone

    def _false(self) -> np.ndarray:
        count = self.rng.poisson(self.q.false)
        width, height = self.scene.camera.size
        places = np.concatenate([self.spots[self.spot_on.on], self.rng.uniform((0, 0), (width, height), (count, 2))])
        high = self.scene.camera.scale(places[:, 1]) * self.rng.normal(1, 0.05, len(places))
        score = np.clip(self.rng.normal(0.33, 0.1, len(places)), 0, 0.62)
        kind = np.full(len(places), np.bincount(self.classes).argmax())
        return np.column_stack(
            [
                places - np.column_stack([0.2 * high, high]),
                places + np.column_stack([0.2 * high, 0 * high]),
                score,
                kind,
            ]
        )

    def _within(self, found: np.ndarray) -> np.ndarray:
        width, height = self.scene.camera.size
        found[:, [0, 2]] = found[:, [0, 2]].clip(0, width)
        found[:, [1, 3]] = found[:, [1, 3]].clip(0, height)
        found[:, 4] = found[:, 4].clip(0.01, 0.98)
        large = (found[:, 2:4] - found[:, :2] > 4).all(axis=1)
        return found[large & (found[:, 4] >= FLOOR)]


def detect(scene: Scene, fps: float, quality: Quality | None = None, seed: int = 0) -> Frames:
    """All frames of a scene at this rate; the same for the same seed."""
    rng = np.random.default_rng([scene.seed, seed, *scene.name.encode(), round(1000 * fps)])
    detector = _Detector(scene, rng, quality or Quality())
    whole, alive = scene.true_boxes(fps)
    return [detector.frame(whole[:, f], alive[:, f], 1 / fps) for f in range(whole.shape[1])]


def overlaps(boxes: np.ndarray) -> np.ndarray:
    """(n, n) intersection over union."""
    low, high = np.maximum(boxes[:, None, :2], boxes[None, :, :2]), np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return common / np.maximum(area[:, None] + area[None] - common, 1e-9)


def suppressed(found: np.ndarray, most: float) -> np.ndarray:
    """Without boxes that overlap a stronger one of their class too much, strongest first."""
    found = found[np.argsort(-found[:, 4], kind="stable")]
    common = overlaps(found[:, :4]) * (found[:, None, 5] == found[None, :, 5])
    kept: list[int] = []
    for i in range(len(found)):
        if not kept or common[i, kept].max() <= most:
            kept.append(i)
    return found[kept]
