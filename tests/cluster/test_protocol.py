"""Owners, claims and slots: whatever is late, twice, or never comes, nobody is counted twice, and nobody who was seen is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from countline.cluster import records
from countline.cluster.protocol import Claim, Epoch, Lease, Slot, SourceState, Verdict, verdict
from countline.outbox import StreamStart
from countline.types import Gap

SESSION, LEASE = 5, 3
WORKERS = ("a", "b", "c")


@dataclass
class Entry:
    """What waits in an outbox."""

    slot: Slot
    doubtful: bool


@dataclass
class Process:
    """A worker. What is not in the outbox is gone with a crash."""

    outbox: list[Entry] = field(default_factory=list)
    claim: Claim | None = None
    slot: Slot | None = None
    lease: Lease = field(default_factory=lambda: Lease(LEASE))
    alive: bool = True
    halted: bool = False
    fates: dict[int, Verdict] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        return self.alive and not self.halted


class Group(RuleBasedStateMachine):
    """One camera, one coordinator, three workers. At each tick one person walks by; who reads the camera counts that person."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0
        self.log: list[bytes | Claim] = []
        self.owner: str | None = None
        self.heard = 0
        self.workers = {name: Process() for name in WORKERS}
        self.surely: set[int] = set()
        """Who was counted under a valid lease."""
        self.dropped: set[int] = set()

    # -- the world ------------------------------------------------------------------------------------------------

    def read(self) -> SourceState:
        state = SourceState("gate")
        for record in self.log:
            _ = state.take(record) if isinstance(record, Claim) else state.learn(records.read_slot(record))
        return state

    @rule()
    def somebody_walks_by(self) -> None:
        self.time += 1
        for worker in self.workers.values():
            if worker.runs and worker.slot is not None:
                self.see(worker)

    def see(self, worker: Process) -> None:
        assert worker.slot is not None
        sure = worker.lease.valid(self.time)
        key = ("door", str(self.time), "")
        counts = {**worker.slot.counts, key: worker.slot.counts.get(key, 0) + 1}
        worker.slot = replace(worker.slot, counts=counts, sequence=worker.slot.sequence + 1, frame=self.time)
        worker.outbox.append(Entry(worker.slot, not sure))
        if sure:
            self.surely.add(self.time)

    @rule()
    def the_coordinator_lets_go_of_who_is_silent(self) -> None:
        if self.owner is not None and self.time - self.heard > SESSION:
            self.owner = None

    @rule(name=st.sampled_from(WORKERS))
    def the_coordinator_assigns(self, name: str) -> None:
        worker = self.workers[name]
        if self.owner is not None or not worker.runs:
            return
        self.lose(worker)
        self.owner, self.heard = name, self.time
        worker.lease.confirmed(self.time)
        before = self.read().claim
        since = before.since if before is not None and before.worker == name else None
        claim = records.read_claim("gate", len(self.log), records.claim_value(name, name, since, self.time))
        self.log.append(claim)
        worker.claim = claim
        worker.slot = (
            self.read().begin(claim, StreamStart("gate", "stream", live=True, policy="continue", time=self.time)).slot
        )

    @rule(name=st.sampled_from(WORKERS))
    def a_worker_hears_of_the_coordinator(self, name: str) -> None:
        worker = self.workers[name]
        if not worker.runs or worker.claim is None:
            return
        if self.owner == name:
            self.heard = self.time
            worker.lease.confirmed(self.time)
        else:
            self.lose(worker)

    def lose(self, worker: Process) -> None:
        worker.claim = worker.slot = None
        worker.lease.lost()

    # -- accidents ------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(WORKERS))
    def a_worker_is_halted(self, name: str) -> None:
        self.workers[name].halted = True

    @rule(name=st.sampled_from(WORKERS))
    def a_worker_goes_on_and_looks_before_it_hears(self, name: str) -> None:
        worker = self.workers[name]
        if worker.alive and worker.halted:
            worker.halted = False
            # Nobody has walked by before the first tick.
            if self.time and worker.slot is not None and ("door", str(self.time), "") not in worker.slot.counts:
                self.see(worker)

    @rule(name=st.sampled_from(WORKERS))
    def a_worker_dies(self, name: str) -> None:
        worker = self.workers[name]
        self.lose(worker)
        worker.alive = worker.halted = False
        worker.fates = {}

    @rule(name=st.sampled_from(WORKERS))
    def a_worker_comes_back(self, name: str) -> None:
        self.workers[name].alive = True

    # -- delivery -------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(WORKERS), acknowledged=st.booleans())
    def a_worker_sends(self, name: str, acknowledged: bool) -> None:
        worker = self.workers[name]
        if not worker.runs or not worker.outbox:
            return
        entry = worker.outbox[0]
        fate = self.judge(name, worker, entry)
        if fate is Verdict.WAIT:
            return
        if fate is Verdict.SEND:
            self.log.append(records.slot_value(entry.slot))
            if not acknowledged:
                return
        else:
            self.dropped |= {int(key[1]) for key in entry.slot.counts}
        worker.outbox.pop(0)

    def judge(self, name: str, worker: Process, entry: Entry) -> Verdict:
        generation = entry.slot.generation
        active = worker.claim is not None and worker.claim.generation == generation
        if entry.doubtful and generation in worker.fates:
            return worker.fates[generation]
        fate = verdict(
            generation, doubtful=entry.doubtful, active=active, lease=worker.lease.valid(self.time),
            claim=self.read().claim, worker=name,
        )  # fmt: skip
        if entry.doubtful and not active:
            worker.fates[generation] = fate
        return fate

    # -- what holds -----------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_counted_twice(self) -> None:
        total = self.read().total()
        assert all(value == 1 for value in total.values()), total

    @precondition(lambda self: self.time)
    @rule()
    def a_reader_who_begins_late_and_in_another_order_finds_the_same(self) -> None:
        state = SourceState("gate")
        for record in [*reversed(self.log), *self.log]:
            _ = state.take(record) if isinstance(record, Claim) else state.learn(records.read_slot(record))
        assert state.total() == self.read().total()
        assert state.claim == self.read().claim

    def teardown(self) -> None:
        """All come back and deliver what they hold: whoever was seen for sure is counted."""
        self.owner = None
        for name, worker in self.workers.items():
            worker.alive, worker.halted = True, False
            self.lose(worker)
            for _ in range(2 * len(worker.outbox)):
                self.a_worker_sends(name, True)
            assert not worker.outbox
        self.nobody_is_counted_twice()
        counted = {int(key[1]) for key in self.read().total()}
        assert self.surely <= counted, "counted under a valid lease, and lost"
        assert counted <= set(range(1, self.time + 1))


TestGroup = Group.TestCase
TestGroup.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def shown(frame: int) -> dict[tuple[str, str, str], int]:
    """What a file has shown up to a frame: the same to everybody."""
    return {
        k: v for k, v in ((("door", "in", "car"), (frame + 1) // 3), (("door", "out", "car"), (frame + 1) // 7)) if v
    }


@given(
    reads=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    heard=st.randoms(use_true_random=False),
    order=st.randoms(use_true_random=False),
)
def test_a_file_that_several_owners_have_read_is_counted_once(reads: list[int], heard: Random, order: Random) -> None:
    """Each owner begins where the farthest slot that it knows of ends, reads some frames, and is not heard of any more; some of
    what it wrote comes at once, the rest at the end, in any order."""
    known, whole, late = SourceState("film"), SourceState("film"), []
    farthest = -1
    for generation, frames in enumerate(reads):
        claim = Claim("film", generation, f"w{generation}", generation)
        work = known.begin(claim, StreamStart("film", "digest", live=False, policy="restart", time=5))
        slot = work.slot
        assert work.before == {}
        assert slot.counts == ({} if work.resume is None else shown(work.resume))
        begin = -1 if work.resume is None else work.resume
        for frame in range(begin + 1, begin + 1 + frames):
            slot = replace(slot, frame=frame, counts=shown(frame), sequence=slot.sequence + 1)
            _ = known.learn(slot) if heard.random() < 0.5 else late.append(slot)
            whole.learn(slot)
            farthest = max(farthest, frame)
    order.shuffle(late)
    for slot in [*late, *late]:
        known.learn(slot)
    assert known.total() == whole.total() == shown(farthest)


def test_a_file_is_read_again_only_when_it_is_defined_anew_and_then_from_nothing() -> None:
    state = SourceState("film")
    first = state.begin(
        Claim("film", 1, "w", 1), StreamStart("film", "digest", live=False, policy="restart", time=5), definition=10
    ).slot
    state.learn(replace(first, counts={("door", "in", "car"): 4}, frame=9, finished=True, sequence=1))
    assert state.finished(10)
    assert not state.finished(11)
    again = state.begin(
        Claim("film", 2, "w", 1), StreamStart("film", "digest", live=False, policy="restart", time=7), definition=11
    )
    assert (again.resume, again.before, again.slot.epoch) == (None, {}, Epoch(1, 7))
    state.learn(replace(again.slot, counts={("door", "in", "car"): 1}, frame=3, sequence=1))
    assert state.total() == {("door", "in", "car"): 1}
    on = state.begin(
        Claim("film", 3, "v", 3), StreamStart("film", "other", live=False, policy="continue", time=9), definition=12
    )
    assert on.before == {("door", "in", "car"): 1}


def test_a_reset_is_of_all_owners_and_what_comes_late_from_before_it_is_not_added() -> None:
    state = SourceState("gate")
    old = state.begin(Claim("gate", 1, "a", 1), StreamStart("gate", "s", live=True, policy="continue", time=1)).slot
    old = replace(old, counts={("door", "in", "car"): 3}, seen=100, sequence=1)
    state.learn(old)
    work = state.begin(
        Claim("gate", 2, "b", 2), StreamStart("gate", "s", live=True, policy="continue", time=200, due=lambda seen: 150)
    )
    assert (work.reset, work.before, work.slot.epoch) == (150, {}, Epoch(1, 150))
    state.learn(replace(work.slot, counts={("door", "in", "car"): 1}, sequence=1))
    state.learn(replace(old, counts={("door", "in", "car"): 4}, sequence=2))
    assert state.total() == {("door", "in", "car"): 1}


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
counts = st.dictionaries(st.tuples(names, names, names), st.integers(0, 2**40), max_size=4)


@given(
    source=names,
    generation=st.integers(0, 2**60),
    counted=counts,
    base=counts,
    epoch=st.integers(0, 9),
    gap=st.booleans(),
)
def test_a_slot_comes_out_of_its_record_as_it_went_in(
    source: str, generation: int, counted: dict, base: dict, epoch: int, gap: bool
) -> None:
    slot = Slot(
        source, generation, "w", "live:1", True, 7, "stream", 12, False, 3, Epoch(epoch, 5), counted, base, Epoch(epoch, 5),
        99, 98, Gap(1, 5, "no-frames", 2) if gap else None,
    )  # fmt: skip
    assert records.read_slot(records.slot_value(slot)) == slot
    assert records.read_key(records.slot_key(source, generation)) == (source, generation)


@given(asked=st.lists(st.floats(0, 1e6), min_size=1, max_size=5), seconds=st.floats(0.1, 100), after=st.floats(0, 200))
def test_a_lease_is_good_for_its_time_after_the_last_answer_and_no_longer(
    asked: list[float], seconds: float, after: float
) -> None:
    lease = Lease(seconds)
    assert not lease.valid(0)
    for at in asked:
        lease.confirmed(at)
    now = max(asked) + after
    assert lease.valid(now) == (now < max(asked) + seconds)
    lease.lost()
    assert not lease.valid(now)
