"""What pictures and detectors offer besides if GPUs are at work; part of :mod:`countline.protocols`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from countline.types import DevicePlanes, Frame

__all__ = ["BatchDetector", "DevicePicture"]


@runtime_checkable
class DevicePicture(Protocol):
    """What a picture offers besides if its pixels may lie on a GPU (:attr:`countline.types.Frame.picture`). A source of your own
    whose frames never leave the GPU needs no more than this."""

    def tensor(self) -> DevicePlanes | None:
        """Where the pixels lie, valid for as long as it is held; None: on the host."""
        ...


@runtime_checkable
class BatchDetector(Protocol):
    """What a detector offers besides if it is fastest with many frames at once: a GPU."""

    most: int
    """Most frames of a call."""
    patience: float
    """Seconds for which a frame may wait for the company of others."""

    def calls(self, frames: Sequence[Frame]) -> list[Sequence[int]]:
        """How these frames are best given, each by its place in one call: those of one GPU together."""
        ...
