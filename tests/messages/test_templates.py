"""Templates: any nesting, types kept, checked when loaded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages_build import TIME, all_events, analytics, definition, info, made

from countline.errors import MessageError

RECIPE = {
    "messageid": "{id}",
    "@timestamp": "{time}",
    "deviceId": "{device_id}",
    "analyticsModule": {
        "stream_source_id": "{source_index}",
        "lc_curr_straight": "{lines.straight.current}",
        "lc_cum_straight": "{lines.straight.cumulative}",
    },
}


def test_the_recipes_message_is_equal_byte_for_byte_but_for_its_id():
    one = definition(RECIPE, key="{device_id}")
    (message,) = one.make(analytics())
    assert message.value == (
        b'{"messageid":"' + message.id.encode() + b'","@timestamp":"2023-11-14T22:13:20.123Z","deviceId":"device_test",'
        b'"analyticsModule":{"stream_source_id":0,"lc_curr_straight":2,"lc_cum_straight":12}}'
    )
    assert message.key == b"device_test"
    assert message.time == TIME
    assert message.source == "entrance"
    assert message.topic is None


def test_the_recipes_message_is_sent_once_per_frame_however_many_cross_and_not_without():
    one = definition(RECIPE)
    assert len(one.make(analytics())) == 1
    assert one.make(analytics(events=[])) == []


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{lines.straight.current}", 2),
        ("{lines.straight.in.cumulative}", 10),
        ("{lines.straight.classes.person.cumulative}", 11),
        ("{lines.straight.classes.traffic light.cumulative}", 1),
        ("{lines.straight.classes.car.cumulative}", 0),
        ("{lines.straight.epoch}", 3),
        ("{lines.straight.reset_at}", "2023-11-14T22:13:20.123Z"),
        ("{lines.north gate 2.0.reset_at}", None),
        ("{lines.north gate 2.0.up.cumulative}", 4),
        ("{lines['north gate 2.0'].up.cumulative}", 4),
        ("{lines.current_total}", 2),
        ("{lines.cumulative_total}", 16),
        ("{regions.lobby.occupancy}", 3),
        ("{regions.lobby.classes.person}", 3),
        ("{regions.lobby.entered}", {"current": 1, "cumulative": 8}),
        ("{regions.lobby.left.cumulative}", 5),
        ("{regions.lobby.crowded}", True),
        ("{regions.lobby.longest_dwell}", 42.123),
        ("{directions.left turn.current}", 1),
        ("{journeys.through}", {"a>b": 4, "b>a": 1}),
        ("{journeys.through.a>b}", 4),
        ("{object_count}", 3),
        ("{object_count.traffic light}", 1),
        ("{time_ns}", TIME),
        ("{time_quality}", "file-start"),
        ("{source}", "entrance"),
        ("{frame}", 7),
        ("{pts}", 7 * 33_333_333),
        ("{width}", 1920),
        ("{track_id}", 5),
        ("{class}", "person"),
        ("{confidence}", 0.9),
        ("{box}", {"left": 10.0, "top": 20.0, "right": 50.5, "bottom": 120.0}),
        ("{box.width}", 40.5),
        ("{direction}", "in"),
        ("{speed}", 4.2),
        ("{event.track_id}", 5),
    ],
)
def test_a_lone_field_keeps_its_type(template, value):
    assert made({"v": template})[0] == {"v": value}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{class} {track_id} went {direction}", "person 5 went in"),
        ("{{literal}} {frame}", "{literal} 7"),
        ("{regions.lobby.crowded}!", "true!"),
        ("<{lines.north gate 2.0.reset_at}>", "<>"),
        ("{regions.lobby.entered}.", '{"current":1,"cumulative":8}.'),
        ("no field", "no field"),
        ("", ""),
        ("at {time}", "at 2023-11-14T22:13:20.123Z"),
    ],
)
def test_text_around_fields_makes_text(template, text):
    assert made({"v": template})[0] == {"v": text}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{lines.north gate 2.0.reset_at|default('never')}", "never"),
        ("{speed|round}", 4),
        ("{confidence|times(100)|round(1)}", 90.0),
        ("{class|upper}", "PERSON"),
        ("{class|title|truncate(3)}", "Per"),
        ("{class|map('person', 1, 'car', 2, 0)}", 1),
        ("{direction|map('in', 'entry', 'out', 'exit')}", "entry"),
        ("{time|epoch}", TIME / 1e9),
        ("{time|epoch_s}", TIME // 10**9),
        ("{time|epoch_ms}", TIME // 10**6),
        ("{time|epoch_us}", TIME // 10**3),
        ("{time|epoch_ns}", TIME),
        ("{time|rfc3339(9)}", "2023-11-14T22:13:20.123456789Z"),
        ("{time|rfc3339(0)}", "2023-11-14T22:13:20Z"),
        ("{time|strftime('%d.%m.%Y %H:%M:%S')}", "14.11.2023 22:13:20"),
        ("{time|strftime('%H:%M %Z', 'Europe/Berlin')}", "23:13 CET"),
        ("{track_id|string}", "5"),
        ("{track_id|string|int}", 5),
        ("{lines.straight.in.cumulative|minus(lines.straight.out.cumulative)}", 8),
        ("{box.left|divided_by(width)|round(4)}", 0.0052),
        ("{frame|divided_by(0)}", None),
        ("{device_id|replace('_', '-')}", "device-test"),
        ("{source|uuid}", None),
        ("{frame|plus(0.5)}", 7.5),
        ("{track_id in [5, 6]}", True),
        ("{confidence > 0.5 and not (class == 'car')}", True),
    ],
)
def test_filters(template, value):
    if "|uuid" in template:
        import uuid

        from countline.messages.ids import NAMESPACE

        value = str(uuid.uuid5(NAMESPACE, "entrance"))
    assert made({"v": template})[0] == {"v": value}


def test_loops_over_objects_lines_regions_events_and_more():
    value = {
        "objects": {
            "for": "objects",
            "if": "class != 'traffic light'",
            "do": {"id": "{track_id}", "of": "{device_id}", "lines": "{lines}", "v": "{speed}"},
        },
        "ids": {"for": "objects", "do": "{track_id}"},
        "lines": {"for": "lines", "do": ["{name}", "{cumulative}"]},
        "regions": {"for": "regions", "do": {"{": "{name}: {occupancy}", "in": "{entered.current}"}},
        "directions": {"for": "directions", "do": "{name}={current}"},
        "journeys": {"for": "journeys", "do": "{origin}-{destination}: {cumulative}"},
        "classes": {"for": "classes", "if": "count > 0", "do": "{name}"},
        "events": {"for": "events", "do": {"line": "{rule}", "seq": "{sequence}", "of": "{track_id}"}},
    }
    (found,) = made(value, per="frame")
    assert found == {
        "objects": [
            {"id": 5, "of": "device_test", "lines": ["straight"], "v": 4.2},
            {"id": 6, "of": "device_test", "lines": [], "v": None},
        ],
        "ids": [5, 6, None],
        "lines": [["straight", 12], ["north gate 2.0", 4]],
        "regions": [{"{": "lobby: 3", "in": 1}],
        "directions": ["left turn=1"],
        "journeys": ["a-b: 4", "b-a: 1"],
        "classes": ["person", "car", "traffic light"],
        "events": [{"line": "straight", "seq": 0, "of": 5}, {"line": "straight", "seq": 1, "of": 6}],
    }


def test_all_objects_and_events_as_they_are():
    (found,) = made(
        {"o": "{objects}", "n": "{objects|length}", "e": "{events}"}, analytics(events=all_events(info())), on="frame"
    )
    assert found["n"] == 3
    assert found["o"][0] == {
        "track_id": 5,
        "class": "person",
        "class_id": 0,
        "confidence": 0.9,
        "box": {"left": 10.0, "top": 20.0, "right": 50.5, "bottom": 120.0},
        "speed": 4.2,
        "lines": ["straight"],
        "regions": ["lobby"],
    }
    assert found["o"][2]["track_id"] is None
    assert found["e"][3] == {"kind": "crowding", "rule": "lobby", "sequence": 3, "phase": "begin", "occupancy": 9}
    assert found["e"][5]["speed"] == 61.24
    assert (found["e"][0]["class"], found["e"][0]["direction"]) == ("car", "out")


def test_an_inner_loop_leaves_the_outer_one_where_it_was():
    value = {
        "for": "lines",
        "do": {"line": "{name}", "seen": {"for": "objects", "do": "{line.name}/{object.track_id}"}, "again": "{name}"},
    }
    (found,) = made(value, per="frame")
    assert found[1] == {
        "line": "north gate 2.0",
        "seen": ["north gate 2.0/5", "north gate 2.0/6", "north gate 2.0/"],
        "again": "north gate 2.0",
    }


def test_a_loop_over_events_of_all_kinds_gives_null_for_what_a_kind_does_not_have():
    (found,) = made(
        {"for": "events", "do": ["{kind}", "{direction}", "{dwell}", "{occupancy}", "{origin}", "{track_id}"]},
        analytics(events=all_events(info())),
        on="frame",
    )
    assert found[0] == ["crossing", "out", None, None, None, 5]
    assert found[2] == ["leave", None, 12.346, None, None, 5]
    assert found[3] == ["crowding", None, None, 9, None, None]
    assert found[6] == ["journey", None, None, None, "a", 5]


def test_a_condition_without_else_leaves_its_key_or_element_out():
    value = {
        "a": {"if": "confidence > 0.95", "then": 1},
        "b": {"if": "confidence > 0.5", "then": "{track_id}", "else": None},
        "c": ["x", {"if": "class in ['car']", "then": "y"}, {"if": "not (class in ['car'])", "then": "z"}],
        "d": {"if": "speed < 3 or regions.lobby.crowded", "then": {"deep": "{frame}"}, "else": "no"},
    }
    assert made(value)[0] == {"b": 5, "c": ["x", "z"], "d": {"deep": 7}}


def test_a_rule_of_another_source_is_null_there_and_default_replaces_it():
    from messages_build import YARD, crossing

    frame = info(source=YARD)
    data = analytics(frame, [crossing(frame, rule="north gate 2.0")], lines={}, regions={})
    value = ["{lines.straight.current}", "{lines.straight.current|default(-1)}", "{lines.north gate 2.0.current}"]
    assert made(value, data) == [[None, -1, 0]]


def test_one_rule_name_at_several_sources_is_each_sources_own():
    from messages_build import LABELS, SOURCES, YARD, config, crossing

    from countline import messages
    from countline.types import LineState, RuleInfo

    rules = [
        RuleInfo("door", "line", "entrance", directions=("in",)),
        RuleInfo("door", "line", "yard", directions=("out",)),
    ]
    one = messages.make(
        [config(["{lines.door.cumulative}", "{lines.door.out.cumulative}"], on="frame")],
        rules=rules,
        sources=SOURCES,
        labels=LABELS,
    )[0]
    assert not one.schema.shape.items.nullable
    frame = info(source=YARD)
    assert one.make(analytics(frame, [crossing(frame)], lines={"door": LineState(0, 9)}))[0].value == b"[9,0]"
    assert one.make(analytics(frame, [crossing(frame)], lines={}))[0].value == b"[0,0]"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{lines.strait.current}", ["did you mean lines.straight.current?"]),
        ("{tme}", ["there is no field 'tme'", "did you mean time?"]),
        ("{dwell}", ["there is no field 'dwell'", "events of kind crossing do not have it"]),
        ("{class|uper}", ["there is no filter 'uper'", "did you mean upper?"]),
        ("{class|round(2)}", ["filter round cannot take a value of type string"]),
        ("{class|round(}", ["missing"]),
        ("{class", ["is not closed"]),
        ("a } b", ["a brace that belongs to the text is doubled"]),
        ("{}", ["expression is empty"]),
        ("{class == 5}", ["compares string with number"]),
        ("{class < }", ["something is missing at the end"]),
        ("{__class__}", ["there is no field '__class__'"]),
        ("{id.__class__}", ["there is no field"]),
        ("{import os}", ["there is no field 'import'"]),
        ("{frame os}", ["'os' is not expected there"]),
        ("{open('x')}", ["there is no field 'open'"]),
        ("{frame;1}", ["';' cannot stand in an expression"]),
        (
            "{lines.straight.sideways.current}",
            ["did you mean", "lines.straight.in.current", "countline schema --fields"],
        ),
        ("{lines.straight.classes.cat.current}", ["there is no field"]),
        ("{time|strftime('%H', 'Europe/Nowhere')}", ["no time zone"]),
        ("{time|rfc3339(10)}", ["0 to 9 digits"]),
        ("{frame|default}", ["takes one argument"]),
        ("{class|minus(1)}", ["takes numbers"]),
        ("{occupancy}", ["events of kind crossing do not have it"]),
        ({"for": "object", "do": 1}, ["did you mean objects?"]),
        ({"for": "objects", "do": 1, "when": 2}, ["'when' cannot stand beside 'for'"]),
        ({"if": "x y", "then": 1}, ["there is no field 'x'"]),
        ({"if": 5, "then": 1}, ["a condition is a text"]),
    ],
)
def test_a_fault_names_its_key_and_what_is_valid(value, words):
    with pytest.raises(MessageError) as caught:
        definition({"outer": [{"inner": value}]})
    text = str(caught.value)
    assert "messages[0].value.outer[0].inner" in text
    for word in words:
        assert word in text


def test_all_faults_are_told_at_once_with_the_place_of_each():
    from countline.messages.faults import MessageFault

    with pytest.raises(MessageError) as caught:
        definition({"a": "{x}", "b": "{y}"}, key="{z}", headers={"h": "{u}"}, topic="{v}", **{"if": "w > 1"})
    faults = caught.value.faults
    assert all(isinstance(f, MessageFault) for f in faults)
    assert {f.loc for f in faults} == {
        ("messages", 0, "value", "a"),
        ("messages", 0, "value", "b"),
        ("messages", 0, "key"),
        ("messages", 0, "headers", "h"),
        ("messages", 0, "topic"),
        ("messages", 0, "if"),
    }


def test_a_frame_trigger_has_no_event_fields_and_says_so():
    with pytest.raises(MessageError, match="this trigger has no event of its own"):
        definition("{track_id}", on="interval 1s")
    with pytest.raises(MessageError, match="this trigger has no event of its own"):
        definition("{track_id}", per="frame")


def test_nothing_but_data_can_be_reached():
    import ast
    import inspect

    import countline.messages.expr
    import countline.messages.filters
    import countline.messages.template

    for module in (countline.messages.expr, countline.messages.filters, countline.messages.template):
        nodes = ast.walk(ast.parse(inspect.getsource(module)))
        calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not calls & {"eval", "exec", "compile", "__import__"}


TEXT = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)


@given(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
    )
)
def test_a_template_without_fields_is_its_own_value(value):
    if isinstance(value, dict) and ({"for", "do"} <= value.keys() or {"if", "then"} <= value.keys()):
        return
    assert json.loads(json.dumps(made({"v": value})[0]["v"])) == json.loads(json.dumps(value))


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_a_fault_never_another_error(text):
    try:
        definition({"v": text}).make(analytics())
    except MessageError as error:
        told = str(error)
    else:
        return
    assert "messages[0].value.v" in told
