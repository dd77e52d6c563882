"""What an output refused for good: kept in the outbox, or sent to a topic of its own where the output has one for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from countline.observe.repeated import EVERY
from countline.outbox import Outbox
from countline.protocols import DeadLetterTopic, Entry, Output, Receipt

__all__ = ["DeadLetters"]

log = logging.getLogger("countline.delivery")

MOST_ON_THE_WAY = 1000
"""Dead letters on their way to a topic, at most; further ones are kept in the outbox."""


class DeadLetters:
    """The dead letters of one output. Used by its sender alone.

    A message that goes to a topic for dead letters keeps its place in the outbox until the broker has acknowledged it there: after
    a crash it is sent, refused and sent there again. What that topic refuses, too, is kept in the outbox, as without one.
    """

    def __init__(self, outbox: Outbox, output: Output) -> None:
        self.count = 0
        """Messages refused for good."""
        self._outbox, self._output = outbox, output
        self._topic = output if isinstance(output, DeadLetterTopic) else None
        self._on_the_way: dict[int, tuple[Entry, str]] = {}
        """Position -> the message as it was, and why it was refused."""
        self._untold: list[tuple[int, str, str]] = []
        self._tell_at = 0.0

    def refuse(self, refused: Sequence[tuple[Entry, Receipt]]) -> list[Entry]:
        """Keep what was refused, each with its receipt; returns what must be sent in their stead, at the same positions. Told at
        once when it begins, then once a minute with numbers."""
        instead: list[Entry] = []
        kept: list[tuple[Entry, str]] = []
        fresh: list[tuple[str, str]] = []
        for entry, receipt in refused:
            known = self._on_the_way.pop(entry.position, None)
            if known is not None:
                original, reason = known
                kept.append((original, f"{reason}; and as a dead letter: {receipt.error}"))
                continue
            fresh.append((entry.message.id, receipt.error))
            letter = None
            if self._topic is not None and len(self._on_the_way) < MOST_ON_THE_WAY:
                letter = self._topic.dead_letter(entry.message, receipt)
            if letter is None:
                kept.append((entry, receipt.error))
            else:
                self._on_the_way[entry.position] = (entry, receipt.error)
                instead.append(Entry(entry.position, letter))
        if kept:
            self._outbox.dead_letter(self._output.name, kept)
        if fresh:
            self.count += len(fresh)
            self._untold.append((len(fresh), *fresh[0]))
            self.tell(time.monotonic())
        return instead

    def arrived(self, positions: Sequence[int]) -> int:
        """These were acknowledged; how many of them as dead letters."""
        if not self._on_the_way:
            return 0
        return sum(self._on_the_way.pop(position, None) is not None for position in positions)

    def tell(self, now: float, *, last: bool = False) -> None:
        """Log what was refused since the last line, if a minute has passed or this is the ``last`` one."""
        if not self._untold or (now < self._tell_at and not last):
            return
        count = sum(n for n, _, _ in self._untold)
        _, first, reason = self._untold[0]
        self._untold.clear()
        self._tell_at = now + EVERY
        log.error(
            "output '%s': %d messages refused for good and kept as dead letters; the first, %s: %s",
            self._output.name,
            count,
            first,
            reason,
        )
