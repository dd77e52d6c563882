"""Ready payloads are found by name, each with a configuration class of its own; others come by entry points."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from messages_build import LABELS, RULES, SOURCES, analytics

from countline import messages
from countline.cli.schema import command
from countline.config import Config, load
from countline.config.messages import MessageConfig
from countline.errors import ConfigError, MessageError
from countline.messages.faults import located
from distributions import install

CONFIG = '''
from pydantic import Field, SecretStr

from countline.config.messages import MessageConfig

TYPES = ("acme/short",)


class Config(MessageConfig):
    """One of ours."""

    depth: int = Field(default=1, ge=1)
    """How deep it goes."""
    sign: SecretStr | None = None
    """What it is signed with."""
'''
DEFINITION = """
from countline.messages.faults import MessageFault
from countline.types import Message


class Short:
    def __init__(self, config):
        self.name, self.depth = config.name, config.depth

    def make(self, analytics, frame=None):
        return [Message("1", b"%d" % self.depth, definition=self.name)]


def make(config, context, loc):
    if config.type != "acme/short":
        raise MessageFault(f"there is no {config.type}", (*loc, "type"), "write acme/short")
    assert [r.name for r in context.rules]
    return Short(config)
"""
FILE = """\
sources: [{name: entrance, uri: street.mp4}]
messages:
  - name: ours
    on: frame
    type: acme/short
    depth: 3
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    texts = {"__init__": "", "config": CONFIG, "definition": DEFINITION}
    files = {f"acme_payloads/{name}.py": text for name, text in texts.items()}
    install(tmp_path, "acme-payloads", "1.0", {"countline.messages": {"acme": "acme_payloads"}}, files)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [m for m in sys.modules if m.split(".")[0] == "acme_payloads"]:
        del sys.modules[name]


def build(config: Config) -> list[messages.BaseDefinition]:
    try:
        return messages.make(config.messages, rules=RULES, sources=SOURCES, labels=LABELS)  # type: ignore[return-value]
    except MessageError as error:
        raise located(error, config._document) from None


@pytest.mark.usefixtures("acme")
def test_a_payload_of_another_distribution_is_found_by_its_name_with_its_own_keys() -> None:
    config = load("x.yaml", FILE)
    (made,) = build(config)
    assert [m.value for m in made.make(analytics())] == [b"3"]
    assert config.model_dump()["messages"][0]["depth"] == 3


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("depth: 3", "depth: 0", 6, "must be 1 or more"),
        ("depth: 3", "depht: 3", 6, "did you mean 'depth'"),
        ("acme/short", "acme/long", 5, "there is no acme/long"),
        ("acme/short", "acne/short", 6, "'depth' is a key of messages of type acme"),
        ("type: acme/short", "value: '{id}'", 6, "'depth' is a key of messages of type acme"),
    ],
)
def test_faults_in_keys_of_a_kind_name_file_line_and_key(old: str, new: str, line: int, what: str) -> None:
    with pytest.raises((ConfigError, MessageError), match=what) as caught:
        build(load("x.yaml", FILE.replace(old, new)))
    assert f"x.yaml:{line}" in str(caught.value)


@pytest.mark.usefixtures("acme")
def test_a_secret_in_a_key_of_a_kind_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        load("x.yaml", FILE.replace("depth: 3", "sign: zebra-crossing-9\n    colour: zebra-crossing-9"))
    assert "colour" in str(caught.value)
    assert "zebra" not in str(caught.value)


@pytest.mark.usefixtures("acme")
def test_the_schema_of_configurations_describes_the_keys_of_every_kind() -> None:
    made = json.loads(CliRunner().invoke(command, []).stdout)
    keys = made["$defs"]["MessageConfig"]["properties"]
    assert keys["depth"]["description"] == "How deep it goes."
    assert {"msgconv", "api", "every", "places"} <= set(keys)
    assert made["$defs"]["PlaceConfig"]["properties"]["entry"]["items"] == {"type": "string"}


def test_a_type_that_nobody_brings_is_refused_with_those_there_are() -> None:
    with pytest.raises(MessageError, match="there is no message type 'deepstraem/full'") as caught:
        build(load("x.yaml", FILE.replace("acme/short", "deepstraem/full").replace("    depth: 3\n", "")))
    assert "x.yaml:5" in str(caught.value)
    assert "did you mean deepstream/full?" in str(caught.value)


def test_a_fault_in_a_ready_payloads_key_or_names_is_told_with_its_line() -> None:
    text = FILE.replace("acme/short", "deepstream/minimal").replace("depth: 3", "key: '{lines.nowhere.current}'")
    with pytest.raises(MessageError, match="there is no field") as caught:
        build(load("x.yaml", text))
    assert "x.yaml:6" in str(caught.value)
    with pytest.raises(MessageError, match="there is no 'elsewhere'") as caught:
        build(load("x.yaml", text.replace("key: '{lines.nowhere.current}'", "sources: [elsewhere]")))
    assert "x.yaml:6" in str(caught.value)


def test_messages_of_no_type_know_nothing_of_deepstream() -> None:
    assert not {"msgconv", "api", "every", "places"} & set(MessageConfig.model_fields)
    one = MessageConfig(name="m", type="deepstream/full", on="frame", every=7)
    again = MessageConfig.model_validate(one.model_dump(by_alias=True, exclude={"value", "function"}))
    assert type(again) is type(one)
    assert orjson.dumps(again.model_dump(mode="json")) == orjson.dumps(one.model_dump(mode="json"))
