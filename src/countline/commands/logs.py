"""Log lines for people and for machines."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from countline.terminal import VisibleFormatter, json_line

__all__ = ["configure"]


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        data: dict[str, Any] = {
            "type": "log",
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            data["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            data["exception"] = record.exc_text
        return json_line(data)


def configure(
    *, as_json: bool = False, quiet: bool = False, verbose: bool = False, handler: logging.Handler | None = None
) -> None:
    """Set up the logger ``countline``. JSON lines go to standard output, plain ones to standard error."""
    logging.raiseExceptions = False  # a log line that cannot be written must not add a traceback to the trouble
    logger = logging.getLogger("countline")
    for old in list(logger.handlers):
        logger.removeHandler(old)
    formatter: logging.Formatter
    if as_json:
        handler = logging.StreamHandler(sys.stdout)
        formatter = _JsonLines()
    else:
        handler = handler or logging.StreamHandler(sys.stderr)
        formatter = VisibleFormatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
