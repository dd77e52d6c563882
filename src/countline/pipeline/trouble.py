"""One trouble that comes and goes, as the log tells it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["Trouble"]

EVERY = 60.0
"""Seconds between two lines about a trouble that comes and goes."""
SETTLED = 5.0
"""Seconds without it after which it is over."""


class Trouble:
    """Tells the log when a trouble begins and when it is over; while it comes and goes, one line a minute with numbers.

    Parameters
    ----------
    log, subject: where it is told, and of what.
    over: what is said when it is over.
    """

    def __init__(
        self, log: logging.Logger, subject: str, over: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.text = ""
        """Why nothing goes on just now; empty when all is well."""
        self._log, self._subject, self._over, self._clock = log, subject, over, clock
        self._told = ""
        self._times = 0
        self._lasted = 0.0
        self._changed = 0.0
        self._tell_at = 0.0

    def begin(self, text: str) -> None:
        """It is there (still); told at once if it is new."""
        now = self._clock()
        if not self.text:
            self._times += 1
            self._changed = now
        self.text = text
        if text != self._told and (not self._told or now >= self._tell_at):
            self._log.error("%s: %s", self._subject, text)
            self._reset(text, now)
        self.look()

    def end(self) -> None:
        """It is not there (any more)."""
        if self.text:
            now = self._clock()
            self._lasted += now - self._changed
            self._changed, self.text = now, ""
        self.look()

    def look(self) -> None:
        """Tell what is due. To be called now and then."""
        if not self._told:
            return
        now = self._clock()
        if not self.text and now - self._changed >= SETTLED:
            self._log.info("%s: %s", self._subject, self._over)
            self._told = ""
        elif now >= self._tell_at:
            lasted = self._lasted + (now - self._changed if self.text else 0.0)
            self._log.warning(
                "%s: %s (came %d times in the last %.0f s, for %.0f s in all)",
                self._subject,
                self.text or self._told,
                self._times,
                EVERY,
                lasted,
            )
            self._reset(self.text or self._told, now)

    def close(self) -> None:
        """Nothing comes any more: an end that was waited for is told now."""
        if self._told and not self.text:
            self._log.info("%s: %s", self._subject, self._over)
            self._told = ""

    def _reset(self, told: str, now: float) -> None:
        self._told, self._tell_at = told, now + EVERY
        self._times, self._lasted = 0, 0.0
        if self.text:
            self._changed = now
