"""Where the worker's commits go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from countline.types import CounterDelta, FrameInfo, Gap, Message, Seam

if TYPE_CHECKING:
    from countline.outbox import Resume

__all__ = ["CommitSink"]


class CommitSink(Protocol):
    """What takes the worker's commits: :class:`countline.pipeline.delivery.delivery.Delivery`, or what stands before it."""

    @property
    def wall(self) -> Callable[[], int]:
        """Gives ns since the Unix epoch."""
        ...

    def begin(
        self,
        source: str,
        stream: str,
        *,
        live: bool,
        policy: str | None,
        time: int,
        rules: Sequence[str] = (),
        due: Callable[[int], int | None] | None = None,
        number: int = 0,
    ) -> Resume:
        """A source's stream begins: with which counters, and what of it an earlier run has committed already."""
        ...

    def put(
        self,
        frame: FrameInfo,
        messages: Sequence[Message],
        deltas: Sequence[CounterDelta],
        untold: Gap | None = None,
        seam: Seam | None = None,
    ) -> None:
        """All that came of one frame; ``seam``: a later run can begin with it."""
        ...

    def reset(self, source: str, time: int) -> None:
        """The counts of a source begin anew at ``time`` (ns since the Unix epoch)."""
        ...

    def finished(self, source: str, stream: str, number: int) -> None:
        """The source's stream was read to its end, the frame with this number."""
        ...
