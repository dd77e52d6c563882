"""Other stages for a worker that is at work: what goes on, what begins anew, which messages are sent. All on the worker's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from countline.outbox import Resume, RuleChange
from countline.pipeline.aside import Asked
from countline.pipeline.rule_changes import identities_at
from countline.protocols import (
    ChangeDefinition,
    ContinuingDefinition,
    Definition,
    FailingDefinition,
    FinishingDefinition,
    ReplaceableRules,
    RuleSet,
    Tracker,
)
from countline.types import (
    Analytics,
    ConfigChange,
    Detections,
    Frame,
    FrameInfo,
    FrameTracks,
    SourceInfo,
    Tracks,
)

if TYPE_CHECKING:
    from countline.outbox.commit_sink import CommitSink
    from countline.pipeline.build import Stages
    from countline.pipeline.changes import Changes
    from countline.pipeline.rule_changes import Repeats
    from countline.pipeline.stats import Summary

__all__ = ["Exchanged"]

log = logging.getLogger("countline.pipeline")

Makers = Sequence[tuple[Definition, FailingDefinition | None]]


class Exchangeable(Protocol):
    """What of a worker is exchanged, and what it offers for that."""

    rules: RuleSet
    trackers: Mapping[str, Tracker]
    definitions: Sequence[Definition]
    delivery: CommitSink
    repeats: Repeats
    summary: Summary
    mark: str

    @property
    def makers(self) -> Makers:
        """The definitions, and those of them that may fail."""
        ...

    def begun(self) -> list[str]:
        """Sources of which a stream was begun."""
        ...

    def use_trackers(self, trackers: Mapping[str, Tracker]) -> None:
        """Trackers by source from now on."""
        ...

    def forget(self, name: str) -> None:
        """The tracks of a source have ended; its counts stay."""
        ...

    def finish_windows(self, name: str, makers: Makers, *, complete: bool) -> None:
        """Send the windows of a source that these definitions have begun. ``complete``: the source was read to its end."""
        ...

    def mark_stream(self, info: FrameInfo, resume: Resume) -> tuple[str, str]:
        """Ids of a file's messages from this frame on."""
        ...


class Exchanged:
    """Carries a worker over from one configuration to the next, at a frame boundary.

    What a change means for a source's counters is settled at its next frame, which is the first that counts by the new rules, as
    it is after a start: so both say the same.
    """

    def __init__(self, worker: Exchangeable, make_tracker: Callable[[str], Tracker | None]) -> None:
        self._worker = worker
        self._infos: Mapping[str, SourceInfo] = {}
        """The sources as the configuration has them now, once it was changed; before that, frames know better."""
        self._changed: dict[str, bool] = {}
        """Sources whose rules were changed, or else what is counted in them; True: their tracks begin anew."""
        self._mark: dict[str, bool] = {}
        self._trackers: dict[str, Tracker] = {}
        """For the next stream of a source that is opened anew."""
        self._opened: set[str] = set()
        """Sources with an end that are opened anew, and of which no frame came since then."""
        self._make_tracker = make_tracker
        self.changes_reported = 0
        """Number of changes for which messages were asked."""

    # -- frames ---------------------------------------------------------------------------------------------------

    def known(
        self, frames: Sequence[Frame], detections: Sequence[Detections | None]
    ) -> tuple[Sequence[Frame], Sequence[Detections | None]]:
        """Without frames of sources that are gone; the others know their source as the configuration has it now."""
        if not self._infos:
            return frames, detections
        kept = [i for i, frame in enumerate(frames) if self._has(frame.info.source.name)]
        for i in kept:
            frames[i].info = self._current(frames[i].info)
        return [frames[i] for i in kept], [detections[i] for i in kept]

    def known_tracks(self, batch: Sequence[FrameTracks]) -> Sequence[FrameTracks]:
        """As :meth:`known`, for frames with tracks."""
        if not self._infos:
            return batch
        return [FrameTracks(self._current(i), t) for i, t in batch if self._has(i.source.name)]

    def _has(self, name: str) -> bool:
        if name in self._infos:
            return True
        self._worker.summary.sources[name].dropped += 1
        return False

    def _current(self, info: FrameInfo) -> FrameInfo:
        now = self._infos[info.source.name]
        before = info.source
        if (before.index, before.device_id) == (now.index, now.device_id):
            return info
        return replace(info, source=replace(before, index=now.index, device_id=now.device_id))

    def begin(self, name: str) -> None:
        """A new stream of a source begins."""
        self._opened.discard(name)
        tracker = self._trackers.pop(name, None)
        if tracker is not None:
            self._worker.use_trackers({**self._worker.trackers, name: tracker})

    def goes_back(self, info: FrameInfo, last: int) -> bool:
        """Whether a source that was opened anew is gone through again with this frame, though the stream is the same. ``last``: number
        of its last frame. What the one before had still given comes first."""
        if not self._opened or info.source.name not in self._opened or info.number > last:
            return False
        self._opened.discard(info.source.name)
        rules = self._worker.rules
        assert isinstance(rules, ReplaceableRules)  # else nothing was changed
        rules.close(info.source.name)  # as after a start: what is stored is restored
        for definition, failing in self._worker.makers:
            if isinstance(
                definition, FinishingDefinition
            ):  # windows that were begun are gone through again, and not sent before
                definition.finish(info.source.name)
                if failing is not None:
                    failing.take_failures()
        return True

    def see(self, info: FrameInfo) -> None:
        """Before each frame, and behind the beginning of its stream."""
        if not self._changed:
            return
        name, worker = info.source.name, self._worker
        anew = self._changed.pop(name, None)
        if anew is None:
            return
        rules = identities_at(name, worker.rules.rules)
        resume = worker.delivery.change(name, RuleChange(rules, info.time, anew, self._mark.pop(name, False)))
        worker.repeats.begin(name, info.number, resume)
        if not info.source.live:
            worker.mark_stream(info, resume)

    # -- the exchange ---------------------------------------------------------------------------------------------

    def new_tracker(self, name: str) -> Tracker | None:
        """A tracker for a source whose tracks begin anew; None where tracks come from elsewhere."""
        return self._make_tracker(name)

    def end_definitions(self, plan: Changes) -> None:
        """Send the windows of the definitions that do not go on, before anything changes."""
        worker = self._worker
        ending = [maker for maker in worker.makers if not self._continues(maker[0], plan)]
        for name in worker.begun():
            worker.finish_windows(name, ending, complete=False)

    @staticmethod
    def _continues(definition: Definition, plan: Changes) -> bool:
        return definition.name in plan.continuing or definition.name not in plan.messages

    def take(self, stages: Stages, plan: Changes) -> None:
        """Rules, definitions and trackers of the other stages, with what goes on of those before."""
        worker = self._worker
        before = {d.name: d for d in worker.definitions}
        for definition in stages.definitions:
            known = before.get(definition.name)
            if known is not None and isinstance(definition, ContinuingDefinition):
                definition.take_over(known, with_state=self._continues(definition, plan))
        self._take_rules(stages, plan)
        self._take_trackers(stages, plan)
        if stages.mark != worker.mark or plan.counting:
            for name in worker.begun():
                if name in {s.name for s in stages.sources}:
                    self._changed[name] = self._changed.get(name, False) or plan.tracker
                    self._mark[name] = self._mark.get(name, False) or stages.mark != worker.mark
        self._infos = {s.name: s for s in stages.sources}
        self._opened.update(name for name in plan.restarted if not self._infos[name].live)

    def _take_rules(self, stages: Stages, plan: Changes) -> None:
        rules = self._worker.rules
        assert isinstance(rules, ReplaceableRules)  # refused before, otherwise
        for name in plan.removed:
            rules.close(name)
        rebuilt = rules.take(stages.rules)
        if rebuilt:
            log.info("rules of %s are made anew: counts go on, tracks begin anew", ", ".join(rebuilt))

    def _take_trackers(self, stages: Stages, plan: Changes) -> None:
        worker = self._worker
        if not stages.trackers:
            return
        made = dict(stages.trackers)
        self._make_tracker = stages.make_tracker
        kept = {}
        for name, tracker in made.items():
            old = worker.trackers.get(name)
            if old is None or plan.tracker:
                kept[name] = tracker
                if old is not None:
                    worker.forget(name)
            else:
                kept[name] = old
                if name in plan.restarted:
                    self._trackers[name] = tracker
        worker.use_trackers(kept)

    # -- on: config -----------------------------------------------------------------------------------------------

    def asked(self, change: ConfigChange, makers: Makers) -> list[Asked]:
        """The definitions of ``on: config``, each with the analytics that hold the change: at a place of its own, for no frame."""
        self.changes_reported += 1
        info = FrameInfo(
            SourceInfo("", -1), self.changes_reported, 0, change.time, 0, 0, stream=f"config-{change.time}"
        )
        analytics = Analytics(info, Tracks.empty(), change=change)
        return [(d, failing, analytics) for d, failing in makers if isinstance(d, ChangeDefinition) and d.tells_changes]
