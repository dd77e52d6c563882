"""Standard input, output and error as somebody has left them: closed, or with a reader that goes away."""

from __future__ import annotations

import os
import sys

__all__ = ["give_up_stdout", "open_closed"]


def open_closed() -> None:
    """Open what was closed at the start (``>&-``) on the null device. Else the next file that is opened gets its number, and
    whatever is printed lands in it. ``sys.__stdout__`` stays None and tells that it was closed."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(descriptor, True)
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


def give_up_stdout() -> None:
    """Nobody reads on; keep the interpreter from complaining about it when it flushes at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
