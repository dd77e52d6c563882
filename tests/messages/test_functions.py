"""Python functions and typed classes as messages."""

from __future__ import annotations

import os
from collections import ChainMap, deque, namedtuple
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypedDict
from uuid import UUID

import msgspec
import numpy as np
import orjson
import pydantic
import pytest
from messages_build import LABELS, RULES, SOURCES, all_events, analytics, config, from_function, info

import countline
from countline import messages
from countline.errors import ConfigError, MessageError
from countline.messages import message
from countline.types import Analytics, Crossing


def values(one, data=None):
    return [orjson.loads(m.value) for m in one.make(analytics() if data is None else data)]


def test_the_functions_of_the_design_work_as_written():
    @message(on="crossing", key=lambda e: e.source.device_id)
    def payload(event: Crossing) -> dict:
        return {"who": event.track_id, "line": event.rule, "to": event.direction, "at": event.time}

    one = from_function(payload)
    made = one.make(analytics())
    assert [orjson.loads(m.value) for m in made] == [
        {"who": 5, "line": "straight", "to": "in", "at": "2023-11-14T22:13:20.123456Z"},
        {"who": 6, "line": "straight", "to": "in", "at": "2023-11-14T22:13:20.123456Z"},
    ]
    assert {m.key for m in made} == {b"device_test"}
    assert len({m.id for m in made}) == 2
    assert payload(analytics().events[0])["who"] == 5  # still a plain function
    assert countline.message is message


@dataclass
class Data:
    n: int
    at: datetime


@dataclass
class Inner:
    id: str


@dataclass
class Whole:
    sensor: Inner


class Struct(msgspec.Struct, rename="camel"):
    line_name: str
    n: int


class Model(pydantic.BaseModel):
    line: str = pydantic.Field(serialization_alias="lineName")
    n: int


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"n": np.int64(3), "a": np.array([1.5, 2])}, [{"n": 3, "a": [1.5, 2.0]}]),
        (Data(1, datetime(2024, 1, 2)), [{"n": 1, "at": "2024-01-02T00:00:00"}]),
        (Struct("x", 2), [{"lineName": "x", "n": 2}]),
        (Model(line="x", n=2), [{"lineName": "x", "n": 2}]),
        (
            {"inner": [Struct("x", 2), Model(line="y", n=3)]},
            [{"inner": [{"lineName": "x", "n": 2}, {"lineName": "y", "n": 3}]}],
        ),
        (b'{"raw":1}', [{"raw": 1}]),
        ('{"raw":2}', [{"raw": 2}]),
        ({"s": {3, 1, 2}, "b": b"\x00\xff"}, [{"s": [1, 2, 3], "b": "AP8="}]),
        (None, []),
        ([], []),
        ([{"a": 1}, None, {"a": 2}], [{"a": 1}, {"a": 2}]),
    ],
)
def test_what_a_function_may_return(result, expected):
    one = from_function(message(on="frame")(lambda a: result))
    assert values(one) == expected
    assert not one.failures


def test_a_generator_gives_several_messages_with_ids_of_their_own():
    @message(on="frame")
    def many(a: Analytics):
        for name, line in a.lines.items():
            yield {"line": name, "n": line.cumulative}

    made = from_function(many).make(analytics())
    assert [orjson.loads(m.value)["n"] for m in made] == [12, 4]
    assert len({m.id for m in made}) == 2
    assert [m.id for m in made] == [m.id for m in from_function(many).make(analytics())]


@pytest.mark.parametrize("on", ["change", "interval 1s", "frame"])
def test_frame_triggers_give_the_analytics(on):
    @message(
        on=on, topic=lambda a: f"t-{a.frame.source.name}", headers={"n": lambda a: a.frame.number, "s": "{source}"}
    )
    def state(a: Analytics) -> dict:
        return {"total": sum(x.cumulative for x in a.lines.values())}

    one = from_function(state)
    (made,) = [*one.make(analytics()), *one.finish("entrance")]  # an interval is told when it is over
    assert orjson.loads(made.value) == {"total": 16}
    assert made.topic == "t-entrance"
    assert made.headers == (("s", b"entrance"), ("n", b"7"))


def test_per_frame_and_further_parameters():
    @message(on="crossing", per="frame")
    def whole(a: Analytics) -> dict:
        return {"n": len(a.events)}

    @message(on="enter")
    def more(event, analytics, frame):
        return {"inside": analytics.regions[event.rule].occupancy, "pixels": frame is not None}

    assert values(from_function(whole)) == [{"n": 2}]
    assert values(from_function(more), analytics(events=all_events(info()))) == [{"inside": 3, "pixels": False}]
    with pytest.raises(MessageError, match="parameter 'camera'"):
        from_function(message(on="enter")(lambda event, camera: {}))


def test_an_exception_is_counted_and_told_with_its_place_and_the_rest_goes_on():
    def helper(track):
        return 1 / (track - 5)

    @message(on="crossing")
    def breaks(event):
        return {"v": helper(event.track_id)}

    one = from_function(breaks)
    assert [orjson.loads(m.value) for m in one.make(analytics())] == [{"v": 1.0}]
    (failure,) = one.take_failures()
    assert failure.error == "ZeroDivisionError: division by zero"
    line = helper.__code__.co_firstlineno + 1
    assert failure.place == f"{__file__}:{line} in helper"
    assert failure.event.track_id == 5
    assert failure.frame.number == 7
    assert (one.made, one.failed) == (1, 1)
    assert one.take_failures() == []
    row = orjson.loads(orjson.dumps(failure.as_dict()))
    assert row["event"] == {"kind": "crossing", "rule": "straight", "sequence": 0, "track_id": 5}
    assert row["when"] == 1_700_000_000_123_456_789


def test_what_cannot_be_encoded_is_a_failure_too():
    one = from_function(message(on="frame")(lambda a: {"x": object()}))
    assert one.make(analytics()) == []
    assert "a value of type object cannot be encoded" in one.failures[0].error
    key = from_function(message(on="frame", key=lambda a: a.nothing)(lambda a: {}))
    assert key.make(analytics()) == []
    assert "nothing" in key.failures[0].error


def test_one_value_that_cannot_be_encoded_does_not_hold_up_the_others():
    one = from_function(message(on="frame")(lambda a: [{"n": 1}, {"n": object()}, {"n": 3}]))
    assert values(one) == [{"n": 1}, {"n": 3}]
    assert (one.made, one.failed) == (2, 1)


def test_failures_are_bounded_and_counted_in_full():
    one = from_function(message(on="frame")(lambda a: 1 / 0))
    for _ in range(1500):
        one.make(analytics())
    assert one.failed == 1500
    assert len(one.failures) == 1000


@message(on="crossing")
@dataclass
class Filled:
    track_id: int
    class_: str
    total: Annotated[int, "{lines.straight.cumulative}"]
    time: datetime
    text: Annotated[str, "{class} goes {direction}"]


@message(on="crossing")
class FilledStruct(msgspec.Struct):
    track_id: int
    rule: str


@message(on="crossing")
class FilledModel(pydantic.BaseModel):
    track_id: int = pydantic.Field(alias="trackId")
    rule: str


@message(on="crossing")
class FilledDict(TypedDict):
    track_id: int
    rule: str


def test_typed_classes_are_filled_field_by_field():
    assert values(from_function(Filled))[0] == {
        "track_id": 5,
        "class_": "person",
        "total": 12,
        "time": "2023-11-14T22:13:20.123456Z",
        "text": "person goes in",
    }
    assert values(from_function(FilledStruct))[0] == {"track_id": 5, "rule": "straight"}
    assert values(from_function(FilledModel))[0] == {"trackId": 5, "rule": "straight"}
    assert values(from_function(FilledDict))[0] == {"track_id": 5, "rule": "straight"}


def test_a_typed_class_with_a_field_that_does_not_exist_is_a_fault_when_loaded():
    @message(on="crossing")
    @dataclass
    class Wrong:
        trak_id: int

    with pytest.raises(MessageError, match="did you mean track_id"):
        from_function(Wrong)


def test_a_class_with_of_makes_itself():
    @message(on="crossing", name="own")
    @dataclass
    class Own:
        n: int

        @classmethod
        def of(cls, event):
            return cls(event.track_id * 10)

    assert values(from_function(Own)) == [{"n": 50}, {"n": 60}]


def test_functions_named_in_yaml(tmp_path, monkeypatch):
    (tmp_path / "mypayloads.py").write_text(
        "import countline\n"
        "@countline.message(on='crossing', key='{device_id}')\n"
        "def payload(event):\n    return {'t': event.track_id}\n"
        "def bare(event):\n    return {'bare': event.track_id}\n"
    )
    (tmp_path / "broken.py").write_text("x = 1 / 0\n")
    monkeypatch.chdir(tmp_path)

    def load(function, **more):
        one = config(function=function, **more)
        return messages.make([one], rules=RULES, sources=SOURCES, labels=LABELS)[0]

    made = load("mypayloads:payload", key="{track_id}", name="mine").make(analytics())
    assert [(m.value, m.key, m.definition) for m in made] == [(b'{"t":5}', b"5", "mine"), (b'{"t":6}', b"6", "mine")]
    assert load("mypayloads.py:payload").make(analytics())[0].key == b"device_test"
    assert values(load("mypayloads:bare")) == [{"bare": 5}, {"bare": 6}]
    for text, words in (
        ("mypayloads:paylod", "did you mean payload"),
        ("mypayload:payload", "cannot import mypayload"),
        ("nothing.py:payload", "there is no file nothing.py"),
        ("broken:f", r"ZeroDivisionError.*broken\.py:1"),
        ("mypayloads", "write module:function"),
    ):
        with pytest.raises(MessageError, match=words):
            load(text)


def test_a_file_of_functions_counts_as_it_stands_however_soon_it_was_mended(tmp_path, monkeypatch):
    """Python itself takes what it has compiled of a file for current when size and second of the change are."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    path = tmp_path / "mended_soon.py"
    for number in (1, 2):
        path.write_text(f"def payload(event):\n    return {{'n': {number}}}\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        one = config(function=f"{path}:payload")
        (made, *_) = messages.make([one], rules=RULES, sources=SOURCES, labels=LABELS)
        assert values(made)[0] == {"n": number}


@pytest.mark.parametrize(
    "result",
    [
        {"sensor": {"id": "cam"}},
        {"sensor": Inner("cam")},
        Whole(Inner("cam")),
        b'{"sensor":{"id":"cam"}}',
    ],
)
def test_the_partition_key_is_found_in_whatever_a_function_returns(result):
    one = from_function(message(on="frame", partition_key="sensor.id")(lambda a: result))
    assert one.make(analytics())[0].key == b"cam"


def test_the_partition_key_is_found_in_a_typed_class():
    @message(on="crossing", partition_key="rule")
    @dataclass
    class Crossed:
        rule: str

    assert from_function(Crossed).make(analytics())[0].key == b"straight"


def test_bytes_that_are_no_json_have_no_partition_key():
    one = from_function(message(on="frame", partition_key="sensor.id")(lambda a: b"\x00\x01"))
    assert [(m.key, m.value) for m in one.make(analytics())] == [(None, b"\x00\x01")]


def test_what_yaml_says_of_a_function_wins_over_its_decorator(tmp_path, monkeypatch):
    (tmp_path / "keyed.py").write_text(
        "import countline\n"
        "@countline.message(on='crossing', key=lambda e: 'own', topic=lambda e: 'own')\n"
        "def payload(event):\n    return {'t': event.track_id}\n"
    )
    monkeypatch.chdir(tmp_path)
    one = config(function="keyed.py:payload", key="{device_id}", on="crossing")
    (first, _) = messages.make([one], rules=RULES, sources=SOURCES, labels=LABELS)[0].make(analytics())
    assert (first.key, first.topic) == (b"device_test", "own")


def test_options_that_cannot_be_are_told_when_decorated():
    with pytest.raises(ConfigError, match="there is no trigger 'crosing'"):
        message(on="crosing")(lambda e: {})
    with pytest.raises(ConfigError, match="unknown key 'kex'"):
        message(on="crossing", kex="x")(lambda e: {})
    with pytest.raises(MessageError, match="neither a function nor a class"):
        messages.make([], rules=RULES, sources=SOURCES, labels=LABELS, functions=[5])


def test_values_of_pythons_own_types_are_encoded_alike_in_json_and_messagepack():
    Pair = namedtuple("Pair", "a b")

    class Colour(Enum):
        RED = "red"

    values = {
        "decimal": (Decimal("1.25"), 1.25), "span": (timedelta(seconds=90.5), "PT90.5S"), "path": (Path("/x/y"), "/x/y"),
        "pair": (Pair(1, 2), {"a": 1, "b": 2}), "set": ({3}, [3]), "bytes": (b"x", "eA=="), "colour": (Colour.RED, "red"),
        "uuid": (UUID(int=1), "00000000-0000-0000-0000-000000000001"), "day": (date(2026, 11, 27), "2026-11-27"),
        "number": (np.float32(1.5), 1.5), "array": (np.arange(3), [0, 1, 2]), "range": (range(2), [0, 1]),
        "chain": (ChainMap({"k": 1}), {"k": 1}), "address": (ip_address("10.0.0.1"), "10.0.0.1"), "deque": (deque([1]), [1]),
    }  # fmt: skip
    for encoding, decode in (("json", orjson.loads), ("msgpack", msgspec.msgpack.decode)):
        one = from_function(message(on="frame", encoding=encoding)(lambda a: {k: v for k, (v, _) in values.items()}))
        (made,) = one.make(analytics())
        found = decode(made.value)
        for name, (_, wanted) in values.items():
            if encoding == "msgpack" and name in ("bytes", "pair"):
                continue  # MessagePack has bytes of its own, and msgspec writes a named tuple as a list
            assert found[name] == wanted, (encoding, name)
