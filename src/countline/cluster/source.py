"""A source that carries the generation of its owner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from countline.protocols import Source
from countline.types import Frame

__all__ = ["OwnedSource"]


class OwnedSource:
    """See :class:`countline.protocols.Source`. The stream of a live source is its first owner's, with the generation behind it: so
    a frame has one name for ever, and no two owners give the same name to different frames. Files stay as they are: the same
    frame has the same name whoever reads it."""

    def __init__(self, inner: Source, origin: str, generation: int) -> None:
        self.inner = inner
        self.info, self.stats = inner.info, inner.stats
        self._origin, self._generation = origin, generation

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # what a source may offer besides

    def __iter__(self) -> Iterator[Frame]:
        if not self.info.live:
            yield from self.inner
            return
        for frame in self.inner:
            stream = f"{self._origin or frame.info.stream}@{self._generation}"
            self._origin = self._origin or frame.info.stream
            frame.info = replace(frame.info, stream=stream)
            yield frame

    def close(self) -> None:
        """As the source."""
        self.inner.close()
