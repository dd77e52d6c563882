"""Messages that belong to no frame: of changes of the configuration, states of sources, heartbeats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from countline.outbox.commit_sink import CommitSink
from countline.pipeline.stats import Summary
from countline.protocols import Definition, FailingDefinition
from countline.types import Analytics, Message

__all__ = ["Asked", "tell_aside"]

Asked = tuple[Definition, FailingDefinition | None, Analytics]
"""A definition, the same where it may fail, and what its messages tell of."""


class Telling(Protocol):
    """What of a worker it takes."""

    delivery: CommitSink
    summary: Summary
    on_failure: Callable[[object, int], None]


def tell_aside(worker: Telling, asked: Iterable[Asked], time: int, number: int = 0) -> None:
    """Make messages and have them published, between two frames, on the worker's thread. ``time``: ns since the Unix epoch.
    ``number``: with which failures are noted."""
    messages: list[Message] = []
    for definition, failing, analytics in asked:
        messages += definition.make(analytics)
        if failing is not None:
            for failure in failing.take_failures():
                worker.on_failure(failure, number)
    if messages:
        worker.delivery.tell(messages, time)
        worker.summary.messages += len(messages)
