"""Counters and the state that is reported, kept for each source and rule name."""

from __future__ import annotations

from collections.abc import Mapping

from countline.analytics.native.plan import Rule
from countline.config.rules import JourneyConfig, LineConfig, RegionConfig
from countline.types import Count, LineState, RegionState

__all__ = ["Book", "JourneyBook", "LineBook", "RegionBook", "Stay"]

Tally = dict[tuple[str, str], int]


class Book:
    """Cumulative counts of one rule at one source, by (counter, class name)."""

    counters: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.counts: Tally = {}
        self.current: Tally = {}
        self.epoch = 0
        self.reset_at = 0
        self.dirty = True
        """Whether the reported state must be made anew."""

    def add(self, counter: str, class_name: str) -> None:
        """One more."""
        key = (counter, class_name)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.current[key] = self.current.get(key, 0) + 1
        self.dirty = True

    def knows(self, counter: str) -> bool:
        """Whether a stored counter belongs to this rule."""
        return counter in self.counters

    def restore(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Take over stored counts."""
        self.counts = {key: amount for key, amount in counts.items() if self.knows(key[0])}
        self.dirty = True

    def reset(self, time: int) -> None:
        """Begin a new epoch at 0."""
        self.counts = {}
        self.current = {}
        self.epoch += 1
        self.reset_at = time
        self.dirty = True

    def settle(self) -> None:
        """After a frame: what was current is past."""
        if self.current:
            self.current = {}
            self.dirty = True

    def total(self, counter: str) -> Count:
        """One counter over all classes."""
        return Count(
            sum(n for (c, _), n in self.current.items() if c == counter),
            sum(n for (c, _), n in self.counts.items() if c == counter),
        )


class LineBook(Book):
    """Counts of a line."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        assert isinstance(rule.config, LineConfig)
        self.counters = (rule.config.direction_name("in"), rule.config.direction_name("out"))
        self._state = LineState()

    def state(self) -> LineState:
        """The line after this frame. The same object as before if nothing changed; never altered once given out."""
        if self.dirty:
            classes: dict[str, Count] = {}
            for (_, name), n in self.counts.items():
                classes.setdefault(name, Count()).cumulative += n
            for (_, name), n in self.current.items():
                classes[name].current += n
            self._state = LineState(
                sum(self.current.values()),
                sum(self.counts.values()),
                {name: self.total(name) for name in self.counters},
                classes,
                self.epoch,
                self.reset_at,
            )
            self.dirty = False
        return self._state


class Stay:
    """An object's presence in a region."""

    __slots__ = ("class_id", "class_name", "since")

    def __init__(self, since: int, class_id: int, class_name: str) -> None:
        self.since = since
        self.class_id = class_id
        self.class_name = class_name


class RegionBook(Book):
    """Counts of a region, and who is inside."""

    counters = ("enter", "leave")

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        assert isinstance(rule.config, RegionConfig)
        self.config = rule.config
        self.timed = bool(rule.config.dwell or rule.config.crowding or rule.config.limits)
        self.inside: dict[int, Stay] = {}
        """Slot -> stay, in the order of entering: the first has been inside longest."""
        self.waiting: dict[int, Stay] = {}
        """Those of them for whom no dwell event was sent yet."""
        self.classes: dict[str, int] = {}
        self.since: dict[str, int] = {}
        """Clock at which a crowding condition began to hold: '' for the region, else a class name."""
        self.active: set[str] = set()
        self._entered = Count()
        self._left = Count()
        self._empty: RegionState | None = None
        """The state while nobody is inside, which stays the same."""

    def enter(self, slot: int, stay: Stay) -> None:
        """An object is inside from now on."""
        self.inside[slot] = stay
        if self.config.dwell is not None:
            self.waiting[slot] = stay
        self.classes[stay.class_name] = self.classes.get(stay.class_name, 0) + 1

    def leave(self, slot: int) -> Stay | None:
        """It is not any more."""
        stay = self.inside.pop(slot, None)
        self.waiting.pop(slot, None)
        if stay is not None:
            left = self.classes[stay.class_name] - 1
            if left:
                self.classes[stay.class_name] = left
            else:
                del self.classes[stay.class_name]
        return stay

    def clear(self) -> None:
        """All tracks are gone."""
        self.inside.clear()
        self.waiting.clear()
        self.classes.clear()
        self.since.clear()
        self.active.clear()

    def over(self) -> list[tuple[str, int, float]]:
        """Crowding conditions that hold in this frame: (class name or '', occupancy, seconds it must last)."""
        found = []
        crowding = self.config.crowding
        wait = crowding.seconds if crowding else 0.0
        if crowding and len(self.inside) >= crowding.objects:
            found.append(("", len(self.inside), wait))
        for name, limit in self.config.limits.items():
            if self.classes.get(name, 0) > limit:
                found.append((name, self.classes[name], wait))
        return found

    def state(self, clock: int) -> RegionState:
        """The region after this frame."""
        if self.dirty:
            self._entered, self._left = self.total("enter"), self.total("leave")
            self.dirty = False
            self._empty = None
        if self.inside or self.active:
            longest = (clock - next(iter(self.inside.values())).since) / 1e9 if self.inside else 0.0
            return self._make(longest)
        if self._empty is None:
            self._empty = self._make(0.0)
        return self._empty

    def _make(self, longest: float) -> RegionState:
        return RegionState(
            len(self.inside),
            dict(self.classes),
            self._entered,
            self._left,
            bool(self.active),
            longest,
            self.epoch,
            self.reset_at,
        )


class JourneyBook(Book):
    """Origin-destination matrix."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        assert isinstance(rule.config, JourneyConfig)
        self.places = frozenset(rule.config.places)
        self.origins: dict[int, str] = {}
        """Slot -> the place it was at last."""
        self._state: dict[str, int] = {}

    def knows(self, counter: str) -> bool:
        origin, _, destination = counter.partition(">")
        return origin in self.places and destination in self.places

    def visit(self, slot: int, place: str) -> str | None:
        """The object is at a place now; the place it comes from, if it is another one."""
        if place not in self.places:
            return None
        origin = self.origins.get(slot)
        self.origins[slot] = place
        return origin if origin != place else None

    def state(self) -> dict[str, int]:
        """'A>B' -> cumulative count."""
        if self.dirty:
            matrix: dict[str, int] = {}
            for (counter, _), n in self.counts.items():
                matrix[counter] = matrix.get(counter, 0) + n
            self._state = matrix
            self.dirty = False
        return self._state
