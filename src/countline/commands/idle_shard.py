"""A process of a StatefulSet whose share of the sources is empty. It would be started again and again if it ended: so it stays,
answers for its health, delivers what is left of an earlier share, and begins when the configuration gives it a source."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from countline.config import Config
from countline.errors import ConfigError, CountlineError
from countline.observe.health import Health
from countline.observe.measured import Measured
from countline.observe.monitor import Monitor
from countline.observe.systemd import Notifier
from countline.observe.traces import Traces
from countline.pipeline import build, measuring
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.reloader import EVERY, Watch
from countline.pipeline.signals import ended_at_once, finishing
from countline.protocols import Check

__all__ = ["IdleShard", "ending_when_empty", "stay_until_sources"]

log = logging.getLogger("countline.run")


class IdleShard:
    """Delivers what waits in an outbox, and shows itself; until it is closed.

    Parameters
    ----------
    config: of the share, without a source.
    state: file of the outbox; None: in memory.

    Raises what a run raises whose outbox, outputs or address cannot be used.
    """

    def __init__(self, config: Config, state: Path | None) -> None:
        with ExitStack() as resources:
            monitor = Monitor.of(config)
            if monitor is not None:
                resources.callback(monitor.close)
            self.delivery = Delivery(config.outbox, state, build.outputs(config), live=True, fresh=True)
            if monitor is not None:
                monitor.watch(self)
            self.delivery.start()
            self._resources = resources.pop_all()

    def measured(self) -> Measured:
        """Of its outbox and outputs. From any thread."""
        stats = self.delivery.stats()
        return Measured(
            outputs=measuring.outputs(self.delivery, stats),
            outbox=measuring.outbox(self.delivery),
        )

    def health(self) -> Health:
        """Well, as long as its outbox can be written: it waits for sources, not for a repair. From any thread."""
        return Health(
            [Check("run", True, "has no source in its share: waits")], [measuring.outbox_check(self.delivery)]
        )

    def trace(self, traces: Traces) -> None:
        """Tell what becomes of messages."""
        self.delivery.traces = traces

    def close(self, patience: float) -> int:
        """Deliver for up to ``patience`` seconds more. Returns how many messages are left in the outbox."""
        with self._resources:
            self.delivery.stop(patience)
        return sum(s.pending for s in self.delivery.stats().values())


def stay_until_sources(
    config: Config, state: Path | None, reread: Callable[[], Config], watch: Path | None, patience: float
) -> tuple[Config | None, int]:
    """Wait for a configuration with a source for this share (SIGHUP, or an edit of ``watch``), or for a signal to end.

    Returns that configuration (None: it was asked to end), and how many messages were left in the outbox.
    """
    stopped, asked = threading.Event(), threading.Event()
    found: Config | None = None
    # From the first moment in which somebody can see it on, it can be asked to end.
    with finishing(stopped.set, lambda: ended_at_once(state is not None), asked.set):
        idle = IdleShard(config, state)
        notifier = Notifier(idle.health)
        edits = None if watch is None else Watch(lambda: [watch])
        try:
            while found is None and not stopped.wait(EVERY):
                if asked.is_set() or (edits is not None and edits.changed()):
                    asked.clear()
                    found = _with_sources(reread)
        finally:
            notifier.close()
            left = idle.close(patience if found is None else 0.0)
    return found, left


def ending_when_empty(
    reread: Callable[[], Config | str | Path], stop: Callable[[], None]
) -> Callable[[], Config | str | Path]:
    """Reads a configuration again; where it leaves no source to this share, the run is brought to its end: another process reads what
    this one did. (Of a StatefulSet the pod is then started anew, and stays.)"""

    def again() -> Config | str | Path:
        config = reread()
        if isinstance(config, Config) and not config.sources:
            stop()
            raise ConfigError(
                "the changed configuration leaves no source to this share: the run ends in order",
                where="--shard",
                fix="nothing: another process reads what this one did",
            )
        return config

    return again


def _with_sources(reread: Callable[[], Config]) -> Config | None:
    try:
        config = reread()
    except CountlineError as error:
        log.error("the changed configuration is refused: %s", error)
        return None
    return config if config.sources else None
