"""The process behind ``starting``: imports what countline uses, then forks for each program that is to be started.

It has one thread and opens nothing, so what is forked from it is as good as new.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as countline's command does, before NumPy is imported

from countline import _telemetry

PASSED = 5
"""Standard input, output and error, the pipe for the status, and that which the request comes through."""
PRELOADED = (
    "countline.commands.run",
    "countline.commands.check",
    "countline.commands.outbox",
    "countline.outputs.kafka.output",
    "countline.outputs.file.output",
    "countline.outputs.stdout.output",
    "countline.detect.signature",
    "countline.record",
    "countline.pipeline.build",
    "countline.cli.run",
    "countline.commands.deepstream",
    "countline.compat.deepstream.payloads.config",
    "countline.compat.deepstream.rules.by_file",
    "countline.detect.focus",
    "countline.track.by_birth",
    "onnxruntime",
    "openvino",
    "pytest",
    # what those import when they are first used
    "av.subtitles.stream",
    "countline_kernels",
    "google.protobuf.descriptor_pb2",
    "numpy.random",
    "pyxtrackers.bytetrack.bytetrack",
)
_kept: set[str] = set()


@atexit.register  # before any module registers a function: run after all of theirs
def _leave_kept_modules_whole() -> None:
    for name in _kept:
        sys.modules.pop(name, None)


def preload() -> None:
    _telemetry.bar()  # as countline before it imports them: else they would start threads
    for name in PRELOADED:
        with suppress(ImportError):  # an extra that this environment does not have
            importlib.import_module(name)
    with suppress(FileNotFoundError):
        threads = len(os.listdir("/proc/self/task"))
        assert threads == 1, f"an import has started {threads - 1} threads, which a forked process would not have"
    keep()
    gc.collect()
    gc.freeze()


def keep() -> None:
    """What is imported up to now is not taken to pieces when a forked program ends, which would cost ten times what its start has:
    each page of memory would be copied first. Whatever else belongs to an end is done, and the program's own modules and
    objects go as ever, but for what one of these modules has been given to keep."""
    modules = dict(sys.modules)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(modules))
    _kept.update(modules.keys() - {"__main__", "builtins", "sys"})


def serve(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each request. Returns what to do, in the forked process; None in the first, once nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended, notice = os.pipe()
    os.set_blocking(notice, False)
    signal.set_wakeup_fd(notice)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control, ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            tell(children)
        if control not in ready:
            continue
        message, passed, _, _ = socket.recv_fds(control, 64, PASSED)
        if not message:
            return None
        *streams, status, source = passed
        with open(source, "rb") as file:
            request = json.loads(file.read())
        pid = os.fork()
        if pid == 0:
            return request, streams
        for descriptor in streams:
            os.close(descriptor)
        children[pid] = status
        control.send(str(pid).encode())


def tell(children: dict[int, int]) -> None:
    """How those that have ended did."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with (
            open(children.pop(pid), "wb", buffering=0) as out,
            suppress(BrokenPipeError),
        ):  # who began it may have ended
            out.write(str(status).encode())


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Signals, streams, folder and environment of the program, as a new interpreter has them."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    for descriptor in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):
            if descriptor > 2:
                os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        buffering = 0 if number and old.write_through else -1
        raw = open(number, "wb" if number else "rb", buffering, closefd=False)  # noqa: SIM115 (it stays to the end)
        new = io.TextIOWrapper(raw, old.encoding, old.errors, None, number == 2, old.write_through)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    if request["session"]:
        os.setsid()
    os.chdir(request["cwd"])
    before = _python_path()
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[1 : 1 + len(before)] = _python_path()
    importlib.invalidate_caches()


def _python_path() -> list[str]:
    given = os.environ.get("PYTHONPATH", "")
    return [os.path.abspath(place) for place in given.split(os.pathsep)] if given else []


def main(request: dict[str, Any], streams: list[int]) -> None:
    become(request, streams)
    words, path = request["args"], sys.path
    kind = words[0]
    if kind == "-m":
        path[0] = os.getcwd()
        sys.argv = [words[1], *words[2:]]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        path[0] = ""
        sys.argv = ["-c", *words[2:]]
        module = sys.modules["__main__"] = ModuleType("__main__")
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(module))  # emptied at the end, whoever knows its functions
        exec(compile(words[1], "<string>", "exec"), module.__dict__)
    else:
        path[0] = os.path.dirname(os.path.realpath(kind))
        sys.argv = words
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    preload()
    with socket.socket(fileno=int(sys.argv[1])) as _control:
        _asked = serve(_control)
    if _asked is not None:
        main(*_asked)
