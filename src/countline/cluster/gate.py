"""Holds back what a worker has counted while it could not know whether it was still the owner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from countline.cluster.protocol import Verdict
from countline.protocols import Entry, Receipt
from countline.types import Message

if TYPE_CHECKING:
    from countline.protocols import Output

__all__ = ["DOUBTFUL", "GENERATION", "PARTITION", "SOURCE", "FencedOutput", "header"]

SOURCE = "countline.source"
"""Header with the source's name."""
GENERATION = "countline.generation"
"""Header with the generation of the owner that made the message. One that is smaller than the highest seen of its source was made
by a former owner."""
DOUBTFUL = "countline.doubtful"
"""Header of what goes out late only if nobody has taken over: `1`, because it was made when the owner's lease had run out; `again`,
because the next owner makes the same (files, with transactions)."""
PARTITION = "countline.partition"
"""Header of a slot: the partition of the state topic that it goes to."""


def header(message: Message, name: str) -> bytes | None:
    """The value of a header."""
    return next((value for key, value in message.headers if key == name), None)


class FencedOutput:
    """An output (:class:`countline.protocols.Output`) that asks before it sends. What must wait holds up what is behind it; what
    another owner has counted in the meantime is settled without being sent, and counted as ``fenced``."""

    def __init__(self, inner: Output, judge: Callable[[Message], Verdict]) -> None:
        self.inner = inner
        self.name, self.status = inner.name, inner.status
        self._judge = judge
        self._dropped: list[Receipt] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # what an output may offer besides

    def open(self) -> None:
        """As the output."""
        self.inner.open()

    def send(self, entries: Sequence[Entry]) -> int:
        """As the output; less than all also where something must wait."""
        taken = 0
        while taken < len(entries):
            first = taken
            verdict = self._judge(entries[first].message)
            if verdict is Verdict.DROP:
                self._dropped.append(Receipt(entries[first].position))
                self.status.extra["fenced"] = self.status.extra.get("fenced", 0.0) + 1
                taken += 1
                continue
            if verdict is Verdict.WAIT:
                break
            last = first + 1
            while last < len(entries) and self._judge(entries[last].message) is Verdict.SEND:
                last += 1
            accepted = self.inner.send(entries[first:last])
            taken += accepted
            if accepted < last - first:
                break
        return taken

    def poll(self, timeout: float) -> list[Receipt]:
        """As the output."""
        dropped, self._dropped = self._dropped, []
        return dropped + self.inner.poll(0.0 if dropped else timeout)

    def close(self, timeout: float) -> list[Receipt]:
        """As the output."""
        dropped, self._dropped = self._dropped, []
        return dropped + self.inner.close(timeout)
