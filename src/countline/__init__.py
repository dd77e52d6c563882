"""Video streams in, line-crossing counts and your own messages out to Kafka.

>>> import countline as cl
>>> @cl.message(on="crossing", key=lambda event: event.source.device_id)
... def payload(event: cl.Crossing) -> dict:
...     return {"who": event.track_id, "line": event.rule, "to": event.direction, "at": event.time}
>>> cl.run("countline.yaml", messages=[payload])  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from countline.analytics.native.kinds.queue import LongQueue, LongWait
    from countline.analytics.native.kinds.wrong_way import WrongWay
    from countline.config import Config, load
    from countline.errors import (
        ConfigError,
        CountlineError,
        DetectorError,
        MessageError,
        MissingExtra,
        OutboxError,
        OutputError,
        RuleError,
        SourceError,
    )
    from countline.messages import message
    from countline.pipeline.retry import RetryReport, retry_failures
    from countline.pipeline.run import Run, run
    from countline.pipeline.stats import Summary
    from countline.types import (
        Analytics,
        Crossing,
        Crowding,
        Detections,
        Dwell,
        Enter,
        Event,
        Frame,
        Heading,
        Journey,
        Leave,
        Message,
        Speeding,
        Tracks,
    )

__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys(("LongQueue", "LongWait"), "countline.analytics.native.kinds.queue"),
    "WrongWay": "countline.analytics.native.kinds.wrong_way",
    **dict.fromkeys(("Config", "load"), "countline.config"),
    **dict.fromkeys(
        (
            "ConfigError", "CountlineError", "DetectorError", "MessageError", "MissingExtra", "OutboxError",
            "OutputError", "RuleError", "SourceError",
        ),
        "countline.errors",
    ),
    "message": "countline.messages",
    **dict.fromkeys(("Run", "run"), "countline.pipeline.run"),
    **dict.fromkeys(("RetryReport", "retry_failures"), "countline.pipeline.retry"),
    "Summary": "countline.pipeline.stats",
    **dict.fromkeys(
        (
            "Analytics", "Crossing", "Crowding", "Detections", "Dwell", "Enter", "Event", "Frame", "Heading", "Journey",
            "Leave", "Message", "Speeding", "Tracks",
        ),
        "countline.types",
    ),
}  # fmt: skip

__all__ = [
    "Analytics",
    "Config",
    "ConfigError",
    "CountlineError",
    "Crossing",
    "Crowding",
    "Detections",
    "DetectorError",
    "Dwell",
    "Enter",
    "Event",
    "Frame",
    "Heading",
    "Journey",
    "Leave",
    "LongQueue",
    "LongWait",
    "Message",
    "MessageError",
    "MissingExtra",
    "OutboxError",
    "OutputError",
    "RetryReport",
    "RuleError",
    "Run",
    "SourceError",
    "Speeding",
    "Summary",
    "Tracks",
    "WrongWay",
    "load",
    "message",
    "retry_failures",
    "run",
]


def __getattr__(name: str) -> Any:
    """Rooms are entered when one of their names is first used, so that ``import countline`` stays light."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'countline' has no attribute '{name}'")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
