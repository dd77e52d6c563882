"""Trackers: who is who from frame to frame. One tracker for each source.

>>> import numpy as np
>>> from countline.config import TrackerConfig
>>> from countline.track import make
>>> from countline.types import Detections
>>> tracker = make(TrackerConfig(), fps=10)
>>> for i in range(3):
...     box = np.array([[10 + 5 * i, 20, 50 + 5 * i, 120]])
...     tracks = tracker.update(Detections(box, np.array([0.9]), np.array([0])), pts=i * 100_000_000)
>>> tracks.track_id.tolist()
[1]
"""

from countline.track.engines import Engine
from countline.track.factory import kinds, make
from countline.track.tracker import EngineTracker

__all__ = ["Engine", "EngineTracker", "kinds", "make"]
