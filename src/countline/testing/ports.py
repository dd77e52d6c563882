"""Ports of loopback for the servers of tests.

A port that the system picks may be given to somebody's connection, or to another process of tests, before the server listens there.
These lie below those that Linux picks, and each process of a run has its own.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

FIRST, EACH, PROCESSES = 12_000, 1_250, 16
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % PROCESSES
_numbers = itertools.count(random.Random(os.urandom(8)).randrange(EACH))  # another run may go on beside this one


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that no other test is given."""
    for number in itertools.islice(_numbers, EACH):
        port = FIRST + _worker * EACH + number % EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no port of loopback is free for a test's server")
