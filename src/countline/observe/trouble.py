"""One trouble that comes and goes, as the log tells it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from countline.observe.repeated import EVERY

__all__ = ["Trouble"]


class Trouble:
    """Tells the log when a trouble begins and when it is over. If it goes on coming and going, further changes are counted and logged
    in one line a minute.

    Parameters
    ----------
    log, subject: the logger, and what the trouble is with, as the lines begin.
    over: the text of the line for its end, or a function that makes it of the seconds that the trouble lasted.
    level: of the line for its beginning.
    """

    def __init__(
        self,
        log: logging.Logger,
        subject: str,
        over: str | Callable[[float], str],
        clock: Callable[[], float] = time.monotonic,
        *,
        level: int = logging.ERROR,
    ) -> None:
        self.text = ""
        """Why nothing goes on just now; empty when all is well."""
        self._log, self._subject, self._clock, self._level = log, subject, clock, level
        self._over: Callable[[float], str] = (lambda _: over) if isinstance(over, str) else over
        self._logged = ""
        """The text that was logged last; empty where that was an end."""
        self._changes = 0
        """Changes logged since the minute began."""
        self._until = 0.0
        """When that minute ends."""
        self._times = 0
        """Beginnings that were not logged, and how long those troubles took."""
        self._lasted = 0.0
        self._changed = 0.0

    def begin(self, text: str) -> None:
        """It is there (still)."""
        if not self.text:
            self._times += 1
            self._changed = self._clock()
        self.text = text
        self.look()

    def end(self) -> None:
        """It is not there (any more). To be called now and then while all is well."""
        if self.text:
            self._lasted += self._clock() - self._changed
            self.text = ""
        self.look()

    def look(self) -> None:
        """Log what is due."""
        if not (self._logged or self._times or self.text):
            return  # nearly always
        now = self._clock()
        if now >= self._until:
            self._changes = 0
            if self._uncounted:
                self._count(now)
                return
        if self.text != self._logged and self._changes < 2:
            if not self._changes:
                self._until = now + EVERY
            self._changes += 1
            self._tell()

    def close(self) -> None:
        """Nothing comes any more: what was not logged yet is logged now."""
        if self._uncounted:
            self._count(self._clock())
        elif self.text != self._logged:
            self._tell()

    @property
    def _uncounted(self) -> bool:
        """There are beginnings that the plain line of how it is now does not show: more than one, or one that is over, or one after
        an end that was not logged either."""
        return self._times > 1 or (self._times > 0 and self.text in ("", self._logged))

    def _tell(self) -> None:
        if self.text:
            self._log.log(self._level, "%s: %s", self._subject, self.text)
        else:
            self._log.info("%s: %s", self._subject, self._over(self._lasted))
        self._forget()

    def _count(self, now: float) -> None:
        lasted = self._lasted + (now - self._changed if self.text else 0.0)
        state = self.text or self._over(lasted)
        self._log.warning("%s: %s (came %d times more, for %.0f s in all)", self._subject, state, self._times, lasted)
        self._forget()
        self._until, self._changes = now + EVERY, 2

    def _forget(self) -> None:
        self._logged, self._times, self._lasted, self._changed = self.text, 0, 0.0, self._clock()
