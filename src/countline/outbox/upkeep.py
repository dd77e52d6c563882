"""What the commands do to an outbox that no run has open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from countline.config import OutboxConfig
from countline.errors import OutboxError
from countline.outbox.durable import Outbox
from countline.outbox.opening import open_outbox
from countline.outbox.report import inspect

__all__ = ["forget", "reset_counts", "retry"]

T = TypeVar("T")


def _with(path: Path, work: Callable[[Outbox], T]) -> T:
    """Open the outbox with the outputs that it knows, do the work, close it."""
    known = [lag.output for lag in inspect(path).outputs if lag.configured]
    with open_outbox(OutboxConfig(synchronous="full"), path, known) as box:
        return work(box)


def reset_counts(path: Path, source: str | None, rule: str | None, *, at: int) -> int:
    """Set durable counters to 0 (of one source, of one rule) and begin a new epoch at ``at`` (ns since the Unix epoch);
    returns how many. Raises OutboxError: in use, absent."""
    return _with(path, lambda box: box.reset(source, rule, at=at))


def retry(path: Path, output: str | None = None, number: int | None = None) -> int:
    """Put dead letters (of one output, or one by its number) back into the queue; returns how many. They come after all
    that waits now, for their own output only."""
    return _with(path, lambda box: box.revive(output, number))


def forget(path: Path, output: str) -> int:
    """Give up what waits for an output that is no longer configured; returns how many messages."""
    lag = next((lag for lag in inspect(path).outputs if lag.output == output and not lag.configured), None)
    if lag is None:
        raise OutboxError(
            f"has no output '{output}' that is no longer configured",
            where=f"outbox {path}",
            fix="see `countline outbox`",
        )
    return _with(path, lambda box: box.forget(output))
