"""Regions: who is in them, for how long, and whether there are too many. (Who is in: ``areas``.)"""

from __future__ import annotations

from collections.abc import Sequence

from countline.analytics.native.counter import AreaCounter, Counter, DwellInterval, FrameView, PendingEvent, handed_over
from countline.analytics.native.kind import Part, RuleKind
from countline.analytics.native.rule import Rule, class_id
from countline.analytics.native.source import SourceState
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.region import RegionConfig
from countline.errors import RuleError
from countline.types import Analytics, Count, Crowding, Dwell, Enter, Leave, RegionState, RuleInfo

__all__ = ["KIND", "RegionCounter", "RegionKind"]


class RegionCounter(AreaCounter):
    """Counts of a region, and who is inside."""

    counters = ("enter", "leave")
    timed = True
    in_status = True

    def __init__(self, rule: Rule) -> None:
        assert isinstance(rule.config, RegionConfig)
        super().__init__(rule, rule.config.grace)
        self.config = rule.config
        self.ticks = bool(rule.config.dwell or rule.config.crowding or rule.config.limits)
        self.waiting: dict[int, DwellInterval] = {}
        """Slots of those inside for whom no dwell event was sent yet, in the order of entering."""
        self.classes: dict[str, int] = {}
        self.since: dict[str, int] = {}
        """Clock at which a crowding condition began to hold: '' for the region, else a class name."""
        self.active: set[str] = set()
        self._entered = Count()
        self._left = Count()
        self._empty: RegionState | None = None
        """The state while nobody is inside, which stays the same."""

    # -- who comes and goes --------------------------------------------------------------------------------------

    def entered(self, frame: FrameView, index: int, slot: int, interval: DwellInterval) -> None:
        """Count it, and tell of it."""
        if self.config.dwell is not None:
            self.waiting[slot] = interval
        self.classes[interval.class_name] = self.classes.get(interval.class_name, 0) + 1
        frame.count(self, "enter", interval.class_name)
        frame.note(slot, self.name, "entered")
        frame.events.append(PendingEvent(index, self.rule.order, Enter, self.name, slot))

    def left(self, frame: FrameView, index: int, slot: int, interval: DwellInterval, seconds: float, how: str) -> None:
        """Count it, and tell of it."""
        self._gone(slot, interval)
        frame.count(self, "leave", interval.class_name)
        frame.note(slot, self.name, f"{how} after {seconds:.1f} s")
        extra = {"dwell": seconds}
        event = PendingEvent(index, self.rule.order, Leave, self.name, slot, extra, class_id=interval.class_id)
        frame.events.append(event)

    def _gone(self, slot: int, interval: DwellInterval) -> None:
        self.waiting.pop(slot, None)
        left = self.classes[interval.class_name] - 1
        if left:
            self.classes[interval.class_name] = left
        else:
            del self.classes[interval.class_name]

    def hand_over(self, slot: int, heir: int) -> None:
        """With who waits."""
        super().hand_over(slot, heir)
        self.waiting = handed_over(self.waiting, slot, heir)

    def forget(self, slot: int) -> None:
        """A track is forgotten."""
        interval = self.inside.pop(slot, None)
        if interval is not None:
            self._gone(slot, interval)

    def clear(self) -> None:
        """All tracks are gone."""
        super().clear()
        self.waiting.clear()
        self.classes.clear()
        self.since.clear()
        self.active.clear()

    # -- what time brings ----------------------------------------------------------------------------------------

    def tick(self, frame: FrameView) -> None:
        """Dwell and crowding events."""
        if self.waiting and self.config.dwell is not None:
            self._dwell(frame, self.config.dwell)
        if self.config.crowding or self.config.limits:
            self._crowding(frame)

    def _dwell(self, frame: FrameView, limit: float) -> None:
        present = frame.present()
        for slot, interval in list(self.waiting.items()):
            seconds = (frame.clock - interval.since) / 1e9
            if seconds < limit:
                break
            if slot in present:
                del self.waiting[slot]
                extra = {"dwell": seconds}
                event = PendingEvent(frame.index(slot), self.rule.order, Dwell, self.name, slot, extra)
                frame.events.append(event)
                frame.note(slot, self.name, f"has stayed {seconds:.1f} s")

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

    def _crowding(self, frame: FrameView) -> None:
        over = {name: (count, wait) for name, count, wait in self.over()}
        for name, (count, wait) in over.items():
            since = self.since.setdefault(name, frame.clock)
            if name not in self.active and frame.clock - since >= wait * 1e9:
                self.active.add(name)
                frame.invalidate()
                self._crowd(frame, name, "begin", count)
        for name in [n for n in self.since if n not in over]:
            del self.since[name]
            if name in self.active:
                self.active.discard(name)
                frame.invalidate()
                self._crowd(frame, name, "end", self.classes.get(name, 0) if name else len(self.inside))

    def _crowd(self, frame: FrameView, name: str, phase: str, count: int) -> None:
        extra = {"phase": phase, "occupancy": count, "class_name": name}
        if name in frame.labels:
            extra["class_id"] = list(frame.labels).index(name)
        frame.events.append(PendingEvent(frame.whole, self.rule.order, Crowding, self.name, -1, extra))

    # -- events -------------------------------------------------------------------------------------------------

    def crowded(self) -> bool:
        """Whether a crowding condition holds and has lasted."""
        return bool(self.active)

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


class RegionKind(RuleKind):
    """See the module."""

    config = RegionConfig
    key = "regions"

    def counter(self, rule: Rule) -> Counter:
        """Counts who enters and leaves."""
        return RegionCounter(rule)

    def check(self, rule: Rule, labels: Sequence[str]) -> None:
        """Raises RuleError for limits of what is no class, or of one that is not called by its name."""
        config = rule.config
        assert isinstance(config, RegionConfig)
        for name in config.limits:
            number = class_id(name, labels, config.name)
            if name not in labels and number < len(labels):
                fix = f"write '{labels[number]}'"
                raise RuleError(f"limits are by class name, not '{name}'", where=f"rule '{config.name}'", fix=fix)

    def info(self, rule: Rule) -> RuleInfo:
        """With whether it may be crowded."""
        config = rule.config
        assert isinstance(config, RegionConfig)
        crowding = bool(config.crowding or config.limits)
        return RuleInfo(
            rule.name, rule.kind, config.source, rule.points, crowding=crowding, shape=rule.shape, key=self.key
        )

    def publish(self, analytics: Analytics, source: SourceState, part: Part | None) -> None:
        """``Analytics.regions``."""
        clock = source.clock
        analytics.regions = {c.name: c.state(clock) for c in source.by_kind["region"]}

    def explain(self, track: TrackRecord) -> str:
        """Why a region was not entered."""
        return f"{track.lived()} {track.distance():.0f} px from the region's edge and was never inside"


KIND = RegionKind()
