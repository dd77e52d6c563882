"""Lines: who crosses them, which way. (How a crossing is told from jitter: ``polylines``; from a flutter: ``reversals``.)"""

from __future__ import annotations

import numpy as np

from countline.analytics.native.arrays import Hit
from countline.analytics.native.counter import Counter, FrameView, PendingEvent
from countline.analytics.native.kind import Part, RuleKind
from countline.analytics.native.reversals import Reversals
from countline.analytics.native.rule import Rule
from countline.analytics.native.source import SourceState
from countline.analytics.native.table import FIRST_SEEN_IN_BAND, PENDING, Column
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.line import LineConfig
from countline.types import Analytics, Count, Crossing, LineState, RuleInfo

__all__ = ["KIND", "LineCounter", "LineKind"]


class LineCounter(Counter):
    """Counts of a line."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        assert isinstance(rule.config, LineConfig)
        self.config = rule.config
        self.counters = (rule.config.direction_name("in"), rule.config.direction_name("out"))
        self.reversals = Reversals(int(rule.config.debounce * 1e9))
        self._state = LineState()

    def passed(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """A track has crossed to the left-hand side (``value`` > 0) or to the right."""
        if self.reversals.take(slot, hit, frame.clock):
            self._crossed(frame, index, slot, hit)
            return
        name, least = self.counters[0 if hit.value > 0 else 1], f"{self.config.debounce:g} s"
        if slot in self.reversals.waiting:
            frame.note(slot, self.name, f"reversed {name} within {least}, which counts if it lasts,")
        else:
            frame.note(slot, self.name, f"came back {name}, so that what reversed within {least} does not count,")
        self._wait(frame)

    def tick(self, frame: FrameView) -> None:
        """Reversals that have lasted are crossings now."""
        for slot, hit in self.reversals.due(frame.clock, frame.present()):
            self._crossed(frame, frame.index(slot), slot, hit)
        self._wait(frame)

    def _wait(self, frame: FrameView) -> None:
        """Time decides as long as a reversal waits."""
        waits = bool(self.reversals.waiting)
        if waits != self.ticks:
            self.ticks = waits
            frame.ticks_changed()

    def _crossed(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """It is a crossing: of an object, as often as of the one of its tracks that did it most often."""
        config, name = self.config, self.counters[0 if hit.value > 0 else 1]
        counted = frame.table.own["line"]["counted"]
        class_id = frame.class_id(index)
        if self.rule.accepts(class_id) and frame.reported_before(self, index, slot, hit):
            return
        if not self.rule.accepts(class_id):
            left_out = f'crossed {name}, but the class "{frame.class_name(class_id)}" is not counted by this line,'
        elif config.direction not in ("both", "in" if hit.value > 0 else "out"):
            left_out = f"crossed {name}, which this line does not count,"
        elif config.count == "once" and counted[slot, self.column]:
            left_out = f"crossed {name} again, which `count: once` does not count,"
        else:
            left_out = ""
        if left_out:
            frame.note(slot, self.name, left_out)
            return
        counted[slot, self.column] = True
        frame.count(self, name, frame.class_name(class_id))
        frame.note(slot, self.name, f"counted {name}")
        event = PendingEvent(index, self.rule.order, Crossing, self.name, slot, {"direction": name}, hit.along)
        frame.events.append(event)
        frame.crossed.setdefault(index, []).append(self.name)

    def repeated(self, frame: FrameView, index: int, slot: int, hit: Hit) -> str:
        """It counts as having crossed."""
        frame.table.own["line"]["counted"][slot, self.column] = True
        return f"crossed {self.counters[0 if hit.value > 0 else 1]}"

    def forget(self, slot: int) -> None:
        """A track is forgotten."""
        self.reversals.forget(slot)

    def clear(self) -> None:
        """All tracks are gone."""
        self.reversals.clear()

    def state(self, clock: int) -> LineState:
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


class LineKind(RuleKind):
    """See the module."""

    config = LineConfig
    key = "lines"
    columns = {"counted": Column(np.bool_, False)}

    def counter(self, rule: Rule) -> Counter:
        """Counts crossings by direction."""
        return LineCounter(rule)

    def info(self, rule: Rule) -> RuleInfo:
        """With the names of both directions."""
        config = rule.config
        assert isinstance(config, LineConfig)
        names = (config.direction_name("in"), config.direction_name("out"))
        return RuleInfo(rule.name, rule.kind, config.source, rule.points, names, shape=rule.shape, key=self.key)

    def publish(self, analytics: Analytics, source: SourceState, part: Part | None) -> None:
        """``Analytics.lines``."""
        analytics.lines = source.states["line"]

    def explain(self, track: TrackRecord) -> str:
        """Why a line was not crossed."""
        gap, band, lived = track.distance(), track.band(), track.lived()
        phase, net = int(track.of_shape("phase")), int(track.of_shape("net"))
        if phase == FIRST_SEEN_IN_BAND:
            return (
                f"never left the band of {band:.0f} px on either side of the line, so where it came from is unknown; "
                f"{lived} {gap:.0f} px from the line"
            )
        if phase == PENDING and net:
            return f"passed the line, but {lived} {gap:.0f} px behind it, within the band of {band:.0f} px that it must leave"
        passed = float(track.of_shape("passed"))
        if np.isfinite(passed) and passed > 0:
            return f"crossed the line's extension {passed * track.source.height:.0f} px beyond its end"
        begun = track.of_shape("begun")
        unknown = "was first seen within half of the line's band, so that passage is unknown; " if begun else ""
        return f"{unknown}{lived} {gap:.0f} px before the line"


KIND = LineKind()
