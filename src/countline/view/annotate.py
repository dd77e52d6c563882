"""The annotated video: a consumer that draws every frame and encodes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countline.private_files import open_private
from countline.types import Analytics, Frame, RuleInfo
from countline.video.writer import VideoWriter
from countline.view.overlay import Overlay

__all__ = ["AnnotatedVideo"]


class AnnotatedVideo:
    """Writes an H.264 video of one source with the overlay drawn in; keeps the picture of the last event.

    Parameters
    ----------
    path: an .mp4 or .mkv file; its folder is made.
    """

    def __init__(self, path: Path | str, rules: Sequence[RuleInfo], labels: Sequence[str]) -> None:
        self.path = Path(path)
        self._overlay = Overlay(rules, labels)
        self._writer = VideoWriter(self.path)
        self.best: NDArray[np.uint8] | None = None
        """Picture at the last frame that had an event, else the last frame."""
        self._best_has_event = False

    def __call__(self, frame: Frame, analytics: Analytics) -> None:
        """Draw and encode one frame."""
        picture = self._overlay.draw(frame.image, analytics)
        self._writer.write(picture, frame.info.pts)
        if analytics.events or not self._best_has_event:
            self.best = picture
            self._best_has_event = self._best_has_event or bool(analytics.events)

    def snapshot(self, path: Path | str) -> None:
        """Write ``best`` as a PNG."""
        if self.best is None:
            return
        ok, data = self._overlay.cv2.imencode(".png", self.best)
        if ok:
            with open_private(path, "wb") as file:
                file.write(data.tobytes())

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
