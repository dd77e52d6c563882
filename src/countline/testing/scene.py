"""A source and a detector without camera and model: boxes walk along straight lines, and the detector knows where they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countline.protocols import SourceStats
from countline.types import Detections, Frame, FrameInfo, SourceInfo, TimeQuality

__all__ = ["Scene", "SceneDetector", "SceneSource", "Walk"]

Point = tuple[float, float]


@dataclass(frozen=True)
class Walk:
    """One object on its straight way. Positions and sizes are 0..1 of the picture's width and height."""

    start: Point
    """Bottom centre of its box at ``begin``."""
    end: Point
    """Bottom centre of its box at ``until``."""
    label: str = "person"
    begin: float = 0.0
    """Seconds into the scene from which it is seen."""
    until: float | None = None
    """Seconds at which it arrives and is seen no more; the end of the scene unless set."""
    size: Point = (0.06, 0.25)
    """Width and height of its box."""


class Scene:
    """What is to be seen: the same for every source and detector made of it.

    Parameters
    ----------
    walks: the objects.
    seconds, fps: length of the scene and its frames a second; the first frame has PTS 0.
    size: width and height of the pictures in pixels.
    labels: class names of the detector; those of the walks unless given.
    time: capture time of the first frame, ns since the Unix epoch.
    """

    def __init__(
        self,
        walks: Sequence[Walk],
        *,
        seconds: float = 5.0,
        fps: float = 10.0,
        size: tuple[int, int] = (640, 360),
        labels: Sequence[str] = (),
        time: int = 1_767_225_600 * 10**9,
    ) -> None:
        self.walks = tuple(walks)
        self.seconds, self.fps, self.size, self.time = seconds, fps, size, time
        self.labels = tuple(labels) or tuple(dict.fromkeys(walk.label for walk in walks))

    def __len__(self) -> int:
        """Number of frames."""
        return round(self.seconds * self.fps)

    def detections(self, number: int) -> Detections:
        """Boxes in frame ``number``, in pixels, in the order of the walks."""
        now = number / self.fps
        width, height = self.size
        boxes, classes = [], []
        for walk in self.walks:
            until = self.seconds if walk.until is None else walk.until
            if not walk.begin <= now <= until:
                continue
            part = (now - walk.begin) / (until - walk.begin)
            x = walk.start[0] + part * (walk.end[0] - walk.start[0])
            y = walk.start[1] + part * (walk.end[1] - walk.start[1])
            boxes.append(
                [
                    (x - walk.size[0] / 2) * width,
                    (y - walk.size[1]) * height,
                    (x + walk.size[0] / 2) * width,
                    y * height,
                ]
            )
            classes.append(self.labels.index(walk.label))
        return Detections(np.array(boxes), np.full(len(boxes), 0.9), np.array(classes))

    def picture(self, number: int) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 BGR: the boxes, light on dark."""
        width, height = self.size
        picture = np.full((height, width, 3), 40, np.uint8)
        for left, top, right, bottom in np.rint(self.detections(number).xyxy).astype(int).clip(0):
            picture[top:bottom, left:right] = 200
        return picture

    def source(self, name: str = "scene", index: int = 0, *, device_id: str = "") -> SceneSource:
        """A source (protocol ``countline.protocols.Source``) that plays the scene once for each iteration."""
        return SceneSource(self, SourceInfo(name, index, device_id or name, "scene"))

    def detector(self) -> SceneDetector:
        """A detector (protocol ``countline.protocols.Detector``) for frames of this scene's sources."""
        return SceneDetector(self)


class SceneSource:
    """Plays a scene as fast as frames are taken."""

    def __init__(self, scene: Scene, info: SourceInfo) -> None:
        self.scene = scene
        self.info = info
        self.stats = SourceStats()
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        """Frames from the first on."""
        from countline.video.picture import ArrayPicture

        scene = self.scene
        for number in range(len(scene)):
            if self._closed.is_set():
                return
            pts = round(number / scene.fps * 1e9)
            info = FrameInfo(
                self.info,
                number,
                pts,
                scene.time + pts,
                *scene.size,
                time_quality=TimeQuality.FILE_START,
                stream="scene",
            )
            self.stats.frames += 1
            yield Frame(info, ArrayPicture(scene.picture(number)))

    def close(self) -> None:
        """End the iteration, from whichever thread."""
        self._closed.set()


class SceneDetector:
    """Knows where the objects of a scene are by the number of the frame."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.labels: Sequence[str] = scene.labels

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections per frame."""
        return [self.scene.detections(frame.info.number) for frame in frames]

    def close(self) -> None:
        """Nothing is held."""
