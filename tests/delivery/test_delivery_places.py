"""Frames that bring nothing leave only their place in the stream: it is written once in a while, and never before what its source has
queued."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from feed import message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countline import outbox
from countline.config import OutboxConfig
from countline.outbox import Commit, Outbox, StreamStart
from countline.pipeline.delivery.commit_writer import Writer
from countline.types import CounterDelta, CounterKey, Gap, Window

NAMES = "abc"
GAP, TOLD = Gap(1, 2, "away", 1), Gap(1, 1, "away", 0)


def opened(path: Path | None) -> Outbox:
    box = outbox.open(OutboxConfig(), path, ["out"], live=True)
    for name in NAMES:
        box.begin(StreamStart(name, "s", live=True, rules=["line"]))
    return box


def writer_of(box: Outbox) -> tuple[Writer, list[list[Commit]]]:
    """A writer, and what it writes from now on, group by group."""
    groups: list[list[Commit]] = []
    plain = box.write

    def write(commits: Sequence[Commit]) -> int:
        stored = plain(commits)
        groups.append(list(commits[:stored]))
        return stored

    box.write = write  # type: ignore[method-assign]
    return Writer(box, commit_ms=0, block=False, on_written=lambda: None, on_dropped=lambda _: None), groups


def stored(box: Outbox) -> list[tuple[object, ...]]:
    queries = (
        "SELECT source, stream, frame, finished FROM run ORDER BY 1",
        "SELECT source, time FROM seen ORDER BY 1",
        "SELECT source, rule, counter, class, value FROM counter ORDER BY 1, 2, 3, 4",
        "SELECT name, value FROM meta WHERE name LIKE 'untold %' OR name LIKE 'windows %' ORDER BY 1",
    )
    db: sqlite3.Connection = box._db
    return [tuple(row) for query in queries for row in db.execute(query)]


steps = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(
        [
            "place",
            "place",
            "place",
            "delta",
            "message",
            "untold",
            "told",
            "windows",
            "reset",
            "flush",
            "finished",
            "stream",
        ]
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, max_size=40))
def test_what_is_stored_in_the_end_is_what_was_put(given_steps: list[tuple[str, str]]) -> None:
    one, other = opened(None), opened(None)
    writer, groups = writer_of(one)
    writer.start()
    streams, last = dict.fromkeys(NAMES, "s"), dict.fromkeys(NAMES, 0)
    for at, (name, what) in enumerate(given_steps, 1):
        if what == "flush":
            writer.flush()
            assert stored(one) == stored(other)
            continue
        if what == "stream":
            streams[name] += "s"
            continue
        last[name] += what not in ("finished", "reset")
        commit = Commit(
            name,
            "" if what == "reset" else streams[name],
            last[name],
            [message(at)] if what == "message" else (),
            [CounterDelta(CounterKey(name, "line", "in", "car"), 1)] if what in ("delta", "message") else (),
            finished=what == "finished",
            reset=at if what == "reset" else None,
            time=0 if what in ("finished", "reset") else at,
            windows={"m": Window(at, at + 1, {})} if what == "windows" else None,
            untold=GAP if what == "untold" else TOLD if what == "told" else None,
        )
        writer.put(commit)
        other.write([commit])
        if what == "finished":  # what begins anew waits for what was before
            writer.flush()
    assert writer.stop(20.0) == []
    assert stored(one) == stored(other)
    for name in NAMES:
        frames = [c.frame_number for group in groups for c in group if c.source == name]
        assert frames == sorted(frames)
    one.close()
    other.close()


def test_places_of_others_wait_while_messages_are_written(tmp_path: Path) -> None:
    """Else every message costs a row or three of each source there is."""
    box = opened(tmp_path / "o")
    writer, groups = writer_of(box)
    for frame in range(50):  # the writer does not run yet
        for name in NAMES:
            news = [message(frame)] if name == "a" and frame % 10 == 0 else ()
            writer.put(Commit(name, "s", frame, news, time=frame + 1))
    writer.start()
    writer.flush()
    assert writer.stop(20.0) == []
    written = [(c.source, c.frame_number) for group in groups for c in group]
    assert written == [*(("a", frame) for frame in range(0, 50, 10)), ("a", 49), ("b", 49), ("c", 49)]
    assert {row[0]: row[2] for row in box._db.execute("SELECT source, stream, frame FROM run")} == dict.fromkeys(
        NAMES, 49
    )
    box.close()


def test_a_place_is_written_although_nothing_else_comes(tmp_path: Path) -> None:
    box = opened(tmp_path / "o")
    writer, groups = writer_of(box)
    writer.start()
    writer.put(Commit("b", "s", 7, time=1))
    with writer._change:
        assert writer._change.wait_for(lambda: bool(groups) and not writer._writing, 20)
    assert [[c.frame_number for c in group] for group in groups] == [[7]]
    assert writer.stop(20.0) == []
    box.close()


def test_places_that_could_not_be_written_are_among_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = opened(tmp_path / "o")
    writer, _ = writer_of(box)
    for name in NAMES:
        writer.put(Commit(name, "s", 7, time=1))
    assert [c.source for c in writer.stop(0.0)] == list(NAMES), "it was never started"
    box.close()
