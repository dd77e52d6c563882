"""A field of messages is said once: catalogue, help, schemas and reading follow from the entry, or from the dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import ClassVar

import numpy as np
import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_build import LABELS, RULES, SOURCES, TIME, analytics, config, crossing, definition, info

from countline.messages.builder import Builder
from countline.messages.context import Context
from countline.messages.event_fields import EventFields
from countline.messages.field_registry import FieldRegistry
from countline.messages.fields import FRAME_ENTRIES, TABLE, FieldTable
from countline.messages.listing import all_fields, fields_of
from countline.messages.object_fields import OBJECT, objects_reader
from countline.messages.proto import message_class
from countline.messages.scope import Scope
from countline.messages.shape import INTEGER, NUMBER, STRING
from countline.messages.table import Entry, Group, entries_of
from countline.types import UNTRACKED, Analytics, Count, Crossing, Event, ObjectStatus, RegionState, RuleInfo, Tracks

LOC = ("messages", 0)
KINDS = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "record": dict, "map": dict, "list": list, "time": int,
}  # fmt: skip


def build(value, table, **more):
    """A definition that knows the fields of ``table``."""
    one = config(value, **more)
    builder = Builder(one, LOC, Context(RULES, SOURCES, LABELS, table=table))
    return builder.finish(builder.compiler.tree(one.value, (*LOC, "value")), None)


def everywhere(table, path, value, data=None, **more):
    """The field is found, listed, of one type in all three schemas, and read."""
    assert any(line.split()[0] == path for line in fields_of(config(**more), RULES, SOURCES, LABELS, table))
    made = build({"new": f"{{{path}}}"}, table, **more)
    (message,) = made.make(analytics() if data is None else data)
    assert orjson.loads(message.value) == {"new": value}
    assert list(made.schema.json()["properties"]) == ["new"]
    assert [f["name"] for f in made.schema.avro()["fields"]] == ["new"]
    proto = build({"new": f"{{{path}}}"}, table, encoding="protobuf", **more)
    (message,) = proto.make(analytics() if data is None else data)
    told = MessageToDict(
        message_class(proto.schema).FromString(message.value), always_print_fields_with_no_presence=True
    )
    assert str(told["new"]) == str(value)
    return made.schema.json()["properties"]["new"]


def test_one_entry_makes_a_field_of_every_frame():
    table = replace(TABLE, frame=(*FRAME_ENTRIES, Entry("weather", STRING, lambda s: "rain")))
    assert everywhere(table, "weather", "rain", on="frame") == {"type": "string"}
    assert "  weather                              string" in list(all_fields(table))
    assert FieldRegistry(RULES, SOURCES).find("weather") is None


def test_one_entry_makes_a_field_of_objects_in_loops_and_in_the_list():
    entry = Entry("age", INTEGER, lambda s: s.i + 40, "objects")
    table = replace(TABLE, objects=(*OBJECT, entry))
    made = build({"loop": {"for": "objects", "do": "{age}"}, "list": "{objects}"}, table, on="frame")
    (message,) = made.make(analytics())
    value = orjson.loads(message.value)
    assert value["loop"] == [40, 41, 42] == [item["age"] for item in value["list"]]
    shape = made.schema.json()["properties"]["list"]["items"]
    assert shape["properties"]["age"] == {"type": "integer"}
    assert "age" in shape["required"]
    assert list(all_fields(table)).count("  age                                  integer") == 1


@dataclass(slots=True)
class Hall(RegionState):
    """A region that knows more."""

    noise: float = field(default=0.0, metadata={"digits": 1})
    knocked: Count = field(default_factory=Count, metadata={"counter": "knock"})
    seats: dict[str, int] = field(default_factory=dict)
    opened_at: int = field(default=0, metadata={"time": True})


HALL = replace(
    TABLE,
    groups=tuple(
        Group("regions", "region", entries_of(Hall), Hall(), attrgetter("regions")) if g.key == "regions" else g
        for g in TABLE.groups
    ),
)


def test_one_field_of_a_states_dataclass_is_a_field_by_path_in_loops_and_in_both_records():
    hall = Hall(3, {"person": 3}, Count(1, 8), noise=41.26, knocked=Count(1, 5), seats={"car": 2}, opened_at=TIME)
    data = analytics(regions={"lobby": hall})
    more = {"on": "frame", "sources": ["entrance"]}
    assert everywhere(HALL, "regions.lobby.noise", 41.3, data, **more) == {"type": "number"}
    everywhere(HALL, "regions.lobby.knocked.cumulative", 5, data, **more)
    everywhere(HALL, "regions.lobby.opened_at", "2023-11-14T22:13:20.123Z", data, **more)
    value = {
        "by class": "{regions.lobby.seats.car}",
        "one": "{regions.lobby}",
        "all": "{regions}",
        "loop": {"for": "regions", "do": ["{name}", "{noise}", "{knocked.current}", "{seats}", "{opened_at}"]},
    }
    made = build(value, HALL, **more)
    (message,) = made.make(data)
    told = orjson.loads(message.value)
    assert told["by class"] == 2
    assert told["all"] == {"lobby": told["one"]}
    new = {
        "noise": 41.3,
        "knocked": {"current": 1, "cumulative": 5},
        "seats": {"car": 2},
        "opened_at": "2023-11-14T22:13:20.123Z",
    }
    assert {key: told["one"][key] for key in new} == new
    assert told["loop"] == [["lobby", 41.3, 1, {"car": 2}, "2023-11-14T22:13:20.123Z"]]
    assert set(new) <= set(made.schema.json()["properties"]["one"]["required"])
    assert "regions.NAME.knocked.window" in "\n".join(all_fields(HALL))
    assert FieldRegistry(RULES, SOURCES, LABELS, interval=True, table=HALL).find("regions.lobby.knocked.window")


@dataclass(frozen=True, slots=True)
class Sprint(Crossing):
    """A crossing in a hurry."""

    kind: ClassVar[str] = "sprint"
    strides: int = 0
    pace: float = 0.0


def test_one_field_of_an_events_dataclass_is_a_field_of_events_and_in_their_list():
    table = replace(TABLE, events=EventFields({**TABLE.events.types, "sprint": Sprint}))
    fields = table.events.of(["sprint"])
    assert (fields["strides"].shape, fields["pace"].shape) == (INTEGER, NUMBER)
    assert table.events.of(["sprint", "enter"])["pace"].shape == NUMBER.or_null()
    assert "pace" not in table.events.of(["enter"])
    assert {"strides", "pace"} <= set(table.events.words)
    event = Sprint(info(), "straight", 0, 5, 0, "person", 0.9, (1.0, 2.0, 3.0, 4.0), "in", 4, 2.34567)
    scope = Scope(analytics(), (event, crossing(info(), 1)), [None], None)
    first, second = table.of_frame["events"].get(scope)
    assert (first["strides"], first["pace"], first["direction"]) == (4, 2.346, "in")
    assert "pace" not in second
    assert "of an event `sprint`, also as event.…:" in list(all_fields(table))


ids = st.one_of(st.integers(0, 2**64 - 2), st.just(UNTRACKED))
number = st.floats(-1e4, 1e4, width=32)
status = st.one_of(
    st.none(), st.builds(ObjectStatus, regions=st.lists(st.text(max_size=3)), lines=st.lists(st.text(max_size=3)))
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(ids, st.tuples(number, number, number, number), st.floats(0, 1), st.integers(0, 5), status)),
    st.booleans(),
)
def test_objects_read_column_by_column_are_those_read_one_by_one(rows, speeds):
    tracks = Tracks(
        np.array([r[1] for r in rows], np.float32).reshape(-1, 4),
        np.array([r[2] for r in rows], np.float32),
        np.array([r[3] for r in rows], np.int64),
        np.array([r[0] for r in rows], np.uint64),
    )
    a = Analytics(
        info(),
        tracks,
        objects=[r[4] for r in rows],
        class_names=LABELS,
        speeds={r[0]: r[2] * 60 for r in rows[::2]} if speeds else {},
    )
    one_by_one = tuple(replace(entry, column=None) for entry in OBJECT)
    found = objects_reader(OBJECT)(Scope(a, (), [None], None))
    assert found == objects_reader(one_by_one)(Scope(a, (), [None], None))
    assert len(found) == len(rows)


@pytest.mark.parametrize(
    ("field_", "fingerprint"),
    [
        ("{objects}", "8a5343aaf684241d"),
        ("{lines}", "bc77d3a17d9b3fbf"),
        ("{regions}", "635b7151f889c263"),
        ("{directions}", "6c30322ede9b3dbc"),
        ("{journeys}", "ad72e54af924def0"),
        ("{events}", "386b5b5eb67d66e1"),
        ("{window}", "64c0ff83dc111666"),
        ("{gap}", "cd5d48d6ddeb48ee"),
        ("{lines.straight}", "02393f43a9649b5c"),
        ("{regions.lobby}", "86b0a4fb97050f56"),
        ("{queues}", "2a7db6264036a9bb"),
        ("{wrong_ways}", "3781d6755aeda146"),
    ],
)
def test_schemas_of_whole_records_are_those_that_are_out_there(field_, fingerprint):
    made = definition({"v": field_}, on="interval 1s" if field_ == "{window}" else "frame")
    assert made.schema.fingerprint == fingerprint


def test_every_field_that_is_listed_is_found_and_reads_a_value_of_its_shape():
    rules = [
        *RULES,
        RuleInfo("till", "queue", None, key="queues"),
        RuleInfo("street", "wrong-way", None, key="wrong_ways"),
    ]
    registry = FieldRegistry(rules, SOURCES, LABELS, interval=True, attachment=True)
    scope = Scope(analytics(), (), [None], None)
    paths = [path.replace("CLASS", "traffic light") for path in registry.paths() if not path.startswith("window")]
    assert len(paths) > 100
    for path in dict.fromkeys(paths):
        found = registry.find(path)
        assert found is not None, path
        value = found.get(scope)
        assert (value is None and found.shape.nullable) or isinstance(value, KINDS[found.shape.kind]), path


def test_the_table_has_no_two_fields_of_one_path():
    for entries in (FRAME_ENTRIES, OBJECT, *(group.entries for group in FieldTable().groups)):
        names = [entry.name for entry in entries]
        assert len(names) == len(set(names))
    assert Event not in TABLE.events.types.values()
