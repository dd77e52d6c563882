"""Processes that are killed, without the second that each would take to import everything: one process imports a script, and forks
a child for each run of it, before it has any thread. The child is a process of its own like any other: its own memory, files and
locks, and nothing of it outlives ``kill -9``.

The script has a function ``main(*words: str)``. ``python forked.py SCRIPT`` reads lines of JSON: {"words", "out", "err"} (what it is
called with, and the files of what it says), whereupon it prints the child's process id, or {"end"} (a process id), whereupon it prints
its status when it has ended.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

__all__ = ["Child", "Forked"]


class Child:
    """One run of the script."""

    def __init__(self, forked: Forked, words: tuple[str, ...], path: Path) -> None:
        self._forked, self.words = forked, words
        self._out, self._err = path.with_suffix(".out"), path.with_suffix(".err")
        job = {"words": words, "out": str(self._out), "err": str(self._err)}
        self.pid = forked.ask(job)

    def kill(self) -> None:
        """``kill -9``; :meth:`end` waits until it is gone."""
        os.kill(self.pid, signal.SIGKILL)

    def said(self) -> str:
        """What it has printed up to now."""
        return self._out.read_text() if self._out.exists() else ""

    def end(self) -> subprocess.CompletedProcess[str]:
        """Waits until it has ended; what it has said. The code is negative after a signal."""
        code = os.waitstatus_to_exitcode(self._forked.ask({"end": self.pid}))
        return subprocess.CompletedProcess(self.words, code, self.said(), self._err.read_text())


class Forked:
    """The process that forks runs of one script. They end when it does."""

    def __init__(self, script: Path, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = (folder / str(number) for number in itertools.count())
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def start(self, *words: object) -> Child:
        return Child(self, tuple(map(str, words)), next(self._paths))

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.start(*words).end()

    def ask(self, job: dict[str, Any]) -> int:
        """The answer of the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, f"the script cannot be imported, or the process that forks was ended: {self._process.poll()}"
        return int(line)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)


def _child(main: Any, job: dict[str, Any]) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for path, descriptor in ((job["out"], 1), (job["err"], 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    try:
        main(*job["words"])
        return 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _serve(script: Path) -> None:
    sys.path.insert(0, str(script.parent))
    main = importlib.import_module(script.stem).main
    for line in sys.stdin:
        job = json.loads(line)
        if "end" in job:
            print(os.waitpid(job["end"], 0)[1], flush=True)
            continue
        child = os.fork()
        if child == 0:
            os._exit(_child(main, job))
        print(child, flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
