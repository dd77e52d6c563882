"""The outbox: what a user can say of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from countline.config.base import FileName, Model

__all__ = ["OutboxConfig", "given_outbox"]


class OutboxConfig(Model):
    """The durable queue between analytics and outputs."""

    path: FileName | None = None
    """SQLite file; `.countline/<name of the configuration>.outbox` beside the configuration unless set; 'memory' for none."""
    synchronous: Literal["off", "normal", "full"] = "full"
    """What survives: full = power cut, normal = crash of the process, off = nothing is promised."""
    commit_ms: float = Field(default=5.0, ge=0)
    """Group commit: how long a frame's messages may wait for company, in milliseconds."""
    max_bytes: int = Field(default=4 * 1024**3, gt=0)
    """Bound on disk (in memory for 'memory': 64 MiB unless set)."""
    max_age: float | None = Field(default=None, gt=0)
    """Seconds after which an undelivered message is dropped, counted and logged; never unless set."""
    when_full: Literal["auto", "block", "drop-oldest", "drop-newest"] = "auto"
    """auto: block where all sources are files, drop-oldest where one is live."""
    quotas: dict[str, Annotated[int, Field(gt=0)]] = {}
    """Bytes that may wait for an output, by its name, e.g. {mqtt: 100000000}: an output that falls further behind loses its oldest
    messages (reason `quota`), and neither sources nor other outputs wait for it."""
    reset: str | None = None
    """Schedule on which cumulative counts begin anew, e.g. 'daily 00:00 Europe/Berlin'."""


def given_outbox(value: Any) -> Any:
    """``outbox: PATH``."""
    return {"path": value} if isinstance(value, str) else value
