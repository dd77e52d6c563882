"""What a user can say of messages."""

from __future__ import annotations

from typing import Any

from countline.config.base import Model

__all__ = ["MessageConfig"]


class MessageConfig(Model):
    """One message definition."""

    name: str
    on: str = "crossing"
    """Trigger: crossing | change | interval <time> | frame | enter | leave | crowding | dwell | heading | speeding | journey."""
    key: str | None = None
    """Template of the record key."""
    topic: str | None = None
    headers: dict[str, str] = {}
    value: Any = None
    """Template of the value."""
