"""Disks that are full or read-only, damaged files, two processes, clocks that jump, power gone: real ones."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outbox_helpers import CAR, commit, drain, ids, message

from countline import outbox
from countline.config import OutboxConfig
from countline.errors import OutboxError
from countline.outbox import Outbox, OutboxFull, StreamStart

Opener = Callable[..., Outbox]
HERE = Path(__file__).parent


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_disk_full_forgets_nothing_that_was_stored_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(12 << 20))
    stored = 0
    with outbox.open(OutboxConfig(), small_disk / "x.outbox", ["a"]) as box:
        box.begin(StreamStart("gate", "s1", live=False))
        with pytest.raises(OutboxFull, match="disk is full") as caught:
            for frame in range(10_000):
                stored += box.write([commit(frame, message(frame, size=1000))])
        assert caught.value.fix
        assert stored > 1000
        assert box.counters()[0].value == stored == box.pending("a")
        with pytest.raises(OutboxFull):
            box.write([commit(stored, message(stored, size=9_000_000))])
        ballast.unlink()
        for frame in range(stored, stored + 100):
            assert box.write([commit(frame, message(frame, size=1000))]) == 1
        assert drain(box) == ids(range(stored + 100))
    with outbox.open(OutboxConfig(), small_disk / "x.outbox", ["a"]) as box:
        assert box.counters()[0].value == stored + 100
        assert box.pending("a") == 0


def test_a_full_disk_at_start_is_said(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "ballast").write_bytes(bytes(30 << 20))
    with pytest.raises(OutboxError) as caught:
        outbox.open(OutboxConfig(), small_disk / "x.outbox", ["a"])
    assert "full" in str(caught.value) or "space" in str(caught.value)
    assert caught.value.fix


def test_a_limit_on_file_size_is_a_full_disk(tmp_path: Path) -> None:
    """Where nothing can be mounted: the process's own limit (RLIMIT_FSIZE), in a process of its own."""
    script = f"""
        import resource, signal, sys
        sys.path.insert(0, {str(HERE)!r})
        from pathlib import Path
        from countline import outbox
        from countline.config import OutboxConfig
        from outbox_helpers import commit, drain, ids, message
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        box = outbox.open(OutboxConfig(), Path({str(tmp_path / "x.outbox")!r}), ["a"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        stored = 0
        try:
            while stored < 10000:
                stored += box.write([commit(stored, message(stored, size=1000))])
        except outbox.OutboxFull as error:
            print("full", stored)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        stored += box.write([commit(stored, message(stored))])
        assert drain(box) == ids(range(stored))
        print("whole")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "full"
    assert done.stdout.split()[-1] == "whole"


def test_a_read_only_place_is_named_with_a_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        if os.geteuid() == 0:
            pytest.skip("nothing can be mounted here")
        folder.chmod(0o500)
    try:
        with pytest.raises(OutboxError, match=r"x\.outbox") as caught:
            outbox.open(OutboxConfig(), folder / "x.outbox", ["a"])
        assert "Read-only" in str(caught.value) or "denied" in str(caught.value)
        assert "outbox: memory" in caught.value.fix
    finally:
        if not made.returncode:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_becomes_read_only_is_said_and_keeps_what_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        box = outbox.open(OutboxConfig(), folder / "x.outbox", ["a"])
        box.write([commit(0, message(0))])
        box.close()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(OutboxError, match=r"(?i)read-only"):
            outbox.open(OutboxConfig(), folder / "x.outbox", ["a"])
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        with outbox.open(OutboxConfig(), folder / "x.outbox", ["a"]) as box:
            assert drain(box) == ids([0])
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_file_that_is_no_outbox_is_set_aside_and_not_deleted(
    opener: Opener, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rubbish = b"this is not a database " * 1000
    path.write_bytes(rubbish)
    box = opener()
    (aside,) = path.parent.glob("run.outbox.corrupt-*")
    assert aside.read_bytes() == rubbish
    assert "set aside as" in caplog.text
    box.write([commit(0, message(0))])
    assert drain(box) == ids([0])


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_outbox_is_set_aside_and_what_can_be_read_is_carried_over(
    opener: Opener, path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    box = opener()
    box.begin(StreamStart("gate", "s1", live=True))
    for frame in range(300):
        box.write([commit(frame, message(frame, size=3000))])
    box.close()
    original = path.read_bytes()
    damaged = bytearray(original)
    chance = random.Random(seed)
    for _ in range(12):  # whole pages of rubbish, never the first
        page = chance.randrange(8, len(damaged) // 4096)
        damaged[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    path.write_bytes(bytes(damaged))
    box = opener()
    asides = [p for p in path.parent.glob("run.outbox.corrupt-*") if p.suffix not in (".wal", ".shm")]
    assert asides, "the damage was found at the start"
    assert bytes(damaged) in [p.read_bytes() for p in asides]
    left = drain(box)
    assert set(left) <= set(ids(range(300)))
    assert len(left) > 100, "most of the pages are sound"
    assert left == sorted(left)
    counts = box.counters()
    assert counts == [] or counts[0].value == 300, "counts are carried over whole or not at all"
    assert "carried over" in caplog.text
    box.write([commit(0, message(900))])
    assert drain(box) == ids([900])


def test_damage_that_is_met_while_running_is_mended_at_the_next_start(opener: Opener, path: Path) -> None:
    box = opener()
    for frame in range(300):
        box.write([commit(frame, message(frame, size=3000))])
    box.close()
    box = opener()
    with open(path, "r+b") as file:  # behind its back
        for page in range(6, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with pytest.raises(OutboxError, match="damaged"):
        drain(box)
        box.write([commit(300, message(300))])
        box.reset(at=1)
        list(box.dead_letters())
    box.close()
    box = opener()
    assert list(path.parent.glob("run.outbox.corrupt-*"))
    box.write([commit(0, message(900))])
    assert drain(box)[-1] == ids([900])[0]


def test_a_newer_format_is_refused_and_left_alone(opener: Opener, path: Path) -> None:
    opener().close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(OutboxError, match="newer countline"):
        opener()
    assert not list(path.parent.glob("*.corrupt-*"))


def _holder(path: Path) -> subprocess.Popen[str]:
    script = f"""
        import sys, time
        from pathlib import Path
        from countline import outbox
        from countline.config import OutboxConfig
        box = outbox.open(OutboxConfig(), Path({str(path)!r}), ["a"])
        print("open", flush=True)
        sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_a_second_process_is_refused_and_told_who_has_it(path: Path, opener: Opener) -> None:
    process = _holder(path)
    try:
        with pytest.raises(OutboxError, match=f"process {process.pid}") as caught:
            opener()
        assert caught.value.exit_code == 5
        assert "stop that one first" in caught.value.fix
        with pytest.raises(OutboxError, match="in use"):
            outbox.reset_counts(path, None, None, at=1)
        assert outbox.inspect(path).in_use_by == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
        box = opener()  # the lock went with the process, however it ended
        assert outbox.inspect(path).in_use_by == os.getpid()
        box.close()
        assert outbox.inspect(path).in_use_by == 0
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


@pytest.mark.parametrize("jump", [-3600, 3600, -10 * 365 * 86400])
def test_a_wall_clock_that_jumps_neither_drops_nor_reorders(opener: Opener, jump: int) -> None:
    wall, steady = [10**18], [5 * 10**9]
    clocks = {"clock": lambda: wall[0], "steady": lambda: steady[0]}
    box = opener(max_age=600.0, **clocks)
    box.write([commit(0, message(0))])
    wall[0] += jump * 10**9
    steady[0] += 2 * 10**9
    box.write([commit(1, message(1))])
    box.settle()
    assert box.dropped("a") == {}
    assert 0 <= box.status().oldest_age < 10
    box.close()
    box = opener(max_age=600.0, **clocks)
    box.write([commit(2, message(2))])
    box.settle()
    assert box.dropped("a") == {}
    assert drain(box) == ids([0, 1, 2])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match="cannot be made"):
        outbox.open(OutboxConfig(), tmp_path / "file" / "x.outbox", ["a"])


def test_inspecting_an_outbox_that_is_not_there_is_an_error_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="does not exist"):
        outbox.inspect(tmp_path / "folder" / "x.outbox")
    assert not (tmp_path / "folder").exists()


def test_a_file_whose_maker_was_killed_before_it_had_tables_is_an_empty_outbox(path: Path, opener: Opener) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert outbox.inspect_counters(path) == []
    assert outbox.inspect(path).messages == 0
    box = opener()
    box.write([commit(0, message(0))])
    assert drain(box) == ids([0])


@pytest.mark.parametrize("synchronous", ["off", "normal", "full"])
def test_every_commit_survives_the_death_of_the_process(path: Path, opener: Opener, synchronous: str) -> None:
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(HERE)!r})
        from pathlib import Path
        from countline import outbox
        from countline.outbox import StreamStart
        from countline.config import OutboxConfig
        from outbox_helpers import commit, message
        box = outbox.open(OutboxConfig(synchronous={synchronous!r}), Path({str(path)!r}), ["a"])
        box.begin(outbox.StreamStart("gate", "s1", live=True))
        for frame in range(100):
            box.write([commit(frame, message(frame))])
        box.ack("a", range(1, 11))
        box.write([commit(100, message(100))])
        box.ack("a", range(11, 21))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    box = opener()
    assert box.counters()[0].value == 101
    assert box.counters()[0].key == CAR
    assert drain(box) == ids(range(10, 101)), "acknowledgements since the last commit are asked for again, nothing else"
