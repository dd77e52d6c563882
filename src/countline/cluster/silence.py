"""What the log says where the group is silent."""

from __future__ import annotations

import logging
import time

from countline.observe.trouble import Trouble

__all__ = ["Silence"]

UNSURE = 2.0
"""Seconds without a valid lease after which the log says so."""


class Silence:
    """Tells when the group does not confirm a worker's place in it: what live sources show meanwhile waits in the outbox.

    Parameters
    ----------
    group: name of the group.
    """

    def __init__(self, group: str) -> None:
        log = logging.getLogger("countline.cluster")
        over = "has confirmed this worker's place in it again"
        self._trouble = Trouble(log, f"group '{group}'", over, level=logging.WARNING)
        self._sure = time.monotonic()
        """When the lease was valid last, or nothing was this worker's."""

    def look(self, sure: bool, error: str) -> None:
        """To be called now and then: whether the lease is valid, or nothing is this worker's; and why not, as far as is known."""
        if sure:
            self._sure = time.monotonic()
            self._trouble.end()
        elif time.monotonic() - self._sure > UNSURE:
            why = f" ({error})" if error else ""
            self._trouble.begin(
                f"has not confirmed this worker's place in it{why}; what is counted waits in the outbox"
            )

    def close(self) -> None:
        """The worker leaves."""
        self._trouble.close()
