"""The kinds of rules, each in a file that has its name. A kind is found by the ``kind`` of its configuration model, so there is
no other list of them: those are known whose rules ``RulesConfig`` has. See ``kind`` for what a kind declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from countline.analytics.native.kind import RuleKind
from countline.config.rules import RULE_KEYS, RuleConfig
from countline.types import Event, RuleState

__all__ = ["event_types", "kind_of", "kinds", "state_types"]


def kind_of(config: RuleConfig | type[RuleConfig]) -> RuleKind:
    """The kind of a rule."""
    return _load(config.kind)


@cache
def _load(name: str) -> RuleKind:
    found: RuleKind = import_module(f"{__name__}.{name.replace('-', '_')}").KIND
    return found


def kinds() -> Iterator[RuleKind]:
    """All kinds, in the order in which their rules are evaluated."""
    return (kind_of(model) for model in RULE_KEYS.values())


@cache
def state_types() -> Mapping[str, type[RuleState]]:
    """Key of a kind of rules in messages -> class of the states, for kinds that have no field of their own in ``Analytics``."""
    return {kind.key: kind.state for kind in kinds() if kind.state is not None}


@cache
def event_types() -> Mapping[str, type[Event]]:
    """Kind of event -> its class, of those events that kinds of rules bring with them."""
    return {event.kind: event for kind in kinds() for event in kind.events}
