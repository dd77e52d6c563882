"""Inference servers of others, for tests: each in a virtual environment of its own under .cache, with all pins. They want an older
protobuf than countline's.

``python tests/remote/remote_engines.py`` fetches what is missing (1 GB); the tests only use what is there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "remote"
ENGINES = ("mlserver", "kserve")
"""Names of the files of pins beside this one."""


def folder(engine: str) -> Path:
    """Where a server is installed; another place for other pins or another Python."""
    pins = hashlib.sha256((HERE / f"{engine}.txt").read_bytes()).hexdigest()[:8]
    return CACHE / f"{engine}-{sys.version_info.major}.{sys.version_info.minor}-{pins}"


def python(engine: str) -> Path:
    """Its interpreter."""
    return folder(engine) / "bin" / "python"


def missing(engine: str) -> str:
    """Why a server is not used here; '' if it is. ``own``: the tests' own."""
    if not os.environ.get("COUNTLINE_TEST_REMOTE"):
        return "takes minutes: `make test-remote` runs it"
    if engine != "own" and not python(engine).exists():
        return f"{engine} could not be fetched"
    return ""


def fetch(engine: str) -> None:
    """Install it. Raises CalledProcessError; nothing half stays."""
    target = folder(engine)
    if python(engine).exists():
        return
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(part)], check=True)
    pip = [str(part / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "-r", str(HERE / f"{engine}.txt")], check=True)
    os.replace(part, target)


def main() -> int:
    """Fetch all; 1 if one could not be."""
    import fcntl

    CACHE.mkdir(parents=True, exist_ok=True)
    failed = 0
    with (CACHE / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for engine in ENGINES:
            try:
                fetch(engine)
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"{engine} cannot be fetched: {error}", file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
