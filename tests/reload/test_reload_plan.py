"""The plan of a change: it tells all that is different, and where changes end does not depend on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import countline as cl
from countline.analytics.native import NativeRules
from countline.config import Config
from countline.outbox import fates
from countline.pipeline.changes import changes, digest_of, refuse_unchangeable
from countline.pipeline.rule_changes import identities_at
from countline.types import FrameInfo, FrameTracks, SourceInfo, Tracks

SOURCE = SourceInfo("gate", 0, "gate", "x", True)
NAMES = st.sampled_from("abcd")


def mapped(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Items with names of their own."""
    return st.dictionaries(NAMES, values, max_size=4).map(lambda d: [{"name": n, **v} for n, v in d.items()])


HEIGHT = st.sampled_from([0.4, 0.5, 0.6])
LINE = st.builds(
    lambda y, turned, once, reset: {
        "points": [[0.1, y], [0.9, y]][:: -1 if turned else 1], "count": "once" if once else "every", "reset": reset,
    },
    HEIGHT, st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
CONFIGS = st.builds(
    lambda sources, lines, messages, outputs: Config.model_validate(
        {
            "sources": sources or [{"name": "z", "uri": "z.mp4"}],
            "rules": {"lines": lines},
            "messages": messages,
            "outputs": [{"file": output} for output in outputs],
        }
    ),
    mapped(st.builds(lambda n, f: {"uri": f"{n}.mp4", "fps": f}, NAMES, st.sampled_from([None, 5.0]))),
    mapped(LINE),
    mapped(st.builds(lambda on, v: {"on": on, "value": v}, st.sampled_from(["frame", "interval 1s"]), NAMES)),
    mapped(st.builds(lambda n: {"path": f"{n}.jsonl"}, NAMES)),
)


def named(config: Config) -> dict[str, dict[str, Any]]:
    return {
        "source": {s.name: s for s in config.sources},
        "line": {r.name: r for r in config.rules.lines},
        "message": {m.name: m for m in config.messages},
        "output": {o.name: o for o in config.outputs},
    }


@given(CONFIGS, CONFIGS)
def test_a_plan_tells_all_that_is_different_and_nothing_else(old: Config, new: Config) -> None:
    plan = changes(old, new)
    before, after = named(old), named(new)
    for what in before:
        told = {c.name: c for c in plan.all if c.what == what}
        renamed = {c.detail for c in told.values() if c.action == "renamed"}
        for name in {*before[what], *after[what]}:
            was, now = before[what].get(name), after[what].get(name)
            if was == now:
                assert name not in told
            elif now is None:
                assert name in renamed or told[name].action == "removed"
            elif was is None:
                assert told[name].action in ("added", "renamed")
            else:
                assert told[name].action == "changed"
    assert ({s.name for s in old.sources} - set(plan.removed)) | set(plan.added) == {s.name for s in new.sources}
    assert not set(plan.restarted) & {*plan.added, *plan.removed}
    assert set(plan.outputs_added) | (set(before["output"]) - set(plan.outputs_removed)) == set(after["output"])
    if plan:
        assert digest_of(old) != digest_of(new)
    refuse_unchangeable(old, new)


@given(CONFIGS, st.permutations("abcd"))
def test_nothing_is_different_between_a_configuration_and_itself(config: Config, order: Any) -> None:
    assert not changes(config, config)
    lines = sorted(config.rules.lines, key=lambda line: order.index(line.name))
    other = config.model_copy(update={"rules": config.rules.model_copy(update={"lines": lines})})
    assert not changes(config, other).all


@given(st.lists(CONFIGS, min_size=2, max_size=4))
@settings(max_examples=60)
def test_whatever_the_way_rules_count_from_then_on_as_if_started_with_the_last(way: list[Config]) -> None:
    rules = NativeRules(way[0].rules, [SOURCE], ["person"])
    known = identities_at("gate", rules.rules)
    for number, config in enumerate(way):
        rules.take(NativeRules(config.rules, [SOURCE], ["person"]))
        now = identities_at("gate", rules.rules)
        assert set(fates(known, now)) <= set(now)
        known = {**known, **now}
        assert fates(known, now) == {}, "once it is told, nothing more is"
        walk(rules, number)
    fresh = NativeRules(way[-1].rules, [SOURCE], ["person"])
    assert walk(rules, len(way)) == walk(fresh, len(way))
    assert [r.name for r in rules.rules] == [r.name for r in fresh.rules]


def walk(rules: NativeRules, number: int) -> list[Any]:
    """One person walks down and up again, and is gone."""
    events = []
    for step in range(60):
        y = 20 + 2.5 * min(step, 60 - step)
        gone = step >= 58
        tracks = Tracks.empty() if gone else Tracks(
            np.array([[45, y - 10, 55, y]]), np.array([0.9]), np.array([0]), np.array([number + 1])
        )  # fmt: skip
        pts = (number * 200 + step) * 10**8
        for analytics in rules.update(
            [FrameTracks(FrameInfo(SOURCE, number * 200 + step, pts, pts, 100, 100), tracks)]
        ):
            events += [(e.kind, e.rule, getattr(e, "direction", ""), e.frame.number) for e in analytics.events]
    rules.forget("gate")
    return events


@pytest.mark.parametrize(
    ("key", "value"),
    [("detector", {"threads": 3}), ("outbox", "memory"), ("tracker", {"low": 0.3}), ("rules", {"file": "x.txt"})],
)
def test_what_takes_a_new_start_is_refused(key: str, value: Any) -> None:
    base = {"sources": [{"name": "a", "uri": "a.mp4"}]}
    with pytest.raises(cl.ConfigError, match=f"{key}.*cannot be changed while running"):
        refuse_unchangeable(Config.model_validate(base), Config.model_validate(base | {key: value}))
