"""Whether brokers are there, as librdkafka tells it in its errors and statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError

from countline.outputs.kafka import errors
from countline.outputs.kafka.flight import Progress
from countline.protocols import OutputStatus

__all__ = ["Reach"]


class Reach:
    """Keeps ``connected``, ``error`` and ``extra`` of an output's status.

    Parameters
    ----------
    status: of the output.
    bootstrap: addresses, as configured.
    redact: leaves out secrets.
    """

    def __init__(self, status: OutputStatus, bootstrap: Sequence[str], redact: Callable[[str], str]) -> None:
        self._status, self._bootstrap, self._redact = status, bootstrap, redact
        self._detail = ""
        self._without = 0
        """Statistics one after another in which no broker was there for what is on its way. That all are down, librdkafka says once,
        and an acknowledgement from before may be taken after that."""
        self._progress = Progress()

    def renewed(self) -> None:
        """There is a new producer."""
        self._progress = Progress(self._status.acknowledged)

    def acknowledged(self) -> None:
        """A broker has answered."""
        status = self._status
        if status.error or not status.connected:
            status.connected, status.error = True, ""

    def trouble(self, error: KafkaError) -> None:
        """An error of the whole client that is not its end."""
        code, status = error.code(), self._status
        if code in errors.AUTHENTICATION:
            status.connected, status.error = False, self._redact(errors.security(error))
        elif code == KafkaError._ALL_BROKERS_DOWN:
            if not self._secure_trouble:
                self._no_broker()
        else:
            self._detail = self._redact(errors.clean(error.str()))

    def _no_broker(self) -> None:
        detail = f": {errors.connection(self._detail)}" if self._detail else ""
        self._status.connected = False
        self._status.error = self._redact(f"no broker of {','.join(self._bootstrap)} answers{detail}")

    @property
    def _secure_trouble(self) -> bool:
        return any(word in self._status.error for word in ("authenticat", "certificate", "TLS", "SASL"))

    def vain(self, stats: Mapping[str, Any], *, waiting: bool) -> int:
        """As :meth:`Progress.vain`, of librdkafka's statistics."""
        epoch = stats.get("eos", {}).get("producer_epoch", 0)
        return self._progress.vain(self._status.acknowledged, epoch, waiting=waiting)

    def look(self, stats: Mapping[str, Any], *, waiting: bool) -> None:
        """Statistics, every 2 s: is a broker there (also when nothing is sent), and how far away. ``waiting``: something is on its
        way."""
        status = self._status
        brokers = [b for b in stats.get("brokers", {}).values() if b.get("state") == "UP"]
        status.extra["brokers_up"] = float(len(brokers))
        self._without = 0 if brokers or not waiting else self._without + 1
        if self._without >= 2 and status.connected and not status.error:
            self._no_broker()
        if brokers:
            status.extra["rtt_ms"] = max(b.get("rtt", {}).get("avg", 0) for b in brokers) / 1000
            if status.connected is False and (not waiting or not status.error):
                status.connected, status.error = True, ""
