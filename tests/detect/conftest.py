"""Frames for the detector's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import ArrayPicture, AvPicture


@pytest.fixture(scope="session")
def blank() -> Callable[..., Frame]:
    """A grey picture of a given size as a frame."""

    def make(width: int = 64, height: int = 64) -> Frame:
        picture = ArrayPicture(np.full((height, width, 3), 128, np.uint8))
        return Frame(FrameInfo(SourceInfo("test"), 0, 0, 0, width, height), picture)

    return make


@pytest.fixture(scope="session")
def street(clip: Path) -> list[Frame]:
    """Eight frames of the street clip, 25 apart."""
    frames = []
    with av.open(str(clip)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i % 25 == 0:
                info = FrameInfo(SourceInfo("street"), i, i * 10**8, 0, frame.width, frame.height)
                frames.append(Frame(info, AvPicture(frame)))
    return frames[:8]
