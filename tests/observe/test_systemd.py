"""systemd is told when a run is ready, how it goes, and that it is alive; and of one that hangs nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from countline.observe.health import STARTING, Health
from countline.observe.systemd import Notifier
from countline.protocols import Check
from ports import free_port

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "countline@.service"


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(60)
        self.lines: list[str] = []
        """All that came."""

    def line(self, wanted: str) -> str:
        """The first line that begins so; waited for."""
        while True:
            for line in self.lines:
                if line.startswith(wanted):
                    return line
            self.lines += self._socket.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has 107 characters at most
        made = Manager(f"{folder}/n")
        yield made
        made.close()


def test_a_service_is_told_ready_and_alive_and_that_it_ends(manager: Manager, clip: Path, tmp_path: Path) -> None:
    """The command itself, from its start to SIGTERM; the same process answers ``countline health``."""
    port = free_port()
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000"}
    process = subprocess.Popen(
        [
            sys.executable, "-m", "countline", "run", "-i", str(clip), "--line", "straight=0.1,0.55,0.9,0.55", "--stdout",
            "--metrics", f"127.0.0.1:{port}", "--realtime", "-q", "--outbox", str(tmp_path / "o"),
        ],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert manager.line("READY=") == "READY=1"
        assert manager.line("WATCHDOG=") == "WATCHDOG=1"
        assert manager.line("STATUS=sources: 1 live")
        command = [sys.executable, "-m", "countline", "health", f"127.0.0.1:{port}", "--ready"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        process.send_signal(signal.SIGTERM)
        assert manager.line("STOPPING=") == "STOPPING=1"
        assert process.wait(60) == 0, process.stderr.read() if process.stderr else ""
    finally:
        process.kill()
        process.communicate()


def test_of_a_run_that_hangs_no_sign_of_life_comes(manager: Manager) -> None:
    well, looked = [True], threading.Semaphore(0)

    def health() -> Health:
        if not well[0]:
            looked.release()
        return Health([Check("worker", well[0], "at work" if well[0] else "stuck")])

    notifier = Notifier(health, {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000"})
    assert manager.line("WATCHDOG=")
    well[0] = False
    for _ in range(5):
        assert looked.acquire(timeout=60)
    notifier.close()
    manager.line("STOPPING=")
    assert "WATCHDOG=1" not in manager.lines[manager.lines.index("STATUS=worker: stuck") :]


def test_it_is_not_ready_before_there_is_a_run() -> None:
    manager, now = Manager(f"@countline-test-{os.getpid()}"), [STARTING]
    notifier = Notifier(lambda: now[0], {"NOTIFY_SOCKET": manager.address})
    manager.line("STATUS=")
    assert manager.lines == ["STATUS=model: not loaded yet"]
    now[0] = Health()
    assert manager.line("READY=") == "READY=1"
    notifier.close()
    manager.close()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "x"},
        {"NOTIFY_SOCKET": "/nowhere/there", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
    ],
)
def test_where_nobody_listens_nothing_happens(environment: dict[str, str]) -> None:
    notifier = Notifier(Health, environment)
    notifier.stopping()
    notifier.close()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian's package systemd)")
def test_the_unit_that_is_shipped_is_valid(tmp_path: Path) -> None:
    unit = tmp_path / "countline@.service"
    # The one program that it names is not installed there.
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/countline/bin/countline", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_asks_for_what_countline_answers() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert settings["Type"] == "notify"
    assert settings["NotifyAccess"] == "main"
    assert int(settings["WatchdogSec"]) > 0
    assert settings["RestartPreventExitStatus"].split() == ["2", "6"], "as docs/commands.md has them"
