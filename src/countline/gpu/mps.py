"""Processes that share a GPU at the same time, in place of taking turns: NVIDIA's Multi-Process Service (MPS).

Without it a GPU works for one process at a moment, and each waits for the others' slices. The driver brings the service; it is a
program of the user's own, beside the processes that use it, and changes nothing of the card. Ours has folders of its own and ends
with whoever started it. One that runs already (``CUDA_MPS_PIPE_DIRECTORY``, or its usual place) is used as it is.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["OFF", "shared"]

log = logging.getLogger("countline.gpu")

OFF = "COUNTLINE_MPS"
"""Environment variable that leaves the service aside where it is 'off' or '0'."""
_PIPES, _LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
_USUAL = Path("/tmp/nvidia-mps")  # noqa: S108 - the one that NVIDIA has chosen
_PROGRAM = "nvidia-cuda-mps-control"
_START, _END, _TRIAL = 5.0, 5.0, 30.0
# Takes the context that decoder, kernels and network share, as a process of a run will; its exit status says whether it got it.
_TRY = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
context = ctypes.c_void_p()
sys.exit(bool(cuda.cuInit(0) or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)))
"""


@contextmanager
def shared() -> Iterator[Mapping[str, str]]:
    """What the environment of processes has to have besides for them to share their GPUs while this lasts; empty where the service
    is not there, is not wanted, runs already, or does not work (which is logged)."""
    program = shutil.which(_PROGRAM)
    if os.environ.get(OFF, "").lower() in ("off", "0") or _runs_already():
        yield {}
    elif program is None:
        log.info("processes take turns on the GPU: %s, which comes with the driver, is not there", _PROGRAM)
        yield {}
    else:
        with tempfile.TemporaryDirectory(prefix="countline-mps-") as folder:
            own = {_PIPES: folder, _LOGS: folder}
            service = subprocess.Popen(
                [program, "-f"],
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for whoever started it, which still needs it then
            )
            try:
                works = _works(service, Path(folder), own)
                if not works:
                    log.warning("processes take turns on the GPU: its Multi-Process Service does not work here")
                yield own if works else {}
            finally:
                _end(service, program, own)


def _runs_already() -> bool:
    return (Path(os.environ.get(_PIPES) or _USUAL) / "control").exists()


def _works(service: subprocess.Popen[bytes], folder: Path, own: Mapping[str, str]) -> bool:
    until = time.monotonic() + _START
    while not (folder / "control").exists():
        if service.poll() is not None or time.monotonic() > until:
            return False
        time.sleep(0.05)
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRY], env={**os.environ, **own}, capture_output=True, timeout=_TRIAL, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


def _end(service: subprocess.Popen[bytes], program: str, own: Mapping[str, str]) -> None:
    """By its own word, so that it takes its server with it; if need be without."""
    if service.poll() is None:
        try:
            subprocess.run(
                [program],
                input=b"quit\n",
                env={**os.environ, **own},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_END,
                check=False,
            )
            service.wait(_END)
        except (subprocess.TimeoutExpired, OSError):
            service.kill()
            service.wait()
