"""More frames than can be processed: every live source gets its fair share, before frames are dropped at random.

A source of which frames are dropped unseen loses its objects between two frames; one that gets fewer frames, evenly, keeps
them (docs/tracking.md says down to which rate). So the sources are told to give fewer, and the decoders may then pass over
some, instead of decoding all to drop most.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from countline.observe.repeated import EVERY
from countline.protocols import LimitedSource, Source
from countline.source_status import OVERLOAD

__all__ = ["LEAST", "Governor", "Overload", "fair_shares"]

log = logging.getLogger("countline.pipeline")

LEAST = 5.0
"""Frames a second below which counts begin to fail."""
_LOST = 0.02
"""Share of dropped frames from which there are too many."""
_USE = 0.97
"""Part of what was done while frames were dropped that is handed out."""
_SPAN = 2
"""Seconds over which is looked at what was done: a machine that is held up for a moment is not overloaded."""
_GROW, _FASTER, _FASTEST = 1.02, 0.01, 1.1
_CAREFUL = 4
"""Each second without drops the shares grow by so much, after so many seconds by more and more, until they are all that
comes."""
_SURE, _LEAP = 0.8, 1.3
"""Part of what could be done by how busy the detector is up to which the shares grow by more than that at once; by so much."""
_LESS = 0.8
"""Part of the present shares that is left where frames are lost though the detector is not busy."""
_SLOWEST = 0.1
"""Frames a second that a source gets at least: of one that gives none nothing can be seen, nor whether it could give more."""
_IDLE = 0.1
"""A detector that is busy for less tells nothing of what could be done."""
_LATELY = 6
"""Seconds over which, about, is looked at what comes: key frames alone come once in a few."""
_SETTLED = 2.0
"""Seconds after a connection before what comes is counted: at first a camera gives what waited while it was looked at."""


def fair_shares(wanted: Mapping[str, float], possible: float) -> dict[str, float]:
    """Divide ``possible`` frames a second: who wants less than the others' equal share gets all of it, the rest is shared
    equally (max-min fairness).

    >>> fair_shares({"a": 1.0, "b": 10.0, "c": 10.0}, 11.0)
    {'a': 1.0, 'b': 5.0, 'c': 5.0}
    """
    shares: dict[str, float] = {}
    left, order = max(possible, 0.0), sorted(wanted, key=lambda name: wanted[name])
    for number, name in enumerate(order):
        shares[name] = min(wanted[name], left / (len(order) - number))
        left -= shares[name]
    return {name: shares[name] for name in wanted}


class _Second(NamedTuple):
    live: float
    dropped: float
    total: float
    busy: float


class Governor:
    """Sets target rates from what came and what was done, both handed over once a second. Pure: no clock is read here."""

    def __init__(self) -> None:
        self.targets: dict[str, float] = {}
        """Frames a second for each source that may not have all of its own; others are not in it."""
        self._seconds: deque[_Second] = deque(maxlen=_SPAN)
        """What was done and dropped since the targets were lowered, but no longer ago than is looked at."""
        self._calm = 0

    def update(
        self, offered: Mapping[str, float], done: Mapping[str, float], dropped: float, busy: float = 1.0
    ) -> dict[str, float]:
        """The new targets. ``offered``: frames that each live source could give in this second; ``done``: those of all
        sources that were processed; ``dropped``: those that the sources gave and nobody processed; ``busy``: part of this second in
        which the detector was at work, 0..1."""
        own = sum(rate for name, rate in done.items() if name in offered)
        self._seconds.append(_Second(own, dropped, sum(done.values()), min(max(busy, _IDLE), 1.0)))
        seconds = len(self._seconds)
        mine, lost, total = (sum(s[i] for s in self._seconds) / seconds for i in range(3))
        # All that could be done, were the detector busy all the time; others than live sources keep what they take.
        possible = total / (sum(s.busy for s in self._seconds) / seconds) - (total - mine)
        if lost * seconds >= 1 and lost > _LOST * (total + lost):
            self._calm = 0
            if seconds == _SPAN:
                admitted = sum(self.targets.get(name, rate) for name, rate in offered.items())
                # An idle detector that loses frames waits for something else: then less by and by, until none is lost.
                self._share(offered, max(mine, min(possible, _LESS * admitted)) * _USE)
                self._seconds.clear()
        elif self.targets:
            self._calm += 1
            now = sum(self.targets.values())
            grow = min(_GROW + _FASTER * max(self._calm - _CAREFUL, 0), _FASTEST)
            if seconds == _SPAN and possible * _SURE > now > 0:
                grow = max(grow, min(possible * _SURE / now, _LEAP))
            grown = {name: rate * grow for name, rate in self.targets.items() if name in offered}
            self.targets = {name: rate for name, rate in grown.items() if rate < offered[name] * 0.99}
        return self.targets

    def _share(self, offered: Mapping[str, float], possible: float) -> None:
        shares = fair_shares(offered, max(possible, _SLOWEST * len(offered)))
        self.targets = {name: share for name, share in shares.items() if share < offered[name] * 0.99}


@dataclass(slots=True)
class _Seen:
    frames: int = 0
    dropped: int = 0
    thinned: int = 0
    offered: float = 0.0
    """Frames a second that it could give, lately."""
    connections: int = 0
    since: float = 0.0
    """When the present connection was noticed."""


class Overload:
    """Looks at the sources once a second and tells them their rates. ``look`` is called from one thread, as often as one likes.

    Parameters
    ----------
    sources: all of the run; live ones that follow :class:`countline.protocols.LimitedSource` get a rate.
    clock: seconds, monotonic.
    busy: seconds for which the detector was at work so far.
    """

    def __init__(
        self, sources: Sequence[Source], clock: Callable[[], float], busy: Callable[[], float] | None = None
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._busy, self._worked = busy, busy() if busy is not None else 0.0
        self._governor = Governor()
        self._seen = {s.info.name: _Seen(s.stats.frames, s.stats.dropped, s.stats.thinned) for s in sources}
        self._looked = clock()
        self._logged_at = -1e9
        self.words = ""
        """A sentence on the overload just now; empty without one."""

    def look(self, *, away: bool = False) -> None:
        """Set the rates, once a second. ``away``: the detector is, and nothing that happens says how much could be done."""
        now = self._clock()
        seconds = now - self._looked
        if seconds < 1.0:
            return
        self._looked = now
        offered: dict[str, float] = {}
        done: dict[str, float] = {}
        dropped = 0.0
        for source in self._sources:
            name, stats, seen = source.info.name, source.stats, self._seen[source.info.name]
            frames, lost, thin = stats.frames - seen.frames, stats.dropped - seen.dropped, stats.thinned - seen.thinned
            seen.frames, seen.dropped, seen.thinned = stats.frames, stats.dropped, stats.thinned
            done[name] = max(frames - lost, 0) / seconds
            if not (source.info.live and stats.connections and isinstance(source, LimitedSource)):
                continue
            if seen.connections != stats.connections:
                seen.connections, seen.since, seen.offered = stats.connections, now, 0.0
            if now - seen.since < _SETTLED:
                continue
            dropped += lost / seconds
            comes = (frames + thin) / seconds
            seen.offered = offered[name] = seen.offered + (comes - seen.offered) / _LATELY if seen.offered else comes
        worked = self._busy() if self._busy is not None else 0.0
        if away:
            self._worked = worked
            return
        busy = (worked - self._worked) / seconds if self._busy is not None else 1.0
        self._worked = worked
        targets = self._governor.update(offered, done, dropped, busy)
        for source in self._sources:
            if source.info.name in offered and isinstance(source, LimitedSource):
                self._tell(source, targets.get(source.info.name))
        self._say(offered, targets, now)

    @staticmethod
    def _tell(source: LimitedSource, target: float | None) -> None:
        source.limit(target)
        few = target is not None and target < LEAST * 0.95
        source.stats.overload = f"{OVERLOAD}: only {target:.1f} frames/s can be processed" if few else ""

    def _say(self, offered: Mapping[str, float], targets: Mapping[str, float], now: float) -> None:
        if not targets:
            self.words = ""
            return
        share, wanted = min(targets.values()), sum(offered.values())
        admitted = sum(targets.get(name, rate) for name, rate in offered.items())
        self.words = (
            f"{wanted:.0f} frames/s of {len(offered)} live sources come, and {admitted:.0f} can be processed: "
            f"each gets at most {share:.1f}"
        )
        if share < LEAST * 0.95:
            self.words += f". Counts need about {LEAST:g}: fewer sources, a smaller model, or more cores"
        if now - self._logged_at >= EVERY:
            self._logged_at = now
            log.warning("%s", self.words)
