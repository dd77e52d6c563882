"""Sends to Kafka. The idempotent producer keeps order per key and drops duplicates through everything but its own death."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import orjson
from confluent_kafka import KafkaError, KafkaException, Producer

from countline.observe.repeated import Repeated
from countline.outputs.base.errors import describe
from countline.outputs.kafka import errors
from countline.outputs.kafka.apart import Apart
from countline.outputs.kafka.config import Config
from countline.outputs.kafka.dead_letter import as_letter
from countline.outputs.kafka.flight import EPOCHS, Flight
from countline.outputs.kafka.reach import Reach
from countline.outputs.kafka.record import OwnHeaders, RecordClock, illegal
from countline.outputs.kafka.record_time import GuardWindow
from countline.outputs.kafka.same_topic import SameTopic
from countline.outputs.kafka.settings import build_admin, build_producer, idempotent
from countline.protocols import Check, Entry, OutputStatus, Receipt
from countline.redaction import redact
from countline.types import Message

__all__ = ["KafkaOutput", "make"]

log = logging.getLogger("countline.outputs.kafka")

_OVERHEAD = 650
"""Bytes of memory that a queued message costs librdkafka and the callback beside its own (measured)."""
_RECORD = 128
"""Most bytes that the record format adds to key, value and headers."""
PATIENCE = 5.0
"""Seconds for which a producer that stopped at a refusal may wait for what is on its way, before all of it is sent again."""


def make(config: Config) -> KafkaOutput:
    """The output of a configuration, not yet opened."""
    return KafkaOutput(config)


def by_key(message: Message) -> int:
    """The partition that the producer finds by the key."""
    return -1


class KafkaOutput:
    """See :class:`countline.protocols.Output`. Nothing here blocks for longer than the timeout it is given."""

    def __init__(self, config: Config) -> None:
        self.name = config.name or "kafka"
        self.status = OutputStatus()
        self._config = config
        self._producer: Producer | None = None
        self._flight = Flight()
        self._receipts: list[Receipt] = []
        self._apart = Apart(lambda: build_producer(config, {"error_cb": self._on_error}, self.redact, gaps=True))
        self._same = SameTopic(lambda: build_admin(config), needed=idempotent(config))
        self._failing: set[str] = set()
        """Topics with something refused, until all that is on its way to them has come back."""
        self._fatal = ""
        """Why the producer must be renewed; empty while it lives."""
        self._renewed = Repeated(log, logging.ERROR)
        self._patience = 0.0
        """Until when (``time.monotonic``) a producer that stopped at a refusal may wait for what is on its way; 0: it lives."""
        self._reach = Reach(self.status, config.bootstrap, self.redact)
        self.topic = config.topic
        self.partition_of: Callable[[Message], int] = by_key
        """Gives the partition of a message; below 0: that of its key."""
        self._headers = OwnHeaders(config.headers, config.id_header)
        self._time_header = config.time_header
        self._clock = RecordClock(GuardWindow(int(config.event_time_past * 1e9), int(config.event_time_future * 1e9)))
        self._largest = int(str(config.options.get("message.max.bytes", 1_000_000)))

    def __repr__(self) -> str:
        return f"KafkaOutput({self.name!r}, {','.join(self._config.bootstrap)!r}, {self._config.topic!r})"

    def redact(self, text: str) -> str:
        """Without any secret that may have crept in, of bounded length, and with control characters made visible."""
        return describe(redact(text), ())

    def open(self) -> None:
        """Make the producer. Raises ConfigError (option) and OutputError (certificate); needs no broker."""
        if self._producer is None:
            callbacks = {"error_cb": self._on_error, "stats_cb": self._on_stats}
            self._producer = build_producer(self._config, callbacks, self.redact)
            self._flight = Flight()
            self._fatal = ""
            self._same.renewed()
            self._reach.renewed()

    # -- sending --------------------------------------------------------------------------------------------------

    def send(self, entries: Sequence[Entry]) -> int:
        """See the protocol."""
        if self._fatal or self._patience or self._failing:
            return 0  # first everything that is on its way must have come back
        if self._same.unknowable and not self._flight.sizes and not self._same.holding:
            self._producer = None  # it may be unknown to the broker of now, and has nothing in hand
            self._apart.abandon()
        self.open()
        assert self._producer is not None
        flight, now = self._flight, time.time_ns()
        accepted = self._carefully(entries, now) if self._apart else self._produce(entries, now, flight, self._producer)
        if accepted:
            self._same.sent(entries[accepted - 1].message.topic or self.topic)
        self.status.in_flight = len(flight.sizes)
        self.status.sent += accepted
        return accepted

    def _carefully(self, entries: Sequence[Entry], now: int) -> int:
        """As :meth:`_produce`, where some must go apart."""
        flight, apart, done = self._flight, self._apart, 0
        for entry in entries:
            message, position, topic = entry.message, entry.position, entry.message.topic or self.topic
            alone = apart.wants(position, topic, message)
            if flight.topics.get(topic) and (alone or apart.blocks(topic)):
                break
            producer = apart.producer() if alone else self._producer
            assert producer is not None
            if not self._produce([entry], now, flight, producer):
                break
            done += 1
            if alone:
                if position in flight.sizes:
                    apart.went(position, topic, message)
                break
        return done

    def _produce(self, entries: Sequence[Entry], now: int, flight: Flight, producer: Producer) -> int:
        """Give entries to librdkafka, in order; how many are done with. The next one must wait."""
        most, own, largest = self._config.max_in_flight_bytes, self.topic, self._largest - _RECORD
        headers_of, stamp_of, partition_of = self._headers.of, self._clock.stamp, self.partition_of
        done = 0
        for entry in entries:
            if flight.bytes > most:
                break
            message, position = entry.message, entry.position
            topic, value, key = message.topic or own, message.value, message.key
            headers, size = headers_of(message)
            size += len(value) + (len(key) if key else 0)
            wrong = illegal(topic, message.headers) if message.topic or message.headers else ""
            if wrong or size > largest:
                self._unfit(position, wrong, size)
                done += 1
                continue
            stamp = stamp_of(topic, position, message.time, now)
            if stamp is None and self._time_header and message.time:
                headers.append((self._time_header, str(message.time // 1_000_000).encode()))
            partition = -1 if partition_of is by_key else partition_of(message)
            try:
                # By place, which costs less than by name: on_delivery has two places; timestamp 0 is that of sending.
                producer.produce(topic, value, key, partition, flight.report(position), None, stamp or 0, headers)
            except BufferError:  # its queue is full
                break
            except KafkaException as error:
                if not self._not_produced(error.args[0], position, topic):
                    break
            else:
                size += _OVERHEAD
                flight.sizes[position] = size
                flight.bytes += size
                flight.topics[topic] += 1
                if message.topic:
                    flight.elsewhere[position] = topic
            done += 1
        return done

    def _unfit(self, position: int, wrong: str, size: int) -> None:
        if wrong:
            self._refuse(position, wrong, "INVALID_RECORD")
        else:
            text = f"{size} bytes, larger than message.max.bytes ({self._largest})"
            self._refuse(position, text, "MSG_SIZE_TOO_LARGE")

    def _not_produced(self, error: KafkaError, position: int, topic: str) -> bool:
        """produce() itself refused: a dead producer, a topic without rights, a message too large."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._stopped(error)
            return False
        text = self.redact(errors.describe(error, topic))
        if error.code() in errors.TOO_LARGE or error.code() in errors.PERMANENT:
            self._refuse(position, text, error.name())
        else:
            if error.code() not in errors.OF_TOPIC:
                self.status.error = text
            self.status.failed += 1
            self._receipts.append(Receipt(position, text, retry=True))
        return True

    def _refuse(self, position: int, text: str, kind: str) -> None:
        self._apart.positions.discard(position)
        self.status.failed += 1
        self._receipts.append(Receipt(position, self.redact(text), kind=kind))

    # -- receipts -------------------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> list[Receipt]:
        """See the protocol."""
        if self._producer is not None:
            try:
                wait = 0.0 if self._receipts else timeout
                self._apart.poll(wait)
                self._producer.poll(0.0 if self._apart.in_flight else wait)
            except KafkaException as error:
                self._stopped(error.args[0])
            self._settle()
            if self._failing and not self._patience:
                self._drain_failing()
            back = not self._flight.sizes and not self._same.holding
            if self._fatal or (self._patience and (back or time.monotonic() > self._patience)):
                self._bury_producer()
        elif not self._receipts and timeout > 0:
            time.sleep(timeout)
        return self._take()

    def _take(self) -> list[Receipt]:
        receipts, self._receipts = self._receipts, []
        self.status.in_flight = len(self._flight.sizes)
        return receipts

    def _book(self) -> None:
        """Look at the reports that came in, in their order."""
        flight = self._flight
        positions, failed = flight.reported()
        if not positions:
            return
        if failed or self._apart or not self._same.sure(flight.elsewhere.get(positions[-1], self.topic)):
            for position in positions:
                topic = flight.elsewhere.pop(position, self.topic)
                self._delivered(flight, position, topic, failed.get(position))
            return
        positions = flight.landed(positions, self.topic)
        self.status.acknowledged += len(positions)
        self._receipts += map(Receipt, positions)
        self._reach.acknowledged()

    def _delivered(self, flight: Flight, position: int, topic: str, error: KafkaError | None) -> None:
        size = flight.sizes.pop(position, None)
        if size is None or not flight.alive:
            return
        flight.topics[topic] -= 1
        if error is None:
            if not self._same.holds(position, topic, size):
                self._count(position, size)
            if self._apart:
                self._apart.taken(position, topic)
            self._reach.acknowledged()
            return
        flight.bytes -= size
        self._failed(position, topic, error)

    def _count(self, position: int, size: int) -> None:
        self._flight.bytes -= size
        self.status.acknowledged += 1
        self._receipts.append(Receipt(position))

    def _settle(self) -> None:
        """What was acknowledged after a trouble counts, or all must be sent again."""
        self._book()
        if reason := self._same.poll():
            self._died(reason)
        for position, size in self._same.take().items():
            self._count(position, size)

    def _failed(self, position: int, topic: str, error: KafkaError) -> None:
        code = error.code()
        text = self.redact(errors.describe(error, topic))
        flown = self._apart.back(position)
        if code == errors.TIMESTAMP:
            text = self._clock.refused(topic, position, text)
            self.status.extra["timestamps_refused"] = self._clock.count
        elif code in errors.PERMANENT or code in errors.TOO_LARGE:
            if flown is not None:
                self._apart.refused(position, topic, flown, too_large=code in errors.TOO_LARGE)
                self._refuse(position, errors.refused(error, topic, keyless=flown[0]), error.name())
                return
            self._apart.positions.add(position)  # the whole batch comes back for one: the rest goes again, one by one
        elif code not in errors.NO_TROUBLE:
            self.status.error = text
        if code in errors.OF_TOPIC:
            self._apart.topics.add(topic)
        self.status.failed += 1
        self._receipts.append(Receipt(position, text, retry=True))
        self._failing.add(topic)

    def _drain_failing(self) -> None:
        """Something to a topic was refused, and what was sent behind it would overtake it when it is sent again: call all back
        that has not left yet, and wait for the rest."""
        assert self._producer is not None
        self._failing = {topic for topic in self._failing if self._flight.topics.get(topic)}
        if self._failing:
            self._producer.purge(in_queue=True, in_flight=False, blocking=False)

    def _stopped(self, error: KafkaError) -> None:
        """The producer goes on no more. After a refusal it only does so to keep the order: what has left it is waited for, and a
        new one begins behind that. (produce() does not say which it was; the next poll does.)"""
        if error.code() in (KafkaError._GAPLESS_GUARANTEE, KafkaError._FATAL):
            self._patience = self._patience or time.monotonic() + PATIENCE
        else:
            self._died(errors.clean(error.str()))

    def _died(self, reason: str) -> None:
        if not self._fatal:
            self._fatal = self.redact(
                f"the producer had to be renewed, because the broker lost what it had acknowledged, or forgot us ({reason})"
            )
            self.status.error = self._fatal
            self._renewed.say(f"output '{self.name}': {self._fatal}; sending again what is not acknowledged")

    def _bury_producer(self) -> None:
        """After a fatal error: all that is not acknowledged goes back to be sent again, in order, by a new producer."""
        producer, flight = self._producer, self._flight
        self._producer = None
        if producer is not None:
            for _ in range(20):
                try:
                    producer.purge(in_queue=True, in_flight=True, blocking=False)
                    producer.poll(0.05)
                except KafkaException:  # a dead producer raises at every call, and still hands out reports
                    self._book()
                    continue
                self._book()
                if not flight.sizes:
                    break
        self._abandon(flight, self._fatal or "another message was refused")
        self._failing.clear()
        self._fatal, self._patience = "", 0.0

    def _abandon(self, flight: Flight, reason: str) -> None:
        self._book()
        flight.alive = False
        self._receipts += [Receipt(position, reason, retry=True) for position in (*self._same.abandon(), *flight.sizes)]
        flight.sizes.clear()
        self._flight = Flight()
        self._apart.abandon()

    def close(self, timeout: float) -> list[Receipt]:
        """See the protocol. What is not acknowledged within ``timeout`` s comes back to be sent again another time."""
        self._renewed.close()
        producer, self._producer = self._producer, None
        if producer is not None:
            deadline = time.monotonic() + timeout
            try:
                while (self._flight.sizes or self._same.holding) and not self._fatal and time.monotonic() < deadline:
                    self._apart.poll(0.05)
                    wait = min(0.2 if self._flight.sizes else 0.01, max(0.0, deadline - time.monotonic()))
                    producer.flush(wait) if self._flight.sizes else producer.poll(wait)
                    self._settle()
                producer.purge(in_queue=True, in_flight=True, blocking=False)
                producer.poll(0)
            except KafkaException as error:
                self._stopped(error.args[0])
            self._abandon(self._flight, "not acknowledged before the end")
        self._failing.clear()
        self._patience = 0.0
        return self._take()

    # -- state ----------------------------------------------------------------------------------------------------

    def _on_error(self, error: KafkaError) -> None:
        self._book()  # what was reported before
        code = error.code()
        if error.fatal() or code == KafkaError._FATAL:
            self._stopped(error)
            return
        self._same.trouble(error.str(), all_down=code == KafkaError._ALL_BROKERS_DOWN)
        self._reach.trouble(error)

    def _on_stats(self, text: str) -> None:
        self._book()  # what was reported before
        stats = orjson.loads(text)
        self._same.look(stats.get("brokers", {}))
        waiting = bool(self._flight.sizes)
        vain = self._reach.vain(stats, waiting=waiting)
        if vain >= EPOCHS:
            self._died(f"{vain} new epochs and no acknowledgement")
        self._reach.look(stats, waiting=waiting)

    def check(self, *, send: bool = False, timeout: float = 5.0) -> Iterable[Check]:
        """See the protocol."""
        from countline.outputs.kafka.check import check

        return check(self._config, send=send, timeout=timeout, redact=self.redact)

    def check_keyless(self, topics: Mapping[str, Sequence[str]], *, timeout: float = 5.0) -> Iterable[Check]:
        """See :class:`countline.protocols.KeyedTopics`."""
        from countline.outputs.kafka.check import check_keyless

        return check_keyless(self._config, topics, timeout=timeout, redact=self.redact)

    def dead_letter(self, message: Message, receipt: Receipt) -> Message | None:
        """See :class:`countline.protocols.DeadLetterTopic`."""
        letters = self._config.dead_letters
        if letters is None or message.topic == letters.topic:
            return None
        return as_letter(message, receipt, topic=letters.topic, own=self.topic, output=self.name)
