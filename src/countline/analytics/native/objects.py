"""One object, one count: which tracks of a source show the same object, and which events of it were reported.

``Tracks.twin_of`` says in each frame which rows are twins; rows of one object id (``Tracks.object_id``) are one object. Every track
goes on to be followed by itself, with the state that it has at each rule: only what is *reported* changes.

* A crossing (and whatever else a kind of rule finds: a heading, an excess, a wrong way) is reported of an object as often as of
  that one of its tracks of which it would be reported most often. So it does not matter which of them comes first, and whether it is still
  in the picture when the other one follows.
* An object is in an area while one of its tracks is. It enters with the first and leaves with the last.
* Tracks that become one: what each of them did within :data:`RECENT` before counts as done by the object. In an area that both had
  entered, the one that came later leaves at that moment (so that who entered, less who left, is who is inside).
* Tracks that are two again: from then on each is reported by itself; in an area where both are, one enters at that moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from countline.types import UNTRACKED

__all__ = ["RECENT", "Link", "Objects"]

RECENT = int(1e9)
"""ns before two tracks become one within which they have already been so: the time that it takes to be sure."""
_MOST = 256
"""Reported events that are remembered of a source."""


@dataclass(slots=True)
class Link:
    """That a track is a twin."""

    object_id: int
    """Id of the oldest track of its object."""
    since: int
    """Clock at which that became known, ns."""


@dataclass(slots=True)
class Reported:
    """An event that was reported of an object."""

    clock: int
    what: tuple[str, int]
    """Name of the rule, and which way (1, 0, -1)."""
    by: set[int]
    """Ids of the tracks that did it."""


class Objects:
    """Twins of one source."""

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        """By the twin's track id."""
        self.known: set[int] = set()
        """Ids of all tracks that belong together with another one: twins, and those that they are twins of."""
        self.repeated = 0
        """Number of events that were not reported because they had been reported of the object already."""
        self._reported: deque[Reported] = deque(maxlen=_MOST)

    def update(self, rows: Mapping[int, int], clock: int) -> tuple[list[int], list[tuple[int, int]]]:
        """Track id -> ``twin_of``, for all rows of a frame that can be evaluated. Returns the ids of tracks that are twins from now
        on, and those of tracks that are none any more, with what they were twins of."""
        joined: list[int] = []
        parted: list[tuple[int, int]] = []
        for track, twin_of in rows.items():
            link = self.links.get(track)
            if twin_of in (UNTRACKED, track):
                if link is not None:
                    del self.links[track]
                    parted.append((track, link.object_id))
            elif link is None or link.object_id != twin_of:
                if link is not None:
                    parted.append((track, link.object_id))
                self.links[track] = Link(twin_of, clock)
                joined.append(track)
        if joined or parted:
            self._look()
        return joined, parted

    def _look(self) -> None:
        self.known = set(self.links) | {link.object_id for link in self.links.values()}

    def object_of(self, track: int) -> int:
        """Object id of a track."""
        link = self.links.get(track)
        return track if link is None else link.object_id

    def members(self, track: int) -> list[int]:
        """Ids of all tracks of the object of a track, itself among them, the oldest first; that one may be forgotten already."""
        if track not in self.known:
            return [track]
        root = self.object_of(track)
        return [root, *(twin for twin, link in self.links.items() if link.object_id == root)]

    def reported_before(self, track: int, what: tuple[str, int], clock: int) -> int | None:
        """A track does something that a rule reports. Returns the id of the track of the same object for which it was reported
        already; None: it is to be reported."""
        if track in self.known:
            others = [other for other in self.members(track) if other != track]
            for earlier in self._reported:
                if earlier.what == what and track not in earlier.by:
                    for other in others:
                        if other in earlier.by and earlier.clock >= self._since(track, other) - RECENT:
                            earlier.by.add(track)
                            return other
        while self._reported and clock - self._reported[0].clock > RECENT and not (self._reported[0].by & self.known):
            self._reported.popleft()
        self._reported.append(Reported(clock, what, {track}))
        return None

    def _since(self, *tracks: int) -> int:
        """Clock since which two tracks are known to be one."""
        return max(link.since for track in tracks if (link := self.links.get(track)) is not None)

    def rename(self, old: int, new: int) -> None:
        """A track goes on under another id."""
        for earlier in self._reported:
            if old in earlier.by:
                earlier.by.discard(old)
                earlier.by.add(new)
        if old in self.known:
            for link in self.links.values():
                if link.object_id == old:
                    link.object_id = new
            if old in self.links:
                self.links[new] = self.links.pop(old)
            self._look()

    def forget(self, track: int) -> None:
        """A track is forgotten. What it did stays known while there are tracks of its object."""
        if self.links.pop(track, None) is not None:
            self._look()

    def clear(self) -> None:
        """All tracks are gone."""
        self.links.clear()
        self.known.clear()
        self._reported.clear()

    def forget_reported(self) -> None:
        """The rules have changed."""
        self._reported.clear()
