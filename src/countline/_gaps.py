"""Gaps: stretches of time in which nothing of a live source was seen. Re-exported by ``countline.types``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Gap"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing of a source was seen between its frames at ``start`` and ``end`` (event times, ns since the Unix epoch)."""

    start: int
    end: int
    cause: str = "not-running"
    """not-running: countline was started again in between; no-frames: the source gave none; frames-dropped: it did, and they
    were given up because processing was behind, or the detector was away; clock-jumped: this machine slept, or its clock was set
    forward; no-recording: of recordings that follow each other one is missing."""
    missed: int = -1
    """ns within it in which nothing was seen: less than its length where several gaps are told as one."""

    def __post_init__(self) -> None:
        if self.missed < 0:
            object.__setattr__(self, "missed", self.end - self.start)

    @property
    def seconds(self) -> float:
        """``missed`` in seconds."""
        return self.missed / 1e9

    def joined(self, other: Gap | None) -> Gap:
        """This gap and a later one told as one, from the start of the first to the end of the last. That countline did not run
        is told before any other cause, else the cause of the longer one.

        >>> Gap(10, 20, "no-frames").joined(Gap(50, 90, "not-running"))
        Gap(start=10, end=90, cause='not-running', missed=50)
        """
        if other is None or not other.missed:
            return self
        if not self.missed:
            return other
        longer = self if self.missed >= other.missed else other
        cause = "not-running" if "not-running" in (self.cause, other.cause) else longer.cause
        start, end = min(self.start, other.start), max(self.end, other.end)
        return Gap(start, end, cause, self.missed + other.missed)
