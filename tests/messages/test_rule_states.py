"""Fields that kinds of rules bring with them: states and events of queues and wrong ways, from the engine itself."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from countline import messages
from countline.analytics.native import NativeRules
from countline.config.loader import Document, validate
from countline.config.messages import MessageConfig
from countline.config.rules import RulesConfig
from countline.errors import ConfigError, MessageError
from countline.messages.listing import all_fields, fields_of
from countline.types import FrameInfo, FrameTracks, SourceInfo, Tracks

A, B = SourceInfo("a", 0), SourceInfo("b", 1)
LABELS = ("person", "car")
WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
RULES = {
    "queues": [
        {"name": "till 1.5", "points": WHOLE, "after": 1, "max_length": 1, "max_wait": 2},
        {"name": "only b", "source": "b", "points": WHOLE},
    ],
    "wrong_ways": [{"name": "street", "points": WHOLE, "arrow": [[0.5, 0.9], [0.5, 0.1]]}],
    "regions": [{"name": "hall", "points": WHOLE}],
}
TIME = 1_700_000_000_000_000_000


def config(value, **more):
    data = {"name": "m", "value": value, **more}
    return validate(MessageConfig, data, Document(data, {}, "test.yaml"))


def made(value, *, seconds=3.0, rules=RULES, rule_names=None, **more):
    """Values of the messages while two people walk down the picture at ten frames a second, past each other in time."""
    engine = NativeRules(RulesConfig.model_validate(rules), [A, B], LABELS)
    if rule_names is not None:
        more["rules"] = rule_names
    (definition,) = messages.make([config(value, **more)], rules=engine.rules, sources=[A, B], labels=LABELS)
    found = []
    for n in range(round(seconds * 10) + 1):
        info = FrameInfo(A, n, n * 10**8, TIME + n * 10**8, 1000, 1000, stream="s")
        boxes = [[300, 100 + 12 * n, 340, 180 + 12 * n], [600, 500, 640, 580]]
        tracks = Tracks(boxes, [0.9, 0.9], [0, 1], np.array([1, 2], np.uint64))
        (analytics,) = engine.update([FrameTracks(info, tracks)])
        found += [orjson.loads(m.value) for m in definition.make(analytics)]
    found += [orjson.loads(m.value) for m in definition.finish("a")]
    assert not definition.failures, list(definition.failures)
    return found


def test_each_of_their_events_is_a_trigger_with_its_own_fields():
    assert made({"n": "{track_id}", "s": "{seconds}", "d": "{distance}", "of": "{rule}"}, on="wrong-way") == [
        {"n": 1, "s": 1.0, "d": 1.5, "of": "street"}
    ]
    assert made(["{class}", "{wait}", "{box.left}"], on="long-wait") == [["person", 2.1, 300.0], ["car", 2.1, 600.0]]
    assert made({"what": "{phase}", "n": "{length}"}, on="long-queue") == [{"what": "begin", "n": 2}]
    both = made(["{kind}", "{length}", "{wait}", "{track_id}"], on=["long-queue", "long-wait"])
    assert both == [["long-queue", 2, None, None], ["long-wait", None, 2.1, 1], ["long-wait", None, 2.1, 2]]


def test_filters_by_rule_class_and_condition():
    assert made("{rule}", on=["wrong-way", "long-wait"], rule_names=["street"]) == ["street"]
    assert made("{track_id}", on="long-wait", classes=["car"]) == [2]
    assert made("{track_id}", on=["long-wait", "wrong-way"], **{"if": "kind == 'wrong-way' and distance > 1"}) == [1]
    assert made("{length}", on="long-queue", **{"if": "length > 2"}) == []


def test_an_event_of_no_object_has_no_object():
    with pytest.raises(MessageError, match="track_id"):
        made("{track_id}", on="long-queue")


def test_states_are_read_by_path():
    value = {
        "length": "{queues.till 1.5.length}",
        "mean": "{queues.till 1.5.mean_wait}",
        "longest": "{queues.till 1.5.longest_wait}",
        "cars": {"if": "queues['till 1.5'].long", "then": "{queues.till 1.5.joined.cumulative}", "else": "none"},
        "wrong": "{wrong_ways.street.objects}",
        "so far": "{wrong_ways.street.counted.cumulative}",
        "epoch": "{wrong_ways.street.epoch}",
        "reset": "{queues.till 1.5.reset_at}",
        "elsewhere": "{queues.only b.length}",
    }
    told = made(value, on="frame")
    assert told[5] == {
        "length": 0, "mean": 0.0, "longest": 0.0, "cars": "none", "wrong": 0, "so far": 0, "epoch": 0, "reset": None,
        "elsewhere": None,
    }  # fmt: skip
    assert told[25] == {
        "length": 2, "mean": 2.5, "longest": 2.5, "cars": 2, "wrong": 1, "so far": 1, "epoch": 0, "reset": None, "elsewhere": None,
    }  # fmt: skip


def test_all_of_a_state_and_all_states_are_objects():
    whole = made({"q": "{queues.till 1.5}", "all": "{queues}", "w": "{wrong_ways}"}, on="frame")[25]
    assert whole["q"] == {
        "length": 2, "classes": {"person": 1, "car": 1}, "mean_wait": 2.5, "longest_wait": 2.5,
        "joined": {"current": 0, "cumulative": 2}, "left": {"current": 0, "cumulative": 0}, "long": True, "epoch": 0,
        "reset_at": None,
    }  # fmt: skip
    assert whole["all"] == {"till 1.5": whole["q"]}
    assert whole["w"] == {
        "street": {"objects": 1, "counted": {"current": 0, "cumulative": 1}, "epoch": 0, "reset_at": None}
    }


def test_loops_over_states_may_stand_in_one_another():
    inner = {"for": "wrong_ways", "do": "{queue.name} {name} {queue.length} {objects} {joined.cumulative}"}
    value = {"for": "queues", "if": "length > 0", "do": inner}
    assert made(value, on="frame")[25] == [["till 1.5 street 2 1 2"]]
    assert made({"for": "events", "do": "{kind} {length}"}, on="frame")[10] == ["wrong-way ", "long-queue 2"]


def test_change_fires_when_the_queue_changes_and_not_with_time_alone():
    only = {key: RULES[key] for key in ("queues", "wrong_ways")}
    assert made("{frame}", on="change", rules=only) == [10]
    assert made("{frame}", on="change", rules={**only, "queues": [{**RULES["queues"][0], "after": 2}]}) == [10, 20]
    assert made("{frame}", on="change", rule_names=["street"]) == [10]


def test_windows_have_what_was_counted():
    value = {
        "wrong": "{wrong_ways.street.counted.window}", "joined": "{queues.till 1.5.joined.window}",
        "left": "{queues.till 1.5.left.window}", "all": "{window}",
    }  # fmt: skip
    (told,) = made(value, on="interval 1m")
    assert (told["wrong"], told["joined"], told["left"]) == (1, 2, 0)
    assert told["all"]["counts"]["street"] == {"wrong-way": 1}


def test_the_list_of_events_has_their_fields_only_where_there_are_such_rules():
    (told,) = made("{events}", on="wrong-way")
    assert told[0]["kind"] == "wrong-way"
    assert (told[0]["seconds"], told[0]["distance"]) == (1.0, 1.5)

    def members(rules):
        engine = NativeRules(RulesConfig.model_validate(rules), [A, B], LABELS)
        (definition,) = messages.make(
            [config({"e": "{events}"}, on="frame")], rules=engine.rules, sources=[A, B], labels=LABELS
        )
        return set(orjson.loads(definition.schema.text("json"))["properties"]["e"]["items"]["properties"])

    plain = members({"regions": RULES["regions"]})
    assert members(RULES) - plain == {"wait", "length", "seconds", "distance"}


def test_a_field_that_does_not_exist_is_told_with_near_ones():
    with pytest.raises(MessageError) as caught:
        made("{queues['till 1.5'].lenght}", on="frame")
    assert "length" in str(caught.value)
    with pytest.raises(ConfigError, match="there is no trigger 'longqueue'") as wrong:
        made("{id}", on="longqueue")
    assert "long-queue" in str(wrong.value)
    with pytest.raises(MessageError, match="nowhere"):
        made("{queues.nowhere.length}", on="frame")


def test_the_list_of_all_fields_has_them():
    text = "\n".join(all_fields())
    for path in ("queues.NAME.mean_wait", "wrong_ways.NAME.counted.cumulative", "queues.NAME.joined.window"):
        assert path in text
    assert "of an event `long-wait`" in text
    assert "inside {for: wrong_ways}" in text
    engine = NativeRules(RulesConfig.model_validate(RULES), [A, B], LABELS)
    assert "queues.only b.longest_wait" in "\n".join(
        fields_of(config("{id}", on="frame"), engine.rules, [A, B], LABELS)
    )
