"""The worker that turns detections into tracks, analytics, messages and one commit per frame. Runs on one thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from countline.messages.time import rfc3339
from countline.observe.notes import Notes
from countline.outbox.commit_sink import CommitSink
from countline.outbox.types import StreamStart
from countline.pipeline.aside import tell_aside
from countline.pipeline.cameras import Cameras
from countline.pipeline.consumer import Consumer
from countline.pipeline.exchange import Exchanged, Makers
from countline.pipeline.gaps import GapLog, GapWatch
from countline.pipeline.kept import Keeping
from countline.pipeline.replay import Replay
from countline.pipeline.resets import Resets
from countline.pipeline.rule_changes import Repeats, identities_at
from countline.pipeline.stats import StageClock, Summary, fill
from countline.protocols import (
    Definition,
    FailingDefinition,
    FinishingDefinition,
    ForgettingTracker,
    PredictingTracker,
    StreamDefinition,
    Tracker,
)
from countline.types import (
    Analytics,
    ConfigChange,
    Detections,
    Frame,
    FrameInfo,
    FrameTracks,
    Gap,
    Message,
    Seam,
    Tracks,
)

if TYPE_CHECKING:
    from countline.outbox import Resume
    from countline.pipeline.build import Stages
    from countline.pipeline.changes import Changes

__all__ = ["CommitSink", "Consumer", "Worker"]

log = logging.getLogger("countline.pipeline")


class Worker:
    """Holds one tracker per source, the rules and the message definitions.

    Parameters
    ----------
    stages: trackers, rules, definitions, schedule, policies and mark.
    delivery: takes the commits.
    summary, clock: where counts and times are noted.
    consumers: called with every frame and its analytics.
    on_failure: takes what could not be made, and the number of the frame with which its messages are committed.
    on_begin: told when a file's stream begins: source, stream, the last frame whose messages are there already, and what its ids
        may be marked with.
    started: ``time.monotonic()`` at which the run began.
    notes: what is noted for metrics.
    """

    def __init__(
        self,
        stages: Stages,
        delivery: CommitSink,
        *,
        summary: Summary,
        clock: StageClock,
        consumers: Iterable[Consumer] = (),
        on_failure: Callable[[object, int], None],
        on_begin: Callable[[str, str, int, Sequence[str]], None],
        started: float = 0.0,
        notes: Notes | None = None,
    ) -> None:
        self.trackers = stages.trackers
        self.rules = stages.rules
        self.definitions = stages.definitions
        self.delivery = delivery
        self.policies = stages.policies
        self.mark = stages.mark
        self.summary = summary
        self.clock = clock
        self.consumers = list(consumers)
        self._resets = Resets(stages.schedule)
        self.on_failure = on_failure
        self.on_begin = on_begin
        self.started = started
        self.notes = Notes() if notes is None else notes
        self._cameras = (
            Cameras(stages.cameras, stages.trackers, stages.rules, summary.sources) if stages.cameras else None
        )
        self._keeping = Keeping()
        self._ask()
        self.repeats = Repeats(lambda: self.rules, self.track_anew)
        self.exchanged = Exchanged(self, stages.make_tracker)
        self._streams: dict[str, str] = {}
        self._resume: dict[str, int] = {}
        self._replays: dict[str, Replay] = {}
        """By source that goes on from a seam."""
        self._last: dict[str, Analytics] = {}
        self._watch = GapWatch()
        self._gap_log = GapLog(summary.sources)
        self._gaps: dict[str, Gap] = {}
        self._anew: set[str] = set()  # sources whose tracks begin anew with the next frame
        """By source: what is missing before the frame that is worked on."""

    def _ask(self) -> None:
        """What trackers and definitions offer besides: asked once, since it does not change."""
        self._makers: list[tuple[Definition, FailingDefinition | None]] = [
            (d, d if isinstance(d, FailingDefinition) else None) for d in self.definitions
        ]
        self._keeping.ask(self.definitions)
        self._predicting = {name: t for name, t in self.trackers.items() if isinstance(t, PredictingTracker)}
        self._forgetting = {name: t for name, t in self.trackers.items() if isinstance(t, ForgettingTracker)}

    def work(self, frames: Sequence[Frame], detections: Sequence[Detections | None]) -> None:
        """One round: at most one frame per source. ``None`` stands for a frame that the detector skipped."""
        batch = []
        with self.clock.measure("track"):
            frames, detections = self.exchanged.known(frames, detections)
            for frame, found in zip(frames, detections):
                name = frame.info.source.name
                self._follow(frame.info, frame.seam)
                if found is not None:
                    self.notes.detections(name, len(found))
                if self._cameras is not None:
                    found = self._cameras.see(frame, found)
                batch.append(FrameTracks(frame.info, self._track(name, found, frame.info.pts)))
        self._evaluate(batch, frames)

    def tracked(self, batch: Sequence[FrameTracks]) -> None:
        """One round of frames that come with their tracks and without pixels: at most one frame per source."""
        batch = self.exchanged.known_tracks(batch)
        for info, tracks in batch:
            self.notes.detections(info.source.name, len(tracks))
            self._follow(info)
        self._evaluate(batch, [None] * len(batch))

    def _evaluate(self, batch: Sequence[FrameTracks], frames: Sequence[Frame | None]) -> None:
        for item in batch:
            self._scheduled_reset(item.info)
        with self.clock.measure("rules"):
            results = self.rules.update(batch)
        if self.rules.notices:
            for notice in self.rules.notices:
                log.warning("%s", notice)
            self.rules.notices.clear()
        for frame, analytics in zip(frames, results):
            if self._cameras is not None:
                self._cameras.tell(analytics)
            self._publish(frame, analytics)

    def _track(self, source: str, found: Detections | None, pts: int) -> Tracks:
        if found is not None:
            tracker: Tracker = self.trackers[source]
            return tracker.update(found, pts)
        predicting = self._predicting.get(source)
        return predicting.predict(pts) if predicting is not None else Tracks.empty()

    def _follow(self, info: FrameInfo, seam: Seam | None = None) -> None:
        name = info.source.name
        if self._streams.get(name) != info.stream or (
            name in self._last and self.exchanged.goes_back(info, self._last[name].frame.number)
        ):
            self._begin(info)
        self.exchanged.see(info)
        self.repeats.see(info)
        if self._replays and name in self._replays:
            due = self._replays[name].due(info.number)
            if due is not None:
                self.rules.restore(*due)
        hole = seam is not None and seam.gap
        if hole:
            self.forget(name)
            if name in self._forgetting:
                self._forgetting[name].forget()
        gap = self._watch.see(info, hole)
        if gap is not None:
            self._gap_log.tell(name, gap)
            self._gaps[name] = gap

    def _begin(self, info: FrameInfo) -> None:
        """First frame of a stream: fetch the counters, and how far an unfinished run had come."""
        name = info.source.name
        if name in self._streams:  # the source began anew (reconnected camera, next file)
            self.forget(name)
        self.exchanged.begin(name)
        self._streams[name] = info.stream
        if self._cameras is not None:
            self._cameras.begin(name)
        rules = [rule.name for rule in self.rules.rules if rule.source in (None, name)]  # also those that never counted
        start = StreamStart(
            name, info.stream, live=info.source.live, policy=self.policies[name], time=info.time, rules=rules,
            due=self._resets.asked(info.time), number=info.number, identities=identities_at(name, self.rules.rules),
        )  # fmt: skip
        resume = self.delivery.begin(start)
        self.repeats.begin(name, info.number, resume)
        if not info.source.live:  # the stream of a live source is one of its own in each run
            counts, epochs = self.mark_stream(info, resume)
            self.on_begin(name, info.stream, -1 if resume.frame is None else resume.frame, (counts, counts + epochs))
        self._watch.begin(name, resume.seen, (resume.looked, self.delivery.wall()))
        self._keeping.begin(name, resume)
        source = self.summary.sources[name]
        if resume.frame is not None and not info.source.live:
            self._resume[name] = resume.frame
            source.resumed_after = resume.frame
            if resume.on_the_way:
                self._replays[name] = Replay(resume.on_the_way)
            log.info(
                "source '%s': an earlier run was cut short after frame %d; going through it again%s without sending twice",
                name, resume.frame,
                f" from frame {info.number}" if info.number else "",
            )  # fmt: skip
        if resume.reset is not None:
            log.info(
                "source '%s': counts begin anew as of %s, by schedule; nothing was seen from %s to %s",
                name, rfc3339(resume.reset), rfc3339(resume.seen), rfc3339(info.time),
            )  # fmt: skip
        self._resets.begin(name, info.time)

    def mark_stream(self, info: FrameInfo, resume: Resume) -> tuple[str, str]:
        """What the ids of a file's messages are made of from this frame on: marks of what is counted and of what was before."""
        # The same frames at another time are other events, too.
        counts, epochs = f"{self.mark}{info.time - info.pts}{resume.history.counts}", resume.history.epochs
        if resume.renewed:  # nor are they the same where rules were changed in their middle
            counts += f"@{[list(where) for where in resume.renewed]}"
        for definition in self.definitions:
            if isinstance(definition, StreamDefinition):
                definition.begin(info.source.name, counts, epochs)
        return counts, epochs

    @property
    def makers(self) -> Makers:
        """The definitions, and those of them that may fail."""
        return self._makers

    def begun(self) -> list[str]:
        """Sources of which a frame was worked on."""
        return [name for name in self._streams if name in self._last]

    def last_frame(self, name: str) -> FrameInfo | None:
        """The last frame of a source that was worked on and committed; None: there was none."""
        last = self._last.get(name)
        return None if last is None else last.frame

    def use_trackers(self, trackers: Mapping[str, Tracker]) -> None:
        """Trackers by source from now on."""
        self.trackers = trackers
        self._ask()
        if self._cameras is not None:
            self._cameras.use(trackers)

    def track_anew(self, name: str) -> None:
        """The tracks of a source begin anew."""
        tracker = self.exchanged.new_tracker(name)
        if tracker is not None:
            self.use_trackers({**self.trackers, name: tracker})
        self.forget(name)

    def forget(self, name: str) -> None:
        """The tracks of a source have ended; its counts stay."""
        self.rules.forget(name)
        self._anew.add(name)

    def exchange(self, stages: Stages, plan: Changes) -> None:
        """Go on with other stages, between two frames: see :class:`countline.pipeline.exchange.Exchanged`."""
        gone = [name for name in self._streams if name not in {s.name for s in stages.sources}]
        self.exchanged.end_definitions(plan)
        for name in gone:
            self._end_source(name)
        self.exchanged.take(stages, plan)
        if self._cameras is not None:
            self._cameras.use(self.trackers, stages.cameras)
        elif stages.cameras:
            self._cameras = Cameras(stages.cameras, self.trackers, self.rules, self.summary.sources)
        self.definitions = stages.definitions
        self.policies, self.mark = stages.policies, stages.mark
        self._ask()
        self._resets = Resets(stages.schedule)
        for name, analytics in self._last.items():
            self._resets.begin(name, analytics.frame.time)

    def _end_source(self, name: str) -> None:
        """A source is taken away. A file's run that was not at its end stays one that was cut short."""
        if name in self._last:
            self.finish_windows(name, self._makers, complete=False)
        self.repeats.end(name)
        self.delivery.forget(name)
        self._keeping.end(name)
        for kept in (self._streams, self._resume, self._last, self._gaps, self._replays):
            kept.pop(name, None)
        self._resets.end(name)

    def tell(self, change: ConfigChange) -> None:
        """Messages of ``on: config``."""
        tell_aside(self, self.exchanged.asked(change, self._makers), change.time, self.exchanged.changes_reported)

    def _scheduled_reset(self, info: FrameInfo) -> None:
        name = info.source.name
        due = self._resets.due(name, info.time)
        if due is None:
            return
        self.rules.reset(name, due)
        if info.number > self._resume.get(name, -1):
            self.delivery.reset(name, due)
        log.info("source '%s': counts begin anew as of %s, by schedule", name, rfc3339(due))

    def _publish(self, frame: Frame | None, analytics: Analytics) -> None:
        info = analytics.frame
        name = info.source.name
        if self._gaps:
            analytics.gap = self._gaps.pop(name, None)
        if name in self._anew:
            self._anew.discard(name)
            analytics.anew = True
        suppressed = info.number <= self._resume.get(name, -1)
        if not suppressed:
            self._keeping.restore(name)
        messages = []
        with self.clock.measure("messages"):
            for definition, failing in self._makers:
                messages += definition.make(analytics, frame)
                if failing is not None and failing.failures:
                    self._report(failing, info.number, suppressed)
        source = self.summary.sources[name]
        source.frames += 1
        self.summary.frames += 1
        self.notes.see(analytics, again=suppressed)
        for event in analytics.events:
            if event.kind == "heading":
                source.directions[event.rule] = source.directions.get(event.rule, 0) + 1
        if suppressed:
            if self._replays and name in self._replays:
                self._replays[name].see(analytics.deltas)
        else:
            with self.clock.measure("outbox"):
                self.delivery.put(info, messages, analytics.deltas, self._keeping.now(analytics, frame))
            if messages:
                if self.notes.traces is not None:
                    self.notes.traces.made(messages, analytics, frame, self.notes.taken, self.notes.detected)
                self.summary.messages += len(messages)
                if self.summary.first_message is None:
                    self.summary.first_message = time.monotonic() - self.started
        self._last[name] = analytics  # behind the commit: messages at the end stand behind frames that are there
        if self.consumers:
            with self.clock.measure("consumers"):
                for consumer in self.consumers:
                    consumer(frame, analytics)

    def _report(self, definition: FailingDefinition, number: int, suppressed: bool) -> None:
        failures = definition.take_failures()
        if not suppressed:
            self.summary.failures += len(failures)
            for failure in failures:
                self.on_failure(failure, number)

    def finish(self, ended: Mapping[str, bool]) -> None:
        """No more frames will come. ``ended``: by source, whether its input was read to the end."""
        self._gap_log.close()
        for name in self._last:
            self.finish_windows(name, self._makers, complete=ended.get(name, False))
        for name, complete in ended.items():
            if complete and name in self._last:
                self.delivery.finished(name, self._streams[name], self._last[name].frame.number)
        self.snapshot()

    def finish_windows(
        self, name: str, makers: Sequence[tuple[Definition, FailingDefinition | None]], *, complete: bool
    ) -> None:
        """Send the windows that were begun, too. They belong to a place behind the last frame. Where the input was not read to its
        end (``complete`` false), that is the place of the next frame, still to come: they are committed with the last one."""
        messages: list[Message] = []
        info = self._last[name].frame
        number = info.number + 1
        committed = number if complete else info.number
        for definition, failing in makers:
            if isinstance(definition, FinishingDefinition):
                messages += definition.finish(name)
                if failing is not None and failing.failures:
                    self._report(failing, number, suppressed=number <= self._resume.get(name, -1))
        if messages and committed > self._resume.get(name, -1):
            self.delivery.put(replace(info, number=committed), messages, (), self._keeping.at_end(name))
            self.summary.messages += len(messages)

    def snapshot(self) -> None:
        """Bring the counts in the summary up to date."""
        for name, analytics in list(self._last.items()):
            fill(self.summary.sources[name], analytics)
