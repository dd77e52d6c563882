"""Sources whose runs can begin in the middle: recordings that follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from countline.pipeline.delivery.delivery import Delivery
from countline.protocols import ResumableSource, Source

__all__ = ["endless", "resume", "waits"]


@runtime_checkable
class _Waiting(Protocol):
    """A source that may have to wait for what it gives next. Files are read in step; they do not wait with it."""

    waits: bool


def resume(sources: Sequence[Source], delivery: Delivery) -> None:
    """Tell them how far an earlier run had come."""
    for source in sources:
        if isinstance(source, ResumableSource):
            place = delivery.place(source.info.name)
            if place is not None:
                source.resume(place.stream, place.frame, place.finished, place.text)


def endless(source: Source) -> bool:
    """Whether more may come after its end."""
    return isinstance(source, ResumableSource) and source.endless


def waits(source: Source) -> bool:
    """Whether it may have to wait for what is still to be recorded, or for a camera."""
    return isinstance(source, _Waiting) and source.waits
