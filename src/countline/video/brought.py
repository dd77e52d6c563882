"""Sources of other distributions, as ``countline check`` looks at them."""

from __future__ import annotations

import threading

from countline.config.models import SourceConfig
from countline.errors import CountlineError, PluginError, SourceError
from countline.protocols import Check, Source
from countline.registry.kinds import SOURCES
from countline.types import Frame

__all__ = ["open_brought", "probe_brought"]


def open_brought(kind: str, config: SourceConfig, index: int, stop: object = None) -> Source:
    """The source that a distribution makes of ``config``. Raises PluginError, and what the distribution raises of countline's
    errors."""
    source: Source = SOURCES.call(kind, "", "open_source", config, index, stop)
    return source


def probe_brought(kind: str, config: SourceConfig) -> Check:
    """What the distribution's own ``probe`` says; else what the first frame tells. Raises nothing."""
    where = f"source '{config.name}'"
    try:
        if hasattr(SOURCES.module(kind), "probe"):
            check: Check = SOURCES.call(kind, "", "probe", config)
            return check
        frame = _first(open_brought(kind, config, 0), 3 * config.timeout + 1)
    except CountlineError as error:
        return Check(where, False, error.what, error.fix or "see the package that brings this source")
    info = frame.info
    return Check(where, True, f"{info.width}x{info.height}, time: {info.time_quality.value}")


def _first(source: Source, seconds: float) -> Frame:
    """The first frame; the source is closed after so many seconds. Raises SourceError without one."""
    where = f"source '{source.info.name}'"
    alarm = threading.Timer(seconds, source.close)
    alarm.daemon = True
    alarm.start()
    try:
        frame = next(iter(source), None)
    except CountlineError:
        raise
    except Exception as error:  # whatever somebody else's source raises
        raise PluginError(f"{type(error).__name__}: {error}", where=where) from error
    finally:
        alarm.cancel()
        source.close()
    if frame is None:
        raise SourceError(f"it gave no frame within {seconds:g} s", where=where, fix="check that it is up")
    return frame
