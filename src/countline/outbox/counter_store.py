"""Counters, epochs and runs: the part of the outbox that remembers. Every method works inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from countline.outbox import missed, places, sums, windows
from countline.outbox.identity import fates, identities, keep_identities
from countline.outbox.types import ANEW, Commit, Counted, Counter, Place, Resume, RuleChange, StreamStart, history_of
from countline.types import CounterKey, Gap, RuleIdentity, Window

__all__ = ["CounterStore"]


def _if_intact(table: str, new: str) -> str:
    """SQL for the sum of a row that is changed by what it was: where that was damaged, the sum must not become right."""
    return f"CASE WHEN crc IS {sums.expression(table)} THEN {new} ELSE crc END"


_ADD = (
    sums.insert("counter", "INSERT")
    + " ON CONFLICT (source, rule, counter, class) DO UPDATE SET value = value + excluded.value, "
    f"crc = {_if_intact('counter', sums.expression('counter', value='value + excluded.value'))}"
)
_LATER = {
    "stream": "excluded.stream",
    "frame": "CASE WHEN excluded.finished THEN excluded.frame ELSE max(frame, excluded.frame) END",
    "finished": "excluded.finished",
}
_PROGRESS = (
    sums.insert("run", "INSERT")
    + f" ON CONFLICT (source) DO UPDATE SET {', '.join(f'{c} = {v}' for c, v in _LATER.items())}, "
    f"crc = {_if_intact('run', sums.expression('run', **_LATER))}"
)


class CounterStore:
    """Reads and writes the tables ``counter``, ``epoch``, ``run`` and ``seen``.

    For every run: durable value = value when the run began + all deltas that were committed since; so a file's run that was
    cut short can be repeated from its first frame with the values it began with, and gives the same messages.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._suppress: dict[str, tuple[str, int]] = {}
        self._live: set[str] = set()

    def use(self, db: sqlite3.Connection) -> None:
        """Go on with another file."""
        self._db = db

    # -- runs -----------------------------------------------------------------------------------------------------

    def begin(self, start: StreamStart, *, fresh: bool = False) -> Resume:
        """A source's stream begins: see :meth:`countline.outbox.Outbox.begin`."""
        source, stream, live, rules = start.source, start.stream, start.live, start.rules
        row = self._db.execute(
            "SELECT stream, frame, finished, live, baseline FROM run WHERE source = ?", (source,)
        ).fetchone()
        self._suppress.pop(source, None)
        seen = self._seen(source)
        if (
            row is not None
            and not live
            and not fresh
            and row[0] == stream
            and (start.number or not row[2])
            and not row[3]
        ):
            if row[1] >= 0:
                self._suppress[source] = (stream, row[1])
            self.change(source, RuleChange(start.identities, start.time))
            resume = replace(self._resumed(source, row[1], seen, rules), windows=windows.stored(self._db, source))
            return self._from_seam(source, start.number, resume, rules) if start.number else resume
        due = start.due
        if start.restarts and row is not None:
            self._reset_values(source, None, start.time)
            keep_identities(self._db, source, start.identities)  # all of them have a new epoch
            due = None
        reset = due(seen) if due is not None and seen else None
        if reset is not None:
            self._reset_values(source, None, reset)
        self._identify(source, start.identities, start.time)
        counters, epochs, baseline = self._baseline(source)
        self._db.execute(sums.insert("run"), (source, stream, -1, 0, int(live), baseline))
        places.forget(self._db, source)
        windows.forget(self._db, source)
        resets = self._spread(source, counters, epochs, rules)
        resume = Resume(None, counters, resets, seen, reset, history_of(counters, epochs))
        if not live:
            return resume
        self._live.add(source)
        return replace(resume, looked=missed.looked(self._db, source), untold=missed.untold(self._db, source))

    def _from_seam(self, source: str, number: int, resume: Resume, rules: Sequence[str]) -> Resume:
        """A run that goes on from the seam at frame ``number``, and whose messages are made again from behind the last frame that
        was committed."""
        frame = resume.frame
        if frame is None:
            return resume

        def state(at: int, text: str) -> Counted:
            counters, epochs = _parse(source, text)
            return Counted(at, counters, self._spread(source, counters, epochs, rules))

        now = state(frame + 1, self._baseline(source)[2])
        seams = [state(at, text) for at, text in places.counted(self._db, source).items() if number <= at <= frame]
        if number <= resume.after:  # rules were changed on the way: see Repeats
            return replace(resume, on_the_way=(now,), untold=missed.untold(self._db, source))
        begin, later = (seams[0], seams[1:]) if seams and seams[0].number == number else (now, seams)
        return replace(
            resume,
            counters=begin.counters,
            resets=begin.resets,
            on_the_way=(*later, now),
            untold=missed.untold(self._db, source),
        )

    def _baseline(self, source: str) -> tuple[dict[CounterKey, int], dict[str, tuple[int, int]], str]:
        """Counters and epochs of a source as they are now, and the same as a text."""
        counters = {c.key: c.value for c in self.counters(source)}
        epochs = self._epochs(source)
        text = {
            "counters": [[*key[1:], value] for key, value in counters.items()],
            "epochs": [[rule, *rest] for rule, rest in epochs.items()],
        }
        return counters, epochs, orjson.dumps(text).decode()

    def place(self, source: str) -> Place | None:
        """How far a run over a stream with seams had come; None where there is no such."""
        row = self._db.execute(
            "SELECT stream, frame, finished FROM run WHERE source = ? AND NOT live", (source,)
        ).fetchone()
        text = places.text(self._db, source)
        return None if row is None or text is None else Place(row[0], row[1], bool(row[2]), text)

    def _resumed(self, source: str, frame: int, seen: int, rules: Sequence[str]) -> Resume:
        """A run over a file goes on that has committed its frames up to ``frame``."""
        (text,) = self._db.execute("SELECT baseline FROM run WHERE source = ?", (source,)).fetchone()
        counters, epochs = _parse(source, text)
        after, renewed = _changes(text)
        resets = self._spread(source, counters, epochs, rules)
        history = history_of(counters, epochs)
        suppressed = frame if frame >= 0 else None
        return Resume(suppressed, counters, resets, seen, history=history, after=after, renewed=renewed)

    def change(self, source: str, change: RuleChange) -> Resume:
        """The rules of a source are others from the next frame on. Of a run over a file that has not ended yet, what follows
        stands on the counts as they are now: they, and where that was, are noted for the case that it is cut short."""
        names: list[str] = [ANEW] if change.anew else []
        names += self._identify(source, change.rules, change.time)
        row = self._db.execute(
            "SELECT frame, baseline FROM run WHERE source = ? AND NOT finished AND NOT live", (source,)
        ).fetchone()
        if row is None:
            counters = {c.key: c.value for c in self.counters(source)}
            return Resume(None, counters, self._spread(source, counters, self._epochs(source), list(change.rules)))
        if names or change.mark:
            renewed = [*_changes(row[1])[1], (row[0], tuple(names))]
            now = {c.key: c.value for c in self.counters(source)}
            self._set_baseline(source, now, {"after": row[0], "renewed": renewed if row[0] >= 0 else []})
        return self._resumed(source, row[0], self._seen(source), list(change.rules))

    def _identify(self, source: str, rules: Mapping[str, RuleIdentity], at: int) -> list[str]:
        """Open new epochs for rules that count something else than before; names of those that did not go on as they were."""
        found = fates(identities(self._db, source), rules)
        for name, fate in found.items():
            if fate == "from-zero":
                self._reset_values(source, name, at)
            elif fate == "goes-on":
                self._advance(source, name)
        keep_identities(self._db, source, rules)
        return list(found)

    def _seen(self, source: str) -> int:
        row = self._db.execute("SELECT time FROM seen WHERE source = ?", (source,)).fetchone()
        return int(row[0]) if row is not None else 0

    def admit(self, commits: Iterable[Commit]) -> list[Commit]:
        """Without what an earlier, unfinished run has committed already."""
        if not self._suppress:
            return list(commits)
        admitted = []
        for commit in commits:
            stream, frame = self._suppress.get(commit.source, ("", -1))
            if commit.stream != stream or commit.frame_number > frame:
                admitted.append(commit)
            elif commit.finished:
                admitted.append(Commit(commit.source, commit.stream, commit.frame_number, finished=True))
        return admitted

    def apply(self, commits: Iterable[Commit], now: int = 0) -> None:
        """Add the deltas, carry out resets, note how far each source has come. ``now``: by the wall clock."""
        amounts: dict[CounterKey, int] = {}
        progress: dict[str, tuple[str, int, bool]] = {}
        seen: dict[str, int] = {}
        untold: dict[str, Gap] = {}
        opened: dict[str, Mapping[str, Window]] = {}
        for commit in commits:
            if commit.reset is not None:
                self._add(amounts)
                amounts = {}
                self._reset_values(commit.source, None, commit.reset)
            if commit.seam is not None:
                self._add(amounts)
                amounts = {}
                places.keep(self._db, commit.source, commit.seam, self._baseline(commit.source)[2])
            if commit.change is not None:
                self._add(amounts)
                amounts = {}
                self.change(commit.source, commit.change)
            for key, amount in commit.deltas:
                amounts[key] = amounts.get(key, 0) + amount
            if not commit.stream:
                continue  # a reset alone: no frame of its own
            if commit.time:
                seen[commit.source] = commit.time
            if commit.untold is not None:
                untold[commit.source] = commit.untold
            if commit.windows is not None:
                opened[commit.source] = commit.windows
            _, frame, finished = progress.get(commit.source, ("", -1, False))
            progress[commit.source] = (
                commit.stream,
                commit.frame_number if commit.finished else max(frame, commit.frame_number),
                commit.finished or finished,
            )
        self._add(amounts)
        self._db.executemany(_PROGRESS, [(source, *state, 1, "{}") for source, state in progress.items()])
        sums.store(self._db, "seen", list(seen.items()))
        missed.keep_looked(self._db, self._live & seen.keys(), now)
        missed.keep_untold(self._db, untold)
        windows.keep(self._db, opened)

    def _add(self, amounts: dict[CounterKey, int]) -> None:
        if amounts:
            self._db.executemany(_ADD, [(*key, amount) for key, amount in amounts.items()])

    # -- counters -------------------------------------------------------------------------------------------------

    def counters(self, source: str | None = None) -> list[Counter]:
        """All counters (of one source), in order of their keys."""
        where, values = (" WHERE source = ?", (source,)) if source is not None else ("", ())
        query = f"SELECT source, rule, counter, class, value FROM counter{where} ORDER BY 1, 2, 3, 4"  # noqa: S608
        rows = self._db.execute(query, values).fetchall()
        epochs = {name: self._epochs(name) for name in {row[0] for row in rows}}
        found = []
        for row in rows:
            of_source = epochs[row[0]]
            found.append(Counter(CounterKey(*row[:4]), row[4], *of_source.get(row[1], of_source.get("", (0, 0)))))
        return found

    def reset(self, source: str | None, rule: str | None, at: int) -> int:
        """Set counters to 0 by hand; returns how many were. A run that was cut short goes on from 0 where it stopped."""
        matching = [c for c in self.counters(source) if rule is None or c.key.rule == rule]
        sources = {c.key.source for c in matching} | ({source} if source is not None else set())
        for name in sources:
            row = self._db.execute(
                "SELECT baseline FROM run WHERE source = ? AND NOT finished AND NOT live", (name,)
            ).fetchone()
            before = {c.key: c.value for c in matching if c.key.source == name}
            self._reset_values(name, rule, at)
            if row is not None:
                self._rebase(name, row[0], before)
        return len(matching)

    def _rebase(self, source: str, baseline: str, before: dict[CounterKey, int]) -> None:
        # The run will be repeated from its first frame and must arrive at 0 where it was cut short.
        counters, _ = _parse(source, baseline)
        for key, value in before.items():
            counters[key] = counters.get(key, 0) - value
        self._set_baseline(
            source, counters, {k: v for k, v in orjson.loads(baseline).items() if k in ("after", "renewed")}
        )

    def _set_baseline(self, source: str, counters: Mapping[CounterKey, int], more: Mapping[str, Any]) -> None:
        text = {
            "counters": [[*key[1:], value] for key, value in counters.items()],
            "epochs": [[rule, *rest] for rule, rest in self._epochs(source).items()],
            **more,
        }
        crc = sums.expression("run", baseline=":baseline")
        self._db.execute(
            f"UPDATE run SET baseline = :baseline, crc = {crc} WHERE source = :source",  # noqa: S608
            {"baseline": orjson.dumps(text).decode(), "source": source},
        )

    def _reset_values(self, source: str, rule: str | None, at: int) -> None:
        name = rule or ""
        inherited = self._epochs(source).get("", (0, 0))
        self._db.execute(sums.insert("epoch", "INSERT OR IGNORE"), (source, name, *inherited))
        counter = f"UPDATE counter SET value = 0, crc = {sums.expression('counter', value='0')} WHERE source = ?"  # noqa: S608
        new = sums.expression("epoch", epoch="epoch + 1", reset_at=":at")
        epoch = f"UPDATE epoch SET epoch = epoch + 1, reset_at = :at, crc = {_if_intact('epoch', new)} WHERE source = :source"  # noqa: S608
        if rule is None:
            self._db.execute(counter, (source,))
            self._db.execute(epoch, {"at": at, "source": source})
        else:
            self._db.execute(counter + " AND rule = ?", (source, rule))
            self._db.execute(epoch + " AND rule = :rule", {"at": at, "source": source, "rule": rule})

    def _advance(self, source: str, rule: str) -> None:
        """A new epoch of a rule that goes on with its counts."""
        inherited = self._epochs(source).get("", (0, 0))
        self._db.execute(sums.insert("epoch", "INSERT OR IGNORE"), (source, rule, *inherited))
        crc = _if_intact("epoch", sums.expression("epoch", epoch="epoch + 1"))
        statement = f"UPDATE epoch SET epoch = epoch + 1, crc = {crc} WHERE source = ? AND rule = ?"  # noqa: S608
        self._db.execute(statement, (source, rule))

    def epoch(self, source: str) -> tuple[int, int]:
        """Of the rules of a source that have none of their own."""
        return self._epochs(source).get("", (0, 0))

    def _epochs(self, source: str) -> dict[str, tuple[int, int]]:
        rows = self._db.execute("SELECT rule, epoch, reset_at FROM epoch WHERE source = ?", (source,))
        return {rule: (epoch, at) for rule, epoch, at in rows}

    @staticmethod
    def _spread(
        source: str,
        counters: Iterable[CounterKey],
        epochs: dict[str, tuple[int, int]],
        rules: Sequence[str],
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """Epochs by (source, rule): a rule without one of its own has that of its source."""
        names = {key.rule for key in counters} | set(rules) | (set(epochs) - {""})
        common = epochs.get("")
        found = {}
        for name in names:
            epoch = epochs.get(name, common)
            if epoch is not None:
                found[(source, name)] = epoch
        return found


def _parse(source: str, baseline: str) -> tuple[dict[CounterKey, int], dict[str, tuple[int, int]]]:
    data = orjson.loads(baseline)
    counters = {CounterKey(source, *row[:3]): row[3] for row in data.get("counters", ())}
    return counters, {row[0]: (row[1], row[2]) for row in data.get("epochs", ())}


def _changes(baseline: str) -> tuple[int, list[tuple[int, tuple[str, ...]]]]:
    """The frame behind which the baseline's counters stand, and where rules began anew."""
    data = orjson.loads(baseline)
    return data.get("after", -1), [(frame, tuple(names)) for frame, names in data.get("renewed", ())]
