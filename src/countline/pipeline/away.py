"""A detector that is away for a while: what that costs is counted, and said."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from countline.observe.repeated import EVERY
from countline.source_status import AWAY, SourceStats
from countline.types import Frame

__all__ = ["Away"]

log = logging.getLogger("countline.pipeline")


class Away:
    """Whether the detector is away (:class:`countline.errors.DetectorAway`). For any thread.

    Parameters
    ----------
    stats: gives the numbers of a source, by its name; None: it was taken away.
    stopping: set when no more frames are wanted.
    """

    def __init__(
        self,
        stats: Callable[[str], SourceStats | None],
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.text = ""
        """Why it is away; empty when it is not."""
        self._stats, self._stopping, self._clock = stats, stopping, clock
        self._lock = threading.Lock()
        self._since = self._told = 0.0
        self._lost = 0
        self.given_up: set[str] = set()
        """Files of which frames were given up, because no more were wanted while it was away."""
        self._blind: list[SourceStats] = []
        """Of live sources whose frames were dropped."""

    def begin(self, text: str, live: Sequence[Frame], *, waiting: bool) -> None:
        """It is away (still): these frames of live sources are dropped. ``waiting``: others, of files, are not."""
        with self._lock:
            now = self._clock()
            if not self.text:
                self._since, self._lost = now, 0
            begins, self.text = not self.text, text
            for frame in live:
                self._drop(frame)
            if begins or now - self._told >= EVERY:
                self._told = now
                log.warning(
                    "the detector is away%s: %s",
                    "" if begins else f" for {now - self._since:.0f} s",
                    self._words(waiting),
                )

    def _drop(self, frame: Frame) -> None:
        stats = self._stats(frame.info.source.name)
        self._lost += 1
        if stats is not None:
            stats.undetected += 1
            if not stats.blind:
                self._blind.append(stats)
            stats.blind = f"{AWAY}: {self.text}"

    def _words(self, waiting: bool) -> str:
        parts = [self.text]
        if self._lost:
            parts.append(f"{self._lost} frames of live sources were dropped so far")
        if waiting:
            parts.append("frames of files wait")
        return "; ".join(parts)

    def end(self) -> None:
        """It answers. To be called whenever it does."""
        if not self.text:
            return
        with self._lock:
            if not self.text:
                return
            self.text = ""
            for stats in self._blind:
                stats.blind = ""
            self._blind = []
            lost = f"; {self._lost} frames of live sources were dropped" if self._lost else ""
            log.warning("the detector is there again, after %.0f s%s", self._clock() - self._since, lost)

    @property
    def over(self) -> bool:
        """It is away, and nobody waits for it any more."""
        return bool(self.text) and self._stopping.is_set()

    def wait(self, seconds: float) -> None:
        """Wait before another attempt; no longer than frames are wanted."""
        self._stopping.wait(max(seconds, 0.01))

    def give_up(self, names: set[str]) -> None:
        """Nothing more of these files may be counted: a frame of theirs was not looked at."""
        for name in sorted(names - self.given_up):
            self.given_up.add(name)
            log.warning(
                "source '%s': stopped while the detector was away; what was read of it and not looked at is left to the next run",
                name,
            )
