"""Options that have another name now: the old one means the same, is told once, and errors name what was written."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import starting
from countline.config import load
from countline.config.outputs import BUILT_IN, config_class
from countline.config.renames import in_new_names, old_values, under_both_names
from countline.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
LEAST: dict[str, dict[str, Any]] = {"kafka": {"bootstrap": "localhost:1", "topic": "t"}, "sql": {"url": "sqlite:x.db"}}
SASL = {"mechanism": "PLAIN", "username": "u", "password": "correct-horse"}
VALUES: dict[tuple[str, str], list[Any]] = {
    ("kafka", "security.tls"): [True, False, {"ca": "ca.pem"}, {"cert": "both.pem", "verify": False}],
    ("kafka", "security.sasl"): [SASL],
    ("kafka", "queue_bytes"): [1 << 20],
    ("redis", "stream"): ["counts"],
    ("sql", "dsn"): ["sqlite:counts.db", "postgresql://u@h/d"],
}
RENAMES = [(kind, old, new) for kind in BUILT_IN for old, new in config_class(kind).renamed.items()]


def text_of(kind: str, options: dict[str, Any]) -> str:
    return f"sources:\n  - {{name: a, uri: a.mp4}}\noutputs:\n  - {kind}:\n" + "".join(
        f"      {line}\n" for line in yaml.safe_dump(options, sort_keys=False).splitlines()
    )


def put(options: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    head, _, inner = name.partition(".")
    if not inner:
        return {**options, head: value}
    return {**options, head: {**options.get(head, {}), inner: value}}


def least(kind: str, new: str) -> dict[str, Any]:
    return {name: value for name, value in LEAST.get(kind, {}).items() if name != new}


def test_every_renamed_option_is_tried_here() -> None:
    assert {(kind, old) for kind, old, _ in RENAMES} == set(VALUES)


@pytest.mark.parametrize(("kind", "old", "new"), RENAMES)
def test_an_old_name_means_what_the_new_one_means(kind: str, old: str, new: str) -> None:
    for value in VALUES[kind, old]:
        made = [load("c.yaml", text_of(kind, put(least(kind, new), name, value))) for name in (old, new)]
        assert made[0].outputs == made[1].outputs
        assert new in made[0].outputs[0].model_fields_set


@pytest.mark.parametrize(("kind", "old", "new"), RENAMES)
def test_an_old_name_is_told_once_with_its_place(
    kind: str, old: str, new: str, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    file = f"{request.node.name}.yaml"
    text = text_of(kind, put(least(kind, new), old, VALUES[kind, old][-1]))
    line = (
        text.splitlines().index(
            next(t for t in text.splitlines() if t.strip().startswith(f"{old.rpartition('.')[2]}:"))
        )
        + 1
    )
    for _ in range(3):
        load(file, text)
    (told,) = [r for r in caplog.records if r.name == "countline.config"]
    assert told.levelno == logging.WARNING
    assert re.match(
        rf"{re.escape(file)}:{line}:\d+ \[outputs\[0\]\.{kind}\.{old}\]: '{old}' is now called '{new}'", told.message
    )
    caplog.clear()
    load(file, text_of(kind, put(least(kind, new), new, VALUES[kind, old][-1])))
    assert [r for r in caplog.records if r.name == "countline.config"] == []


@pytest.mark.parametrize(("kind", "old", "new"), RENAMES)
def test_both_names_at_once_are_an_error_that_says_so(kind: str, old: str, new: str) -> None:
    value = VALUES[kind, old][-1]
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", text_of(kind, put(put(least(kind, new), new, value), old, value)))
    assert f"'{old}' and '{new}' are the old and the new name" in caught.value.what
    assert f"[outputs[0].{kind}.{old}]" in str(caught.value.where)
    assert caught.value.fix == f"keep {new}"


@pytest.mark.parametrize(
    ("kind", "options", "key", "word"),
    [
        ("redis", {"stream": ""}, "stream", "at least 1"),
        ("sql", {"dsn": "mysql://u:correct-horse@h/d"}, "dsn", "address of a database"),
        ("sql", {"dsn": "sqlite:x.db", "tls": True}, "tls", "no TLS"),
        ("redis", {"tls": {"key": "x"}}, "tls.key", "key without cert"),
        ("kafka", {"queue_bytes": 7}, "queue_bytes", "1048576 or more"),
        ("kafka", {"security": {"tls": {"caa": "x"}}}, "security.tls.caa", "did you mean 'ca'"),
        ("kafka", {"security": {"tls": {"key": "x"}}}, "security.tls.key", "key without cert"),
        ("kafka", {"security": {"sasl": {"mechanism": "SCRAM"}}}, "security.sasl.mechanism", "must be"),
        ("kafka", {"security": {"sasl": {"username": "u"}}}, "security.sasl", "needs username and password"),
        ("kafka", {"security": {"tsl": {}}}, "security.tsl", "unknown key 'tsl'"),
        ("kafka", {"security": "correct-horse"}, "security", "must be a mapping"),
        ("kafka", {"sasl": {"username": "u"}}, "sasl", "needs username and password"),
        ("kafka", {"dead_letters": "t", "queue_bytes": 1 << 20}, "dead_letters", "refused them"),
    ],
)
def test_an_error_names_the_key_that_was_written(kind: str, options: dict[str, Any], key: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", text_of(kind, {**(LEAST["kafka"] if kind == "kafka" else {}), **options}))
    assert f"[outputs[0].{kind}.{key}]" in str(caught.value.where)
    assert word in str(caught.value)
    assert "correct-horse" not in str(caught.value)


def test_the_command_line_says_it_once(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"sources: [{{name: a, uri: {tmp_path}/none.mp4}}]\noutputs:\n  - redis: {{stream: counts, port: 1}}\n"
    )
    for command in (["run", "-q"], ["check"], ["outbox"]):
        done = starting.run(
            [sys.executable, "-m", "countline", *command, str(path)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.stderr.count("'stream' is now called 'topic'") == 1, done.stderr


@pytest.mark.parametrize(
    ("kind", "options"), [("webhook", {"url": "https://h/"}), ("object_store", {"url": "s3://b/x"})]
)
def test_tls_may_be_true_for_every_output_that_has_it(kind: str, options: dict[str, Any]) -> None:
    assert load("c.yaml", text_of(kind, {**options, "tls": True})).outputs[0].tls.verify  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="never without TLS"):
        load("c.yaml", text_of(kind, {**options, "tls": False}))


def test_all_outputs_have_one_model_of_tls() -> None:
    found = {
        kind: sorted(config_class(kind).model_fields["tls"].annotation.__args__[0].model_fields)  # type: ignore[union-attr]
        if kind not in ("webhook", "object_store")
        else sorted(config_class(kind).model_fields["tls"].annotation.model_fields)  # type: ignore[union-attr]
        for kind in BUILT_IN
        if "tls" in config_class(kind).model_fields
    }
    assert len(found) == 8
    assert {tuple(fields) for fields in found.values()} == {("ca", "cert", "key", "key_password", "verify")}


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "g", "x", "y", "z"]),
        st.one_of(st.integers(), st.dictionaries(st.sampled_from("pqr"), st.integers())),
    )
)
def test_nothing_is_lost_in_new_names(data: dict[str, Any]) -> None:
    renames = {"a": "x", "g.p": "y", "g.q": "z"}
    if under_both_names(data, renames) is None:
        made = in_new_names(data, renames)
        for old, value in old_values(data, renames):
            assert made[renames[old]] == value
        assert not list(old_values(made, renames))
        assert {k: v for k, v in made.items() if k in "b"} == {k: v for k, v in data.items() if k in "b"}
        assert in_new_names(made, renames) == made


# -- the JSON Schema ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> Any:
    import jsonschema

    from countline.commands.schema import configuration_schema

    made = json.loads(configuration_schema())
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def _documents() -> list[Any]:
    found = []
    pages = [
        page for page in sorted((ROOT / "docs").glob("*.md")) if page.stem != "extending"
    ]  # that needs its package
    for page in [*pages, ROOT / "README.md"]:
        for n, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)):
            found.append(pytest.param(text, id=f"{page.stem}-{n}"))
    for file in sorted((ROOT / "examples").rglob("*.y*ml")):
        found.append(pytest.param(file.read_text(encoding="utf-8"), id=file.name))
    return found


@pytest.mark.parametrize("text", _documents())
def test_an_editor_that_has_the_schema_takes_every_output_of_the_docs(text: str, schema: Any) -> None:
    data = yaml.safe_load(text)
    if isinstance(data, dict) and "outputs" in data:
        whole = {"sources": [{"name": "a", "uri": "a.mp4"}], "outputs": data["outputs"]}
        assert [error.message for error in schema.iter_errors(whole)] == []


@pytest.mark.parametrize(("kind", "old", "new"), RENAMES)
def test_the_schema_knows_old_names_as_deprecated(kind: str, old: str, new: str, schema: Any) -> None:
    for name in (old, new):
        for value in VALUES[kind, old]:
            data = yaml.safe_load(text_of(kind, put(least(kind, new), name, value)))
            assert [error.message for error in schema.iter_errors(data)] == []
    model = schema.schema["$defs"][f"countline__outputs__{kind}__config__Config"]
    assert model["properties"][old.partition(".")[0]]["deprecated"] is True
    assert "deprecated" not in model["properties"][new]


@pytest.mark.parametrize(
    "outputs",
    [[{"redis": {"strem": "x"}}], [{"kafka": {"topic": "t"}}], ["kafka"], [{"redis": {}, "nats": {}}], [{"sql": {}}]],
)
def test_the_schema_refuses_what_a_run_refuses(outputs: list[Any], schema: Any) -> None:
    assert list(schema.iter_errors({"sources": [{"name": "a", "uri": "a.mp4"}], "outputs": outputs}))


@pytest.mark.parametrize("outputs", [["stdout"], [{"stdout": None}], ["redis", {"redis": {"name": "b", "tls": True}}]])
def test_the_schema_takes_the_short_forms(outputs: list[Any], schema: Any) -> None:
    assert (
        list(schema.iter_errors({"sources": [{"name": "a", "uri": "a.mp4"}], "outbox": "memory", "outputs": outputs}))
        == []
    )
