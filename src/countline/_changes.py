"""Changes of the configuration, of which ``on: config`` tells. Re-exported by ``countline.types``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ConfigChange"]


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A configuration was applied while running, or refused."""

    applied: bool
    """False: it was refused, and the one before stays."""
    changes: tuple[str, ...]
    """What is different, a line for each change; of one that could not be read nothing is known."""
    by: str
    """What asked for it: 'file' (an edit that was watched), 'signal' (SIGHUP) or 'api'."""
    digest: str
    """Of the configuration that counts from now on, without the values of secrets."""
    time: int
    """ns since the Unix epoch, by this machine's clock."""
    error: str = ""
    """Why it was refused."""
