"""Secrets of all types, through every option of every output and every kind of address, never come out of a configuration."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from countline.config import load
from countline.config.loader import Document, validate
from countline.config.models import Config
from countline.config.outputs import BUILT_IN, config_class
from countline.errors import CountlineError
from countline.pipeline import build

LEAST: dict[str, dict[str, Any]] = {
    "kafka": {"bootstrap": "localhost:1", "topic": "t"},
    "webhook": {"url": "http://localhost:1/"},
    "object_store": {"url": "s3://bucket/x", "endpoint": "http://localhost:1"},
    "file": {"path": "x.jsonl"},
    "sql": {"url": "postgresql://localhost:1/db"},
}
CANARIES = [
    ("canary-7531", "canary-7531"),
    ('"can\'ary-75\\"31\\n\\tcan"', "can'ary-75"),
    ("8675309", "8675309"),
    ("8_675_309", "8675309"),
    ("0x845FED", "8675309"),
    ("-8675309", "8675309"),
    ("86753.09", "86753.09"),
    ("8.675309e+60", "8.675309e+60"),
    ("2031-07-09", "2031"),
    ("2031-07-09T11:12:13Z", "2031"),
    ("!!timestamp 2031-07-09", "2031"),
    ("!!binary Y2FuYXJ5LTc1MzE=", "canary"),
    ("[canary-7531]", "canary"),
    ("[8675309]", "8675309"),
    ("{canary-7531: }", "canary"),
    ("{a: canary-7531}", "canary"),
    ("{a: {b: [8675309]}}", "8675309"),
    ("*canary-7531", "canary"),
    ("&canary-7531", "canary"),
    ("!canary-7531 ", "canary"),
    ("!!int canary-7531", "canary"),
    ("@canary-7531", "canary"),
    ("%canary-7531", "canary"),
    ("'canary-7531", "canary"),
    ("canary-7531: x", "canary"),
]
"""As written in YAML, and what must not be seen of it."""


def paths(model: type[BaseModel], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every option of a model and of the models within, and whether it is a secret."""
    for name, field in model.model_fields.items():
        text = str(field.annotation)
        yield (*before, field.alias or name), "SecretStr" in text and "options" not in name
        for inner in models(field.annotation):
            yield from paths(inner, (*before, field.alias or name))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def old_paths(kind: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The same option under its old names."""
    for old, new in config_class(kind).renamed.items():
        if path[0] == new:
            yield (*old.split("."), *path[1:])


OPTIONS = [(kind, path, secret) for kind in BUILT_IN for path, secret in paths(config_class(kind))]
OPTIONS += [(kind, old, secret) for kind, path, secret in OPTIONS for old in old_paths(kind, path)]
SECRETS = [(kind, path) for kind, path, secret in OPTIONS if secret]
HEADERS = [("webhook", ("headers", "Authorization")), ("webhook", ("headers", "X-Key"))]
FREE = [
    ("kafka", ("options", "sasl.password")),
    ("kafka", ("options", "ssl.key.password")),
    ("object_store", ("options", "account_key")),
    ("object_store", ("options", "sas_key")),
]


def least(kind: str, path: tuple[str, ...]) -> dict[str, Any]:
    """What must be there beside the option at ``path``."""
    new = config_class(kind).renamed.get(path[0])
    return {name: value for name, value in LEAST.get(kind, {}).items() if name != new}


def text_of(kind: str, path: tuple[str, ...], value: str) -> str:
    """A configuration with ``value``, as written in YAML, at one place."""
    options = least(kind, path)
    inner = options
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
    inner[path[-1]] = "@@"
    return f"sources: [{{name: a, uri: a.mp4}}]\noutputs:\n  - {kind}: {json.dumps(options)}\n".replace('"@@"', value)


def everything(text: str, caplog: pytest.LogCaptureFixture | None = None) -> str:
    """All texts that come of a configuration: errors with their tracebacks, or what is seen of what was made."""
    said = ""
    try:
        config = load("countline.yaml", text)
        said += f"{config!r}{config}{config.model_dump_json()}{config.model_dump(mode='json')}"
        for output in build.outputs(config):
            said += repr(output)
            with suppress(Exception):
                output.open()
                output.close(0.0)
    except CountlineError as error:
        said += f"{error} {error!r} {error.what} {error.fix} {error.where} {error.args}" + "".join(
            traceback.format_exception(error)
        )
    return said + (caplog.text if caplog else "")


@pytest.mark.parametrize(
    ("kind", "path"), [*SECRETS, *HEADERS, *FREE], ids=lambda x: x if isinstance(x, str) else ".".join(x)
)
def test_a_secret_option_shows_no_value_of_any_type(
    kind: str, path: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for written, canary in CANARIES:
        said = everything(text_of(kind, path, written), caplog)
        assert canary not in said, (written, said)


@pytest.mark.parametrize(("kind", "path", "secret"), OPTIONS, ids=lambda x: x if isinstance(x, str) else str(x))
def test_what_comes_from_a_file_or_the_environment_is_in_no_error(
    kind: str, path: tuple[str, ...], secret: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for canary in ("canary 7531 /\\ !", "http://u:canary7531@h/x"):
        monkeypatch.setenv("FROM_OUTSIDE", canary)
        (tmp_path / "secret").write_text(canary + "\n")
        for written in ('"${FROM_OUTSIDE}"', f'"${{file:{tmp_path}/secret}}"'):
            said = ""
            try:
                load("countline.yaml", text_of(kind, path, written))
            except CountlineError as error:
                said = f"{error}{error!r}"
            assert "canary" not in said


@pytest.mark.parametrize("kind", ["kafka", "redis", "nats", "mqtt", "amqp", "webhook"])
@pytest.mark.parametrize(
    "line",
    [
        "{{password:canary-7531}}",
        "{{passwort: canary-7531}}",
        "{{user: u, Password: canary-7531 }}",
        "{{pwd: [canary-7531]}}",
    ],
)
def test_a_misspelt_name_of_a_secret_does_not_show_it(kind: str, line: str) -> None:
    said = everything(f"sources: [{{name: a, uri: a.mp4}}]\noutputs:\n  - {kind}: {line.format()}\n")
    assert "canary" not in said
    assert "countline.yaml:3" in said


@pytest.mark.parametrize(
    "sasl",
    ['"u:canary-7531"', "canary-7531", "[canary-7531]", "{canary-7531}", "{mechanism: PLAIN, password: 8675309}"],
)
def test_a_secret_one_level_too_high_is_not_shown(sasl: str) -> None:
    said = everything(text_of("kafka", ("security", "sasl"), sasl))
    assert "canary" not in said
    assert "8675309" not in said


def test_a_numeric_password_is_named_by_its_key_and_not_shown() -> None:
    said = everything(text_of("kafka", ("security", "sasl"), "{mechanism: PLAIN, username: u, password: 8675309}"))
    assert "countline.yaml:3" in said
    assert "security.sasl.password" in said
    assert "in quotes" in said
    assert "8675309" not in said


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://admin:canary-7531@127.0.0.1:1/main",
        "rtsp://admin:can/ary-7531@127.0.0.1:1/main",
        "http://127.0.0.1:1/cgi?user=admin&pwd=canary-7531",
        "rtsp://127.0.0.1:1/user=admin_password=canary-7531_channel=1",
        "rtmp://127.0.0.1:1/app/canary-7531",
        "srt://127.0.0.1:1?mode=caller&passphrase=canary-7531",
        "gopher://u:canary-7531@h/",
        "http://127.0.0.1:1/live.m3u8?token=canary-7531",
    ],
)
def test_credentials_of_a_camera_are_in_no_text(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    from countline.video.probe import probe

    caplog.set_level(logging.DEBUG)
    config = load("c.yaml", f'sources: [{{name: a, uri: "{uri}", timeout: 0.5}}]\n')
    check = probe(config.sources[0])
    said = f"{check} {caplog.text}"
    logging.getLogger("libav.rtsp").error("cannot open %s", uri)
    said += caplog.text
    with pytest.raises(CountlineError) as caught:
        load("c.yaml", f'sources: [{{name: a, uri: "{uri}", timout: 1}}, {{name: "a", uri: "{uri}"}}]\n')
    said += str(caught.value)
    assert "ary-7531" not in said
    assert "source 'a'" in said


def test_the_login_of_a_schema_registry_is_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    config = load(
        "c.yaml",
        "sources: [{name: a, uri: a.mp4}]\nmessages:\n  - name: m\n    on: frame\n    value: {n: '{frame}'}\n    schema: "
        "{registry: 'http://u:canary-7531@127.0.0.1:1', options: {basic.auth.user.info: 'me:canary-8642'}}\n",
    )
    logging.getLogger("httpx").warning("GET http://u:canary-7531@127.0.0.1:1 with me:canary-8642 or canary-8642")
    assert config.messages[0].name == "m"
    assert "canary" not in caplog.text


@given(
    st.sampled_from([*SECRETS, *HEADERS, *FREE]),
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=8, max_size=30),
        st.integers(10**7, 10**30),
        st.floats(1e5, 1e300),
        st.dates(),
        st.datetimes(),
        st.binary(min_size=8, max_size=20),
        st.lists(st.integers(10**7, 10**9), min_size=1, max_size=2),
        st.dictionaries(st.just("a"), st.text("0123456789abcdef", min_size=9, max_size=9), min_size=1),
    ),
)
def test_a_secret_given_from_python_is_in_no_text(option: tuple[str, tuple[str, ...]], value: Any) -> None:
    kind, path = option
    options = least(kind, path)
    inner = options
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
    inner[path[-1]] = value
    data = {"sources": [{"name": "a", "uri": "a.mp4"}], "outputs": [{kind: options}]}
    said = ""
    try:
        config = validate(Config, data, Document(data, {}, "code"))
        said = f"{config!r}{config.model_dump_json()}"
        said += "".join(repr(output) for output in build.outputs(config))
    except CountlineError as error:
        said = "".join(traceback.format_exception(error))
    flat = value if isinstance(value, (list, dict)) else [value]
    for item in flat.values() if isinstance(flat, dict) else flat:
        text = item if isinstance(item, str) else str(item)
        if len(text.strip()) >= 8 and len(set(text)) > 4:
            assert text not in said
            assert repr(item) not in said


def test_a_secret_is_not_shown_where_a_model_is_made_directly() -> None:
    for kind in ("kafka", "redis", "webhook"):
        with pytest.raises(ValueError) as caught:
            config_class(kind)(password={"x": "canary-7531"}, secret=8675309, security={"sasl": "canary-7531"})  # type: ignore[call-arg]
        assert "canary" not in str(caught.value)
        assert "8675309" not in str(caught.value)


def test_every_secret_option_is_known_to_be_one() -> None:
    names = {f"{kind}.{'.'.join(path)}" for kind, path in SECRETS}
    assert {
        "kafka.sasl.password",
        "kafka.security.sasl.password",
        "redis.tls.key_password",
        "webhook.url",
        "nats.nkey",
    } <= names
    assert {"sql.url", "sql.dsn"} <= names
    for kind in BUILT_IN:
        for path, secret in paths(config_class(kind)):
            if any(word in path[-1] for word in ("password", "secret", "token", "nkey")) and path[-1] not in ("token",):
                assert secret, (kind, path)
    assert SecretStr("x") != "x"
