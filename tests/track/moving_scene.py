"""A textured scene filmed by a camera that moves: pictures, and the boxes that a perfect detector finds in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from countline.protocols import SourceStats
from countline.types import Detections, Frame, FrameInfo, SourceInfo, TimeQuality
from countline.video.picture import ArrayPicture

WIDTH, HEIGHT, FPS = 640, 360, 10
Walk = tuple[tuple[float, float], tuple[float, float]]


def background(seed: int, size: tuple[int, int] = (1400, 900)) -> NDArray[np.uint8]:
    """(height, width, 3): blurred noise and boxes, as rich in corners as a street."""
    rng = np.random.default_rng(seed)
    canvas = rng.integers(0, 255, (size[1] // 12, size[0] // 12, 3)).astype(np.uint8)
    canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(150):
        x, y = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
        w, h = rng.integers(20, 120, 2).tolist()
        cv2.rectangle(canvas, (x, y), (x + w, y + h), rng.integers(0, 255, 3).tolist(), -1)
    return cv2.GaussianBlur(canvas, (0, 0), 1.2)


class MovingCamera:
    """A source whose pictures are cut from ``scenes`` at ``where(t)``, and the detector for it.

    Parameters
    ----------
    walks: bottom centres at begin and end, in pixels of the first picture of the scene; a box is 40 x 80.
    where: seconds -> (number of the scene, shift x, shift y, turn in degrees) of the camera.
    """

    def __init__(
        self,
        walks: Sequence[Walk],
        where: Callable[[float], tuple[int, float, float, float]],
        *,
        seconds: float = 6.0,
        scenes: int = 2,
    ) -> None:
        self.walks, self.where, self.seconds = walks, where, seconds
        self.scenes = [background(seed) for seed in range(scenes)]
        self.info = SourceInfo("camera", 0, "camera", "moving")
        self.stats = SourceStats()
        self.labels = ("person",)

    def matrix(self, t: float) -> NDArray[np.float64]:
        """(2, 3) from pixels of the scene's first picture to those of the picture at ``t``."""
        _, dx, dy, turn = self.where(t)
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, 1.0)
        matrix[:, 2] += (dx, dy)
        return matrix

    def bottoms(self, t: float) -> NDArray[np.float64]:
        part = t / self.seconds
        return np.array([(a + part * (c - a), b + part * (d - b)) for (a, b), (c, d) in self.walks]).reshape(-1, 2)

    def picture(self, t: float) -> NDArray[np.uint8]:
        scene = self.scenes[self.where(t)[0]].copy()
        for x, y in self.bottoms(t):  # the scene's first picture lies at (380, 270) of the canvas
            cv2.rectangle(scene, (int(x) + 360, int(y) + 190), (int(x) + 400, int(y) + 270), (30, 30, 30), -1)
        shift = np.array([[1.0, 0, -380], [0, 1.0, -270]])
        matrix = self.matrix(t)
        whole = np.concatenate([matrix[:, :2] @ shift[:, :2], matrix[:, :2] @ shift[:, 2:] + matrix[:, 2:]], 1)
        return cv2.warpAffine(scene, whole, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)

    def __iter__(self) -> Iterator[Frame]:
        for number in range(round(self.seconds * FPS)):
            pts = round(number / FPS * 1e9)
            info = FrameInfo(
                self.info,
                number,
                pts,
                1_767_225_600 * 10**9 + pts,
                WIDTH,
                HEIGHT,
                time_quality=TimeQuality.FILE_START,
                stream="moving",
            )
            self.stats.frames += 1
            yield Frame(info, ArrayPicture(self.picture(number / FPS)))

    def close(self) -> None:
        return

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        found = []
        for frame in frames:
            t = frame.info.number / FPS
            matrix = self.matrix(t)
            bottom = self.bottoms(t)
            centre = (bottom - (0, 40)) @ matrix[:, :2].T + matrix[:, 2]
            half = np.array([20, 40])
            boxes = np.concatenate([centre - half, centre + half], 1)
            inside = (centre > 0).all(axis=1) & (centre < (WIDTH, HEIGHT)).all(axis=1)
            boxes = boxes[inside]
            found.append(Detections(boxes, np.full(len(boxes), 0.9), np.zeros(len(boxes))))
        return found
