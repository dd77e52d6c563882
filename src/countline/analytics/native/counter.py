"""What is counted and kept for each source and rule. A kind of rule derives its counter from one of these.

The engine tells a counter of every hit of its rule, of the end of each frame, and of tracks that are forgotten. What the
counter makes of it goes into the frame's result through :class:`FrameView`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from countline.analytics.native.arrays import Hit
from countline.analytics.native.rule import Rule
from countline.analytics.native.table import TrackTable
from countline.types import Count, Event

__all__ = ["AreaCounter", "Counter", "DwellInterval", "FrameView", "Histogram", "PendingEvent", "handed_over"]

T = TypeVar("T")
Histogram = dict[tuple[str, str], int]
"""(counter, class name) -> how often."""


class DwellInterval:
    """An object's presence in an area."""

    __slots__ = ("class_id", "class_name", "since")

    def __init__(self, since: int, class_id: int, class_name: str) -> None:
        self.since = since
        """Clock at which it entered, ns."""
        self.class_id = class_id
        self.class_name = class_name


@dataclass(slots=True)
class PendingEvent:
    """An event in the making. Sorted by index of the object in the frame, then by rule."""

    index: int
    """Index of the object in the frame; ``FrameView.gone`` or ``FrameView.whole`` where it is none."""
    order: int
    make: type[Event]
    rule: str
    slot: int
    """-1: of no object."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the event that only its kind has; with ``track_id``, all of them."""
    along: float = 1.0
    """How far along the object's movement in this frame it happened, 0..1."""
    class_id: int | None = None
    """Class that is reported; that of the object in this frame unless set."""


class FrameView(Protocol):
    """The frame as a counter sees it."""

    clock: int
    """Of the source, ns; stands still where time stamps go backward."""
    table: TrackTable
    events: list[PendingEvent]
    """What happened so far; a counter adds its own."""
    crossed: dict[int, list[str]]
    """Index of an object -> names of the lines it crossed, for its status."""

    @property
    def gone(self) -> int:
        """Index, behind those of all objects, for events of objects that are not in the frame."""
        ...

    @property
    def whole(self) -> int:
        """Index, behind ``gone``, for events of no object."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """Label for each class id."""
        ...

    def class_id(self, index: int) -> int:
        """Class of an object in the frame."""
        ...

    def class_name(self, class_id: int) -> str:
        """Label of a class, its number where it has none."""
        ...

    def index(self, slot: int) -> int:
        """Index in the frame of an object that is in it."""
        ...

    def present(self) -> set[int]:
        """Slots of the objects in the frame."""
        ...

    def others(self, slot: int) -> list[int]:
        """Slots of the other tracks of the same object, the oldest first."""
        ...

    def heir(self, slot: int, column: int, grace: int = -1) -> int | None:
        """Slot of another track of the same object that is in the area of this index among all areas: one in sight, or else one
        that has not been seen for at most ``grace`` ns; None: there is none."""
        ...

    def repeated(self, slot: int, rule: str, what: str, other: int) -> None:
        """What a track did was reported already, of another track, which shows the same object: note it for ``explain``."""
        ...

    def reported_before(self, counter: Counter, index: int, slot: int, hit: Hit) -> bool:
        """Whether what a counter is about to report was reported of another track of this object already; then it is told so
        (``Counter.repeated``)."""
        ...

    def count(self, counter: Counter, name: str, class_name: str) -> None:
        """Count one more; it becomes durable with the frame."""
        ...

    def note(self, slot: int, rule: str, text: str) -> None:
        """Remember what happened to an object, for ``explain``."""
        ...

    def invalidate(self) -> None:
        """The status of the objects in the picture is to be made anew."""
        ...

    def ticks_changed(self) -> None:
        """A counter has set its ``ticks``."""
        ...


class Counter:
    """Cumulative counts of one rule at one source, by (counter, class name), and what else a rule keeps between frames."""

    counters: tuple[str, ...] = ()
    """Names of what it counts, which are stored: they never change."""
    ticks = False
    """Whether something becomes true with time alone, so that ``tick`` must be called in each frame. Who sets it later says so
    (``FrameView.ticks_changed``)."""
    timed = False
    """Whether its state changes with time alone; else only with what it counts."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.name = rule.name
        self.column = 0
        """Index of the rule among those of its kind at the source: where its columns in the table stand."""
        self.counts: Histogram = {}
        self.current: Histogram = {}
        self._sums: dict[str, int] = {}
        """By counter: ``counts`` of all classes."""
        self.epoch = 0
        self.reset_at = 0
        self.dirty = True
        """Whether the reported state must be made anew."""

    # -- counts --------------------------------------------------------------------------------------------------

    def add(self, counter: str, class_name: str) -> None:
        """One more."""
        key = (counter, class_name)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.current[key] = self.current.get(key, 0) + 1
        self._sums[counter] = self._sums.get(counter, 0) + 1
        self.dirty = True

    def knows(self, counter: str) -> bool:
        """Whether a stored counter belongs to this rule."""
        return counter in self.counters

    def restore(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Take over stored counts."""
        self.counts = {key: amount for key, amount in counts.items() if self.knows(key[0])}
        self._sums = {}
        for (counter, _), amount in self.counts.items():
            self._sums[counter] = self._sums.get(counter, 0) + amount
        self.dirty = True

    def reset(self, time: int) -> None:
        """Begin a new epoch at 0."""
        self.counts = {}
        self.current = {}
        self._sums = {}
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
        now = 0
        for (name, _), amount in self.current.items():
            if name == counter:
                now += amount
        return Count(now, self._sums.get(counter, 0))

    # -- what a kind of rule fills in ----------------------------------------------------------------------------

    def passed(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """The object at this index of the frame has crossed the rule's line, or entered or left its area."""

    def hit(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """``RuleKind.evaluate`` found something of the object at this index of the frame."""

    def repeated(self, frame: FrameView, index: int, slot: int, hit: Hit) -> str:
        """Instead of a crossing, or of ``hit``: the same was reported of another track of this object (``objects``). What it was,
        in words."""
        return "did what is told here"

    def tick(self, frame: FrameView) -> None:
        """All hits of the frame have been handed over (only if ``ticks``)."""

    def state(self, clock: int) -> Any:
        """What is reported after this frame. Never altered once given out."""

    def recall(self, slot: int) -> Any:
        """What is kept of an object outside of the table, for ``explain``."""

    def forget(self, slot: int) -> None:
        """A track is forgotten."""

    def clear(self) -> None:
        """All tracks are gone."""


class AreaCounter(Counter):
    """Of a rule about an area: who is inside."""

    in_status = False
    """Whether the status of an object names the areas of this kind that it is in."""

    def __init__(self, rule: Rule, grace: float) -> None:
        super().__init__(rule)
        self.grace = int(grace * 1e9)
        """ns for which an object that is not seen any more still counts as inside."""
        self.inside: dict[int, DwellInterval] = {}
        """Slot -> presence, in the order of entering: the first has been inside longest."""

    def passed(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """An object has entered (``value`` > 0) or left, unless another of its tracks is inside."""
        frame.invalidate()
        others = frame.others(slot)
        if hit.value > 0:
            holder = next((one for one in (slot, *others) if one in self.inside), None)
            if holder is None:
                self.enter(frame, index, slot)
            else:
                frame.repeated(slot, self.name, "entered", holder)
        elif others and (heir := frame.heir(slot, hit.column, self.grace)) is not None:
            if slot in self.inside:
                self.hand_over(slot, heir)
            frame.repeated(slot, self.name, "left", heir)
        else:
            self.leave(frame, index, slot, frame.clock, "left")

    def enter(self, frame: FrameView, index: int, slot: int) -> None:
        """An object enters now."""
        class_id = frame.class_id(index)
        interval = self.inside[slot] = DwellInterval(frame.clock, class_id, frame.class_name(class_id))
        self.entered(frame, index, slot, interval)

    def hand_over(self, slot: int, heir: int) -> None:
        """An object that is inside is known to be so by another of its tracks from now on."""
        self.inside = handed_over(self.inside, slot, heir)

    def leave(self, frame: FrameView, index: int, slot: int, clock: int, how: str) -> None:
        """An object has left at ``clock``, ns; ``how`` in words."""
        interval = self.inside.pop(slot, None)
        if interval is not None:
            self.left(frame, index, slot, interval, (clock - interval.since) / 1e9, how)

    def entered(self, frame: FrameView, index: int, slot: int, interval: DwellInterval) -> None:
        """An object is inside from now on."""

    def left(self, frame: FrameView, index: int, slot: int, interval: DwellInterval, seconds: float, how: str) -> None:
        """An object was inside for so many seconds and is not any more. ``index`` is ``frame.gone`` if it is out of sight."""

    def merged(self, frame: FrameView, index: int, slot: int, other: str) -> None:
        """A track that has entered is known to show an object that is inside already."""
        self.leave(frame, index, slot, frame.clock, f"was known to be one object with {other}, and left")

    def crowded(self) -> bool:
        """Whether there are too many inside."""
        return False

    def forget(self, slot: int) -> None:
        """A track is forgotten."""
        self.inside.pop(slot, None)

    def clear(self) -> None:
        """All tracks are gone."""
        self.inside.clear()


def handed_over(slots: dict[int, T], slot: int, heir: int) -> dict[int, T]:
    """With another key for a slot, in its place."""
    return {heir if one == slot else one: kept for one, kept in slots.items()}
