"""Queues: how many wait in an area, and for how long. (Who is in the area: ``areas``.)

An object is in the queue from the first frame on in which it is seen and has been in the area for ``after`` seconds. It is
in it until it has left the area; what it waited is its whole stay there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from countline.analytics.native.counter import AreaCounter, Counter, DwellInterval, FrameView, PendingEvent, handed_over
from countline.analytics.native.kind import RuleKind
from countline.analytics.native.rule import Rule
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.queue import QueueConfig
from countline.types import Count, Event

__all__ = ["KIND", "LongQueue", "LongWait", "QueueCounter", "QueueKind", "QueueState"]


@dataclass(frozen=True, slots=True)
class LongQueue(Event):
    """A queue became longer than allowed (``phase`` 'begin') or ceased to be (``phase`` 'end')."""

    kind: ClassVar[str] = "long-queue"
    of_object: ClassVar[bool] = False
    phase: str = "begin"
    length: int = 0
    """Objects in the queue."""


@dataclass(frozen=True, slots=True)
class LongWait(Event):
    """An object has waited longer than allowed; ``wait`` in seconds."""

    kind: ClassVar[str] = "long-wait"
    wait: float = 0.0


@dataclass(slots=True)
class QueueState:
    """One queue after one frame."""

    length: int = 0
    """Objects in the queue now."""
    classes: dict[str, int] = field(default_factory=dict)
    """The same by class name."""
    mean_wait: float = 0.0
    """Seconds that those in the queue have waited so far, on average; 0 where nobody is."""
    longest_wait: float = 0.0
    """And the longest of them."""
    joined: Count = field(default_factory=Count, metadata={"counter": "join"})
    left: Count = field(default_factory=Count, metadata={"counter": "leave"})
    """Those of them who have left."""
    long: bool = False
    """Whether it is longer than allowed."""
    epoch: int = 0
    reset_at: int = field(default=0, metadata={"time": True})

    def watched(self) -> tuple[Any, ...]:
        """Waits change in each frame: not they, but who comes and goes."""
        return self.length, self.joined.cumulative, self.left.cumulative, self.long

    def summary(self) -> str:
        """'3 waiting, longest 42 s'."""
        longest = f", longest {self.longest_wait:.0f} s" if self.length else ""
        return f"{self.length} waiting{longest}" + ("  LONG" if self.long else "")


class QueueCounter(AreaCounter):
    """Who is in a queue, who came and went."""

    counters = ("join", "leave")
    ticks = True
    timed = True

    def __init__(self, rule: Rule) -> None:
        assert isinstance(rule.config, QueueConfig)
        super().__init__(rule, rule.config.grace)
        self.config = rule.config
        self.after = round(rule.config.after * 1e9)
        self.arriving: dict[int, DwellInterval] = {}
        """Slots of those in the area who are not in the queue yet, in the order of entering."""
        self.queue: dict[int, DwellInterval] = {}
        """Slots of those in the queue."""
        self.reported: set[int] = set()
        """Those of them whose long wait was reported."""
        self.long = False

    def entered(self, frame: FrameView, index: int, slot: int, interval: DwellInterval) -> None:
        """It will be in the queue if it stays."""
        self.arriving[slot] = interval
        frame.note(slot, self.name, "came")

    def left(self, frame: FrameView, index: int, slot: int, interval: DwellInterval, seconds: float, how: str) -> None:
        """It has left the queue if it was in it."""
        if slot in self.queue:
            frame.count(self, "leave", interval.class_name)
            frame.note(slot, self.name, f"{how} after {seconds:.1f} s")
        else:
            soon = f"{how} after {seconds:.1f} s, before it was in the queue ({self.config.after:g} s),"
            frame.note(slot, self.name, soon)
        self._gone(slot)

    def _gone(self, slot: int) -> None:
        self.arriving.pop(slot, None)
        self.queue.pop(slot, None)
        self.reported.discard(slot)

    def hand_over(self, slot: int, heir: int) -> None:
        """With who waits."""
        super().hand_over(slot, heir)
        self.arriving = handed_over(self.arriving, slot, heir)
        self.queue = handed_over(self.queue, slot, heir)
        if slot in self.reported:
            self.reported.discard(slot)
            self.reported.add(heir)

    def forget(self, slot: int) -> None:
        """A track is forgotten."""
        super().forget(slot)
        self._gone(slot)

    def clear(self) -> None:
        """All tracks are gone."""
        super().clear()
        self.arriving.clear()
        self.queue.clear()
        self.reported.clear()
        self.long = False

    def tick(self, frame: FrameView) -> None:
        """Who is in the queue from now on, who has waited too long, and whether it is too long."""
        if self.arriving:
            self._join(frame)
        if self.config.max_wait is not None and len(self.reported) < len(self.queue):
            self._waits(frame, round(self.config.max_wait * 1e9))
        if self.config.max_length is not None and self.long != (len(self.queue) > self.config.max_length):
            self.long = not self.long
            extra = {"phase": "begin" if self.long else "end", "length": len(self.queue)}
            frame.events.append(PendingEvent(frame.whole, self.rule.order, LongQueue, self.name, -1, extra))

    def _join(self, frame: FrameView) -> None:
        due = [slot for slot, interval in self.arriving.items() if frame.clock - interval.since >= self.after]
        if not due:
            return
        present = frame.present()
        for slot in due:
            if slot in present:
                interval = self.queue[slot] = self.arriving.pop(slot)
                frame.count(self, "join", interval.class_name)
                frame.note(slot, self.name, f"joined the queue after {(frame.clock - interval.since) / 1e9:.1f} s")

    def _waits(self, frame: FrameView, limit: int) -> None:
        present = frame.present()
        for slot, interval in self.queue.items():
            wait = frame.clock - interval.since
            if wait <= limit or slot in self.reported or slot not in present:
                continue
            self.reported.add(slot)
            event = PendingEvent(frame.index(slot), self.rule.order, LongWait, self.name, slot, {"wait": wait / 1e9})
            frame.events.append(event)
            frame.note(slot, self.name, f"has waited {wait / 1e9:.1f} s")

    def state(self, clock: int) -> QueueState:
        """The queue after this frame."""
        waits = [clock - interval.since for interval in self.queue.values()]
        classes: dict[str, int] = {}
        for interval in self.queue.values():
            classes[interval.class_name] = classes.get(interval.class_name, 0) + 1
        return QueueState(
            len(waits),
            classes,
            sum(waits) / len(waits) / 1e9 if waits else 0.0,
            max(waits) / 1e9 if waits else 0.0,
            self.total("join"),
            self.total("leave"),
            self.long,
            self.epoch,
            self.reset_at,
        )


class QueueKind(RuleKind):
    """See the module."""

    config = QueueConfig
    key = "queues"
    events = (LongQueue, LongWait)
    state = QueueState

    def counter(self, rule: Rule) -> Counter:
        """Counts who joins and leaves."""
        return QueueCounter(rule)

    def explain(self, track: TrackRecord) -> str:
        """Why an object was not in the queue."""
        return f"{track.lived()} {track.distance():.0f} px from the queue's edge and was never inside"


KIND = QueueKind()
