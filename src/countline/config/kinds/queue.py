"""Queues: what a user can say of them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from countline.config.faults import ConfigFault
from countline.config.kinds.base import AreaConfig

__all__ = ["KEY", "Config", "QueueConfig"]

KEY = "queues"
"""Under which users list such rules."""


class QueueConfig(AreaConfig):
    """An area in which objects wait."""

    kind: ClassVar[str] = "queue"
    events: ClassVar[tuple[str, ...]] = ("long-queue", "long-wait")

    after: float = Field(default=5.0, ge=0)
    """Seconds of stay in the area from which on an object is in the queue; who only walks through is not."""
    max_length: int | None = Field(default=None, ge=0)
    """Most objects that may queue: one more is a long-queue event, which ends when there are no more than that."""
    max_wait: float | None = Field(default=None, gt=0)
    """Longest stay in seconds: a longer one is a long-wait event, once for each stay."""

    @model_validator(mode="after")
    def _limits(self) -> QueueConfig:
        if self.max_wait is not None and self.max_wait < self.after:
            raise ConfigFault(
                f"nobody is in queue '{self.name}' before {self.after:g} s, so none can have waited {self.max_wait:g} s",
                fix="write a `max_wait` of at least `after`, or a smaller `after`",
                loc=("max_wait",),
            )
        return self


Config = QueueConfig
