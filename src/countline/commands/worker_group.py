"""A worker of a group: takes the sources that the group gives it, and lets go of those that it loses."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from countline.cluster.gate import DOUBTFUL, GENERATION, PARTITION, SOURCE, FencedOutput, header
from countline.cluster.membership import LEASE, Membership
from countline.cluster.protocol import Claim, Verdict, verdict
from countline.cluster.records import claim_value
from countline.cluster.sink import Destination
from countline.cluster.tables import Definition, Tables
from countline.cluster.topics import Names, Reader, Writer, ensure
from countline.cluster.transactions import TransactionalOutput, fence
from countline.commands.owned_run import OwnedRun
from countline.commands.shared_detector import SharedDetector
from countline.config import Config
from countline.errors import OutputError
from countline.observe.health import Health
from countline.observe.measured import Measured
from countline.observe.monitor import Monitor
from countline.observe.traces import Traces
from countline.outputs.kafka.config import Config as KafkaConfig
from countline.outputs.kafka.output import KafkaOutput
from countline.pipeline import build, measuring
from countline.pipeline.delivery.delivery import Delivery
from countline.private_files import make_folder, open_private
from countline.protocols import Check, Output
from countline.types import Message

__all__ = ["GroupWorker", "Setup", "worker_id"]

log = logging.getLogger("countline.cluster")

Owned = tuple[str, int]
"""A source and the generation under which it is, or was, read here."""

LETTING_GO = 20.0
"""Seconds within which sources that go to another worker are brought to an end, at most."""
DRAIN = 15.0
"""Seconds for which what an earlier process has left is delivered before the group is joined, at most."""
AGAIN = (2.0, 60.0)
"""Seconds until a source that failed is tried again: at first, and at most."""


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know."""

    config: Config
    options: Mapping[str, Any]
    """librdkafka's, of the broker that the group meets at."""
    slots: KafkaConfig
    """The output that carries the slots there."""
    group: str
    names: Names
    state: Path | None
    """The outbox; None: in memory."""
    name: str = ""
    """For people."""
    lease: float = LEASE
    transactions: KafkaConfig | None = None
    """The Kafka output whose messages are in transactions with slots and offsets; None: none is."""
    messages: Sequence[Any] = ()
    detector: Any = None
    partitions: int | None = None
    classic: bool = False


@dataclass
class _Failing:
    """A source that ended before its time."""

    wait: float = AGAIN[0]
    until: float = field(default_factory=time.monotonic)


def worker_id(state: Path | None) -> str:
    """Identity of an outbox, kept beside it: who comes back to it is the same worker. Raises OSError."""
    made = uuid.uuid4().hex
    if state is None:
        return made
    path = state.with_name(state.name + ".worker")
    make_folder(path.parent)
    try:
        with open_private(path, "xb") as file:
            file.write(made.encode())
        return made
    except FileExistsError:
        return path.read_text().strip() or made


class GroupWorker:
    """One process of a group. ``execute()`` runs until ``stop()``, which may come from any thread or signal.

    Raises CountlineError when made: what cannot work is refused before the group is joined.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.tables = Tables()
        self.runs: dict[str, OwnedRun] = {}
        """By source: what is read here."""
        self._stopping = threading.Event()
        self._failing: dict[str, _Failing] = {}
        self._finished: dict[str, int] = {}
        """By source: the definition by which it was read to its end here."""
        self._active: set[Owned] = set()
        """Generations of this process that own their source, as far as it knows."""
        self._unclear: set[Owned] = set()
        """Generations that have ended, while what others wrote meanwhile was not read yet."""
        self._fates: dict[Owned, Verdict] = {}
        self._membership: Membership | None = None
        with ExitStack() as resources:
            self.monitor = Monitor.of(setup.config)
            if self.monitor is not None:
                resources.callback(self.monitor.close)
            self.detector = SharedDetector(build.detector(setup.config, setup.detector), setup.config.detector.batch)
            resources.callback(self.detector.inner.close)
            self.id = worker_id(setup.state)
            partitions = ensure(setup.options, setup.names, setup.partitions)
            self._reader = Reader(setup.options, setup.names, partitions, self.tables)
            resources.callback(self._reader.close)
            self._reader.catch_up()  # before anything that was left is sent: what others wrote decides on it
            self._writer = Writer(setup.options)
            users = build.outputs(setup.config)
            outputs = self._outputs(users)
            self.delivery = Delivery(setup.config.outbox, setup.state, outputs, live=True, fresh=True)
            resources.callback(self.delivery.abandon)
            if self.monitor is not None:
                self.monitor.watch(self)
            self._resources = resources.pop_all()

    def measured(self) -> Measured:
        """What all that is read here shares; each source's run tells the rest. From any thread."""
        shared = measuring.outputs(self.delivery, self.delivery.stats())
        return Measured(outputs=shared, outbox=measuring.outbox(self.delivery))

    def health(self) -> Health:
        """Whether it is in its group and can keep what it counts, whoever has the sources. From any thread."""
        joined = self._membership is not None
        group = Check("group", joined, "joined" if joined else "not joined yet", "wait a moment")
        return Health([], [group, measuring.outbox_check(self.delivery)], joined)

    def trace(self, traces: Traces) -> None:
        """Tell what becomes of messages; before it is executed."""
        self.delivery.traces = traces

    def _outputs(self, users: Sequence[Output]) -> list[Output]:
        """The user's outputs and the one of the slots; with transactions these are in one with the user's Kafka output."""
        names, own = tuple(o.name for o in users), KafkaOutput(self.setup.slots)
        made: list[Output] = [*users, own]
        self._destination = Destination(self.setup.names.state, users=names)
        if self.setup.transactions is not None:
            config = self.setup.transactions
            own = TransactionalOutput(config, f"{self.setup.group}.{self.id}", self._judge, self._offsets)
            made = [own if o.name == own.name else o for o in users]
            self._destination = Destination(self.setup.names.state, own.name, names, transactions=True)
        own.partition_of = lambda message: int(header(message, PARTITION) or -1)
        return [FencedOutput(output, self._judge) for output in made]

    def _offsets(self) -> tuple[list[TopicPartition], Any] | None:
        """From the sender's thread."""
        membership = self._membership
        return membership.offsets() if membership is not None else None

    # -- what may be sent -----------------------------------------------------------------------------------------

    def _judge(self, message: Message) -> Verdict:
        """From the sender's threads."""
        written = header(message, GENERATION)
        doubtful = header(message, DOUBTFUL)
        if written is None or doubtful is None:
            return Verdict.SEND
        generation, source = int(written), (header(message, SOURCE) or b"").decode("utf-8", "surrogatepass")
        owned = source, generation
        if owned in self._unclear:
            return Verdict.WAIT
        fate = self._fates.get(owned)
        if fate is None:
            active = owned in self._active
            membership = self._membership
            lease = doubtful == b"again" or (membership is not None and membership.sure())
            claim = self.tables.claim(source)
            fate = verdict(generation, doubtful=True, active=active, lease=lease, claim=claim, worker=self.id)
            if not active:
                self._fates[owned] = fate  # one fate for all of it
                if fate is Verdict.DROP:
                    log.warning(
                        "source '%s': what generation %d made and another owner has seen is given up (fenced): generation %d had "
                        "taken over",
                        source, generation, claim.generation if claim is not None else -1,
                    )  # fmt: skip
        return fate

    # -- life -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let go of everything in order, and leave the group."""
        self._stopping.set()

    def execute(self) -> int:
        """Work until :meth:`stop`. Returns the exit code. Raises OutputError: the group refuses this worker."""
        with self._resources:
            self.delivery.start()
            self._drain(DRAIN)
            membership = self._membership = Membership(
                self.setup.options,
                self.setup.group,
                self.setup.names.sources,
                gained=self._gained,
                lost=self._lost,
                lease=self.setup.lease,
                classic=self.setup.classic,
                transactions=self.setup.transactions is not None,
            )
            membership.offset = lambda partition: self._reader.reached(self.setup.names.sources, partition)
            log.info(
                "worker %s (%s) joins group '%s' (group.protocol=%s, lease %.1f s)",
                self.setup.name, self.id[:8], self.setup.group, membership.protocol, membership.lease.seconds,
            )  # fmt: skip
            try:
                while not self._stopping.is_set():
                    membership.poll(0.05)
                    self._reader.poll(0.0)
                    if self._unclear:
                        self._clear_up()
                    self._reconcile(membership)
            finally:
                self._let_go(list(self.runs))
                self._drain(5.0, to_the_end=True)
                self._membership = None
                membership.close()
                self.delivery.stop(5.0)
        left = sum(s.pending for s in self.delivery.stats().values())
        if left:
            log.warning("%d messages wait in the outbox: they are delivered when this worker comes back", left)
        return 5 if self.delivery.failure is not None else 4 if left else 0

    def _drain(self, seconds: float, *, to_the_end: bool = False) -> None:
        """Deliver what waits, above all slots: whoever reads a source next should know of them. Ends early when this worker is to
        stop, unless ``to_the_end``."""
        self.delivery.writer.flush()
        end = time.monotonic() + seconds
        while self.delivery.outbox.pending(self._destination.output) and time.monotonic() < end:
            if self._stopping.is_set() and not to_the_end:
                return
            self._reader.poll(0.02)

    def _clear_up(self) -> None:
        """After something was lost: read what others wrote, so that it is known who has taken over."""
        try:
            self._reader.catch_up(5.0)
        except OutputError as error:
            log.debug("%s", error)
            return
        self._unclear.clear()

    # -- the group ------------------------------------------------------------------------------------------------

    def _gained(self, partitions: Sequence[int]) -> None:
        log.info("partitions %s are this worker's", _listed(partitions))

    def _lost(self, partitions: Sequence[int], gone: bool) -> None:
        names = [name for name, run in self.runs.items() if run.definition.partition in set(partitions)]
        log.log(
            logging.WARNING if gone and names else logging.INFO,
            "partitions %s %s",
            _listed(partitions),
            f"were given to others: {len(names)} sources are fenced" if gone else "go to another worker",
        )
        if gone:
            self._end(names)
        self._let_go(names)
        if not gone:
            self._drain(5.0, to_the_end=True)

    def _end(self, names: Sequence[str]) -> None:
        """These are not this worker's any more."""
        for name in names:
            owned = name, self.runs[name].claim.generation
            if owned in self._active:
                self._unclear.add(owned)
                self._active.discard(owned)

    def _let_go(self, names: Sequence[str]) -> None:
        """Bring runs to their end."""
        runs = [self.runs[name] for name in names]
        for run in runs:
            run.stop()
        end = time.monotonic() + LETTING_GO
        for run in runs:
            if not run.join(end - time.monotonic()):
                log.warning("source '%s' does not end within %.0f s", run.definition.name, LETTING_GO)
        self._end(names)
        for name in names:
            del self.runs[name]

    # -- sources --------------------------------------------------------------------------------------------------

    def _reconcile(self, membership: Membership) -> None:
        """What is read here becomes what should be."""
        definitions = self.tables.definitions()
        own = membership.partitions
        for name, run in list(self.runs.items()):
            wanted = definitions.get(name)
            if wanted is None or wanted.partition not in own or wanted.offset != run.definition.offset:
                log.info("source '%s': %s", name, "removed" if wanted is None else "defined anew, or another worker's")
                self._let_go([name])
            elif not run.alive:
                self._ended(name, run)
            elif self._superseded(run):
                log.warning(
                    "source '%s': a later claim was written, though the group has given it to this worker", name
                )
                self._let_go([name])
        due = [d for name, d in definitions.items() if name not in self.runs and d.partition in own and self._due(d)]
        due = [d for d in due if membership.settled(d.partition)]
        if due:
            self._begin(membership, due)

    def _superseded(self, run: OwnedRun) -> bool:
        """A worker that was slow has claimed late: this one claims again, so that the latest claim is the owner's."""
        claim = self.tables.claim(run.definition.name)
        return claim is not None and claim.generation > run.claim.generation

    def _ended(self, name: str, run: OwnedRun) -> None:
        self._end([name])
        del self.runs[name]
        if run.finished:
            self._finished[name] = run.definition.offset  # the slot that says so may still be on its way
            self._failing.pop(name, None)
            log.info("source '%s' was read to its end", name)
            return
        failing = self._failing.setdefault(name, _Failing())
        failing.until = time.monotonic() + failing.wait
        failing.wait = min(failing.wait * 2, AGAIN[1])

    def _due(self, definition: Definition) -> bool:
        failing = self._failing.get(definition.name)
        if failing is not None and time.monotonic() < failing.until:
            return False
        if self._finished.get(definition.name) == definition.offset:
            return False
        return not self.tables.state(definition.name).finished(definition.offset)

    def _begin(self, membership: Membership, definitions: Sequence[Definition]) -> None:
        """Claim sources, read all that was written before the claims, and begin."""
        partitions = {d.partition for d in definitions}
        try:
            self._catch_up(definitions, partitions)
            items = [(d.name.encode(), self._claim(d.name), d.partition) for d in definitions]
            places = self._writer.write(self.setup.names.state, items, timeout=10.0)
            self._reader.catch_up(10.0, partitions)
        except OutputError as error:
            log.warning("%s; trying again", error)
            return
        for definition, (_, offset) in zip(definitions, places):
            claim = self.tables.claim(definition.name)
            if claim is None or claim.generation != offset or definition.partition not in membership.partitions:
                continue  # somebody was faster: the next round sees
            self._active.add((definition.name, offset))
            run = self.runs[definition.name] = OwnedRun(
                claim, definition, self.setup.config, detector=self.detector, delivery=self.delivery, tables=self.tables,
                destination=self._destination, sure=membership.sure, messages=self.setup.messages, state=self.setup.state,
                monitor=self.monitor,
            )  # fmt: skip
            log.info("source '%s': read here from now on, generation %d", definition.name, offset)
            run.start()

    def _catch_up(self, definitions: Sequence[Definition], partitions: set[int]) -> None:
        if self.setup.transactions is None:
            self._reader.catch_up(10.0, partitions)
            return
        try:
            self._reader.catch_up(1.0, partitions)
        except OutputError:  # a transaction is open, perhaps of one who is dead: what stands behind it cannot be read
            former = {c.worker for d in definitions if (c := self.tables.claim(d.name)) is not None} - {self.id}
            for worker in sorted(former):
                fence(self.setup.transactions, f"{self.setup.group}.{worker}")
            self._reader.catch_up(10.0, partitions)

    def _claim(self, name: str) -> bytes:
        before: Claim | None = self.tables.claim(name)
        since = before.since if before is not None and before.worker == self.id else None
        return claim_value(self.id, self.setup.name, since, time.time_ns())


def _listed(partitions: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(partitions))) or "none"
