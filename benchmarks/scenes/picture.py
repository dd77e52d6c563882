"""Scenes drawn, for a detector: people and vehicles with shadows over a real background.

The background is the median of a clip's frames: what stays when all that moves is gone. People and vehicles are cut out of the same
clip where nobody else is near, with the difference to the background as their outline, so that they look as real as the place. They
are scaled to the size that the scene gives them and pasted from far to near, each over its shadow; light flickers a little.
The truth is that of the scene; who is cut out looks at most like a person or a car, so how well the detector sees them is a
property of the cut-outs, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from scenes.world import Scene

__all__ = ["Stock", "draw", "stock_of"]

LEAST = 40
"""Pixels of height from which somebody is cut out: smaller ones are blurred when they are drawn larger."""
DARK = 0.6
"""Light in a shadow."""


@dataclass
class Stock:
    """What scenes are drawn with."""

    background: np.ndarray
    """(h, w, 3) uint8."""
    cuttings: list[np.ndarray]
    """(h, w, 4) uint8 each, the fourth being how much of it shows."""


def stock_of(video: Path, boxes: list[np.ndarray], most: int = 12) -> Stock:
    """Background and cut-outs of a clip; ``boxes``: (n, 4) xyxy for each frame of what is to be cut out."""
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    background = np.median(np.stack(frames[:: max(1, len(frames) // 60)]), axis=0).astype(np.uint8)
    found: list[tuple[float, np.ndarray]] = []
    for f in range(0, len(frames), 10):
        for i, box in enumerate(boxes[f]):
            others = np.delete(boxes[f], i, 0)
            left, top, right, bottom = (int(v) for v in box)
            apart = (others[:, 0] > right) | (others[:, 2] < left) | (others[:, 1] > bottom) | (others[:, 3] < top)
            inside = left > 2 and top > 2 and right < background.shape[1] - 2 and bottom < background.shape[0] - 2
            if apart.all() and inside and bottom - top >= LEAST:
                cut = _outline(frames[f][top:bottom, left:right], background[top:bottom, left:right])
                found.append((float((cut[..., 3] > 128).mean()), cut))
    found.sort(key=lambda one: -one[0])
    return Stock(background, [cut for _, cut in found[:most]])


def _outline(cut: np.ndarray, behind: np.ndarray) -> np.ndarray:
    apart = np.abs(cut.astype(int) - behind).max(axis=2)
    mask = cv2.morphologyEx((apart > 28).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count > 1:
        mask = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    soft = cv2.GaussianBlur(mask * 255, (3, 3), 0)
    return np.dstack([cut, soft])


def draw(scene: Scene, fps: float, stock: Stock) -> Iterator[np.ndarray]:
    """(h, w, 3) uint8 BGR for each frame at this rate. The same thing always looks the same."""
    width, height = scene.camera.size
    ground = cv2.resize(stock.background, (width, height)).astype(np.float32)
    boxes, alive = scene.true_boxes(fps)
    rng = np.random.default_rng([scene.seed, 7])
    looks = rng.integers(len(stock.cuttings), size=len(scene.things))
    for f in range(boxes.shape[1]):
        picture = ground * np.float32(1 + 0.01 * rng.normal())
        rows = np.flatnonzero(alive[:, f])
        for i in rows:
            _shadow(picture, boxes[i, f])
        for i in rows[np.argsort(boxes[rows, f, 3])]:
            _paste(picture, stock.cuttings[looks[i]], boxes[i, f])
        picture += rng.normal(0, 2, picture.shape).astype(np.float32)
        yield picture.clip(0, 255).astype(np.uint8)


def _shadow(picture: np.ndarray, box: np.ndarray) -> None:
    left, _, right, bottom = box
    middle = (round((left + right) / 2 + 0.3 * (right - left)), round(bottom - 0.02 * (right - left)))
    axes = (max(1, round(0.7 * (right - left))), max(1, round(0.14 * (right - left))))
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1)
    picture[mask > 0] *= DARK


def _paste(picture: np.ndarray, cut: np.ndarray, box: np.ndarray) -> None:
    left, top, right, bottom = (round(float(v)) for v in box)
    if right - left < 3 or bottom - top < 3:
        return
    scaled = cv2.resize(cut, (right - left, bottom - top), interpolation=cv2.INTER_AREA).astype(np.float32)
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x0 >= x1 or y0 >= y1:
        return
    part = scaled[y0 - top : y1 - top, x0 - left : x1 - left]
    shows = part[..., 3:] / 255
    picture[y0:y1, x0:x1] = shows * part[..., :3] + (1 - shows) * picture[y0:y1, x0:x1]
