"""A scene: objects on their ways, lines, and what is true of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenes.ways import Ends, Passage, Way, passages

__all__ = ["CLASSES", "Camera", "Crossing", "Scene", "Thing"]

CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
"""By class id."""


@dataclass(frozen=True)
class Camera:
    """How large things are where: an object's height grows with its distance below the horizon."""

    size: tuple[int, int]
    horizon: float
    """Row of the picture (may lie above it) at which things have no size."""
    height: float
    """Pixels of somebody who stands at the picture's lower edge."""

    def scale(self, y: np.ndarray) -> np.ndarray:
        """Pixels for a height of 1 at these rows."""
        grown = self.height * (np.asarray(y, float) - self.horizon) / (self.size[1] - self.horizon)
        return np.maximum(grown, 4.0)


@dataclass(frozen=True)
class Thing:
    """One object."""

    way: Way
    class_id: int
    height: float
    """In heights of a standing person."""
    aspect: float
    """Width by height of its box."""

    def boxes(self, times: np.ndarray, camera: Camera) -> np.ndarray:
        """(n, 4) xyxy of the whole object, also where it is outside of the picture."""
        at = self.way.at(times)
        high = self.height * camera.scale(at[:, 1])
        wide = self.aspect * high
        return np.stack([at[:, 0] - wide / 2, at[:, 1] - high, at[:, 0] + wide / 2, at[:, 1]], 1)

    def alive(self, times: np.ndarray) -> np.ndarray:
        """(n,) whether it exists then."""
        return (times >= self.way.times[0]) & (times <= self.way.times[-1])


@dataclass(frozen=True)
class Crossing:
    """A passage and who made it."""

    thing: int
    line: str
    passage: Passage


@dataclass
class Scene:
    """Everything that is decided before anybody looks."""

    name: str
    seed: int
    camera: Camera
    seconds: float
    lines: dict[str, Ends]
    things: list[Thing] = field(default_factory=list)

    def crossings(self) -> list[Crossing]:
        """All of them, in time: exactly those of the ways."""
        found = [
            Crossing(i, name, passage)
            for i, thing in enumerate(self.things)
            for name, line in self.lines.items()
            for passage in passages(thing.way, line)
        ]
        return sorted(found, key=lambda c: (c.passage.time, c.thing, c.line))

    def counts(self) -> dict[str, dict[str, int]]:
        """By line and sign."""
        result = {name: {"+": 0, "-": 0} for name in self.lines}
        for crossing in self.crossings():
            result[crossing.line][crossing.passage.sign] += 1
        return result

    def times(self, fps: float) -> np.ndarray:
        """(frames,) seconds."""
        return np.arange(int(self.seconds * fps)) / fps

    def true_boxes(self, fps: float) -> tuple[np.ndarray, np.ndarray]:
        """(things, frames, 4) xyxy and (things, frames) whether any of it is in the picture."""
        times = self.times(fps)
        boxes = np.stack([thing.boxes(times, self.camera) for thing in self.things])
        alive = np.stack([thing.alive(times) for thing in self.things])
        width, height = self.camera.size
        shown = (boxes[..., 2] > 0) & (boxes[..., 0] < width) & (boxes[..., 3] > 0) & (boxes[..., 1] < height)
        return boxes, alive & shown
