"""Fixtures of the DeepStream tests. NVIDIA's real metadata libraries and a real GStreamer, or the tests are skipped by name."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nvds_gst import missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    reason = missing()
    for item in items if reason else ():
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))
