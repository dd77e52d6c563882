"""Inference servers of others, for tests. They want an older protobuf than countline's, so each has an environment of its own.

``PYTHONPATH=tests python tests/remote/remote_engines.py`` fetches what is missing (1 GB); the tests only use what is there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from environments import Environments

_HERE = Path(__file__).resolve().parent
SERVERS = Environments("remote", _HERE, ("mlserver", "kserve"))
python = SERVERS.python


def missing(engine: str) -> str:
    """Why a server is not used here; '' if it is. ``own``: the tests' own."""
    if not os.environ.get("COUNTLINE_TEST_REMOTE"):
        return "takes minutes: `make test-remote` runs it"
    if engine != "own" and not python(engine).exists():
        return f"{engine} could not be fetched"
    return ""


if __name__ == "__main__":
    sys.exit(SERVERS.fetch_all())
