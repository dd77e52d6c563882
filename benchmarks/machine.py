"""Says what a figure was measured on."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

ABSENT = 3
"""Exit code of a benchmark that needs what this machine has not."""


def model_name() -> str:
    """Processor as the system names it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def header(*packages: str) -> str:
    """Machine, versions and command, for the first line of a benchmark's output. Ends where a package is not installed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        libraries = ", ".join(f"{p} {version(p)}" for p in packages)
    except PackageNotFoundError as error:
        absent(f"{error.name} is not installed: pip install -e '.[bench]'")
    command = "python " + " ".join(shlex.quote(a) for a in sys.argv)
    load = f"{os.getloadavg()[0]:.2f}"
    return (
        f"machine: {model_name()}, {cores} cores, load {load}, Python {platform.python_version()}"
        + (f", {libraries}" if libraries else "")
        + f"\ncommand: {command}"
    )


def absent(reason: str) -> NoReturn:
    """End: what is measured is not to be had here."""
    print(f"cannot run here: {reason}", file=sys.stderr)
    sys.exit(ABSENT)


def need_gpus(devices: Sequence[int]) -> None:
    """End unless these NVIDIA GPUs, and all that countline needs of them, are there."""
    from countline.gpu.survey import survey

    for check in survey(devices):
        if not check.ok:
            absent(f"{check.subject}: {check.detail}; {check.fix}")
