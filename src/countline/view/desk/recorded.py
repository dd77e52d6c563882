"""Fills the memory of a new run with the last minutes of a recording."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from countline.config import Config
from countline.errors import CountlineError
from countline.record.recording import find
from countline.view.desk.memory import FRAMES, Remembered, TrackMemory

__all__ = ["recall"]

log = logging.getLogger("countline.view")

PAUSE = 0.005
"""Pause in seconds between two parts, so that other threads run."""


def recall(memory: TrackMemory, config: Config, *, pause: Callable[[float], object] = time.sleep) -> int:
    """Prepend the last minutes of the recording (``record:``) to the memory; returns the number of frames. Raises nothing: what
    cannot be read is skipped."""
    if config.record is None:
        return 0
    count = 0
    try:
        recording = find(config.record.path, since=time.time_ns() - int(memory.seconds * 1e9))
        memory.labels = memory.labels or recording.labels
        for name in recording.parts:
            if any(source.name == name for source in config.sources):
                frames: list[Remembered] = []
                for info, anew in recording.frames(name):
                    frames.append(Remembered(info, anew))
                    if len(frames) % FRAMES == 0:
                        pause(PAUSE)
                memory.before(name, frames)
                count += len(frames)
    except CountlineError as error:
        log.debug("nothing of the last minutes is taken from the recording: %s", error)
    return count
