"""How a file of this package declares its layouts, and how they are known."""

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
    """Layouts that one file reads, and how they are known. A file of this package holds one as ``FAMILY``; that is all there is
    to do for a layout to be found, named in the configuration and listed."""

    forms: Sequence[Form]
    exclusive: Callable[[Outputs], Iterator[Layout]] = _never
    """Layouts of outputs that are so much this family's that no other is asked."""
    several: Callable[[Outputs], Iterator[Layout]] = _never
    """Layouts of several outputs, or of one that has not three dimensions."""
    single: Callable[[Output, Outputs], Iterator[Layout]] = _never
    """Layouts of one output of three dimensions, looked at in one direction."""
    fit: Callable[[Layout, TrialRun], Layout | None] = lambda layout, run: layout
    """A layout with what only the numbers of a real run tell; None: they speak against it."""
    separate: Callable[[Sequence[Layout]], Sequence[Layout]] = lambda found: found
    """Of all readings that fit, those that are left where this family knows more than shapes."""
    prefer: Callable[[Sequence[Layout], FileFacts], Sequence[Layout]] = lambda found, facts: found
    """Of readings that give possible boxes, those that are left."""
