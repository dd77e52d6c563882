"""Compatibility of schemas, the schema command."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from messages_build import definition

from countline.cli.schema import command
from countline.errors import ConfigError
from countline.messages.schema_diff import differences
from countline.messages.time import rfc3339

S = 1_000_000_000
BASE = {"a": "{frame}", "b": {"c": "{class}"}, "list": {"for": "objects", "do": {"x": "{confidence}"}}}
OPTIONAL = {"if": "frame > 1", "then": "{frame}"}

CASES = [
    # new value, (backward, forward) for JSON Schema, Avro
    (BASE, (True, True), (True, True)),
    ({**BASE, "new": "{frame}"}, (False, False), (False, True)),
    ({**BASE, "new": OPTIONAL}, (True, False), (True, True)),
    ({k: v for k, v in BASE.items() if k != "a"}, (False, False), (True, False)),
    ({**BASE, "a": "{class}"}, (False, False), (False, False)),
    ({**BASE, "a": "{confidence}"}, (True, False), (True, False)),
    ({**BASE, "b": {"c": 1}}, (False, False), (False, False)),
    ({**BASE, "a": "{lines.north gate 2.0.reset_at}"}, (False, False), (False, False)),
    ({**BASE, "list": {"for": "objects", "do": {"x": "{class}"}}}, (False, False), (False, False)),
]


@pytest.mark.parametrize(("new", "for_json", "for_avro"), CASES)
def test_compatibility_of_json_and_avro(new, for_json, for_avro):
    old, new = definition(BASE).schema, definition(new).schema
    for one, other, expected in ((old.json(), new.json(), for_json), (old.avro(), new.avro(), for_avro)):
        found = tuple(not differences(one, other, mode) for mode in ("backward", "forward"))
        assert found == expected
        assert (not differences(one, other, "full")) == all(expected)


@pytest.mark.parametrize(("new", "_json", "_avro"), CASES)
def test_what_is_called_backward_compatible_in_avro_can_be_read_by_fastavro(new, _json, _avro):
    import io

    import fastavro
    from messages_build import analytics

    old, new = definition(BASE, encoding="avro"), definition(new, encoding="avro")
    body = old.make(analytics())[0].value
    writer, reader = fastavro.parse_schema(old.schema.avro()), fastavro.parse_schema(new.schema.avro())
    try:
        fastavro.schemaless_reader(io.BytesIO(body), writer, reader)
        readable = True
    except Exception:
        readable = False
    compatible = not differences(old.schema.avro(), new.schema.avro(), "backward")
    assert readable or not compatible
    if not compatible:
        assert not readable


def test_protobuf_is_compared_by_number():
    old = definition({"a": "{frame}", "b": "{class}"}).schema.proto()
    assert differences(old, definition({"a": "{frame}", "b": "{class}", "c": 1}).schema.proto(), "full") == []
    moved = definition({"c": 1.5, "a": "{frame}", "b": "{class}"}).schema.proto()
    assert len(differences(old, moved, "backward")) == 2
    fixed = definition({"c": 1.5, "a": "{frame}", "b": "{class}"}, schema={"numbers": {"a": 1, "b": 2}}).schema.proto()
    assert differences(old, fixed, "full") == []


def test_two_languages_cannot_be_compared():
    schema = definition(BASE).schema
    with pytest.raises(ConfigError, match="compare two of one language"):
        differences(schema.json(), schema.avro())


CONFIG = """
sources:
  - {name: entrance, uri: street.mp4}
rules:
  lines:
    - {name: straight, points: [[0.1, 0.55], [0.9, 0.55]]}
messages:
  - name: line-crossing
    value: {n: "{lines.straight.current}", "@timestamp": "{time}"}
  - name: packed
    encoding: avro
    schema: {registry: "http://127.0.0.1:9/none"}
    value: {n: "{track_id}"}
"""


def run(*args):
    return CliRunner().invoke(command, args, standalone_mode=False)


def test_the_schema_of_the_configuration():
    import jsonschema
    import yaml

    schema = json.loads(run().stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(CONFIG.replace("on:", "'on':")), schema)
    assert "if" in schema["$defs"]["MessageConfig"]["properties"]


def test_the_schema_of_a_message_in_each_language(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    path = str(tmp_path / "c.yaml")
    assert json.loads(run("--message", "line-crossing", path).stdout)["properties"]["n"] == {"type": "integer"}
    assert "int64 n = 1;" in run("--message", "line-crossing", "--format", "proto", path).stdout
    assert (
        json.loads(run("--message", "packed", path).stdout)["fields"][0]["name"] == "n"
    )  # by its encoding; no registry asked
    assert isinstance(run("--message", "line-crosing", path).exception, ConfigError)
    assert isinstance(run("--message", "line-crossing").exception, ConfigError)


def test_a_template_fault_names_file_and_line(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG.replace("lines.straight.current", "lines.strait.current"))
    error = run("--message", "packed", str(tmp_path / "c.yaml")).exception
    assert isinstance(error, ConfigError)
    assert str(error).startswith(
        f"{tmp_path / 'c.yaml'}:9:13 [messages[0].value.n]: there is no field 'lines.strait.current'"
    )


def test_the_compatibility_check_is_a_command(tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(definition(BASE).schema.text("json"))
    new.write_text(definition({**BASE, "new": OPTIONAL}).schema.text("json"))
    good = run("--check", str(old), str(new))
    assert (good.return_value, good.stdout) == (0, "compatible (backward)\n")
    bad = run("--check", str(old), str(new), "--mode", "full")
    assert bad.return_value == 2
    assert bad.stdout == "forward: value.new is not known to the reader, which takes no other fields\n"
    new.write_text("{")
    assert isinstance(run("--check", str(old), str(new)).exception, ConfigError)
    assert isinstance(run("--check", str(old), str(tmp_path / "none")).exception, ConfigError)


@given(st.integers(-62_000_000_000, 250_000_000_000), st.integers(0, 999_999_999), st.integers(0, 9))
def test_rfc3339_is_what_datetime_says(second, fraction, digits):
    text = rfc3339(second * S + fraction, digits)
    when = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=second)
    head = when.replace(tzinfo=None).isoformat(timespec="seconds")
    assert text == head + (f".{fraction:09d}"[: 1 + digits] if digits else "") + "Z"
