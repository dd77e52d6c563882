"""Looking at an outbox never disturbs who uses it: whenever somebody looks, a run starts, writes and ends as ever."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from outbox_helpers import commit, ids, message

from countline import outbox
from countline.config import OutboxConfig
from countline.outbox import Outbox, files, presence, report

Opener = Callable[..., Outbox]
HERE = Path(__file__).parent


def test_a_run_starts_and_ends_at_any_moment_of_somebody_elses_look(path: Path, opener: Opener) -> None:
    box = opener()
    box.write([commit(0, message(0))])
    box.close()
    runs = 0

    def a_run() -> None:
        nonlocal runs
        runs += 1
        with outbox.open(OutboxConfig(synchronous="off"), path, ["a"]) as other:
            other.write([commit(runs, message(runs))])

    def at_every_line(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in (files.__file__, report.__file__, presence.__file__):
            return None
        if event == "line":
            a_run()
        return at_every_line

    before = sys.gettrace()
    sys.settrace(at_every_line)
    try:
        status = outbox.inspect(path)
    finally:
        sys.settrace(before)
    assert runs > 30, "the look was watched"
    assert status.in_use_by == 0
    assert outbox.inspect(path).messages == runs + 1


def test_many_who_look_without_a_pause_refuse_no_start(path: Path, opener: Opener) -> None:
    opener().close()
    script = f"""
        from pathlib import Path
        from countline import outbox
        print("looking", flush=True)
        while True:
            status = outbox.inspect(Path({str(path)!r}))
            list(outbox.export(Path({str(path)!r})))
    """
    lookers = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for looker in lookers:
            assert looker.stdout is not None
            assert looker.stdout.readline() == "looking\n"
        for n in range(40):
            box = opener()
            box.write([commit(n, message(n))])
            assert outbox.inspect(path).in_use_by == os.getpid()
            box.close()
        assert [looker.poll() for looker in lookers] == [None, None], "and who looks never fails either"
    finally:
        for looker in lookers:
            looker.kill()
            looker.wait()
            if looker.stdout is not None:
                looker.stdout.close()


def test_an_export_that_pauses_does_not_make_the_log_of_a_run_grow(path: Path, opener: Opener) -> None:
    box = opener()
    box.write([commit(n, message(n, size=1000)) for n in range(100)])
    reading = outbox.export(path)
    assert next(reading)["id"] == ids([0])[0]  # a pager shows its first page, and waits
    for n in range(100, 1600):
        box.write([commit(n, message(n, size=10_000))])
        box.ack("a", [n])
    log = path.with_name(path.name + "-wal").stat().st_size
    assert log < 12 << 20, "15 MB have passed through"
    rest = [m["id"] for m in reading]
    assert rest[-1] == ids([1599])[0], "what was not settled when the export began, or came later, is told to the end"
    assert rest == sorted(rest)


@pytest.mark.parametrize("dead", [False, True])
def test_export_tells_every_message_once_however_many_rows_they_take(path: Path, opener: Opener, dead: bool) -> None:
    box = opener()
    for n in range(101):
        box.write([commit(n, message(n))])
    if dead:
        box.dead_letter("a", [(entry, "too large") for entry in box.read("a", limit=1000)[0]])
    box.close()
    assert [m["id"] for m in outbox.export(path, dead=dead)] == ids(range(101))


def test_who_has_an_outbox_is_known_where_the_file_system_has_no_such_locks(
    path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence.fcntl, "F_OFD_SETLK", 9999)  # what such a file system answers: EINVAL
    monkeypatch.setattr(presence.fcntl, "F_OFD_GETLK", 9999)
    box = opener()
    assert outbox.inspect(path).in_use_by == os.getpid()
    box.close()
    assert outbox.inspect(path).in_use_by == 0
