"""The compiled kernel under test; whole files of tests are skipped where it is not installed."""

from __future__ import annotations

from types import ModuleType

import pytest

from countline.kernels import INTERFACE


def compiled() -> ModuleType:
    """``countline_kernels``."""
    module: ModuleType = pytest.importorskip(
        "countline_kernels", reason="countline-kernels is not installed: make kernels"
    )
    assert module.INTERFACE == INTERFACE, "an old kernel is installed: make kernels"
    return module
