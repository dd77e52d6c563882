"""Delivery: commits in, acknowledged messages out. One thread writes the outbox, one per output carries from it."""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countline import outbox
from countline.errors import OutboxError
from countline.outbox import NOTHING, Commit, Kept, OutboxStatus, Place, Resume, RuleChange, StreamStart, fates
from countline.pipeline.delivery.commit_writer import Writer
from countline.pipeline.delivery.sender import Sender
from countline.pipeline.stats import OutputStats
from countline.protocols import Output
from countline.redaction import redact
from countline.types import CounterDelta, CounterKey, FrameInfo, Message, RuleIdentity

if TYPE_CHECKING:
    from countline.config import OutboxConfig
    from countline.observe.traces import Traces

__all__ = ["Delivery"]

log = logging.getLogger("countline.delivery")

DAY = 86_400.0


class Delivery:
    """From commits to acknowledged messages.

    ``put`` never waits for a broker or a disk; with the policy 'block' (files) it waits once 16 MiB could not be written.

    Parameters
    ----------
    config: bounds and policies of the outbox.
    path: its file; None: in memory.
    outputs: not opened yet.
    live: whether a source is live (chooses the policy where the configuration says 'auto').
    fresh: never resume a file's run that was cut short.

    Raises OutboxError, OutputError and MissingExtra when made; nothing is left open then.
    """

    def __init__(
        self,
        config: OutboxConfig,
        path: Path | None,
        outputs: Sequence[Output],
        *,
        live: bool,
        fresh: bool = False,
        wall: Callable[[], int] = clock.time_ns,
    ) -> None:
        self._fresh = fresh
        self.wall = wall
        """Gives ns since the Unix epoch."""
        self._live: dict[str, Resume] = {}
        self._rules: dict[str, tuple[str, ...]] = {}
        self._identities: dict[str, dict[str, RuleIdentity]] = {}
        """By live source: what its rules count, and those did that are gone."""
        self._common: dict[str, tuple[int, int]] = {}
        """By live source: epoch of the rules that have none of their own, and when it began."""
        self._last_frame: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        """By source: event time of the last frame."""
        self._abandoned = 0
        self._stopped = False
        self.failure: OutboxError | None = None
        """What of live sources could not be stored before the end; set by :meth:`stop`."""
        self._lost: dict[str, int] = {o.name: 0 for o in outputs}
        self.on_written: Callable[[], None] | None = None
        """Called on the writer's thread after each group that it has stored."""
        self.traces: Traces | None = None
        """Takes what becomes of messages, where they are traced; set before :meth:`start`."""
        self._ending = threading.Event()
        self._checker = threading.Thread(target=self._check, name="countline-outbox-check", daemon=True)
        with ExitStack() as resources:
            for output in outputs:
                resources.callback(output.close, 0.0)  # also of what fails while it is being opened
                output.open()
            # Last, so that a run that is refused makes no file.
            self.outbox = outbox.open(config, path, [o.name for o in outputs], live=live, clock=wall)
            resources.callback(self.outbox.close)
            self._dropped_before = {o.name: self.outbox.dropped(o.name) for o in outputs}
            self.senders = {o.name: Sender(self.outbox, o) for o in outputs}
            self.writer = Writer(
                self.outbox,
                commit_ms=config.commit_ms,
                block=self.outbox.when_full == "block",
                on_written=self._wake,
                on_dropped=self._not_written,
            )
            resources.pop_all()  # from here on they are closed by stop()

    def start(self) -> None:
        """Begin to deliver what an earlier run has left, and what comes."""
        self.writer.start()
        self._checker.start()
        for sender in self.senders.values():
            sender.traces = self.traces
            sender.start()
        backlog = {name: n for name in self.senders if (n := self.outbox.pending(name))}
        for name, count in backlog.items():
            log.info("output '%s': %d messages of an earlier run are waiting", name, count)

    def _check(self) -> None:
        """Read a large outbox through after the start (a small one was, before it) and any each day: damage waits for nobody to look."""
        wait = 0.0 if self.outbox.large else DAY
        while not self._ending.wait(wait):
            self.outbox.look_through(self._ending)
            wait = DAY

    # -- for the worker ------------------------------------------------------------------------------------------

    def begin(self, start: StreamStart) -> Resume:
        """A source's stream begins: with which counters, and what of it an earlier run has committed already. See
        :meth:`countline.outbox.Outbox.begin`. A live source that begins anew in the same run goes on with its counts."""
        source = start.source
        going = self._live.get(source)
        if going is not None and start.live:
            seen = self._seen.get(source, going.seen)
            reset = start.due(seen) if start.due is not None and seen else None
            if reset is not None:
                self.reset(source, reset)
                going = self._live[source]
            return Resume(None, dict(going.counters), dict(going.resets), seen, reset)
        if source in self._last_frame:
            self.writer.flush()
        self._rules[source] = tuple(start.rules)
        resume = self.outbox.begin(start, fresh=self._fresh and source not in self._last_frame)
        self._last_frame[source] = -1
        self._live.pop(source, None)
        if start.live:
            self._identities[source] = self.outbox.identities(source)
            self._common[source] = self.outbox.epoch(source)
            self._live[source] = Resume(None, dict(resume.counters), dict(resume.resets), resume.seen)
        return resume

    def place(self, source: str) -> Place | None:
        """How far an earlier run over a source's recordings had come; None: there was none that is to be resumed."""
        return None if self._fresh else self.outbox.place(source)

    def put(
        self,
        frame: FrameInfo,
        messages: Sequence[Message],
        deltas: Sequence[CounterDelta],
        kept: Kept = NOTHING,
    ) -> None:
        """Hand over all that came of one frame. ``kept``: what it leaves for a later run besides. Raises OutboxError if the
        outbox has failed for good."""
        name = frame.source.name
        self._last_frame[name] = frame.number
        self._seen[name] = frame.time
        self._follow(name, deltas)
        untold, windows, seam = kept
        self.writer.put(
            Commit(
                name, frame.stream, frame.number, messages, deltas,
                time=frame.time, untold=untold, windows=windows, seam=seam,
            )
        )  # fmt: skip

    def _follow(self, source: str, deltas: Sequence[CounterDelta]) -> None:
        known = self._live.get(source)
        if known is not None and deltas:
            counters = known.counters
            assert isinstance(counters, dict)
            for key, amount in deltas:
                counters[key] = counters.get(key, 0) + amount

    def reset(self, source: str, time: int) -> None:
        """The counts of a source begin anew at ``time`` (ns since the Unix epoch), in order with the frames."""
        known = self._live.get(source)
        if known is not None:
            keys: list[CounterKey] = list(known.counters)
            rules = {key.rule for key in keys} | {rule for _, rule in known.resets} | set(self._rules[source])
            resets = {(source, rule): (known.resets.get((source, rule), (0, 0))[0] + 1, time) for rule in rules}
            self._live[source] = Resume(None, dict.fromkeys(keys, 0), resets, known.seen)
            self._common[source] = (self._common[source][0] + 1, time)
        self.writer.put(Commit(source, "", self._last_frame.get(source, -1), reset=time))

    def change(self, source: str, change: RuleChange) -> Resume:
        """The rules of a source are others from this frame on, in order with the frames: what their counters are now. See
        :meth:`countline.outbox.Outbox.change`. Of a live source nothing is waited for. Raises OutboxError."""
        self._rules[source] = tuple(change.rules)
        live = self._live.get(source)
        if live is None:
            self.writer.flush()
            return self.outbox.change(source, change)
        known = self._identities[source]
        counters, resets = dict(live.counters), dict(live.resets)
        for rule, fate in fates(known, change.rules).items():
            epoch, at = resets.setdefault((source, rule), self._common[source])
            if fate == "new":
                continue
            resets[source, rule] = (epoch + 1, change.time if fate == "from-zero" else at)
            if fate == "from-zero":
                counters.update({key: 0 for key in counters if key.rule == rule})
        known.update(change.rules)
        self._live[source] = Resume(None, counters, resets, live.seen)
        self.writer.put(Commit(source, "", self._last_frame.get(source, -1), change=change))
        return self._live[source]

    def forget(self, source: str) -> None:
        """A source is gone: should one of its name come, it begins as in another run. What is known of it stays in the outbox."""
        kept: tuple[dict[str, Any], ...] = (self._live, self._rules, self._identities, self._common, self._seen)
        for known in kept:
            known.pop(source, None)

    def tell(self, messages: Sequence[Message], time: int) -> None:
        """Messages that belong to no frame. ``time``: ns since the Unix epoch."""
        self.writer.put(Commit("", "", -1, messages, time=time))

    def use_outputs(self, names: Sequence[str]) -> None:
        """What comes from now on goes to these outputs, in order with the frames; see :mod:`.output_changes`."""
        self.writer.put(Commit("", "", -1, outputs=tuple(names)))

    def finished(self, source: str, stream: str, number: int | None = None) -> None:
        """The source's stream was read to its end, which was the frame with this number (else the last that was put): the next run
        over it is a new one."""
        last = self._last_frame.get(source, -1) if number is None else number
        self.writer.put(Commit(source, stream, last, finished=True))

    # -- life -----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self.on_written is not None:
            self.on_written()
        for sender in self.senders.values():
            sender.wake()

    def _not_written(self, commit: Commit) -> None:
        first = not any(self._lost.values())
        for message in commit.messages:
            for name in message.outputs or self._lost:
                if name in self._lost:
                    self._lost[name] += 1
        if first and commit.messages:
            log.error("messages are dropped because they cannot be written to the outbox: %s", self.writer.last_error)

    def _give_up(self, unwritten: Sequence[Commit]) -> None:
        """The end has come and the outbox takes no messages (full disk, bound): keep the counts of live sources at least. A
        file's run goes on where its last commit was."""
        for commit in unwritten:
            self._not_written(commit)
        self._abandoned = sum(len(c.messages) for c in unwritten)
        why = f": {self.writer.last_error}" if self.writer.last_error else ""
        reasons = []
        live = [c for c in unwritten if c.source in self._live or not c.source]
        counts = sum(amount for c in live for _, amount in c.deltas)
        lost = sum(len(c.messages) for c in live)
        if counts or lost:
            fate = "their counts were kept"
            try:
                self.outbox.write_counts(live)
            except OutboxError as error:
                fate = f"{counts} counts are lost with them ({error.what})"
            reasons.append(f"{lost} messages of live sources could not be written before the end{why}; {fate}")
        files = [c for c in unwritten if c.source and c.source not in self._live]
        if files:
            again = sum(len(c.messages) for c in files)
            names = ", ".join(sorted({c.source for c in files}))
            reasons.append(
                f"{again} messages and the counts of {len(files)} commits of files ({names}) could not be written before the end{why}; "
                "the next run makes them again from where this one was cut short"
            )
        self._fail_with(reasons)

    def _fail_with(self, reasons: Sequence[str]) -> None:
        """What was made and is neither stored nor acknowledged is a failure of the run, with its number."""
        if not reasons:
            return
        fix = "make room on its disk, or raise outbox.max_bytes where that is the limit, before the next run"
        self.failure = OutboxError("; ".join(reasons), where=f"outbox {self.outbox.path}", fix=fix)
        log.error("%s", self.failure)

    def stop(self, timeout: float) -> None:
        """Deliver what waits for at most ``timeout`` s, then end all threads and close everything. What is still undelivered
        stays in the outbox for the next run (unless that is in memory)."""
        self._stopped = True
        self._ending.set()
        deadline = clock.monotonic() + timeout
        with ExitStack() as resources:  # whatever goes wrong with one, the others are closed
            resources.callback(self.outbox.close)
            if self._checker.is_alive():
                resources.callback(self._checker.join, 2.0)
            resources.callback(self._join_senders)
            resources.callback(self._stop_senders, deadline)
            dropped = max(self._lost.values(), default=0)
            unwritten = self.writer.stop(timeout)
            if unwritten:
                self._give_up(unwritten)
            elif dropped:
                self._fail_with(
                    [f"{dropped} messages were dropped because they could not be written to the outbox in time"]
                )

    def _stop_senders(self, deadline: float) -> None:
        for sender in self.senders.values():  # as they are now: some may have come with what was written last
            sender.stop(deadline)

    def _join_senders(self) -> None:
        with ExitStack() as resources:
            for sender in self.senders.values():
                resources.callback(sender.join)

    @property
    def stopped(self) -> bool:
        """Whether it was ended: nothing is delivered any more."""
        return self._stopped

    def abandon(self) -> None:
        """Close everything at once: where it was not started, or only in part; harmless after :meth:`stop`."""
        if not self._stopped:
            self.stop(0.0)

    def exchange(self, join: Mapping[str, Sender], leave: Collection[str] = ()) -> None:
        """Other senders, of which those that join begin to deliver. From one thread at a time."""
        for name in join:
            if name not in self._lost:
                self._lost = {**self._lost, name: 0}
                self._dropped_before[name] = self.outbox.dropped(name)
        self.senders = {name: sender for name, sender in {**self.senders, **join}.items() if name not in leave}
        for sender in join.values():
            sender.traces = self.traces
            sender.start()

    def stats(self) -> dict[str, OutputStats]:
        """By output. From any thread, also after :meth:`stop`."""
        found = {}
        for name, d in self.senders.items():
            status = d.output.status
            before = self._dropped_before[name]
            by = {reason: n - before.get(reason, 0) for reason, n in self.outbox.dropped(name).items()}
            by = {reason: n for reason, n in by.items() if n}
            if self._lost[name]:
                by["not-written"] = self._lost[name]
            stored, taken = self.outbox.tally(name)
            pending = stored + self.writer.beyond(taken) - self._abandoned
            found[name] = OutputStats(
                acknowledged=d.acknowledged,
                pending=pending,
                dead=d.dead,
                dropped=sum(by.values()),
                dropped_by=by,
                retried=d.retried,
                in_flight=d.in_flight,
                oldest_age=self.outbox.oldest_age(name) if pending else 0.0,
                connected=status.connected,
                error=redact(d.last_error or self.writer.last_error),
            )
        return found

    def status(self) -> OutboxStatus:
        """The outbox itself: size, ages, lags."""
        return self.outbox.status()
