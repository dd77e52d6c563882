"""Memory of tracks, for trajectories. Only definitions that use ``{trajectory}`` have one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from countline.types import UNTRACKED, Analytics

__all__ = ["Trajectories"]

_FORGET_NS = 10_000_000_000


class Trajectories:
    """The last points of each track: bottom centre of its box, in pixels to 0.1.

    A track that was not seen for 10 s of its source's time is forgotten, and all of a source when its stream begins anew.
    """

    def __init__(self, points: int) -> None:
        self._points = points
        self._streams: dict[str, str] = {}
        self._tracks: dict[str, dict[int, deque[list[float]]]] = {}
        self._swept: dict[str, int] = {}

    def take_over(self, before: Trajectories) -> None:
        """Go on with what another remembers, as much of it as this one keeps."""
        self._streams, self._swept = dict(before._streams), dict(before._swept)
        self._tracks = {
            source: {track: deque(path, maxlen=self._points) for track, path in tracks.items()}
            for source, tracks in before._tracks.items()
        }

    def update(self, analytics: Analytics) -> None:
        """Add a frame. Called once for every frame."""
        info, tracks = analytics.frame, analytics.tracks
        source = info.source.name
        if self._streams.get(source) != info.stream:
            self._streams[source] = info.stream
            self._tracks[source] = {}
        known = self._tracks[source]
        t = info.time // 1_000_000
        xyxy = tracks.xyxy.astype(np.float64)
        points = np.round(np.stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]], axis=1), 1).tolist()
        for track_id, (x, y) in zip(tracks.track_id.tolist(), points):
            if track_id == UNTRACKED:
                continue
            path = known.get(track_id)
            if path is None:
                path = known[track_id] = deque(maxlen=self._points)
            path.append([t, x, y])
        if info.time - self._swept.get(source, 0) > _FORGET_NS:
            self._swept[source] = info.time
            oldest = t - _FORGET_NS // 1_000_000
            for track_id in [k for k, path in known.items() if path[-1][0] < oldest]:
                del known[track_id]

    def restore(self, source: str, paths: Mapping[int, Sequence[Sequence[float]]]) -> None:
        """The tracks of a source are these, with their points so far."""
        self._tracks[source] = {track: deque(map(list, path), maxlen=self._points) for track, path in paths.items()}

    def of(self, source: str, track_id: int | None) -> list[list[float]] | None:
        """[ms since the Unix epoch, x, y] for each point, oldest first; None for an object that is not tracked."""
        path = self._tracks.get(source, {}).get(track_id) if track_id is not None else None
        return None if path is None else list(path)
