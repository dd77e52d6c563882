"""What a kind of rule declares hangs together, whichever kinds there are."""

import dataclasses
from importlib import import_module

import numpy as np
import pytest
from native_world import CAM, LABELS

from countline.analytics.native import NativeRules
from countline.analytics.native.counter import AreaCounter
from countline.analytics.native.kind import RuleKind
from countline.analytics.native.kinds import event_types, kind_of, kinds, state_types
from countline.analytics.native.rule import compile_rules
from countline.config.messages import EVENTS
from countline.config.rules import RULE_KEYS, RulesConfig
from countline.types import Analytics

TRIANGLE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
SAMPLES = {
    "lines": {"points": TRIANGLE},
    "regions": {"points": TRIANGLE},
    "directions": {"points": TRIANGLE[:2]},
    "speeds": {"points": [[0, 0], [1, 0], [1, 1], [0, 1]], "width": 3, "length": 4},
    "journeys": {"places": ["lines", "regions"]},
    "queues": {"points": TRIANGLE},
    "wrong_ways": {"points": TRIANGLE, "arrow": TRIANGLE[:2]},
}
CONFIG = RulesConfig.model_validate({key: [{"name": key, **rule}] for key, rule in SAMPLES.items()})


def test_every_kind_is_known_by_its_configuration():
    assert list(RULE_KEYS) == list(SAMPLES)
    for key, model in RULE_KEYS.items():
        kind = kind_of(model)
        assert (kind.config, kind.key) == (model, key)
        assert isinstance(kind, RuleKind)
        module = import_module(type(kind).__module__)
        assert module.KIND is kind
        assert module.__name__.rpartition(".")[2] == model.kind.replace("-", "_")
        assert module.__doc__
    assert [kind.key for kind in kinds()] == list(RULE_KEYS)


@pytest.mark.parametrize("key", SAMPLES)
def test_what_it_declares_is_what_the_engine_needs(key):
    kind = kind_of(RULE_KEYS[key])
    rule = next(r for r in compile_rules(CONFIG, LABELS) if r.kind == kind.config.kind)
    counter = kind.counter(rule)
    assert isinstance(counter, AreaCounter) == (rule.shape == "area")
    assert kind.info(rule).key == key
    assert kind.info(rule).shape == rule.shape
    assert all(np.array([c.fresh]).astype(c.dtype).dtype == np.dtype(c.dtype) for c in kind.columns.values())
    assert set(kind.config.events) >= {event.kind for event in kind.events}
    # A kind has a field of its own in what is published, or a state that messages can read.
    named = {item.name for item in dataclasses.fields(Analytics)}
    assert (key in named) != (kind.state is not None)


def test_events_and_states_are_found_by_their_names():
    assert set(event_types()) <= set(EVENTS)
    assert {event.kind for event in event_types().values()} == set(event_types())
    assert set(state_types()) == {"queues", "wrong_ways"}
    for state in state_types().values():
        assert state().watched()
        assert state().summary()


def test_all_kinds_together_are_told_of_before_the_first_frame():
    engine = NativeRules(CONFIG, [CAM], LABELS)
    assert [(r.name, r.key) for r in engine.rules] == [(key, key) for key in SAMPLES]
    assert all(engine.explain("cam", 1, key).startswith("no such track") for key in SAMPLES)
