"""Whether the compiled kernel is there: the distribution ``countline-kernels``, which does for a whole frame in one call what the
NumPy engine does step by step, with the same result to the bit.

Without it, or with one of another version, everything runs as it does with it, only slower. ``COUNTLINE_KERNELS=off`` leaves
it aside.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

__all__ = ["INTERFACE", "OFF", "Kernel", "find"]

INTERFACE = 8
"""What this version can talk to: ``countline_kernels.INTERFACE`` must be the same."""
OFF = "COUNTLINE_KERNELS"
"""Environment variable that leaves the kernel aside where it is 'off' or '0'."""


class Kernel(NamedTuple):
    """What was found."""

    module: ModuleType | None
    """``countline_kernels``; None: NumPy does the work."""
    description: str
    """Which one runs, and why, for the log."""
    wrong: bool = False
    """It is installed, but cannot be used."""


def find() -> Kernel:
    """The kernel, or why there is none."""
    if os.environ.get(OFF, "").lower() in ("off", "0"):
        return Kernel(None, f"NumPy ({OFF} leaves the compiled kernel aside)")
    return _find()


@cache
def _find() -> Kernel:
    try:
        module = import_module("countline_kernels")
    except ModuleNotFoundError:
        return Kernel(None, "NumPy (pip install 'countline[kernels]' is several times as fast)")
    except ImportError as error:
        return Kernel(None, f"NumPy (countline-kernels is installed, but cannot be loaded: {error})", wrong=True)
    version, interface = getattr(module, "__version__", "?"), getattr(module, "INTERFACE", None)
    if interface != INTERFACE:
        description = (
            f"NumPy (countline-kernels {version} has the interface {interface}, this countline needs {INTERFACE}: "
            "pip install -U countline countline-kernels)"
        )
        return Kernel(None, description, wrong=True)
    return Kernel(module, f"compiled kernel {version}")
