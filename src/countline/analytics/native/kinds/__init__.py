"""The kinds of rules, each in a file that has its name. A kind is found by the ``kind`` of its configuration model, so there is
no other list of them: those are known whose rules ``RulesConfig`` has. Other distributions bring kinds by the entry-point group
``countline.rule_kinds``. See ``kind`` for what a kind declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module

from countline.analytics.native.kind import RuleKind
from countline.config.rules import RULE_KEYS, RuleConfig, rule_models
from countline.errors import PluginError
from countline.registry.kinds import RULE_KINDS
from countline.types import Event, RuleState

__all__ = ["event_types", "kind_of", "kinds", "state_types"]


def kind_of(config: RuleConfig | type[RuleConfig]) -> RuleKind:
    """The kind of a rule. Raises PluginError where it comes from another distribution and cannot be used."""
    return _load(config if isinstance(config, type) else type(config))


@cache
def _load(model: type[RuleConfig]) -> RuleKind:
    found: RuleKind
    if model in RULE_KEYS.values():
        found = import_module(f"{__name__}.{model.kind.replace('-', '_')}").KIND
        return found
    key = next(key for key, known in rule_models().items() if known is model)
    found = RULE_KINDS.get(key, "kind", "KIND")
    if not isinstance(found, RuleKind) or found.config is not model or found.key != key:
        raise RULE_KINDS.fault(key, f"its KIND is no RuleKind with its Config as `config` and '{key}' as `key`")
    if {event.kind for event in found.events} != set(model.events):
        raise RULE_KINDS.fault(
            key, f"its Config has the events {list(model.events)}, its KIND {[e.kind for e in found.events]}"
        )
    return found


def kinds() -> Iterator[RuleKind]:
    """All kinds, in the order in which their rules are evaluated; then those of other distributions that can be used."""
    for model in rule_models().values():
        with suppress(PluginError):
            yield kind_of(model)


@cache
def state_types() -> Mapping[str, type[RuleState]]:
    """Key of a kind of rules in messages -> class of the states, for kinds that have no field of their own in ``Analytics``."""
    return {kind.key: kind.state for kind in kinds() if kind.state is not None}


@cache
def event_types() -> Mapping[str, type[Event]]:
    """Kind of event -> its class, of those events that kinds of rules bring with them."""
    return {event.kind: event for kind in kinds() for event in kind.events}
