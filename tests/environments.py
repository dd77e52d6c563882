"""Programs of others for tests, each in a virtual environment of its own under .cache, with all pins."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache"


class Environments:
    """Those of one kind.

    Parameters
    ----------
    kind: name of the folder under .cache.
    pins: folder of the files of pins.
    names: of the files of pins, without .txt.
    """

    def __init__(self, kind: str, pins: Path, names: Sequence[str]) -> None:
        self.cache = CACHE / kind
        self._pins, self.names = pins, names

    def folder(self, name: str) -> Path:
        """Where one is installed; another place for other pins or another Python."""
        pins = hashlib.sha256((self._pins / f"{name}.txt").read_bytes()).hexdigest()[:8]
        return self.cache / f"{name}-{sys.version_info.major}.{sys.version_info.minor}-{pins}"

    def python(self, name: str) -> Path:
        """Its interpreter."""
        return self.folder(name) / "bin" / "python"

    def fetch(self, name: str) -> None:
        """Install one that is not there. Raises CalledProcessError; nothing half stays."""
        if self.python(name).exists():
            return
        target = self.folder(name)
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(part)], check=True)
        pip = [str(part / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
        subprocess.run([*pip, "-r", str(self._pins / f"{name}.txt")], check=True)
        os.replace(part, target)

    def fetch_all(self, more: Callable[[str], None] = lambda name: None) -> int:
        """Install all, and ``more`` that each needs, one process at a time; 1 if one could not be."""
        self.cache.mkdir(parents=True, exist_ok=True)
        failed = 0
        with (self.cache / "fetching.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in self.names:
                try:
                    self.fetch(name)
                    more(name)
                except (OSError, subprocess.CalledProcessError) as error:
                    print(f"{name} cannot be fetched: {error}", file=sys.stderr)
                    failed = 1
        return failed
