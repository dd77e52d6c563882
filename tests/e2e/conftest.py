"""Fixtures of the end-to-end tests; helpers are in conftest_e2e."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from conftest_e2e import broker, read_back, short, squares, topic  # noqa: F401
