"""A path that names somebody else's file, and a file that goes away while it is in use."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from countline import outbox
from countline.config import OutboxConfig
from countline.errors import OutboxError
from countline.outbox import StreamStart
from countline.types import CounterDelta, CounterKey


@pytest.mark.parametrize("name", ["street.mp4", "countline.yaml", "outbox"])
def test_a_file_that_is_no_outbox_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / name
    path.write_bytes(b"somebody's work\n" * 100)
    with pytest.raises(OutboxError, match="no outbox but some other file"):
        outbox.open(OutboxConfig(), path, ["a"])
    assert path.read_bytes() == b"somebody's work\n" * 100
    assert [p.name for p in folder.iterdir()] == [name]


def test_a_file_named_outbox_with_garbage_in_it_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "run.outbox"
    path.write_bytes(b"garbage" * 1000)
    with outbox.open(OutboxConfig(), path, ["a"]):
        pass
    (aside,) = tmp_path.glob("run.outbox.corrupt-*")
    assert aside.read_bytes() == b"garbage" * 1000


def test_a_database_of_another_program_is_refused_and_gets_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    with pytest.raises(OutboxError, match="another program"):
        outbox.open(OutboxConfig(), path, ["a"])
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    with pytest.raises(OutboxError, match="is no outbox"):
        outbox.inspect(path)


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Keep(logging.ERROR)
    logging.getLogger("countline.outbox").addHandler(handler)
    yield lines
    logging.getLogger("countline.outbox").removeHandler(handler)


@pytest.mark.parametrize("replaced", [False, True])
def test_an_outbox_that_is_removed_while_in_use_is_told_once(tmp_path: Path, said: list[str], replaced: bool) -> None:
    path = tmp_path / "run.outbox"
    delta = CounterDelta(CounterKey("gate", "door", "in", "car"), 1)
    with outbox.open(OutboxConfig(), path, ["a"]) as box:
        box.begin(StreamStart("gate", "s", live=True))
        box.write([outbox.Commit("gate", "s", 0, (), [delta])])
        assert not said
        path.unlink()
        if replaced:
            path.write_bytes(b"another")
        for frame in (1, 2):
            box.write([outbox.Commit("gate", "s", frame, (), [delta])])
    assert len(said) == 1
    assert "removed or replaced while in use" in said[0]
