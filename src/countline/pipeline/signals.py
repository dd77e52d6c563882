"""Ctrl-C and SIGTERM: the first finishes cleanly, the second ends at once. SIGHUP reads the configuration again."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

__all__ = ["ENDED_AT_ONCE", "ended_at_once", "finishing", "hangup_noted"]

ENDED_AT_ONCE = 130
"""Exit code after the second signal, whichever it was."""


@contextmanager
def hangup_noted() -> Iterator[Callable[[], bool]]:
    """While the block runs, SIGHUP ends nothing; gives what tells whether it came. :func:`finishing` within it has its own way."""
    came = threading.Event()
    if not hasattr(signal, "SIGHUP"):
        yield came.is_set
        return
    before = signal.signal(signal.SIGHUP, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def finishing(
    stop: Callable[[], None], at_once: Callable[[], str] = lambda: "", reload: Callable[[], None] | None = None
) -> Iterator[None]:
    """While the block runs, the first signal calls ``stop``; the second ends the process with :data:`ENDED_AT_ONCE` after the
    last words that ``at_once`` gives. SIGHUP calls ``reload``, where there is one, and never ends anything."""
    asked = 0

    def ask(number: int, _: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            _say(at_once())
            os._exit(ENDED_AT_ONCE)  # nothing may hold it up: not a thread that waits, not a lock
        _say("countline: finishing (once more to end at once)\n")
        stop()

    with ExitStack() as stack:
        if reload is not None and hasattr(signal, "SIGHUP"):
            again = reload
            stack.callback(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, lambda *_: again()))
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, ask))
        yield


def ended_at_once(durable: bool) -> str:
    """Last words of a run that was ended at once. ``durable``: its outbox is on disk."""
    rest = "stays in the outbox" if durable else "is lost, the outbox was in memory"
    return f"countline: ended at once; what was not acknowledged {rest}\n"


def _say(words: str) -> None:
    """Past Python's stream, which the interrupted thread may be writing to."""
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, words.encode())
    except (OSError, ValueError):
        return
