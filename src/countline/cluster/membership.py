"""A worker's place in the consumer group: which partitions of the sources topic are its own, and since when that is sure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from countline.cluster.protocol import Lease
from countline.cluster.silence import Silence
from countline.cluster.topics import failed, quiet
from countline.errors import OutputError
from countline.outbox.ages import uptime
from countline.outputs.kafka import errors
from countline.redaction import redact

__all__ = ["LEASE", "Membership", "now"]

log = logging.getLogger("countline.cluster")

LEASE = 10.0
"""Seconds for which the group's last word is good, unless the broker lets go of silent members earlier."""
_NO_SUCH_PROTOCOL = (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION)
_NO_MEMBER = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID, KafkaError.ILLEGAL_GENERATION)


def now() -> float:
    """Seconds of a clock that goes on while this process, or the machine, sleeps."""
    return uptime() / 1e9


class Membership:
    """Joins the group, and hears what it gets and loses. Used by one thread; the news come out of :meth:`poll`.

    The new group protocol (KIP-848) is used where the broker has it; else the classic one with the cooperative-sticky assignor. Both
    take from a worker only what another one gets.

    Parameters
    ----------
    options: librdkafka's, of the broker.
    group: name of the group.
    topic: the sources topic.
    transactions: whether :meth:`offsets` is asked for.
    gained, lost: told which partitions have come, and which go; ``lost`` with whether they are gone already (True), or this worker may
        still finish (False). A partition is another worker's only once ``lost`` has returned, unless it is gone already.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        group: str,
        topic: str,
        *,
        gained: Callable[[Sequence[int]], None],
        lost: Callable[[Sequence[int], bool], None],
        lease: float = LEASE,
        classic: bool = False,
        transactions: bool = False,
    ) -> None:
        self.group, self.topic = group, topic
        self.protocol = "classic" if classic else "consumer"
        """Of the group, as the broker calls it."""
        self.lease = Lease(lease if classic else min(lease, _silence(options)))
        self.error = ""
        """Why nothing is confirmed just now, as far as is known."""
        self.offset: Callable[[int], int] = lambda partition: 0
        """How far a partition was read: what is committed."""
        self._options, self._gained, self._lost = options, gained, lost
        self._for_transactions = transactions
        self._committable: tuple[list[TopicPartition], Any] | None = None
        self._since: dict[int, float] = {}
        """Own partitions, and when they came."""
        self._asked: float | None = None
        self._last_asked = 0.0
        self._confirmed = 0.0
        self._fatal: KafkaError | None = None
        self._silence = Silence(group)
        self.consumer = self._join()

    def _join(self) -> Consumer:
        settings: dict[str, Any] = {
            **quiet(self._options),
            "group.id": self.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "error_cb": self._on_error,
            "on_commit": self._on_commit,
            "group.protocol": self.protocol,
        }
        if self.protocol == "classic":
            # With the new protocol these are the broker's to decide.
            settings |= {
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(self.lease.seconds * 1500),
                "heartbeat.interval.ms": max(200, int(self.lease.seconds * 150)),
            }
        try:
            consumer = Consumer(settings)
            consumer.subscribe(
                [self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_gone
            )
        except KafkaException as error:
            raise failed(error, f"group '{self.group}' cannot be joined") from None
        return consumer

    # -- the loop -------------------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> None:
        """Hear what there is to hear, for up to ``timeout`` s, and ask for a confirmation when one is due. Raises OutputError."""
        self._ask()
        try:
            message = self.consumer.poll(timeout)
        except KafkaException as error:
            message = None
            self._on_error(error.args[0])
        if message is not None and message.error() is not None:
            self._on_error(message.error())
        if self._fatal is not None:
            self._begin_anew()
        if self._for_transactions:
            self._note_member()
        self._silence.look(self.sure() or not self._since, self.error)

    def _begin_anew(self) -> None:
        fatal, self._fatal = self._fatal, None
        assert fatal is not None
        if self.protocol == "consumer" and fatal.code() in _NO_SUCH_PROTOCOL:
            log.info("this broker does not have group.protocol=consumer (KIP-848): cooperative-sticky is used")
            self.protocol = "classic"
        elif fatal.code() in (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED):
            raise OutputError(
                f"no right to join group '{self.group}' or to read '{self.topic}'",
                where="--kafka",
                fix="give this client READ on both",
            )
        else:
            log.warning("group '%s': %s; joining anew", self.group, self.error)
        self._drop(list(self._since))
        self._asked = None
        self.consumer.close()
        self.consumer = self._join()

    def _ask(self) -> None:
        """Committing an offset is refused to whoever is no member any more: so it tells whether we are."""
        time = now()
        fresh = any(since >= self._last_asked for since in self._since.values())
        if not self._since or not (fresh or time - self._last_asked > self.lease.seconds / 4):
            return
        if self._asked is not None and time - self._asked < self.lease.seconds:
            return  # on its way
        self._asked = self._last_asked = time
        places = [TopicPartition(self.topic, p, self.offset(p)) for p in self._since]
        try:
            self.consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            self._asked = None
            self._on_error(error.args[0])

    def _on_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        asked, self._asked = self._asked, None
        wrong = error or next((p.error for p in partitions if p.error is not None), None)
        if wrong is None and asked is not None:
            self.lease.confirmed(asked)
            self._confirmed, self.error = max(self._confirmed, asked), ""
        elif wrong is not None:
            self._on_error(wrong)
            if wrong.code() in _NO_MEMBER:
                self.lease.lost()

    def _on_error(self, error: KafkaError) -> None:
        self.error = redact(errors.clean(error.str()))
        log.debug("group '%s': %s", self.group, self.error)
        rights = (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        if error.fatal() or error.code() in (*_NO_SUCH_PROTOCOL, KafkaError._FATAL, *rights):
            self._fatal = error if self._fatal is None or self._fatal.code() == KafkaError._FATAL else self._fatal

    # -- partitions -----------------------------------------------------------------------------------------------

    @property
    def partitions(self) -> frozenset[int]:
        """The own ones."""
        return frozenset(self._since)

    def sure(self) -> bool:
        """Whether this worker is a member now. From any thread."""
        return self.lease.valid(now())

    def settled(self, partition: int) -> bool:
        """Whether the group has confirmed a partition since it came."""
        since = self._since.get(partition)
        return since is not None and self._confirmed >= since and self.sure()

    def offsets(self) -> tuple[list[TopicPartition], Any] | None:
        """How far the own partitions were read, and as which member: for a transaction that only a member may commit. None: there are
        none. From any thread."""
        return self._committable

    def _note_member(self) -> None:
        """Asked here, because librdkafka answers this question only between two polls."""
        if not self._since:
            self._committable = None
            return
        places = [TopicPartition(self.topic, p, self.offset(p)) for p in self._since]
        self._committable = places, self.consumer.consumer_group_metadata()

    def _on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)  # what stands in them is read by everybody
        time = now()
        numbers = [p.partition for p in partitions]
        self._since |= dict.fromkeys(numbers, time)
        self._gained(numbers)

    def _on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._let_go([p.partition for p in partitions], gone=False)
        consumer.incremental_unassign(partitions)

    def _on_gone(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.lease.lost()
        self._let_go([p.partition for p in partitions], gone=True)
        consumer.incremental_unassign(partitions)

    def _let_go(self, numbers: Sequence[int], *, gone: bool) -> None:
        mine = [n for n in numbers if n in self._since]
        self._lost(mine, gone)
        for number in mine:
            self._since.pop(number, None)
        if gone:
            self._committable = None

    def _drop(self, numbers: Sequence[int]) -> None:
        self.lease.lost()
        self._let_go(numbers, gone=True)

    def close(self) -> None:
        """Leave the group, so that others need not wait for a time-out."""
        self._silence.close()
        self.consumer.close()


def _silence(options: Mapping[str, Any]) -> float:
    """Seconds for which a broker bears a silent member, less two heartbeats; endless where it does not tell."""
    admin = AdminClient(quiet(options))
    try:
        brokers = list(admin.list_topics(timeout=10).brokers)
        resource = ConfigResource(ResourceType.BROKER, str(brokers[0]))
        found = admin.describe_configs([resource], request_timeout=10)[resource].result(10)
        session, beat = (
            int(found[f"group.consumer.{name}.ms"].value) for name in ("session.timeout", "heartbeat.interval")
        )
    except (KafkaException, KeyError, IndexError, TypeError, ValueError):
        return float("inf")
    return max(1.0, (session - 2 * beat) / 1000)
