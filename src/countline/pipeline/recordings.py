"""Sources whose runs can begin in the middle: recordings that follow each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from countline.pipeline.delivery.delivery import Delivery
from countline.protocols import ResumableSource, Source, Tracker
from countline.track.by_birth import ByBirth

__all__ = ["endless", "resume", "trackers"]


def trackers(
    sources: Sequence[Source], made: Mapping[str, Tracker], make: Callable[[int], Tracker]
) -> dict[str, Tracker]:
    """The trackers by source name; of such sources those whose ids do not depend on where a run begins. ``make``: a tracker for the
    source with this index."""

    def named(index: int) -> Tracker:
        return ByBirth(lambda: make(index))

    found = dict(made)
    for index, source in enumerate(sources):
        if isinstance(source, ResumableSource) and source.info.name in found and not source.info.live:
            found[source.info.name] = named(index)
    return found


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
