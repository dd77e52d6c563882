"""State belongs to the user who runs countline: rights of files, other users, other names of the same file, other programs' locks."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import multiprocessing
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outbox_helpers import commit, drain, ids, message

from countline import attach, outbox
from countline.config import OutboxConfig
from countline.errors import OutboxError
from countline.outbox import Outbox, StreamStart, files
from countline.pipeline.delivery.commit_writer import Writer
from countline.pipeline.delivery.failure_file import FailureFile
from countline.record.tracks import TracksWriter
from countline.video.writer import VideoWriter

Opener = Callable[..., Outbox]
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(params=[0o000, 0o022, 0o277, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def _rights(folder: Path) -> dict[str, int]:
    return {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*")}


def test_state_is_for_its_user_alone_whatever_the_umask(umask: None, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    path = folder / "run.outbox"
    with outbox.open(OutboxConfig(), path, ["a"]) as box:
        box.write([commit(0, message(0))])
        failures = FailureFile(path)
        failures.write({"error": "x"})
        failures.close()
        made = _rights(folder)
    assert set(made) == {"run.outbox", *(f"run.outbox{x}" for x in ("-wal", "-shm", ".lock", ".failures.jsonl"))}
    assert set(made.values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_recordings_and_pictures_are_for_their_user_alone_whatever_the_umask(umask: None, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    attach.store(str(folder), "a/b.jpg", b"picture")
    for name in ("t.jsonl", "t.jsonl.gz", "t.parquet"):
        TracksWriter(folder / name).close()
    video = VideoWriter(folder / "v.mp4")
    video.write(np.zeros((64, 64, 3), np.uint8), 0)
    video.close()
    made = _rights(folder)
    assert made.pop("a") == 0o700
    assert set(made) == {"b.jpg", "t.jsonl", "t.jsonl.gz", "t.parquet", "v.mp4"}
    assert set(made.values()) == {0o600}


def test_state_that_an_earlier_version_left_open_to_all_is_closed_and_a_groups_rights_are_left(
    opener: Opener, path: Path
) -> None:
    opener().close()
    lock = path.with_name(path.name + ".lock")
    path.chmod(0o644)
    lock.chmod(0o644)
    opener().close()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(lock.stat().st_mode) == 0o600
    path.chmod(0o640)
    opener().close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_database_of_another_program_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    path.chmod(0o644)
    with pytest.raises(OutboxError, match="another program"):
        outbox.open(OutboxConfig(), path, ["a"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def _as_nobody(work: Callable[[], Any]) -> Any:
    def child(end: Connection) -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            end.send(work())
        except Exception as error:
            end.send(error)

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    assert ours.poll(30)
    result = ours.recv()
    process.join()
    return result


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may read and enter, and nobody else may write to."""
    folder = Path(tempfile.mkdtemp(prefix="countline-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@as_root
def test_another_user_cannot_hold_what_a_run_needs(public: Path) -> None:
    path = public / "run.outbox"
    outbox.open(OutboxConfig(), path, ["a"]).close()

    def hold() -> list[str]:
        held = []
        for name in sorted(os.listdir(public)):
            with contextlib.suppress(PermissionError):
                fcntl.flock(os.open(public / name, os.O_RDONLY), fcntl.LOCK_SH)
                held.append(name)
        return held

    assert _as_nobody(lambda: sorted(os.listdir(public))) == ["run.outbox", "run.outbox.lock"]
    assert _as_nobody(hold) == []


@as_root
@pytest.mark.parametrize("killed", [False, True])
def test_a_reader_without_write_rights_sees_what_is_there(public: Path, killed: bool) -> None:
    path = public / "run.outbox"
    box = outbox.open(OutboxConfig(), path, ["a"])
    box.write([commit(0, message(0))])
    if killed:  # as if: the log is left behind
        for name in ("run.outbox", "run.outbox-wal", "run.outbox-shm"):
            shutil.copy(public / name, public / f"copy-{name}")
        path = public / "copy-run.outbox"
    box.close()
    for file in public.iterdir():
        file.chmod(0o644)
    status = _as_nobody(lambda: outbox.inspect(path))
    assert (status.messages, status.in_use_by) == (1, 0)
    assert [m["id"] for m in _as_nobody(lambda: list(outbox.export(path)))] == ids([0])


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_another_name_of_the_same_outbox_gets_no_second_process(
    opener: Opener, path: Path, link: Callable[[Path, Path], None]
) -> None:
    box = opener()
    box.write([commit(0, message(0))])
    (path.parent / "elsewhere").mkdir()
    other = path.parent / "elsewhere" / "other.outbox"
    link(path, other)
    with pytest.raises(OutboxError, match="in use by another countline"):
        outbox.open(OutboxConfig(), other, ["a"])
    if link is os.symlink:
        assert outbox.inspect(other).in_use_by == os.getpid()
        assert outbox.inspect(other).messages == 1
    box.write([commit(1, message(1))])
    box.close()
    with outbox.open(OutboxConfig(), other, ["a"]) as box:
        assert drain(box) == ids([0, 1])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Another program writes, and takes its time."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_another_programs_lock_is_waited_for_and_told_and_nothing_is_lost(
    opener: Opener, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(files, "LOCK_WAIT", 0.05)
    caplog.set_level(logging.INFO, "countline")
    box = opener()
    box.begin(StreamStart("gate", "s1", live=True))
    dropped: list[Any] = []
    writer = Writer(box, commit_ms=1.0, block=False, on_written=lambda: None, on_dropped=dropped.append)
    writer.start()
    with _locked(path):
        for frame in range(50):
            writer.put(commit(frame, message(frame)))
        for _ in range(500):
            if writer.last_error:
                break
            threading.Event().wait(0.01)
        assert "locked by another program" in writer.last_error
        assert writer.error is None
        assert writer.waiting == 50
    writer.flush()
    assert writer.stop(5.0) == []
    assert not dropped
    assert not writer.last_error
    assert drain(box) == ids(range(50))
    assert box.counters()[0].value == 50
    told = [
        r.getMessage() for r in caplog.records if "locked" in r.getMessage() or "can be written again" in r.getMessage()
    ]
    assert len(told) == 2, "once that it waits, once that all is well"


def test_opening_and_beginning_and_closing_wait_for_another_programs_lock(
    opener: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOCK_WAIT", 0.02)
    opener().close()

    def freed_soon(work: Callable[[], Any]) -> Any:
        held, free = threading.Event(), threading.Event()

        def hold() -> None:
            with _locked(path):
                held.set()
                free.wait(0.4)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        try:
            return work()
        finally:
            thread.join()

    box = freed_soon(opener)
    freed_soon(lambda: box.begin(StreamStart("gate", "s1", live=True)))
    box.write([commit(0, message(0), message(1))])
    box.dead_letter("a", [(box.read("a")[0][0], "too large")])
    freed_soon(box.close)
    box = opener()
    assert [letter.message.id for letter in box.dead_letters()] == ids([0]), "an end that met a lock forgot nothing"
