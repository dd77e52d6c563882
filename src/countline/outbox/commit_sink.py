"""What takes the commits of frames: the outbox behind a delivery, or what stands before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from countline.outbox.types import NOTHING, Kept, Resume, RuleChange, StreamStart
from countline.types import CounterDelta, FrameInfo, Message

__all__ = ["CommitSink"]


class CommitSink(Protocol):
    """What takes the worker's commits: :class:`countline.pipeline.delivery.delivery.Delivery`, or what stands before it."""

    @property
    def wall(self) -> Callable[[], int]:
        """Gives ns since the Unix epoch."""
        ...

    def begin(self, start: StreamStart) -> Resume:
        """A source's stream begins: with which counters, and what of it an earlier run has committed already."""
        ...

    def put(
        self,
        frame: FrameInfo,
        messages: Sequence[Message],
        deltas: Sequence[CounterDelta],
        kept: Kept = NOTHING,
    ) -> None:
        """All that came of one frame; ``kept``: what it leaves for a later run besides."""
        ...

    def reset(self, source: str, time: int) -> None:
        """The counts of a source begin anew at ``time`` (ns since the Unix epoch)."""
        ...

    def change(self, source: str, change: RuleChange) -> Resume:
        """The rules of a source are others from this frame on: what their counters are now."""
        ...

    def tell(self, messages: Sequence[Message], time: int) -> None:
        """Messages that belong to no frame."""
        ...

    def forget(self, source: str) -> None:
        """A source is gone."""
        ...

    def use_outputs(self, names: Sequence[str]) -> None:
        """What comes from now on goes to these outputs."""
        ...

    def finished(self, source: str, stream: str, number: int) -> None:
        """The source's stream was read to its end, the frame with this number."""
        ...
