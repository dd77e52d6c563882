"""Pictures for clients: encoded on a thread of the server, once for all clients of a width, and only for sources that are watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np

from countline.messages.time import rfc3339
from countline.types import UNTRACKED, Analytics
from countline.video.jpeg import Jpeg
from countline.view.web.feed import Feed, Newest

__all__ = ["Pictures", "Shot", "objects", "view_of"]


class Shot(NamedTuple):
    """A frame as it is sent."""

    key: tuple[str, int]
    """Stream and number of the frame."""
    facts: Mapping[str, Any]
    jpeg: bytes
    """Empty where there are no pixels."""
    made: float
    """When, seconds of the monotonic clock."""


class Pictures:
    """Pictures of all sources. On the loop's thread; JPEGs are encoded on ``executor``, which has one thread.

    Parameters
    ----------
    fps: pictures a second of a source and width, at most.
    counted: whether an object was counted lately, by source and track id.
    """

    def __init__(self, feed: Feed, executor: Executor, fps: float, counted: Callable[[str, int], bool]) -> None:
        self._feed, self._executor, self._pause, self._counted = feed, executor, 1 / fps, counted
        self._jpeg = Jpeg()
        self._shots: dict[tuple[str, int], Shot] = {}
        self._making: dict[tuple[str, int], asyncio.Future[Shot | None]] = {}
        self._watching: dict[object, frozenset[tuple[str, int]]] = {}
        self.made = 0
        """Number of JPEGs encoded."""
        self.seconds = 0.0
        """Seconds that encoding took."""

    @property
    def watchers(self) -> int:
        """Number of clients that watch at least one source."""
        return sum(bool(names) for names in self._watching.values())

    def watch(self, who: object, wanted: frozenset[tuple[str, int]]) -> None:
        """A client (``who``) watches these (source, width) from now on; empty: none."""
        if wanted:
            self._watching[who] = wanted
        else:
            self._watching.pop(who, None)
        every = frozenset[tuple[str, int]]().union(*self._watching.values())
        self._feed.watch(frozenset(name for name, _ in every))
        for key in [key for key in self._shots if key not in every]:
            del self._shots[key]

    async def newest(self, source: str, width: int, before: tuple[str, int] | None) -> Shot | None:
        """The newest picture of a source, if its key differs from ``before``; no more often than ``fps`` allows."""
        found = self._feed.newest.get(source)
        if found is None:
            return None
        key = (source, width)
        shot = self._shots.get(key)
        frame = found.analytics.frame
        if shot is not None and (
            shot.key == (frame.stream, frame.number) or time.monotonic() - shot.made < self._pause
        ):
            return shot if shot.key != before else None
        if found.frame is None and self._feed.pixels:
            return None  # the first one with pixels is on its way
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(self._make(key, found))
            making.add_done_callback(lambda _: self._making.pop(key, None))
        shot = await asyncio.shield(making)
        return shot if shot is not None and shot.key != before else None

    async def _make(self, key: tuple[str, int], found: Newest) -> Shot | None:
        source, width = key
        begun = time.monotonic()
        info = found.analytics.frame
        facts = {
            "source": source,
            "number": info.number,
            "time": rfc3339(info.time),
            "width": info.width,
            "height": info.height,
            "view": view_of(found.analytics),
            "objects": objects(found.analytics, lambda ident: self._counted(source, ident)),
        }
        jpeg = b""
        if found.frame is not None:
            loop = asyncio.get_running_loop()
            jpeg = await loop.run_in_executor(self._executor, self._jpeg.of, found.frame, width)
            self.made += 1
            self.seconds += time.monotonic() - begun
        shot = Shot((info.stream, info.number), facts, jpeg, begun)
        self._shots[key] = shot
        return shot


def objects(analytics: Analytics, counted: Callable[[int], bool]) -> list[dict[str, Any]]:
    """The tracks of a frame: boxes as fractions of the picture, four digits."""
    tracks, info, names = analytics.tracks, analytics.frame, analytics.class_names
    size = (info.width, info.height) * 2
    found = []
    for ident, class_id, confidence, box in zip(
        tracks.track_id.tolist(), tracks.class_id.tolist(), tracks.confidence.tolist(), tracks.xyxy.tolist()
    ):
        tracked = ident != UNTRACKED
        found.append(
            {
                "id": str(ident) if tracked else "",
                "label": names[class_id] if 0 <= class_id < len(names) else str(class_id),
                "confidence": round(confidence, 3),
                "box": [round(value / side, 4) for value, side in zip(box, size)],
                "counted": tracked and counted(ident),
            }
        )
    return found


def view_of(analytics: Analytics) -> list[float] | None:
    """Where rules lie in a picture whose camera moves: a, b, c, d, e, f of ``x' = a x + c y + e, y' = b x + d y + f`` in fractions of the
    picture, as SVG has it; None: where they are drawn."""
    if analytics.view is None or analytics.view.lost:
        return None
    info = analytics.frame
    # Three corners of the view determine a similarity transform.
    corners = np.array([[0.0, 0.0], [info.width, 0.0], [0.0, info.height]])
    origin, right, below = analytics.view.points(corners) / np.array([info.width, info.height])
    return [round(float(v), 6) for v in (*(right - origin), *(below - origin), *origin)]
