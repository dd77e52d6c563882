"""What a kind of rule declares to the engine. One file of ``kinds/`` per kind holds all of it.

A kind of rule is

* a configuration model (``config/kinds/<kind>.py``: what the user may write, and ``kind`` and ``shape``), which stands as a
  list in ``RulesConfig``;
* ``kinds/<kind>.py`` with a :class:`RuleKind` named ``KIND``, its counter (see ``counter``), and, where it has any, its
  events and the class of its state.

In a micro-batch (at most one frame of each source) the engine

1. finds who passed which line and who entered or left which area, for all rules of these *shapes* (``boundaries``);
2. lets each kind that ``evaluates`` look at all objects as arrays (``RuleKind.evaluate``);
3. tells each rule's counter of what was found (``Counter.passed``, ``Counter.hit``), of objects that left an area unseen, and of
   the frame's end (``Counter.tick``, ``RuleKind.finish``);
4. lets each kind publish its states (``RuleKind.publish``).

What a kind keeps of each object is either a column of the track table (``columns``; follows an object through a change of
its id, is given back with it) or in its counter by slot (``Counter.forget`` tells when a slot is given back).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import Hit, Rows
from countline.analytics.native.counter import Counter, FrameView
from countline.analytics.native.rule import Rule
from countline.analytics.native.source import SourceState
from countline.analytics.native.table import Columns, TrackTable
from countline.analytics.native.tables import Tables
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.base import RuleConfig
from countline.types import Analytics, Event, RuleInfo, RuleState

__all__ = ["EvaluationView", "Part", "RuleKind", "admits"]


@dataclass(slots=True)
class EvaluationView:
    """What ``RuleKind.evaluate`` sees of a micro-batch."""

    tables: Tables
    table: TrackTable
    rows: Rows
    """All N objects."""
    own: Any
    """What ``RuleKind.compile`` gave."""
    columns: dict[str, NDArray[Any]]
    """The kind's columns of the table, each (slots, rules)."""


@dataclass(slots=True)
class Part:
    """The part of what ``evaluate`` found that belongs to one frame."""

    found: NDArray[Any]
    """(n, ...) for the objects of the frame that were evaluated."""
    slots: NDArray[np.intp]
    table: TrackTable
    objects: NDArray[np.intp] | None = None
    """(n,) which object each of them shows, counted from 0; None: each its own."""

    def counts(self) -> list[int]:
        """Objects of which ``found``, (n, rules) booleans, is true, by rule."""
        found = self.found
        if self.objects is not None and len(found):
            found = np.zeros((int(self.objects.max()) + 1, found.shape[1]), bool)
            np.logical_or.at(found, self.objects, self.found)
        counted: list[int] = found.sum(axis=0).tolist()
        return counted


class RuleKind(ABC):
    """A kind of rule: how it is compiled, evaluated, counted, published and explained. Stateless; a kind has ``counter`` and
    ``explain``, ``evaluate`` where it sets ``evaluates``, and overrides of the rest what it needs.

    Raises TypeError for a class that sets ``evaluates`` without ``evaluate``, and for an object of one without ``counter`` or
    ``explain``.
    """

    config: type[RuleConfig]
    """Model of its configuration, whose ``kind`` names it and whose ``shape`` says what its points are."""
    key: str
    """Key of its rules in the configuration, and of its states in analytics and messages."""
    columns: Columns = {}
    """What is kept of each object for each rule, beside what its shape keeps."""
    evaluates = False
    """Whether ``evaluate`` is called with all objects of each micro-batch."""
    finishes = False
    """Whether ``finish`` is called for frames in which something happened."""
    heads = False
    """Whether what ``evaluate`` finds, (N, rules) booleans, says which way objects head (``ObjectStatus.direction``)."""
    events: tuple[type[Event], ...] = ()
    """Its events, where they are its own and not among those that ``countline.types`` has."""
    state: type[RuleState] | None = None
    """A dataclass whose fields messages may name as ``{key.rule.field}``, where ``Analytics`` has no field of its own."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.evaluates and cls.evaluate is RuleKind.evaluate:
            raise TypeError(
                f"{cls.__qualname__} sets `evaluates` and has no method `evaluate`: add it, or leave `evaluates` out"
            )

    @abstractmethod
    def counter(self, rule: Rule) -> Counter:
        """What is kept for this rule at one source; an ``AreaCounter`` for rules about an area."""

    def check(self, rule: Rule, labels: Sequence[str]) -> None:  # noqa: B027 - a kind may have none
        """Raises RuleError for what is wrong with a rule among these labels (class names are checked already)."""

    def window(self, rule: Rule) -> int:
        """ns for which boxes of the past are needed (``history.earliest``); 0: none."""
        return 0

    def compile(self, tables: Tables, classes: int) -> Any:  # noqa: B027 - a kind may have none
        """Arrays of all plans for ``evaluate``, padded as in ``Tables``; ``classes`` as in ``rule.admitted``."""

    def evaluate(self, view: EvaluationView) -> tuple[list[Hit], NDArray[Any] | None]:
        """Hits in order, and what else was found, with N as its first axis, for ``publish``. Called only where ``evaluates``."""
        return [], None

    def finish(self, frame: FrameView, counters: Sequence[Counter]) -> None:  # noqa: B027 - a kind may have none
        """All rules have been evaluated for this frame."""

    def info(self, rule: Rule) -> RuleInfo:
        """What others may know of a rule."""
        return RuleInfo(rule.name, rule.kind, rule.config.source, rule.points, shape=rule.shape, key=self.key)

    def publish(self, analytics: Analytics, source: SourceState, part: Part | None) -> None:
        """Put the states of a source's rules into its frame. ``part``: what ``evaluate`` found, None if nothing."""
        analytics.states[self.key] = self.states(source)

    def states(self, source: SourceState) -> dict[str, Any]:
        """State of each rule by name."""
        counters = source.by_kind[self.config.kind]
        if not counters[0].timed:
            return source.states[self.config.kind]
        return {c.name: c.state(source.clock) for c in counters}

    @abstractmethod
    def explain(self, track: TrackRecord) -> str:
        """Why nothing happened to a track at a rule that looks at its class, in words."""


def admits(mask: NDArray[np.bool_], rows: Rows, rule: int) -> NDArray[np.bool_]:
    """(N,) whether the rule looks at each object's class; ``mask``: (P, rules, classes + 1), see ``rule.admitted``."""
    last = mask.shape[2] - 1
    class_id = np.where((rows.class_id < 0) | (rows.class_id > last), last, rows.class_id)
    result: NDArray[np.bool_] = mask[rows.plan, rule, class_id]
    return result
