"""What the log says of one output: changes of state, and one line a minute with numbers while they come too often."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterable

from countline.observe.repeated import EVERY
from countline.observe.trouble import Trouble

__all__ = ["OutputLog"]

log = logging.getLogger("countline.delivery")

TOPICS = 10
"""Lines a minute about single topics; further changes are counted."""
TRACEBACKS = 20
"""Different unforeseen errors that are logged with their traceback."""


class OutputLog:
    """Used by one output's sender alone.

    Parameters
    ----------
    name: of the output.
    waiting: how many messages wait for it.
    """

    def __init__(self, name: str, waiting: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._away = Trouble(
            log,
            f"output '{name}'",
            lambda lasted: f"is back after {lasted:.0f} s; {waiting()} messages are waiting",
            clock,
            level=logging.WARNING,
        )
        self._upset = Trouble(log, f"output '{name}'", "goes on", clock)
        self._known: set[str] = set()
        self._lines = 0
        """About topics, since the minute began."""
        self._until = 0.0
        self._stopped = self._back = 0
        """Changes of topics that were not told."""
        self._last = ""

    def state(self, error: str, topics: Iterable[tuple[str | None, str, float]]) -> None:
        """The output's trouble (empty: none), and what has changed with single topics, as ``TopicQueues.changes`` gives it."""
        if error:  # the first error is logged; the one of now stands in the status
            self._away.begin(self._away.text or f"{error}; messages wait in the outbox")
        else:
            self._away.end()
        for topic, reason, seconds in topics:
            if not error:  # else told already, for the whole output
                self._topic("" if topic is None else f", topic '{topic}'", reason, seconds)
        if self._stopped + self._back and self._clock() >= self._until:
            self._count()

    def failure(self, text: str, error: BaseException | None = None) -> None:
        """The output failed in a way it should not, and is tried again; ``error``: an unforeseen one."""
        if error is not None:
            self.unforeseen("unforeseen error", error)
        self._upset.begin(f"{text}; trying again, at growing intervals")

    def unforeseen(self, what: str, error: BaseException) -> None:
        """The traceback of an error, once for each place that it comes from."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} {[(f.filename, f.lineno) for f in frames[-3:]]}"
        if place not in self._known and len(self._known) < TRACEBACKS:
            self._known.add(place)
            log.error("output '%s': %s", self._name, what, exc_info=error)

    def well(self) -> None:
        """No failure this time. Called in each round."""
        self._upset.end()

    def close(self) -> None:
        """Tell what was not told yet."""
        self._away.close()
        self._upset.close()
        if self._stopped + self._back:
            self._count()

    def _topic(self, topic: str, reason: str, seconds: float) -> None:
        now = self._clock()
        if now >= self._until and not self._stopped + self._back:
            self._until, self._lines = now + EVERY, 0
        self._lines += 1
        if self._lines > TOPICS:
            self._stopped += bool(reason)
            self._back += not reason
            self._last = f"{topic}: {reason}" if reason else self._last
        elif reason:
            log.warning("output '%s'%s: %s; its messages wait in the outbox, others go on", self._name, topic, reason)
        else:
            log.info("output '%s'%s is back after %.0f s", self._name, topic, seconds)

    def _count(self) -> None:
        log.warning(
            "output '%s': %d times more a topic began to wait and %d times one was back%s",
            self._name,
            self._stopped,
            self._back,
            f"; the last that waits{self._last}" if self._last else "",
        )
        self._stopped = self._back = 0
        self._last = ""
        self._until, self._lines = self._clock() + EVERY, TOPICS
