"""How the suite is spread over several processes (``pytest -n``): a file is one piece of work, the long ones begin first, and
those that mostly wait run beside those that mostly compute."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

WAITING = (
    "tests/kafka",
    "tests/remote/",
    "tests/e2e/",
    "tests/outputs/",
    "tests/delivery/",
    "tests/video/",
    "tests/reload/",
    "tests/cluster/",
)
COMPUTING = ("tests/analytics_differential/", "tests/view/", "tests/docs/", "tests/")
"""Longest first: begun last, it would hold up the end of the run."""
EMBEDDED = (
    "tests/kafka/test_kafka_errors.py",
    "tests/kafka/test_kafka_error_texts.py",
    "tests/kafka/test_kafka_contract.py::TestEmbeddedBroker",
)


def piece(nodeid: str) -> str:
    """The piece of work that a test belongs to. Its tests run in one process, one after another.

    The tests of Apache Kafka are one piece: a second one would cost seconds of computing and half a gigabyte.
    """
    if nodeid.startswith("tests/kafka/") and not nodeid.startswith(EMBEDDED):
        return "tests/kafka"
    return nodeid.partition("::")[0]


class Pieces(LoadScopeScheduling):
    """Hands out pieces of work in the order of the collection, those that mostly wait and those that mostly compute such that there
    are always as many of the latter at work as there are cores, while there are any. In turn, more and more processes would be at
    those that wait, which take longer, and the cores at rest."""

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        at_work = sum(self._computes(other) for other in self.assigned_work if other is not node)
        waits = at_work >= max((self.numnodes - 2) // 2, 1)  # of two processes for each core and two more
        for name in self.workqueue:
            if name.startswith(WAITING) == waits:
                self.workqueue.move_to_end(name, last=False)
                break
        super()._assign_work_unit(node)

    def _computes(self, node: Any) -> bool:
        given = [name for name, tests in self.assigned_work[node].items() if not all(tests.values())]
        return bool(given) and not given[-1].startswith(WAITING)


def order(items: list[pytest.Item]) -> None:
    """Pieces of both kinds in turn; the same in every process."""
    pieces: dict[str, list[pytest.Item]] = {}
    for item in items:
        pieces.setdefault(piece(item.nodeid), []).append(item)
    kinds: tuple[list[str], list[str]] = ([], [])
    for name in pieces:
        kinds[name.startswith(WAITING)].append(name)
    for kind, heads in zip(kinds, (COMPUTING, WAITING)):
        kind.sort(key=lambda name: next((n for n, head in enumerate(heads) if name.startswith(head)), len(heads)))
    items[:] = [item for pair in zip_longest(*kinds) for name in pair if name for item in pieces[name]]


def scheduler(config: pytest.Config, log: Any) -> Pieces:
    config.option.loadscopereorder = False
    return Pieces(config, log)
