"""Programs in processes of their own that need not import everything first: ``subprocess`` for tests that start countline often.

:func:`run` and :class:`Popen` take what ``subprocess`` takes. ``[sys.executable, "-m", MODULE, ...]``, ``[..., "-c", CODE, ...]`` and
``[..., FILE, ...]`` are not begun by a new interpreter: a process that has imported countline and what it uses, and has done
nothing else, forks (``starting_server.py``). What comes out of it is a real process, with streams, signals, a folder, an
environment, threads and an end of its own; half of what a start costs, imports, is spent once.

Not for what a new interpreter is about: how long a start takes, which modules it imports, streams that are closed before it
begins, seeds of hashes that differ from start to start. A start that asks for anything of that kind (what the
interpreter reads in the environment, a terminal, a group of its own) is an ordinary one by itself.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

__all__ = ["Popen", "remember", "run"]

SERVER = Path(__file__).with_name("starting_server.py")
OF_NO_MATTER = {"OPENBLAS_NUM_THREADS", "ORT_DISABLE_TELEMETRY"}
"""The server sets them itself."""
_at_first = dict(os.environ)
READ_AT_IMPORT = (
    "PYTHON", "LD_", "LC_", "LANG", "TZ", "HOME", "PATH", "TMP", "TEMP", "XDG_", "OMP_", "KMP_", "OPENBLAS_", "MKL_", "ORT_", "OV_",
    "OPENVINO_", "OPENCV_", "CUDA_", "NVIDIA_", "SSL_", "COUNTLINE_", "GST_", "GI_", "MALLOC_", "GLIBC_", "COVERAGE_",
)  # fmt: skip
"""How variables begin that the loader, the interpreter or a library may read before a program of its own begins."""


def remember() -> None:
    """To be called before the first test, which may change the environment."""
    global _at_first
    with suppress(ImportError):
        importlib.import_module("cv2")  # it puts a folder of its own into LD_LIBRARY_PATH
    _at_first = dict(os.environ)


class _Server:
    """The process that forks. One for each process of tests, begun with the first start."""

    def __init__(self) -> None:
        self.environment = _environment(_at_first)
        self.lock = threading.Lock()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, str(SERVER), str(theirs.fileno())]
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd=SERVER.parent, env=_at_first
            )
        atexit.register(self.close)

    def start(self, request: dict[str, Any], streams: list[int]) -> tuple[int, int]:
        """Begin a program; its process's id, and a pipe from which its status can be read once it has ended."""
        status, status_in = os.pipe()
        source, request_in = os.pipe()
        with self.lock:
            socket.send_fds(self.socket, [b"start"], [*streams, status_in, source])
            os.close(status_in)
            os.close(source)
            with open(request_in, "wb") as file:  # of any length
                file.write(json.dumps(request).encode())
            pid = int(self.socket.recv(64) or b"0")
        if not pid:
            os.close(status)
            raise ChildProcessError("the process that starts others has ended")
        return pid, status

    def close(self) -> None:
        self.socket.close()
        self.process.wait()


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """What the server's imports may depend on. A ``PYTHONPATH`` without plug-ins that countline imports early it can do itself."""
    kept = {name: value for name, value in variables.items() if name.startswith(READ_AT_IMPORT)}
    places = variables.get("PYTHONPATH", "").split(os.pathsep)
    if not any(map(_imported_early, chain.from_iterable(Path(place).glob("*-info") for place in places if place))):
        kept.pop("PYTHONPATH", None)
    return {name: value for name, value in kept.items() if name not in OF_NO_MATTER}


def _imported_early(distribution: Path) -> bool:
    """Whether it may bring what countline looks for when its own modules are imported: anything but sources."""
    brought = distribution / "entry_points.txt"
    return not brought.exists() or re.findall(r"^\[(.*)\]", brought.read_text(), re.M) != ["countline.sources"]


_server: _Server | None = None


def _running() -> _Server:
    global _server
    if _server is None or _server.process.poll() is not None:
        _server = _Server()
    return _server


class Popen(subprocess.Popen[Any]):
    """As ``subprocess.Popen``. The methods replaced here are those in which the standard library begins a process and asks for
    its status."""

    _status: int | None = None

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any,
                       env: Any, startupinfo: Any, creationflags: Any, shell: Any, *more: Any) -> None:  # fmt: skip
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, *others = more
        variables = dict(os.environ if env is None else env)
        streams = [i if given == -1 else given for i, given in enumerate((p2cread, c2pwrite, errwrite))]
        session = bool(others.pop(4))
        strange = [preexec_fn, executable, pass_fds, shell, not close_fds, not restore_signals, *map(_asked, others)]
        if any(strange) or not _countline_can(args, variables) or any(map(os.isatty, streams)):
            super()._execute_child(  # type: ignore[misc]
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell, *more
            )
            return
        request = {
            "args": [os.fspath(a) for a in args[1:]],
            "cwd": os.fspath(cwd or os.getcwd()),
            "env": variables,
            "session": session,
        }
        self.pid, self._status = _running().start(request, streams)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._status is None:
            found: tuple[int, int] = super()._try_wait(wait_flags)  # type: ignore[misc]
            return found
        ready = select.poll()
        ready.register(self._status, select.POLLIN)
        if wait_flags == os.WNOHANG and not ready.poll(0):
            return 0, 0
        with open(self._status, "rb", buffering=0) as status:
            told = status.read()
        if not told:
            raise ChildProcessError("the process that starts others has ended; how this one did is not known")
        return self.pid, int(told)

    def _internal_poll(self, _deadstate: int | None = None, **more: Any) -> int | None:
        if self._status is None:
            return super()._internal_poll(_deadstate, **more)  # type: ignore[misc, no-any-return]
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            except ChildProcessError:
                if _deadstate is None:
                    raise
                self.returncode = _deadstate
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def _asked(option: Any) -> bool:
    """Whether one of the rarer options (a user, a mask, a group of its own) is given."""
    return option is not None and option is not False and option != -1


def _countline_can(args: Any, variables: dict[str, str]) -> bool:
    if not isinstance(args, list) or args[0] != sys.executable or len(args) < 2 or not all(map(_text, args)):
        return False
    first = os.fspath(args[1])
    return (first in ("-m", "-c") or first.endswith(".py")) and _environment(variables) == _running().environment


def _text(word: Any) -> bool:
    return isinstance(word, (str, Path)) and "\0" not in os.fspath(word)


def run(*args: Any, input: Any = None, capture_output: bool = False, timeout: float | None = None,
        check: bool = False, **more: Any) -> subprocess.CompletedProcess[Any]:  # fmt: skip
    """As ``subprocess.run``."""
    if input is not None:
        more["stdin"] = subprocess.PIPE
    if capture_output:
        more["stdout"] = more["stderr"] = subprocess.PIPE
    with Popen(*args, **more) as process:
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
        done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    if check:
        done.check_returncode()
    return done
