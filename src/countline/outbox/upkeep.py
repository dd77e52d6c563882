"""What the commands do to an outbox that no run has open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from countline.config import OutboxConfig
from countline.errors import OutboxError
from countline.outbox import mending
from countline.outbox.durable import Outbox
from countline.outbox.opening import open_outbox
from countline.outbox.report import inspect

__all__ = ["edit_message", "forget", "reset_counts", "retry", "send_message", "skip_message"]

T = TypeVar("T")


def _with(path: Path, work: Callable[[Outbox], T]) -> T:
    """Open the outbox with the outputs that it knows, do the work, close it."""
    known = [stored.name for stored in inspect(path).outputs if stored.configured]
    box = open_outbox(OutboxConfig(synchronous="full"), path, known)
    try:
        done = work(box)
    except BaseException:
        box.close(store=False)  # half of what was to be done must not be stored now
        raise
    box.close()
    return done


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
    stored = next((stored for stored in inspect(path).outputs if stored.name == output and not stored.configured), None)
    if stored is None:
        raise OutboxError(
            f"has no output '{output}' that is no longer configured",
            where=f"outbox {path}",
            fix="see `countline outbox`",
        )
    return _with(path, lambda box: box.forget(output))


def skip_message(path: Path, ident: str, output: str | None = None) -> int:
    """Give a message up that waits or is a dead letter (for one output), counted as 'skipped'; returns for how many outputs. Raises
    OutboxError: in use, absent, no such message."""
    return _with(path, lambda box: mending.skip(box, ident, output))


def edit_message(path: Path, ident: str, change: mending.Change) -> int:
    """Change a message that waits or is a dead letter; it keeps its place and its id. Returns how many were changed. Raises
    OutboxError likewise."""
    return _with(path, lambda box: mending.edit(box, ident, change))


def send_message(path: Path, ident: str, output: str | None = None) -> int:
    """Put a message that waits or is a dead letter behind all that waits now; returns for how many outputs. Raises OutboxError
    likewise."""
    return _with(path, lambda box: mending.send(box, ident, output))
