"""The thread that writes commits to the outbox, several in one transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter

from countline.errors import OutboxError
from countline.observe.histogram import Histogram
from countline.observe.trouble import Trouble
from countline.outbox import Commit, Outbox, OutboxFull
from countline.types import CounterDelta, CounterKey

__all__ = ["Writer"]

log = logging.getLogger("countline.delivery")

QUEUE_BYTES = 16 << 20
GROUP_MESSAGES = 4096
GROUP_BYTES = 4 << 20
_OVERHEAD = 400
"""Rough cost in bytes of a message object beside its value."""
_VALUE = attrgetter("value")


PLACE_WAIT = 0.1
"""Seconds for which a frame that brought nothing may stay unwritten: all that is at stake is to look at it again."""


def _only_a_place(commit: Commit) -> bool:
    return not (
        commit.messages or commit.deltas or commit.finished or commit.reset is not None or commit.change is not None
    )


def _covers(later: Commit, place: Commit) -> bool:
    """Whether a later commit of the source says all that a mere place says."""
    return (
        later.stream == place.stream
        and later.time > 0
        and place.untold is None
        and (place.windows is None or later.windows is not None)
        and later.frame_number >= place.frame_number
    )


def _size(commit: Commit) -> int:
    messages = commit.messages
    return 200 + _OVERHEAD * len(messages) + sum(map(len, map(_VALUE, messages)))


class Writer:
    """Takes commits from the worker without making it wait, and writes them in groups.

    Parameters
    ----------
    outbox: where they go.
    commit_ms: how long a commit may wait for company.
    block: what happens when ``QUEUE_BYTES`` wait here because the outbox takes no more (full, disk full, slow disk): True
        makes :meth:`put` wait (files); False gives up messages, which are counted, but never counts.
    on_written: called after each group.
    on_dropped: called with the commit whose messages were given up.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        commit_ms: float,
        block: bool,
        on_written: Callable[[], None],
        on_dropped: Callable[[Commit], None],
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.error: OutboxError | None = None
        """Why writing has ended for good; raised by :meth:`put`."""
        self._trouble = Trouble(log, f"outbox {outbox.path}", "can be written again")
        self._outbox = outbox
        self._wait = commit_ms / 1000
        self._block = block
        self._on_written = on_written
        self._on_dropped = on_dropped
        self._most = queue_bytes
        self._queue: deque[Commit] = deque()
        self._places: dict[str, Commit] = {}
        """By source, its last frame, behind all that is queued, if that brought nothing. Of all rows that are written these are
        the most, so they wait their time, also when others' messages are written meanwhile."""
        self._due = 0.0
        """When these are to be written, by the monotonic clock."""
        self._bytes = 0
        self._writing: list[Commit] = []
        self._accepted = 0
        self._change = threading.Condition()
        self._stopping = False
        self._pressing = False
        """Whether something waits that is more than a place in a stream."""
        self._give_up_at: float | None = None
        self.commits = Histogram()
        """Seconds that each transaction took."""
        self._thread = threading.Thread(target=self._work, name="countline-outbox", daemon=True)

    @property
    def last_error(self) -> str:
        """Why nothing is written just now; empty when all is well."""
        return self.error.what if self.error is not None else self._trouble.text

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, commit: Commit) -> None:
        """Queue a commit. Raises OutboxError if nothing can be written any more."""
        size = _size(commit)
        with self._change:
            while self._block and self._bytes + size > self._most and self._queue and self.error is None:
                self._change.wait(0.5)
            if self.error is not None:
                raise self.error
            if self._bytes + size > self._most and commit.messages and not self._block:
                commit, size = self._give_up(commit, size)
            self._accepted += len(commit.messages)
            news = not self._queue and not self._places
            before = self._places.pop(commit.source, None) if self._places else None
            if before is not None and not _covers(commit, before):
                self._queue.append(before)
                self._bytes += _size(before)
            if _only_a_place(commit) and commit.stream and commit.seam is None and commit.outputs is None:
                if not self._places and before is None:
                    self._due = time.monotonic() + PLACE_WAIT
                self._places[commit.source] = commit
            elif not self._merge(commit):
                self._queue.append(commit)
                self._bytes += size
            if not self._pressing and not _only_a_place(commit):
                news = self._pressing = True
            if news:
                self._change.notify_all()

    def _give_up(self, commit: Commit, size: int) -> tuple[Commit, int]:
        """Make room by dropping messages: the oldest in the queue, or those of ``commit``."""
        if self._outbox.when_full == "drop-newest":
            self._on_dropped(commit)
            return replace(commit, messages=()), 200
        old, self._queue, self._bytes = self._queue, deque(), 0
        total = sum(map(_size, old))
        for item in old:
            if item.messages and total + size > self._most:
                self._on_dropped(item)
                self._accepted -= len(item.messages)
                total -= _size(item) - 200
                item = replace(item, messages=())
            if not self._merge(item):
                self._queue.append(item)
                self._bytes += _size(item)
        return commit, size

    def _merge(self, commit: Commit) -> bool:
        """Add a commit without messages to the last one in the queue if that has none either: counts are never given up,
        however long the queue cannot be written."""
        last = self._queue[-1] if self._queue else None
        if (
            last is None
            or commit.messages
            or last.messages
            or not commit.stream
            or commit.seam is not None
            or (last.source, last.stream) != (commit.source, commit.stream)
        ):
            return False
        sums: dict[CounterKey, int] = {}
        for key, amount in (*last.deltas, *commit.deltas):
            sums[key] = sums.get(key, 0) + amount
        deltas = [CounterDelta(key, amount) for key, amount in sums.items()]
        frame, finished = max(last.frame_number, commit.frame_number), last.finished or commit.finished
        frame = commit.frame_number if commit.finished else frame
        time, untold = commit.time or last.time, commit.untold or last.untold
        windows = last.windows if commit.windows is None else commit.windows
        self._queue[-1] = replace(
            last, frame_number=frame, deltas=deltas, finished=finished, time=time, untold=untold, windows=windows
        )
        return True

    def beyond(self, taken: int) -> int:
        """Messages that wait here where the outbox has ``taken`` so many: what was put here and not given up, less those. Ask the outbox
        first, so that what comes meanwhile is told as waiting."""
        with self._change:
            return self._accepted - taken

    @property
    def waiting(self) -> int:
        """Messages that are not written yet."""
        return self.beyond(self._outbox.taken)

    def flush(self) -> None:
        """Wait until all that was put is written. Raises OutboxError."""
        with self._change:
            self._pressing, self._due = True, 0.0
            self._change.notify_all()
            while (self._queue or self._places or self._writing) and self.error is None:
                self._change.wait(0.5)
            if self.error is not None:
                raise self.error

    def stop(self, timeout: float) -> list[Commit]:
        """Write what waits, for at most ``timeout`` s, and end the thread. Returns what could not be written."""
        with self._change:
            self._stopping = True
            self._give_up_at = time.monotonic() + timeout
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        return [*self._writing, *self._queue, *self._places.values()]

    # -- on the writer's own thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while self._step():
                pass
            self._trouble.close()
        except OutboxError as error:
            self._fail(error)
        except Exception as error:  # must not die silently: the run would go on and store nothing
            log.exception("unforeseen error while writing to the outbox")
            self._fail(OutboxError(f"cannot be written: {error!r}", where=f"outbox {self._outbox.path}"))

    def _fail(self, error: OutboxError) -> None:
        log.error("%s", error)
        with self._change:
            self.error = error
            self._change.notify_all()

    def _step(self) -> bool:
        with self._change:
            if not self._queue and not self._places and not self._stopping:
                self._change.wait(0.1)
            idle = not self._queue and not self._places
            if idle:
                if self._stopping:
                    return False
            else:
                wait = max(0.0, self._due - time.monotonic()) if self._places else PLACE_WAIT
                self._change.wait_for(lambda: self._pressing or self._stopping, wait)
        if idle:
            self._settle()
            return True
        if self._wait and not self._stopping and not self._complete:
            time.sleep(self._wait)  # for company
        with self._change:
            self._take()
        written = self._write()
        with self._change:
            self._writing = []
            self._change.notify_all()
        return written

    @property
    def _complete(self) -> bool:
        """Whether a group need not wait for company: it has all that goes into one, and the outputs keep up. Where they do not, what is
        written sooner is only read back from disk later."""
        return self._bytes >= GROUP_BYTES and self._outbox.behind <= 2 * GROUP_MESSAGES

    def _settle(self) -> None:
        try:
            self._outbox.settle()
            self._trouble.end()
        except OutboxFull as error:
            self._trouble.begin(error.what)

    def _take(self) -> None:
        messages = size = 0
        while self._queue and messages < GROUP_MESSAGES and size < GROUP_BYTES:
            commit = self._queue.popleft()
            self._writing.append(commit)
            messages += len(commit.messages)
            size += _size(commit)
        self._bytes -= size
        self._pressing = bool(self._queue)
        if not self._queue and (self._stopping or time.monotonic() >= self._due):
            self._writing += self._places.values()  # behind all that these sources have queued
            self._places.clear()
        self._change.notify_all()

    def _write(self) -> bool:
        """Write the group, waiting as long as it takes; False if it was given up at the end of the run."""
        while self._writing:
            stored = 0
            try:
                begin = time.perf_counter()
                stored = self._outbox.write(self._writing)
                self.commits.observe(time.perf_counter() - begin)
                if stored:
                    self._trouble.end()
                else:
                    self._trouble.begin(
                        f"it is full ({self._outbox.max_bytes} bytes); frames wait until an output has taken some"
                    )
            except OutboxFull as error:
                self._trouble.begin(error.what)
            if stored:
                with self._change:
                    del self._writing[:stored]
                self._on_written()
                continue
            with self._change:
                if self._give_up_at is not None and time.monotonic() > self._give_up_at:
                    self._queue.extendleft(reversed(self._writing))
                    return False
                self._change.wait(0.05)
        return True
