"""The outbox as others use it: writing, reading, acknowledging, counters."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, repeat
from operator import attrgetter
from types import MappingProxyType

from countline.outbox import codec, files, sums
from countline.outbox.blocks import Block, pack
from countline.outbox.core import Core
from countline.outbox.identity import identities
from countline.outbox.report import describe
from countline.outbox.state import StoredOutput
from countline.outbox.types import Commit, Counter, DeadLetter, OutboxStatus, Place, Resume, RuleChange, StreamStart
from countline.private_files import open_private
from countline.protocols import Entry
from countline.types import RuleIdentity

__all__ = ["Outbox"]

log = logging.getLogger("countline.outbox")

_OUTPUTS = attrgetter("message.outputs")


class Outbox(Core):
    """The durable queue between analytics and outputs, and the durable counters. Made by :func:`countline.outbox.open`.

    Safe to use from several threads: one writes (:meth:`write`, :meth:`settle`), one per output reads and acknowledges.
    :meth:`ack` touches memory only; it is stored with the next write or by :meth:`settle`, so a crash can only make
    something be sent again.
    """

    # -- writing --------------------------------------------------------------------------------------------------

    def begin(self, start: StreamStart, *, fresh: bool = False) -> Resume:
        """A source's stream begins; says with which counters, and what an earlier run has committed of it.

        A file whose last run over the same stream was cut short is resumed: the same counters as at the beginning of that run, and
        commits up to ``Resume.frame`` are ignored by :meth:`write`. Else a new run begins, by the policy. ``fresh``: never resume.
        """
        with self._transaction(files.PATIENCE):
            return self._counters.begin(start, fresh=fresh)

    def change(self, source: str, change: RuleChange) -> Resume:
        """The rules of a source are others from the next frame on: see :meth:`begin`. All frames before must be written."""
        with self._transaction(files.PATIENCE):
            return self._counters.change(source, change)

    def identities(self, source: str) -> dict[str, RuleIdentity]:
        """What the rules of a source counted when it was last said, those that are gone included."""
        with self._db_lock:
            return identities(self._db, source)

    def epoch(self, source: str) -> tuple[int, int]:
        """Epoch of the rules of a source that have none of their own, and when it began (ns since the Unix epoch)."""
        with self._db_lock:
            return self._counters.epoch(source)

    def place(self, source: str) -> Place | None:
        """How far the last run over a stream with seams had come, and its last seam; None: there was no such run."""
        with self._db_lock:
            return self._counters.place(source)

    def write(self, commits: Sequence[Commit]) -> int:
        """Store commits in one transaction, and with them all acknowledgements so far. Returns how many were stored, from
        the first: fewer than all (or 0) only if the outbox is full and the policy is 'block'.

        Raises OutboxFull (disk full: nothing was stored, try again) and OutboxError.
        """
        with self._db_lock:  # dead letters may be put back meanwhile: positions are given one after the other
            return self._write(commits)

    def _write(self, commits: Sequence[Commit]) -> int:
        for i, commit in enumerate(commits):
            if commit.outputs is not None:
                if i:
                    return self._write(commits[:i])  # those before do not go there yet
                self._use_outputs(commit.outputs)
        admitted = self._counters.admit(commits)
        blocks = pack(self._next, [m for commit in admitted for m in commit.messages], self._now())
        cost = sum(size for _, _, size in blocks)
        if cost and self._bytes + cost > self.max_bytes and self._used() + cost > self.max_bytes:
            if self.when_full == "block":
                if len(commits) > 1:
                    return self._write(commits[: len(commits) // 2])
                if self._used():
                    return 0  # a single commit larger than the bound is stored once the outbox is empty
            elif self.when_full == "drop-newest":
                blocks, cost = self._refuse(blocks), 0
        self._written(blocks, self._insert(admitted, blocks, cost), sum(len(commit.messages) for commit in commits))
        self._watch()
        return len(commits)

    def write_counts(self, commits: Sequence[Commit]) -> None:
        """Store the counts of commits without their messages, in the room that is held in reserve for it: the last resort at the
        end of a run whose commits could not be written. Raises OutboxError."""
        if self._lock is not None:
            self._lock.make_room()
        self.write([replace(commit, messages=()) for commit in commits])

    def _written(self, blocks: list[Block], fresh: dict[str, int], taken: int = 0) -> None:
        with self._state:
            self._taken += taken
            for name, count in fresh.items():
                self._outputs[name].pending += count
            for entries, _, size in blocks:
                self._next = entries[-1].position + 1
                self._bytes += size
                self._tail.append(entries, size + 400 * len(entries))

    def _insert(
        self,
        commits: Sequence[Commit],
        blocks: list[Block],
        cost: int,
        buried: Sequence[int] = (),
        meta: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, int]:
        """One transaction; returns the new messages by output. ``buried``: dead letters that go; ``meta``: rows that come."""
        now = self._now()
        with self._transaction() as db:
            if self.when_full == "drop-oldest":
                self._make_room(cost)
            if self._quotas.keep(db, self._outputs, cost, self._give_up):
                self._prune()
            self._counters.apply(commits, self._ages.wall())
            rows = [(e[0].position, e[-1].position, now, size, data) for e, data, size in blocks]
            sums.store(db, "batch", rows, "INSERT")
            db.executemany("DELETE FROM dead WHERE number = ?", [(number,) for number in buried])
            fresh = self._counted(blocks)
            self._store(db, fresh)
            noted: list[tuple[str, object]] = list(meta.items())
            if blocks:
                noted.append(("next", blocks[-1][0][-1].position + 1))
            sums.store(db, "meta", noted)
        return fresh

    def _used(self) -> int:
        """Bytes stored, after what is settled was pruned."""
        self.settle()
        return self._bytes

    def _counted(self, blocks: list[Block]) -> dict[str, int]:
        """New messages by configured output."""
        names = [n for n, s in self._outputs.items() if s.absent_since is None]
        fresh = dict.fromkeys(names, 0)
        for entries, _, _ in blocks:
            if not any(map(_OUTPUTS, entries)):  # mostly
                for name in names:
                    fresh[name] += len(entries)
                continue
            for entry in entries:
                for name in entry.message.outputs or names:
                    if name in fresh:
                        fresh[name] += 1
        return fresh

    def _refuse(self, blocks: list[Block]) -> list[Block]:
        with self._state:
            for name, count in self._counted(blocks).items():
                state = self._outputs[name]
                state.pending += count
                state.drop(count, "size")
        what = "size: it is full, and the newest give way"
        self._say_dropped(self._due_counts.add(what, sum(len(entries) for entries, _, _ in blocks)), what)
        return []

    # -- reading --------------------------------------------------------------------------------------------------

    def read(
        self, output: str, after: int = 0, *, limit: int = 1000, max_bytes: int = 4 << 20
    ) -> tuple[list[Entry], int]:
        """Entries of an output above position ``after`` that are not settled, in order: at most about ``limit`` of them
        and ``max_bytes`` of payload; and the position up to which there is nothing else."""
        with self._state:
            state = self._outputs[output]
            after = max(after, state.done.low)
            if after >= self._next - 1:
                return [], after
            groups = self._tail.after(after, limit, max_bytes)
        if groups is None:
            groups = self._from_disk(after, limit, max_bytes)
        if not groups:
            return [], after
        return self._unsettled(state, groups)

    def _unsettled(self, state: StoredOutput, groups: list[list[Entry]]) -> tuple[list[Entry], int]:
        found: list[Entry] = []
        with self._state:
            done, name = state.done, state.name
            high = done.high
            foreign: list[int] = []
            for entries in groups:
                if entries[0].position > high and not any(map(_OUTPUTS, entries)):
                    found += entries  # mostly
                    continue
                for entry in entries:
                    outputs = entry.message.outputs
                    if outputs and name not in outputs:
                        foreign.append(entry.position)
                    elif entry.position > high or entry.position not in done:
                        found.append(entry)
            if foreign and done.add_many(foreign):
                state.dirty = True
        return found, groups[-1][-1].position

    def _from_disk(self, after: int, limit: int, most: int) -> list[list[Entry]]:
        groups: list[list[Entry]] = []
        query = (
            "SELECT first, last, data, made FROM batch WHERE first >= coalesce("
            "(SELECT max(first) FROM batch WHERE first <= ?), 0) AND last > ? ORDER BY first"
        )
        damaged: list[tuple[int, int, bytes]] = []
        try:
            with self._read_lock:
                cursor = self._reader.execute(query, (after + 1, after))
                for first, last, data, made in cursor:
                    try:
                        messages = codec.decode(data)
                    except codec.Damaged:
                        damaged.append((first, last, data))
                        continue
                    begin = max(0, after + 1 - first)
                    entries = list(map(Entry, count(first + begin), messages[begin:], repeat(made)))
                    groups.append(entries)
                    limit -= len(entries)
                    most -= len(data)
                    if limit <= 0 or most <= 0:
                        break
                cursor.close()
        except sqlite3.Error as error:
            raise self._fault(error) from error
        for first, last, data in damaged:
            self._quarantine(first, last, data)
        return groups

    def _quarantine(self, first: int, last: int, data: bytes) -> None:
        self._damaged.say(f"outbox {self.path}: {last - first + 1} messages from position {first} are damaged")
        with contextlib.suppress(OSError):
            if self.durable:
                with open_private(self.path.with_name(f"{self.path.name}.damaged-{first}"), "wb") as file:
                    file.write(data)
        self._give_up(first, last, data, "damaged")

    def ack(self, output: str, positions: Iterable[int]) -> int:
        """Settle positions as acknowledged, in any order; returns how many were not settled before."""
        with self._state:
            state = self._outputs[output]
            new = state.done.add_many(positions)
            state.pending -= new
            state.acknowledged += new
            state.dirty = True
            return new

    def dead_letter(self, output: str, letters: Iterable[tuple[Entry, str]]) -> None:
        """Settle entries as dead letters, each with the reason."""
        with self._state:
            state = self._outputs[output]
            for entry, reason in letters:
                if state.done.add_many([entry.position]):
                    state.pending -= 1
                    text = reason.encode("utf-8", "backslashreplace").decode()  # what a server answered may be no text
                    self._dead.append((output, self._ages.wall(), text, codec.encode([entry.message])))
            state.dirty = True

    def pending(self, output: str) -> int:
        """Messages that the output has not settled."""
        with self._state:
            return self._outputs[output].pending

    @property
    def taken(self) -> int:
        """Messages that came with the commits that :meth:`write` has stored since the outbox was opened, whatever became of them."""
        with self._state:
            return self._taken

    def tally(self, output: str) -> tuple[int, int]:
        """:meth:`pending` and :attr:`taken` of one moment: whoever adds what it has yet to write counts no message twice while it is
        being written."""
        with self._state:
            return self._outputs[output].pending, self._taken

    @property
    def behind(self) -> int:
        """Messages that wait for the output for which the most do."""
        with self._state:
            return max((s.pending for s in self._outputs.values() if s.absent_since is None), default=0)

    def oldest_age(self, output: str) -> float:
        """Seconds since the oldest message that waits for the output was written; 0 when none waits."""
        with self._state:
            low = self._outputs[output].done.low
        with self._read_lock:
            if self._closed:
                return 0.0
            try:
                row = self._reader.execute(
                    "SELECT made FROM batch WHERE last > ? ORDER BY first LIMIT 1", (low,)
                ).fetchone()
            except sqlite3.Error as error:
                raise self._fault(error) from error
        return max(0.0, (self._now() - row[0]) / 1e9) if row else 0.0

    def age(self, made: int) -> float | None:
        """Seconds since an entry was stored, which was ``made`` then; None: not known (0)."""
        return max(0.0, (self._now() - made) / 1e9) if made else None

    def dropped(self, output: str) -> dict[str, int]:
        """Messages given up for the output, by reason."""
        with self._state:
            return dict(self._outputs[output].dropped)

    @property
    def used_bytes(self) -> int:
        """Size of what is stored, and not pruned yet."""
        return self._bytes

    @property
    def last(self) -> int:
        """The highest position given so far."""
        return self._next - 1

    # -- counters, dead letters, status ----------------------------------------------------------------------------

    def counters(self) -> list[Counter]:
        """All durable counters."""
        with self._db_lock:
            return self._counters.counters()

    def reset(self, source: str | None = None, rule: str | None = None, *, at: int) -> int:
        """Set counters (of one source, one rule) to 0 and begin a new epoch at ``at`` (ns since the Unix epoch); returns
        how many."""
        with self._transaction():
            if source is None:
                names = {c.key.source for c in self._counters.counters()}
                return sum(self._counters.reset(name, rule, at) for name in sorted(names))
            return self._counters.reset(source, rule, at)

    def dead_letters(self, output: str | None = None) -> Iterator[DeadLetter]:
        """Dead letters in the order in which they came."""
        self.settle()
        number = 0
        while True:
            with self._db_lock:
                row = self._db.execute(
                    "SELECT number, output, at, reason, data FROM dead WHERE number > ? AND (? IS NULL OR output = ?) "
                    "ORDER BY number LIMIT 1",
                    (number, output, output),
                ).fetchone()
            if row is None:
                return
            if not isinstance(row[0], int) or row[0] <= number:
                raise self._fault(sqlite3.DatabaseError("malformed: dead letters out of order"))
            number = row[0]
            try:
                letter = codec.decode(row[4])[0]
            except codec.Damaged as error:
                self._damaged.say(f"outbox {self.path}: dead letter {number}, for '{row[1]}', is damaged: {error}")
                continue
            yield DeadLetter(row[0], row[1], row[2], row[3], letter)

    def revive(self, output: str | None = None, number: int | None = None) -> int:
        """Put dead letters (of one output, or one by its number) back into the queue, each for its own output only;
        returns how many."""
        chosen = [d for d in self.dead_letters(output) if number in (None, d.number) and d.output in self._outputs]
        for start in range(0, len(chosen), 500):
            part = chosen[start : start + 500]
            with self._db_lock:
                blocks = pack(self._next, [replace(d.message, outputs=(d.output,)) for d in part], self._now())
                fresh = self._insert([], blocks, 0, buried=[d.number for d in part])
                self._written(blocks, fresh)
        return len(chosen)

    def forget(self, output: str) -> int:
        """Give up what waits for an output that is not configured; returns how many messages."""
        with self._transaction():
            state = self._outputs[output]
            self._remove(state)
            self._prune()
        return int(state.pending)

    def status(self) -> OutboxStatus:
        """Size, ages, lags."""
        self.settle()
        with self._db_lock, self._state:
            return describe(self._db, self.path, now=self._now(), max_bytes=self.max_bytes)
