"""From the configuration to a tracker."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.config import TrackerConfig
from countline.errors import ConfigError
from countline.kernels import find
from countline.protocols import Tracker
from countline.track.buffered import BufferedEngine
from countline.track.engines import ByteTrackEngine, EdgeFirstEngine
from countline.track.tracker import EngineTracker

__all__ = ["kinds", "make"]

IOU = 0.2
"""Least overlap unless configured."""
LOST = 1.5
"""Seconds for which a track is kept unless configured."""

_ENGINES: dict[str, Callable[..., Any]] = {
    "default": partial(ByteTrackEngine, crowds=True),
    "bytetrack": ByteTrackEngine,
    "edgefirst": EdgeFirstEngine,
    "buffered": BufferedEngine,
}


def kinds() -> tuple[str, ...]:
    """Names for ``tracker.kind``; 'default' is 'buffered' below six frames a second."""
    return tuple(_ENGINES)


def make(
    config: TrackerConfig,
    *,
    fps: float | None = None,
    labels: Sequence[str] = (),
    thresholds: NDArray[np.float32] | None = None,
    kernel: bool = True,
) -> Tracker:
    """A tracker for one source.

    ``fps`` are updates per second where known; ``thresholds`` (``detector.thresholds``) the confidence by class id from
    which a detection may begin a track, over which ``config.high`` wins; ``kernel``: whether the compiled kernel is used where it is
    there (:mod:`countline.kernels`), which changes no track. Raises ConfigError for an unknown kind, a kind
    whose library is not installed, or a user's class that cannot be imported or made.
    """
    if ":" in config.kind:
        return _users(config, fps, labels)
    kind = config.kind
    if kind not in _ENGINES:
        raise ConfigError(
            f"unknown tracker '{config.kind}'",
            where="tracker.kind",
            fix=f"use one of {', '.join(kinds())}, or module:Class of your own",
        )
    iou = IOU if config.iou is None else config.iou
    limits: Any = config.high if config.high is not None else thresholds
    module = find().module if kernel else None
    more = {"kernel": module} if kind in ("default", "bytetrack") else {}
    return EngineTracker(
        partial(_ENGINES[kind], iou, **more),
        slow=partial(BufferedEngine, iou) if kind == "default" else None,
        thresholds=limits,
        low=config.low,
        lost=LOST if config.lost is None else config.lost,
        fps=fps,
        labels=labels,
        twins=config.twins,
        iou=iou,
        kernel=module,
    )


def _users(config: TrackerConfig, fps: float | None, labels: Sequence[str]) -> Tracker:
    """``module:Class``. The class is called with those of config, fps and labels that it takes."""
    module, _, name = config.kind.partition(":")
    try:
        target: Any = importlib.import_module(module)
        for part in name.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the tracker cannot be imported: {error}",
            where=f"tracker.kind: {config.kind}",
            fix="write module:Class; the module must be importable",
        ) from None
    offered = {"config": config, "fps": fps, "labels": labels}
    try:
        tracker = target(**_accepted(target, offered))
    except Exception as error:
        raise ConfigError(
            f"the tracker cannot be made: {type(error).__name__}: {error}",
            where=f"tracker.kind: {config.kind}",
            fix="correct the class",
        ) from error
    if not callable(getattr(tracker, "update", None)):
        raise ConfigError(
            "the tracker has no method update(detections, pts)",
            where=f"tracker.kind: {config.kind}",
            fix="see countline.protocols.Tracker",
        )
    result: Tracker = tracker
    return result


def _accepted(target: Any, offered: dict[str, Any]) -> dict[str, Any]:
    import inspect

    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):  # compiled classes may have no signature
        return {}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return offered
    return {p.name: offered[p.name] for p in parameters if p.name in offered}
