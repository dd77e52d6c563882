"""The command line within the process of the tests: the same words, streams and exit code as in a process of its own, without the
second that a new interpreter takes to import everything. Where the process itself matters (a lock, a signal, a closed stream, what
is imported), start one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from countline.cli import main

__all__ = ["countline", "countline_text"]


def countline(*words: object, data: bytes | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """``countline WORDS``, with ``data`` on standard input. A fault that is no exit code is raised."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    arguments = [str(word) for word in words]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data or b""), encoding="utf-8"))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.setattr(threading, "excepthook", threading.excepthook)
        patch.setenv("OPENBLAS_NUM_THREADS", os.environ.get("OPENBLAS_NUM_THREADS", "1"))
        if cwd is not None:
            patch.chdir(cwd)
        try:
            main(arguments)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(arguments, code, out.buffer.getvalue(), err.buffer.getvalue())  # type: ignore[attr-defined]


def countline_text(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same, with what it says as text."""
    done = countline(*words, cwd=cwd)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
