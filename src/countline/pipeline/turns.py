"""How long a thread, or the collector of garbage, may keep the interpreter while others wait for it."""

from __future__ import annotations

import gc
import sys

__all__ = ["pass_over_what_is_loaded", "take_short_turns"]

_TURN = 0.0005


def take_short_turns() -> None:
    """For a process that is countline's alone: it is a setting of the whole interpreter.

    A reader holds the interpreter for some tens of microseconds between two calls that wait for a decoder, the worker for
    milliseconds. With Python's own 5 ms each of a reader's returns costs up to that much, several times a frame, and the decoder
    stands still meanwhile, though half of the processors are idle.
    """
    sys.setswitchinterval(min(_TURN, sys.getswitchinterval()))


def pass_over_what_is_loaded() -> None:
    """For a process that is countline's alone, when all is loaded: what is there now stays until the end, so the collector of garbage
    need not look at it again and again. Each look at all of it holds every thread for some 30 ms, as long as a frame."""
    gc.freeze()
