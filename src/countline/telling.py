"""What a rule set can tell of an object and a rule, in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

__all__ = ["Note", "TellingRules", "Told"]


class Note(NamedTuple):
    """Something that happened to an object at a rule."""

    text: str
    frame: int
    """Number of the frame."""
    clock: int
    """Of the source's steady clock, ns."""

    def __str__(self) -> str:
        return f"{self.text} at frame {self.frame} ({self.clock / 1e9:.2f} s)"


@dataclass(frozen=True)
class Told:
    """Why an object was or was not counted by a rule. ``str`` of it is one sentence."""

    notes: Sequence[Note] = ()
    """What happened, the earliest first."""
    reason: str = ""
    """Why nothing did."""
    concerned: bool = True
    """False: the rule does not look at objects of this class, or knows nothing of this one."""
    before: str = ""
    """What goes before all that: under which track it went on."""

    def __str__(self) -> str:
        return self.before + ("; ".join(map(str, self.notes)) or self.reason)


@runtime_checkable
class TellingRules(Protocol):
    """What a rule set offers besides, where it explains in parts what ``RuleSet.explain`` says in a sentence."""

    def tell(self, source: str, track_id: int, rule: str) -> Told:
        """Why the object was or was not counted by the rule."""
        ...
