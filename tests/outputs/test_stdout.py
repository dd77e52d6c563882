"""Standard output: the contract against the real file descriptor, and what happens to pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import starting
from countline.outputs.stdout.config import Config
from countline.outputs.stdout.output import StdoutOutput
from countline.testing import OutputContract, Received, entries, from_envelope


class Redirected:
    """A file in place of file descriptor 1, which belongs to pytest; the tests below use the real one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def start(self) -> None:
        """Nothing to start."""

    stop = start


class StdoutContract(OutputContract):
    kind = "stdout"
    has_server = False
    bad_options = (({"content": "xml"}, "content"), ({"max_in_flight": 0}, "max_in_flight"))

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Redirected]:
        redirected = Redirected(tmp_path / "out")
        yield redirected
        os.close(redirected.descriptor)

    def make_output(self, server: Redirected, **changes: Any) -> StdoutOutput:
        return StdoutOutput(Config(name="out", **self.options(server), **changes), server.descriptor)

    def lines(self, server: Redirected, count: int) -> list[bytes]:
        lines = server.path.read_bytes().split(b"\n")
        assert lines.pop() == b""
        assert len(lines) >= count
        return lines


class TestStdoutValues(StdoutContract):
    carries_key = carries_headers = carries_id = carries_binary = False

    def options(self, server: Redirected) -> dict[str, Any]:
        return {}

    def read_back(self, server: Redirected, count: int) -> list[Received]:
        return [Received(line) for line in self.lines(server, count)]


class TestStdoutMessages(StdoutContract):
    def options(self, server: Redirected) -> dict[str, Any]:
        return {"content": "message"}

    def read_back(self, server: Redirected, count: int) -> list[Received]:
        return [from_envelope(line) for line in self.lines(server, count)]


PROGRAM = """
import sys, time
from countline.testing import Sender, entries
from countline.outputs.stdout.config import Config
from countline.outputs.stdout.output import make
output = make(Config(name="out"))
output.open()
run = Sender(output, entries({count}, pad=1000))
while not run.done and not ({until}):
    run.step()
    time.sleep(0.001)
print(len(run.acknowledged), len(run.dead), repr(output.status.error), output.status.connected, file=sys.stderr)
run.take(output.close(0.3))
assert not run.outstanding
"""


def program(count: int, until: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(count=count, until=until)]


def test_a_reader_that_goes_away_is_a_state_and_the_program_ends_cleanly() -> None:
    until = "'gone' in output.status.error"
    with starting.Popen(program(3000, until), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == entries(1, pad=1000)[0].message.value + b"\n"
        process.stdout.close()
        words = process.stderr.read().decode()
        assert process.wait(60) == 0, words
    assert words.split()[1] == "0"
    assert "'the reader of standard output has gone' False" in words
    assert "Traceback" not in words


def test_a_slow_reader_holds_nobody_up_and_gets_every_line_whole() -> None:
    with starting.Popen(program(500, "False"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        got = b""
        while True:
            part = process.stdout.read1(3000)  # type: ignore[attr-defined]
            if not part:
                break
            got += part
        assert process.wait(60) == 0
    assert got.splitlines() == [e.message.value for e in entries(500, pad=1000)]


def test_a_full_pipe_does_not_block_the_caller() -> None:
    until = "'slow' in output.status.error"
    with starting.Popen(program(1000, until), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        words = process.stderr.read().decode()  # comes to its end although nobody reads the pipe
        assert process.wait(60) == 0, words
    assert int(words.split()[0]) < 1000
