"""One object, one count: which tracks of a source show the same object, and what was told of it.

``Tracks.twin_of`` says in each frame which rows are twins; rows of one object id (``Tracks.object_id``) are one object. Every track
goes on to be followed by itself, with the state that it has at each rule: what is changed is what is *told*.

* A crossing (and whatever else a kind of rule finds: a heading, an excess, a wrong way) is told of an object as often as of that
  one of its tracks of which it would be told most often. So it does not matter which of them comes first, and whether it is still
  in the picture when the other one follows.
* An object is in an area while one of its tracks is. It enters with the first and leaves with the last.
* Tracks that become one: what each of them did within :data:`RECENT` before counts as done by the object. In an area that both had
  entered, the one that came later leaves at that moment (so that who entered, less who left, is who is inside).
* Tracks that are two again: from then on each is told by itself; in an area where both are, one enters at that moment.
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
"""Things told that are remembered of a source."""


@dataclass(slots=True)
class Link:
    """That a track is a twin."""

    object_id: int
    """Id of the oldest track of its object."""
    since: int
    """Clock at which that became known, ns."""


@dataclass(slots=True)
class Told:
    """Something that was told of an object."""

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
        """What was not told because it had been told of the object already."""
        self._told: deque[Told] = deque(maxlen=_MOST)

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

    def told_before(self, track: int, what: tuple[str, int], clock: int) -> int | None:
        """A track does something that a rule tells. The id of the track of the same object for which it was told already; None: it
        is to be told."""
        if track in self.known:
            others = [other for other in self.members(track) if other != track]
            for told in self._told:
                if told.what == what and track not in told.by:
                    for other in others:
                        if other in told.by and told.clock >= self._since(track, other) - RECENT:
                            told.by.add(track)
                            return other
        while self._told and clock - self._told[0].clock > RECENT and not (self._told[0].by & self.known):
            self._told.popleft()
        self._told.append(Told(clock, what, {track}))
        return None

    def _since(self, *tracks: int) -> int:
        """Clock since which two tracks are known to be one."""
        return max(link.since for track in tracks if (link := self.links.get(track)) is not None)

    def rename(self, old: int, new: int) -> None:
        """A track goes on under another id."""
        for told in self._told:
            if old in told.by:
                told.by.discard(old)
                told.by.add(new)
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
        self._told.clear()

    def forget_told(self) -> None:
        """The rules have changed."""
        self._told.clear()
