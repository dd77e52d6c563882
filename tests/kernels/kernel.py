"""The compiled kernel under test; whole files of tests are skipped where it is not installed."""

from __future__ import annotations

from types import ModuleType

import pytest

from countline.kernels import find


def compiled() -> ModuleType:
    """``countline_kernels``. One of another version is a failure: it is to be built anew."""
    found = find()
    assert not found.wrong, f"{found.description}; in a clone: make kernels"
    if found.module is None:
        pytest.skip(
            f"rules and tracks are run by {found.description}; in a clone: make kernels", allow_module_level=True
        )
    return found.module
