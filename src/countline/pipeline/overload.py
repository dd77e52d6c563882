"""More frames than can be processed: every live source gets its fair share, before frames are dropped at random.

A source of which frames are dropped unseen loses its objects between two frames; one that gets fewer frames, evenly, keeps
them (docs/tracking.md says down to which rate). So the sources are told to give fewer, and the decoders may then pass over
some, instead of decoding all to drop most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from countline.observe.told import EVERY
from countline.protocols import LimitedSource, Source

__all__ = ["LEAST", "Governor", "Overload", "fair_shares"]

log = logging.getLogger("countline.pipeline")

LEAST = 5.0
"""Frames a second below which counts begin to fail."""
_LOST = 0.02
"""Share of dropped frames from which there are too many."""
_USE = 0.97
"""Part of what was done while frames were dropped that is handed out."""
_GROW = 1.03
"""Each second without drops the shares grow by so much, until they are all that comes."""


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


class Governor:
    """Sets target rates from what came and what was done, both told once a second. Pure: no clock is read here."""

    def __init__(self) -> None:
        self.targets: dict[str, float] = {}
        """Frames a second for each source that may not have all of its own; others are not in it."""

    def update(self, offered: Mapping[str, float], done: Mapping[str, float], dropped: float) -> dict[str, float]:
        """The new targets. ``offered``: frames that each live source could give in this second; ``done``: those of all
        sources that were processed; ``dropped``: those that were given and not processed."""
        total = sum(done.values())
        if dropped > _LOST * (total + dropped) and dropped >= 1:
            live = {name: rate for name, rate in done.items() if name in offered}
            shares = fair_shares(offered, sum(live.values()) * _USE)
            self.targets = {name: share for name, share in shares.items() if share < offered[name] * 0.99}
        else:
            grown = {name: rate * _GROW for name, rate in self.targets.items() if name in offered}
            self.targets = {name: rate for name, rate in grown.items() if rate < offered[name] * 0.99}
        return self.targets


@dataclass(slots=True)
class _Seen:
    frames: int = 0
    dropped: int = 0
    thinned: int = 0


class Overload:
    """Looks at the sources once a second and tells them their rates. ``look`` is called from one thread, as often as one likes.

    Parameters
    ----------
    sources: all of the run; live ones that follow :class:`countline.protocols.LimitedSource` are told.
    clock: seconds, monotonic.
    """

    def __init__(self, sources: Sequence[Source], clock: Callable[[], float]) -> None:
        self._sources = sources
        self._clock = clock
        self._governor = Governor()
        self._seen = {s.info.name: _Seen(s.stats.frames, s.stats.dropped, s.stats.thinned) for s in sources}
        self._looked = clock()
        self._told = -1e9
        self.words = ""
        """What is to be said of the overload just now; empty without one."""

    def look(self) -> None:
        """Set the rates, once a second."""
        now = self._clock()
        seconds = now - self._looked
        if seconds < 1.0:
            return
        self._looked = now
        offered: dict[str, float] = {}
        done: dict[str, float] = {}
        dropped = 0.0
        for source in self._sources:
            stats, seen = source.stats, self._seen[source.info.name]
            frames, lost, thin = stats.frames - seen.frames, stats.dropped - seen.dropped, stats.thinned - seen.thinned
            self._seen[source.info.name] = _Seen(stats.frames, stats.dropped, stats.thinned)
            done[source.info.name] = max(frames - lost, 0) / seconds
            if source.info.live and stats.connections and isinstance(source, LimitedSource):
                dropped += lost / seconds
                offered[source.info.name] = (frames + thin) / seconds
        targets = self._governor.update(offered, done, dropped)
        for source in self._sources:
            if source.info.name in offered and isinstance(source, LimitedSource):
                self._tell(source, targets.get(source.info.name))
        self._say(offered, targets, now)

    @staticmethod
    def _tell(source: LimitedSource, target: float | None) -> None:
        source.limit(target)
        few = target is not None and target < LEAST * 0.95
        source.stats.overload = f"overload: only {target:.1f} frames/s can be processed" if few else ""

    def _say(self, offered: Mapping[str, float], targets: Mapping[str, float], now: float) -> None:
        if not targets:
            self.words = ""
            return
        share, wanted = min(targets.values()), sum(offered.values())
        given = sum(targets.get(name, rate) for name, rate in offered.items())
        self.words = (
            f"{wanted:.0f} frames/s of {len(offered)} live sources come, and {given:.0f} can be processed: "
            f"each gets at most {share:.1f}"
        )
        if share < LEAST * 0.95:
            self.words += f". Counts need about {LEAST:g}: fewer sources, a smaller model, or more cores"
        if now - self._told >= EVERY:
            self._told = now
            log.warning("%s", self.words)
