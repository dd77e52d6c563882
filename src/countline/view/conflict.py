"""The error for an edit of a configuration that was changed meanwhile."""

from __future__ import annotations

from countline.errors import ConfigError, Place

__all__ = ["Conflict"]


class Conflict(ConfigError):
    """An edit is based on what is no longer there: the configuration, or its file, was changed meanwhile.

    ``disk``: what is different on disk, as a unified diff; empty where the file is not the reason.
    """

    def __init__(self, what: str, *, where: Place | str = "", fix: str = "", disk: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.disk = disk
