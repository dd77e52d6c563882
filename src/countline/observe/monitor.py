"""All that shows a run to those who look after it: metrics and health over HTTP, OpenTelemetry. Runs are told to it; it holds none."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from countline.observe.endpoints import Endpoints
from countline.observe.health import STARTING, Health, together
from countline.observe.measured import Measured, merged
from countline.observe.traces import Traces

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from countline.config import Config

__all__ = ["Monitor", "Watched"]


class Watched(Protocol):
    """What is shown: a run of video, a DeepStream probe."""

    def measured(self) -> Measured:
        """As of now. From any thread."""
        ...

    def health(self) -> Health:
        """As of now. From any thread."""
        ...

    def trace(self, traces: Traces) -> None:
        """Before it starts: what becomes of messages is told to ``traces``."""
        ...


class Monitor:
    """Listens, and sends, as a configuration says: before there is a run, so that health can be asked for while the model is loaded.
    Several runs in one process are shown as one.

    Raises ConfigError where the address cannot be listened at, MissingExtra.
    """

    def __init__(self, config: Config) -> None:
        self.traces: Traces | None = None
        """Takes what becomes of messages, where the configuration wants traces."""
        self.address = ""
        """HOST:PORT of metrics and health; empty: nothing listens."""
        self._watched: list[weakref.ref[Watched]] = []
        self._lock = threading.Lock()
        self.registry: CollectorRegistry | None = None
        """All metrics, for whoever else serves them."""
        with ExitStack() as resources:
            if config.otel is not None:
                resources.callback(self._export(config))
            if config.metrics is not None:
                resources.callback(self._serve(config.metrics.listen))
            self._resources = resources.pop_all()

    @classmethod
    def of(cls, config: Config) -> Monitor | None:
        """None where the configuration wants nothing shown."""
        return cls(config) if config.metrics is not None or config.otel is not None else None

    def _export(self, config: Config) -> Callable[[], None]:
        from countline.observe.otel import OtelExport

        assert config.otel is not None
        if config.otel.traces:
            systems = {o.name: type(o).__module__.split(".")[-2] for o in config.outputs}
            self.traces = Traces(config.otel.sample, {n: _SYSTEMS.get(kind, kind) for n, kind in systems.items()})
        return OtelExport(config.otel, self.measured, self.traces, time.time_ns()).close

    def _serve(self, listen: str) -> Callable[[], None]:
        from countline.observe.prometheus import exposition, registry
        from countline.observe.server import Server

        self.registry = made = registry(self.measured)
        server = Server(listen, self.endpoints(lambda accept: exposition(made, accept)))
        self.address = server.address
        return server.close

    def endpoints(self, exposition: Callable[[str], tuple[bytes, str]]) -> Endpoints:
        """What another server can serve as well."""
        return Endpoints(exposition, self.health)

    def watch(self, watched: Watched) -> None:
        """Show a run, for as long as somebody holds it, or until :meth:`leave`. Before it starts."""
        if self.traces is not None:
            watched.trace(self.traces)
        with self._lock:
            self._watched.append(weakref.ref(watched))

    def leave(self, watched: Watched) -> None:
        """Show it no more."""
        with self._lock:
            self._watched = [ref for ref in self._watched if ref() not in (None, watched)]

    def _all(self) -> list[Watched]:
        with self._lock:
            return [found for ref in self._watched if (found := ref()) is not None]

    def measured(self) -> Measured | None:
        """All runs as of now; None: there is none yet."""
        parts = [watched.measured() for watched in self._all()]
        return merged(parts) if parts else None

    def health(self) -> Health:
        """Of all runs as of now."""
        found = [watched.health() for watched in self._all()]
        return together(found) if found else STARTING

    def close(self) -> None:
        """Listen and send no more. Harmless the second time."""
        self._resources.close()


_SYSTEMS = {"amqp": "rabbitmq", "kafka": "kafka", "mqtt": "mqtt", "nats": "nats", "redis": "redis"}
"""Names that OpenTelemetry has for messaging systems, by kind of output."""
