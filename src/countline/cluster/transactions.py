"""Messages, slots and the group's offsets in one Kafka transaction: all of it is there, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from countline.cluster.protocol import Verdict
from countline.cluster.sink import STATE
from countline.outputs.kafka import errors
from countline.outputs.kafka.config import Config
from countline.outputs.kafka.flight import Flight
from countline.outputs.kafka.output import KafkaOutput
from countline.outputs.kafka.settings import build
from countline.protocols import Entry, Receipt
from countline.types import Message

__all__ = ["Offsets", "TransactionalOutput", "fence"]

Offsets = Callable[[], "tuple[list[TopicPartition], Any] | None"]
"""Gives the offsets of the own partitions and the consumer's group metadata; None: this worker is no member now."""
PAUSE = 0.5
"""Seconds until an aborted transaction is tried again."""
PATIENCE = 1.0
"""Seconds for which the end of a frame's messages is waited for."""
TIMEOUT = 10_000
"""ms after which the broker aborts the transaction of a producer that is silent: as long as that is open, nobody reads on behind it."""


class TransactionalOutput(KafkaOutput):
    """Sends what a frame has left behind as a whole, in one transaction with the offsets of the group. So the broker refuses all of it
    from a worker that has lost its place in the group, whether that knows it or not, and whoever reads only what is committed sees
    the counts that belong to the messages.

    What is aborted stays here, in its order, and is sent again, unless ``judge`` says that another owner makes it again.

    Parameters
    ----------
    transactional_id: of this worker, for ever; a second process with it puts an end to the first one's transactions.
    judge: what becomes of a message now.
    offsets: what is committed with each transaction.
    """

    def __init__(
        self, config: Config, transactional_id: str, judge: Callable[[Message], Verdict], offsets: Offsets
    ) -> None:
        super().__init__(config)
        self._transactional_id, self._judge, self._offsets = transactional_id, judge, offsets
        self._batch: list[Entry] = []
        """What was accepted and is not committed, in order."""
        self._sent = 0
        """How many of it, from the first, are in the open transaction."""
        self._open = self._ready = self._with_offsets = False
        self._began = 0.0
        """When the open transaction began (``time.monotonic``)."""
        self._waits_since: float | None = None
        self._again_at = 0.0
        self._apart_until = 0
        """Position up to which entries go one by one, because one of them was refused."""
        self._wrong: dict[int, KafkaError] = {}

    def open(self) -> None:
        """Make the producer; needs no broker."""
        if self._producer is not None:
            return
        callbacks = {"error_cb": self._on_error, "stats_cb": self._on_stats}
        self._producer = _producer(self._config, self._transactional_id, callbacks)
        self._flight, self._ready, self._open, self._sent = Flight(), False, False, 0

    def send(self, entries: Sequence[Entry]) -> int:
        """Accept whole frames, one transaction at a time."""
        if self._batch or self._receipts:
            return 0
        accepted = next((i + 1 for i in reversed(range(len(entries))) if entries[i].message.definition == STATE), 0)
        if not accepted:
            now = time.monotonic()
            self._waits_since = self._waits_since or now
            accepted = len(entries) if now - self._waits_since > PATIENCE else 0
        if accepted:
            self._waits_since = None
            self._batch = list(entries[:accepted])
            self.status.sent += accepted
        self.status.in_flight = len(self._batch)
        return accepted

    def poll(self, timeout: float) -> list[Receipt]:
        """One step of the transaction."""
        self.open()
        assert self._producer is not None
        try:
            self._producer.poll(0.0 if self._batch or self._receipts else timeout)
            self._book()
            if self._batch and time.monotonic() >= self._again_at:
                self._step(self._producer, max(timeout, 0.05))
        except KafkaException as error:
            self._failed_at(error.args[0])
        receipts, self._receipts = self._receipts, []
        self.status.in_flight = len(self._batch)
        return receipts

    def _step(self, producer: Producer, timeout: float) -> None:
        if not self._ready:
            producer.init_transactions(5.0)  # resumed by the next call, if that is not enough
            self._ready = True
        if not self._open:
            self._fill(producer)
            if not self._batch:
                return
        if not self._with_offsets:
            group = self._offsets()
            if group is not None:
                producer.send_offsets_to_transaction(*group, 5.0)
            self._with_offsets = True
        producer.commit_transaction(5.0)
        self._committed()

    def _fill(self, producer: Producer) -> None:
        """Begin a transaction with what is to go out of the batch."""
        self._drop_what_others_make()
        if not self._batch:
            return
        producer.begin_transaction()
        self._began = time.monotonic()
        self._open, self._with_offsets, self._wrong, self._sent = True, False, {}, 0
        alone = self._batch[0].position <= self._apart_until
        now = time.time_ns()
        done = self._produce(self._batch[:1] if alone else self._batch, now, self._flight, producer)
        self._sent += done  # now: what was refused meanwhile is gone from both

    def _drop_what_others_make(self) -> None:
        kept = []
        for entry in self._batch:
            if self._judge(entry.message) is Verdict.DROP:
                self._receipts.append(Receipt(entry.position))
                self.status.extra["fenced"] = self.status.extra.get("fenced", 0.0) + 1
            else:
                kept.append(entry)
        self._batch = kept

    def _refuse(self, position: int, text: str, kind: str) -> None:
        super()._refuse(position, text, kind)
        self._wrong.pop(position, None)
        self._batch = [entry for entry in self._batch if entry.position != position]
        self._sent -= 1

    def _book(self) -> None:
        flight = self._flight
        positions, failed = flight.reported()
        for position, error in failed.items():
            if error.code() == errors.TIMESTAMP:
                topic = flight.elsewhere.get(position, self.topic)
                self._clock.refused(topic, position, errors.describe(error, topic))
            self._wrong[position] = error
        flight.landed(positions, self.topic)

    def _committed(self) -> None:
        done, self._batch = self._batch[: self._sent], self._batch[self._sent :]
        self._receipts += [Receipt(entry.position) for entry in done]
        self._open, self._sent = False, 0
        self.status.acknowledged += len(done)
        self.status.connected, self.status.error = True, ""

    def _failed_at(self, error: KafkaError) -> None:
        """A step came to nothing: it is done again, or the whole transaction is."""
        self._book()
        text = self.redact(errors.describe(error))
        again = error.retriable() and not error.txn_requires_abort() and not error.fatal()
        # A commit that is under way may be carried out yet: it is asked about for longer.
        bears = TIMEOUT / 1000 * (6 if self._with_offsets else 1)
        if again and not (self._open and time.monotonic() > self._began + bears):
            if error.code() != KafkaError._TIMED_OUT or not self.status.error:  # which may say why nobody answers
                self.status.error = text
            return
        self._again_at = time.monotonic() + PAUSE
        self.status.error = f"a transaction was refused, and is tried again: {text}"
        self.status.failed += 1
        self.status.extra["aborted"] = self.status.extra.get("aborted", 0.0) + 1
        if again or error.fatal() or error.code() in (KafkaError._FENCED, KafkaError._FATAL, KafkaError._STATE):
            # The broker has given it up by now, or will when the new producer begins.
            self._renew()
            return
        self._abort()

    def _renew(self) -> None:
        producer, self._producer = self._producer, None
        self._open, self._sent = False, 0
        if producer is not None:
            with suppress(KafkaException):
                producer.purge()

    def _abort(self) -> None:
        assert self._producer is not None
        if self._open:
            try:
                self._producer.abort_transaction(5.0)
            except KafkaException:
                self._renew()
            self._book()
        self._open, self._sent = False, 0
        permanent = {
            p: e for p, e in self._wrong.items() if e.code() in errors.PERMANENT or e.code() in errors.TOO_LARGE
        }
        if not permanent:
            return
        first = self._batch[0]
        if self._apart_until >= first.position and first.position in permanent:  # it was alone
            error, topic = permanent[first.position], first.message.topic or self.topic
            self._refuse(first.position, errors.refused(error, topic, keyless=first.message.key is None), error.name())
            self._sent = 0
        else:
            self._apart_until = self._batch[-1].position
        self._again_at = 0.0

    def close(self, timeout: float) -> list[Receipt]:
        """Try to commit what is open for at most ``timeout`` s; the rest comes back to be sent again another time."""
        deadline = time.monotonic() + timeout
        receipts: list[Receipt] = []
        while self._batch and self._producer is not None and time.monotonic() < deadline:
            receipts += self.poll(0.05)
        if self._open and self._producer is not None:
            try:
                self._producer.abort_transaction(1.0)
            except KafkaException:
                pass  # the broker does it after a while
        receipts += self._receipts
        receipts += [Receipt(entry.position, "not committed before the end", retry=True) for entry in self._batch]
        self._batch, self._receipts, self._producer, self._open = [], [], None, False
        return receipts


def fence(config: Config, transactional_id: str, timeout: float = 5.0) -> None:
    """Have the broker abort the open transaction of another worker, and refuse what it sends in it: for one that has died, or stands
    still. If it lives it begins a new one. What does not succeed shows in what can be read."""
    producer = _producer(config, transactional_id, {})
    with suppress(KafkaException):
        producer.init_transactions(timeout)


def _producer(config: Config, transactional_id: str, callbacks: Mapping[str, Any]) -> Producer:
    settings = build(config, callbacks)
    for name in ("message.timeout.ms", "enable.gapless.guarantee"):
        settings.pop(name, None)  # for what stands by itself
    ours = {"transactional.id": transactional_id, "transaction.timeout.ms": TIMEOUT, "log_level": 0}
    return Producer({**settings, **ours, "enable.idempotence": True, "acks": "all"})
