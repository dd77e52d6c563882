"""Programs that tests fetch with Maven: by one process of tests at a time, whose store does not bear two writers."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache"


@contextmanager
def alone() -> Iterator[None]:
    """Waits until no other process is within; look again then whether it has fetched what you want."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
