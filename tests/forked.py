"""Processes that are killed, without the second that each would take to import everything: one process imports a script, and forks
a child for each run of it, before it has any thread. The child is a process of its own like any other: its own memory, files and
locks, and nothing of it outlives ``kill -9``.

The script has a function ``main(*words: str)``. ``python forked.py SCRIPT`` reads lines of JSON, {"words", "out", "err"} (what it is
called with, and the files of what it says), prints the child's process id, and, when the child has ended, its status.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Forked"]


class Forked:
    """One run after another of a script."""

    def __init__(self, script: Path, folder: Path) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        folder.mkdir(parents=True, exist_ok=True)
        self._words: tuple[str, ...] = ()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def start(self, *words: object) -> int:
        """The process id of a new run."""
        assert self._process.stdin is not None
        self._words = tuple(map(str, words))
        job = {"words": self._words, "out": str(self._out), "err": str(self._err)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._line()

    def end(self) -> subprocess.CompletedProcess[str]:
        """Waits until the run has ended; what it has said. The code is negative after a signal."""
        code = os.waitstatus_to_exitcode(self._line())
        return subprocess.CompletedProcess(self._words, code, self._out.read_text(), self._err.read_text())

    def said(self) -> str:
        """What the run has printed up to now."""
        return self._out.read_text() if self._out.exists() else ""

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        self.start(*words)
        return self.end()

    def _line(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the script cannot be imported, or the process that forks was ended: {self._process.poll()}"
        return int(line)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate(timeout=60)


def _child(main: Any, job: dict[str, Any]) -> int:
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
        for path in (job["out"], job["err"]):
            Path(path).unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            os._exit(_child(main, job))
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
