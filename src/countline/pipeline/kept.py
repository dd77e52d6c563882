"""What frames leave for a later run besides messages and counts: gaps that are still to be told, and windows that are open."""

from __future__ import annotations

from collections.abc import Iterable

from countline.outbox import Kept, Resume
from countline.pipeline.untold import Untold
from countline.protocols import Definition, GapDefinition, WindowDefinition
from countline.types import Analytics, Frame, Window

__all__ = ["Keeping"]


class Keeping:
    """Of each frame what has changed, for the outbox; and what the outbox brings back, for the definitions."""

    def __init__(self) -> None:
        self._gap_definitions: list[GapDefinition] = []
        self._window_definitions: list[tuple[str, WindowDefinition]] = []
        self._untold = Untold(lambda: self._gap_definitions)
        self._known: dict[str, dict[str, Window]] = {}
        """By source and definition: the open windows as the outbox knows them."""
        self._due: set[str] = set()
        """Sources whose windows are to become those, once what is suppressed is over."""

    def ask(self, definitions: Iterable[Definition]) -> None:
        """What these definitions keep, from now on."""
        made = list(definitions)
        self._gap_definitions = [d for d in made if isinstance(d, GapDefinition)]
        self._window_definitions = [(d.name, d) for d in made if isinstance(d, WindowDefinition)]

    def begin(self, source: str, resume: Resume) -> None:
        """A stream begins: with what an earlier run has left."""
        self._known[source] = dict(resume.windows)
        self._due.discard(source)
        if resume.windows:
            self._due.add(source)
        if resume.untold is not None:
            self._untold.begin(source, resume.untold)

    def end(self, source: str) -> None:
        """The source is gone."""
        self._known.pop(source, None)
        self._due.discard(source)

    def restore(self, source: str) -> None:
        """What comes of the next frame is not suppressed. The windows that it falls in go on as they were: what was gone through
        again may have counted less, where not all who were in the picture are known, or where rules have changed since then."""
        if source not in self._due:
            return
        self._due.discard(source)
        known = self._known[source]
        for name, definition in self._window_definitions:
            if name in known:
                definition.restore_window(source, known[name])

    def now(self, analytics: Analytics, frame: Frame | None) -> Kept:
        """Of a frame that was worked on."""
        info = analytics.frame
        name = info.source.name
        windows = None if info.source.live else self._windows(name)  # no frame of a live source is gone through again
        return Kept(self._untold.now(name, analytics.gap), windows, None if frame is None else frame.seam)

    def at_end(self, source: str) -> Kept:
        """Of windows that are told because the run ends. They stay as they were: a later run may go on with them."""
        return Kept(self._untold.now(source))

    def _windows(self, source: str) -> dict[str, Window] | None:
        """The open windows, where these have changed."""
        known = self._known.get(source)
        opened = ((name, definition.window(source)) for name, definition in self._window_definitions)
        now = {name: window for name, window in opened if window is not None}
        if now == (known or {}):
            return None
        self._known[source] = now
        return now
