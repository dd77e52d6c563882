"""Files: the contract against the real file system, and what crashes, full disks and rotation do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countline.protocols import Entry
from countline.testing import OutputContract, Received, Sender, entries, from_envelope
from countline.types import Message

DAY = 86_400_000_000_000


class Folder:
    """The place that stands for a server."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self) -> None:
        """Nothing to start."""

    stop = start

    def lines(self, pattern: str = "**/*.jsonl*") -> list[bytes]:
        found: list[bytes] = []
        for file in sorted(self.path.glob(pattern)):
            data = file.read_bytes()
            assert not data or data.endswith(b"\n"), f"{file} ends in a torn line"
            found += data.split(b"\n")[:-1]
        return found


class FileContract(OutputContract):
    kind = "file"
    has_server = False
    bad_options = (
        ({"path": "counts/{camera}.jsonl"}, "path"),
        ({"path": "counts/{date.jsonl"}, "path"),
        ({"path": ""}, "path"),
        ({"path": "counts/"}, "path"),
        ({"format": "csv"}, "format"),
        ({"rotate_bytes": 0}, "rotate_bytes"),
        ({"rotate_seconds": -1}, "rotate_seconds"),
    )

    @pytest.fixture
    def server(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path)


class TestFileMessages(FileContract):
    def options(self, server: Folder) -> dict[str, Any]:
        return {"path": str(server.path / "new" / "counts.jsonl"), "content": "message"}

    def read_back(self, server: Folder, count: int) -> list[Received]:
        found = [from_envelope(line) for line in server.lines()]
        assert len(found) >= count
        return found


class TestFileRotated(TestFileMessages):
    def options(self, server: Folder) -> dict[str, Any]:
        return {**super().options(server), "rotate_bytes": 2000}


class TestFileValues(FileContract):
    carries_key = carries_headers = carries_id = carries_binary = False

    def options(self, server: Folder) -> dict[str, Any]:
        return {"path": str(server.path / "counts.jsonl")}

    def read_back(self, server: Folder, count: int) -> list[Received]:
        return [Received(line) for line in server.lines()]


class TestParquet(FileContract):
    bad_options = (*FileContract.bad_options, ({"fsync": "batch"}, "fsync"))

    def options(self, server: Folder) -> dict[str, Any]:
        return {"path": str(server.path / "counts.parquet"), "format": "parquet", "rotate_seconds": 0.1}

    def read_back(self, server: Folder, count: int) -> list[Received]:
        import pyarrow.parquet as pq

        rows = [row for file in sorted(server.path.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
        assert len(rows) >= count
        assert not list(server.path.glob("*.part"))
        return [
            Received(
                row["value"].encode() if row["value"] is not None else row["value_bytes"],
                row["id"],
                row["key"].encode() if row["key"] is not None else None,
                tuple(row["headers"] or ()),
            )
            for row in rows
        ]


def deliver(folder: Folder, todo: list[Entry], **options: Any) -> Sender:
    output = TestFileValues().make_output(folder, **options)
    output.open()
    run = Sender(output, todo).run()
    output.close(5)
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "files").mkdir()
    return Folder(tmp_path / "files")


def test_a_second_run_appends(folder: Folder) -> None:
    deliver(folder, entries(5))
    deliver(folder, entries(5, first=6))
    assert folder.lines() == [e.message.value for e in entries(10)]


def test_finished_parts_are_numbered_and_never_written_again(folder: Folder) -> None:
    for first in (1, 51):
        deliver(folder, entries(50, first=first, pad=100), rotate_bytes=1000)
    names = sorted(path.name for path in folder.path.iterdir())
    assert names == [f"counts-{n + 1:06d}.jsonl" for n in range(len(names))]
    assert len(names) >= 4
    assert folder.lines() == [e.message.value for e in entries(100, pad=100)]


def test_a_part_that_is_old_enough_is_finished_without_new_messages(folder: Folder) -> None:
    output = TestFileValues().make_output(folder, rotate_seconds=0.3)
    output.open()
    Sender(output, entries(3)).run()
    assert [p.name for p in folder.path.iterdir()] == ["counts-000001.jsonl.part"]
    while list(folder.path.glob("*.part")):
        output.poll(0.05)
    assert [p.name for p in folder.path.iterdir()] == ["counts-000001.jsonl"]
    output.close(1)


def test_a_torn_line_is_cut_before_the_next_is_written(folder: Folder) -> None:
    (folder.path / "counts.jsonl").write_bytes(b'{"n":0}\n{"n":1,"pa')
    deliver(folder, entries(1))
    assert folder.lines() == [b'{"n":0}', entries(1)[0].message.value]


def test_an_unfinished_part_of_a_killed_run_is_mended_and_finished(folder: Folder) -> None:
    (folder.path / "2026-01-01").mkdir()
    (folder.path / "2026-01-01" / "door-000007.jsonl.part").write_bytes(b'{"n":0}\n{"n":1,"pa')
    path = str(folder.path / "{date}" / "{source}.jsonl")
    deliver(folder, entries(1), path=path, rotate_bytes=10_000)
    assert (folder.path / "2026-01-01" / "door-000007.jsonl").read_bytes() == b'{"n":0}\n'
    assert [p.name for p in (folder.path / "2023-11-14").iterdir()] == ["entrance-000001.jsonl"]


def test_the_path_is_filled_in_and_cannot_leave_its_folder(folder: Folder) -> None:
    todo = [
        Entry(1, Message("a", b"1", source="../../etc/passwd", time=0)),
        Entry(2, Message("b", b"2", source="door", topic="lines/in", time=3 * DAY + 7 * 3_600_000_000_000)),
    ]
    deliver(folder, todo, path=str(folder.path / "{date}" / "{source}-{topic}-{hour}.jsonl"))
    found = sorted(str(p.relative_to(folder.path)) for p in folder.path.glob("**/*.jsonl"))
    assert found == ["1970-01-01/_.._etc_passwd-countline-00.jsonl", "1970-01-04/door-lines_in-07.jsonl"]


def test_two_processes_do_not_write_one_file(folder: Folder) -> None:
    first, second = (TestFileValues().make_output(folder) for _ in range(2))
    first.open()
    second.open()
    Sender(first, entries(1)).run()
    run = Sender(second, entries(1, first=2))
    while not run.retried:
        run.step(0.01)
    assert "another process" in second.status.error
    first.close(1)
    assert run.run().acknowledged == [2]
    second.close(1)


def test_a_value_that_cannot_be_a_line_is_a_dead_letter(folder: Folder) -> None:
    run = deliver(folder, [Entry(1, Message("a", b"two\nlines")), Entry(2, Message("b", b"one"))])
    assert run.acknowledged == [2]
    assert "content: message" in run.dead[1]


def test_more_files_than_can_be_open_at_one_time(folder: Folder) -> None:
    todo = [Entry(n, Message(str(n), b"%d" % n, source=f"camera{n % 150}")) for n in range(1, 601)]
    run = deliver(folder, todo, path=str(folder.path / "{source}.jsonl"), fsync="never")
    assert len(run.acknowledged) == 600
    assert sorted(folder.lines(), key=int) == [b"%d" % n for n in range(1, 601)]


def test_a_missing_package_names_the_extra(folder: Folder) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from countline.outputs.file.config import Config\nfrom countline.outputs.file.output import make\n"
        "from countline.errors import MissingExtra\n"
        "output = make(Config(name='out', path='x.parquet', format='parquet'))\n"
        "try: output.check()\nexcept MissingExtra as error: print(error)\n"
        "try: output.open()\n"
        "except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder.path)
    assert done.stdout.count("countline[parquet]") == 2


WRITER = """
import sys
from countline.testing import Sender, entries
from countline.outputs.file.config import Config
from countline.outputs.file.output import make
output = make(Config(name="out", path={path!r}, rotate_bytes=20_000, fsync="never"))
output.open()
run = Sender(output, entries(100_000, pad=50))
while True:
    run.step(0)
    print(max(run.acknowledged, default=0), flush=True)
"""


def test_kill_9_leaves_every_acknowledged_line_and_no_torn_one(folder: Folder) -> None:
    acknowledged = 0
    for turns in (5, 17, 40):
        code = WRITER.format(path=str(folder.path / "counts.jsonl"))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(turns):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            process.wait(20)
        output = TestFileValues().make_output(folder, rotate_bytes=20_000)
        output.open()
        Sender(output, entries(1)).run()
        output.close(1)
        seen = {json.loads(line)["n"] for line in folder.lines()}
        assert set(range(1, acknowledged + 1)) <= seen
        assert not list(folder.path.glob("*.part"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    target = tmp_path / "small"
    target.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(target)], capture_output=True)
    if done.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield target
    subprocess.run(["umount", str(target)], check=True)


@pytest.mark.parametrize("kind", ["lines", "parquet"])
def test_a_full_disk_is_a_state_until_there_is_room_again(small_disk: Path, kind: str) -> None:
    filler = small_disk / "filler"
    contract: Any = TestFileValues() if kind == "lines" else TestParquet()
    folder = Folder(small_disk)
    output = contract.make_output(folder, fsync="finish")
    output.open()
    filler.write_bytes(b"x" * 52 * 1024)
    todo = [Entry(n, Message(f"id-{n}", os.urandom(150).hex().encode())) for n in range(1, 101)]
    run = Sender(output, todo)
    while not run.retried:
        run.step(0.02)
    assert "No space left" in output.status.error
    filler.unlink()
    run.run()
    output.close(5)
    assert sorted(run.acknowledged) == list(range(1, 101))
    assert {r.value for r in contract.read_back(folder, 100)} == {e.message.value for e in todo}


def test_a_place_that_is_no_folder_is_said_by_check_and_is_a_state(folder: Folder) -> None:
    (folder.path / "taken").write_text("a file")
    output = TestFileValues().make_output(folder, path=str(folder.path / "taken" / "counts.jsonl"))
    (line,) = TestFileValues().check(output)
    assert (line.ok, "cannot be written" in line.detail) == (False, True)
    output.open()
    run = Sender(output, entries(1))
    while not run.retried:
        run.step(0.01)
    assert "Not a directory" in output.status.error or "File exists" in output.status.error
    output.close(1)


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        (b'{"n":0}\n{"n":7}', [b'{"n":0}', b'{"n":7}']),
        (b'{"n":7}', [b'{"n":7}']),
        (b"time,count", [b"time,count"]),
        ("Straße".encode(), ["Straße".encode()]),
        (b'{"n":0}\n{"n":', [b'{"n":0}']),
        (b'{"n":0}\n\x00\x00\x00', [b'{"n":0}']),
        ("Straße 東".encode()[:-1], []),
        (b"[1,2", []),
        (b"", []),
    ],
)
def test_a_last_line_without_its_break_is_ended_or_cut_and_told(
    folder: Folder, caplog: pytest.LogCaptureFixture, left: bytes, kept: list[bytes]
) -> None:
    (folder.path / "counts.jsonl").write_bytes(left)
    deliver(folder, entries(2))
    assert folder.lines() == [*kept, *(e.message.value for e in entries(2))]
    assert bool(caplog.text) == bool(left and not left.endswith(b"\n"))


def test_lines_of_another_program_are_neither_merged_with_nor_cut(folder: Folder) -> None:
    output = TestFileValues().make_output(folder)
    output.open()
    run = Sender(output, entries(4))
    run.run(acknowledged=1)
    with (folder.path / "counts.jsonl").open("ab") as other:
        other.write(b"not ended")
    more = Sender(output, entries(2, first=5)).run()
    output.close(5)
    assert more.acknowledged == [5, 6]
    assert folder.lines() == [
        *(e.message.value for e in entries(4)),
        b"not ended",
        *(e.message.value for e in entries(2, first=5)),
    ]


@pytest.mark.parametrize("how", ["renamed", "removed", "folder removed"])
def test_a_file_that_is_taken_away_is_made_anew_and_no_acknowledged_line_goes_with_it(folder: Folder, how: str) -> None:
    path = folder.path / "sub" / "counts.jsonl"
    output = TestFileValues().make_output(folder, path=str(path))
    output.open()
    Sender(output, entries(3)).run()
    if how == "renamed":
        path.rename(path.with_suffix(".jsonl.1"))
    else:
        path.unlink()
    if how == "folder removed":
        path.parent.rmdir()
    assert Sender(output, entries(3, first=4)).run().acknowledged == [4, 5, 6]
    output.close(5)
    assert folder.lines("sub/counts.jsonl") == [e.message.value for e in entries(3, first=4)]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_name_too_long_for_the_file_system_is_a_dead_letter_and_the_rest_flows(folder: Folder, form: str) -> None:
    todo = entries(5)
    todo[2] = Entry(3, Message("long", b"{}", source="s" * 400))
    path = str(folder.path / ("{source}." + form))
    run = deliver(folder, todo, path=path, format=form, **({"rotate_seconds": 0.1} if form == "parquet" else {}))
    assert sorted(run.acknowledged) == [1, 2, 4, 5]
    assert "is not possible" in run.dead[3]
