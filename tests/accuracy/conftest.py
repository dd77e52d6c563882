"""The benchmark's scenes and scores are imported from where they lie."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MODULES = ("scenes", "scoring", "contenders", "peers", "comparison", "clips", "machine")


@pytest.fixture(autouse=True, scope="module")
def _benchmarks():  # type: ignore[no-untyped-def]
    """Their names are general (``machine``, ``scoring``): importable for these tests alone."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))
    for name in [n for n in sys.modules if n.split(".")[0] in MODULES]:
        del sys.modules[name]
