"""The two ways to evaluate: on a thread of one's own, or within the probe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from countline.deepstream.bounded_queue import BoundedQueue
from countline.outbox import NOTHING, Kept, Resume, RuleChange, StreamStart
from countline.pipeline.delivery.delivery import Delivery
from countline.types import CounterDelta, FrameInfo, Message

__all__ = ["Evaluation", "InlineDelivery"]


class Evaluation:
    """A thread that works off a queue until that is closed and empty. After an error the rest is still taken, so that a
    giver never waits for a thread that has ended; ``work`` decides what becomes of it."""

    def __init__(
        self, work: Callable[[Any], None], waiting: BoundedQueue[Any], failed: Callable[[Exception], None]
    ) -> None:
        self._work = work
        self._waiting = waiting
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name="countline-deepstream", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._waiting.take()) is not None:
            try:
                self._work(item)
            except Exception as error:
                self._failed(error)

    def join(self) -> None:
        """Wait until all is worked off."""
        self._thread.join()


class InlineDelivery:
    """Stands between the worker and the delivery: messages stay here for the buffer, counters go on to the outbox."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.wall = delivery.wall
        self._made: dict[str, list[bytes]] = {}
        self._waiting: list[bytes] = []
        """Values that belong to no frame: they go with the next."""

    def begin_round(self) -> None:
        """Forget the messages of the round before."""
        self._made = {}

    def values(self, source: str) -> list[bytes]:
        """Values of a source's messages in this round, in their order."""
        waiting, self._waiting = self._waiting, []
        return [*waiting, *self._made.get(source, [])]

    def begin(self, start: StreamStart) -> Resume:
        """As :meth:`Delivery.begin`."""
        return self._delivery.begin(start)

    def put(
        self,
        frame: FrameInfo,
        messages: Sequence[Message],
        deltas: Sequence[CounterDelta],
        kept: Kept = NOTHING,
    ) -> None:
        """Keep the values; commit the counters."""
        if messages:
            self._made.setdefault(frame.source.name, []).extend(m.value for m in messages)
        self._delivery.put(frame, (), deltas, kept)

    def reset(self, source: str, time: int) -> None:
        """As :meth:`Delivery.reset`."""
        self._delivery.reset(source, time)

    def finished(self, source: str, stream: str, number: int | None = None) -> None:
        """As :meth:`Delivery.finished`."""
        self._delivery.finished(source, stream, number)

    def change(self, source: str, change: RuleChange) -> Resume:
        """As :meth:`Delivery.change`."""
        return self._delivery.change(source, change)

    def tell(self, messages: Sequence[Message], time: int) -> None:
        """Keep the values for the next frame."""
        self._waiting += [message.value for message in messages]

    def forget(self, source: str) -> None:
        """As :meth:`Delivery.forget`."""
        self._delivery.forget(source)

    def use_outputs(self, names: Sequence[str]) -> None:
        """There are none."""
