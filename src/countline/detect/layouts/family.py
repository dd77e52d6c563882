"""How a file of this package declares its layouts, and how they are recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from countline.detect.layouts.base import Form, Layout
from countline.detect.layouts.observed import FileFacts, Output, Outputs, TrialRun

__all__ = ["Family"]


def _never(*_: object) -> Iterator[Layout]:
    return iter(())


@dataclass(frozen=True)
class Family:
    """Layouts that one file decodes, and how they are recognised. A file of this package holds one as ``FAMILY``; no other list has
    to name it."""

    forms: Sequence[Form]
    exclusive: Callable[[Outputs], Iterator[Layout]] = _never
    """Layouts of outputs that only this family has: where one is found, no other family is asked."""
    several: Callable[[Outputs], Iterator[Layout]] = _never
    """Layouts of several outputs, or of one that does not have three dimensions."""
    single: Callable[[Output, Outputs], Iterator[Layout]] = _never
    """Layouts of one output of three dimensions, read as (cells, channels) or as its transpose."""
    fit: Callable[[Layout, TrialRun], Layout | None] = lambda layout, run: layout
    """The layout completed by the numbers of a run; None: the numbers contradict it."""
    separate: Callable[[Sequence[Layout]], Sequence[Layout]] = lambda found: found
    """All layouts that fit -> those that remain by what this family knows beyond shapes."""
    prefer: Callable[[Sequence[Layout], FileFacts], Sequence[Layout]] = lambda found, facts: found
    """Layouts whose boxes are possible -> those that this family prefers."""
