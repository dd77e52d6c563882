"""A backup of an outbox is whole, also of one in use, and never takes the place of what is needed."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from outbox_helpers import commit, drain, ids, message
from test_outbox_commands import apart as countline

from countline import outbox
from countline.config import OutboxConfig
from countline.errors import ConfigError, OutboxError
from countline.outbox import Outbox, StreamStart

Opener = Callable[..., Outbox]


def test_a_backup_has_what_a_copy_of_the_file_lacks(opener: Opener, path: Path, tmp_path: Path) -> None:
    box = opener()
    box.begin(StreamStart("gate", "s1", live=True))
    for n in range(20):
        box.write([commit(n, message(n))])
    box.dead_letter("a", [(box.read("a")[0][0], "too large")])
    box.settle()
    naive, whole = tmp_path / "naive.outbox", tmp_path / "whole.outbox"
    shutil.copy(path, naive)
    assert outbox.backup(path, whole).messages == 19, "all that waits"
    with outbox.open(OutboxConfig(), naive, ["a"]) as copy:
        assert copy.counters() == [], "the trap that docs/delivery.md names"
    with outbox.open(OutboxConfig(), whole, ["a"]) as copy:
        assert copy.counters() == box.counters()
        assert drain(copy) == ids(range(1, 20))
        assert [letter.reason for letter in copy.dead_letters()] == ["too large"]
    assert stat.S_IMODE(whole.stat().st_mode) == 0o600


def test_a_backup_is_of_one_instant_while_a_run_writes(opener: Opener, path: Path, tmp_path: Path) -> None:
    box = opener()
    box.begin(StreamStart("gate", "s1", live=True))
    done, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            box.write([commit(written, message(written, size=2000))])
            written += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(10):
            copy = tmp_path / f"{n}.outbox"
            status = outbox.backup(path, copy)
            (counter,) = outbox.inspect_counters(copy) or [None]
            assert (counter.value if counter else 0) == status.messages, "counts belong to messages"
    finally:
        done.set()
        thread.join()
    assert drain(box) == ids(range(written))


@pytest.mark.parametrize("name", ["run.outbox", "run.outbox-wal", "run.outbox-shm", "run.outbox.lock", "link", "hard"])
def test_a_backup_never_overwrites_the_outbox_or_what_belongs_to_it(opener: Opener, path: Path, name: str) -> None:
    box = opener()
    box.write([commit(0, message(0))])
    (path.parent / "link").symlink_to(path)
    os.link(path, path.parent / "hard")
    with pytest.raises(ConfigError, match="would overwrite"):
        outbox.backup(path, path.parent / name, overwrite=True)
    assert drain(box) == ids([0])


def test_what_exists_is_replaced_only_if_that_is_said_and_never_an_outbox_in_use(
    opener: Opener, path: Path, tmp_path: Path
) -> None:
    opener().close()
    target = tmp_path / "copy.outbox"
    target.write_bytes(b"precious")
    with pytest.raises(OutboxError, match="exists"):
        outbox.backup(path, target)
    assert target.read_bytes() == b"precious"
    outbox.backup(path, target, overwrite=True)
    with outbox.open(OutboxConfig(), target, ["a"]) as box:
        box.write([commit(0, message(0))])
        with pytest.raises(OutboxError, match="in use"):
            outbox.backup(path, target, overwrite=True)
        assert drain(box) == ids([0])


def test_a_backup_that_fails_leaves_nothing_behind(opener: Opener, path: Path, tmp_path: Path) -> None:
    box = opener()
    box.write([commit(n, message(n)) for n in range(2000)])
    box.close()
    data = bytearray(path.read_bytes())
    data[8192:16384] = os.urandom(8192)
    path.write_bytes(bytes(data))
    folder = tmp_path / "copies"
    folder.mkdir()
    with pytest.raises(OutboxError, match=r"damaged|malformed"):
        outbox.backup(path, folder / "x.outbox")
    with pytest.raises(OutboxError, match="No such file"):
        outbox.backup(path, folder / "none" / "x.outbox")
    assert list(folder.iterdir()) == []


def test_the_command_copies_and_refuses_the_configuration(opener: Opener, path: Path, tmp_path: Path) -> None:
    box = opener()
    box.write([commit(0, message(0))])
    config = tmp_path / "countline.yaml"
    config.write_text(
        f"sources: [{{name: gate, uri: 'rtsp://camera/1'}}]\noutbox: {{path: {path}}}\n"
        "rules: {lines: [{name: l, points: [[0, 0.5], [1, 0.5]]}]}\n"
        "messages: [{name: m, on: crossing, value: {x: 1}}]\noutputs: [stdout: {}]\n"
    )
    text = config.read_text()
    done = countline("outbox", "backup", "copy.outbox", "countline.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 messages" in done.stdout
    assert outbox.inspect(tmp_path / "copy.outbox").messages == 1
    refused = countline("outbox", "backup", "countline.yaml", "countline.yaml", "--overwrite", cwd=tmp_path)
    assert refused.returncode == 2
    assert "would overwrite the configuration" in refused.stderr
    assert config.read_text() == text
