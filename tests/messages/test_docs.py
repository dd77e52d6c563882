"""The examples in docs/messages.md and examples/messages/ do what is written beside them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import orjson
import pytest
from messages_build import LABELS, RULES, SOURCES, TIME, analytics, crossing, info

from countline import attach, messages
from countline.config import load
from countline.config.loader import read_yaml, validate
from countline.config.messages import MessageConfig
from countline.pipeline.clips import Clips
from countline.registry import SchemaIds
from countline.types import Crowding, Gap, Heartbeat, Leave, RuleInfo, SourceInfo, StateChange

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "messages.md"
OBJECTS = {"pictures": lambda message, prefix: f"{prefix}/{message.id}"}
TOOLS = messages.Tools(attach.encode_image, attach.store, SchemaIds(), OBJECTS, Clips())
BLOCK = re.compile(r"^```(yaml|python)\n(.*?)^```\n(?:\n```json\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
BLOCKS = [(m[1], m[2], m[3]) for m in BLOCK.finditer(DOC.read_text(encoding="utf-8"))]


def moment():
    """The frame that the documentation describes."""
    frame = info()
    box = (100.0, 100.0, 180.0, 160.0)
    made = analytics(
        frame,
        [
            crossing(frame),
            crossing(frame, 1, 6, class_id=2, class_name="car", confidence=0.75, box=box),
            Leave(frame, "lobby", 2, 4, 0, "person", 0.8, (0.0, 0.0, 9.0, 9.0), dwell=12.34),
            Crowding(frame, "lobby", 3, phase="begin", occupancy=9),
        ],
        gap=Gap(TIME - 3600 * 10**9, TIME),
    )
    made.status = StateChange("refused", "connection refused", "connecting", TIME, 0.0, 0, 0, 0, 0, 0, None)
    made.heartbeat = Heartbeat(3, 10.0, TIME, TIME + 10 * 10**9, "clock")
    return made


def definitions(kind, text):
    if kind == "yaml":
        document = read_yaml("docs/messages.md", text)
        configs = [validate(MessageConfig, data, document, (i,)) for i, data in enumerate(document.data)]
        return messages.make(configs, rules=RULES, sources=SOURCES, labels=LABELS, tools=TOOLS)
    space = {"__name__": "docs_example"}
    sys.modules.setdefault("docs_example", type(sys)("docs_example"))
    vars(sys.modules["docs_example"]).update(space)
    exec(compile(text, str(DOC), "exec"), vars(sys.modules["docs_example"]))  # the documentation's own code
    marked = [v for v in vars(sys.modules["docs_example"]).values() if hasattr(v, "__countline_message__")]
    made = messages.make([], rules=RULES, sources=SOURCES, labels=LABELS, functions=marked[-1:], tools=TOOLS)
    for each in marked:
        vars(sys.modules["docs_example"]).pop(each.__name__)
    return made


def sent(kind, text):
    made = []
    for definition in definitions(kind, text):
        made += [*definition.make(moment()), *definition.finish("entrance")]  # an interval is told when it is over
        assert not definition.failures, list(definition.failures)
    return made


@pytest.mark.parametrize(("kind", "text", "expected"), BLOCKS, ids=[str(i) for i in range(len(BLOCKS))])
def test_each_block_does_what_is_written_below_it(kind, text, expected):
    made = sent(kind, text)
    assert made
    if expected is not None:
        assert [orjson.loads(m.value) for m in made] == [orjson.loads(line) for line in expected.splitlines()]


def test_there_are_ten_worked_examples_the_recipe_a_gap_a_state_and_a_heartbeat():
    assert sum(expected is not None for *_, expected in BLOCKS) == 14


def test_every_field_and_filter_in_the_documentation_exists_and_none_is_missing():
    from countline.messages.filters import NAMES

    text = DOC.read_text(encoding="utf-8")
    filters = text[text.index("### Filters") : text.index("## Where")]
    assert set(re.findall(r"`(\w+)[`(]", filters)) >= set(NAMES)
    from countline.messages.fields import EVENT_ONLY, FRAME

    tables = text[text.index("### Fields of a frame") : text.index("### Filters")]
    for name in [*FRAME, *EVENT_ONLY]:
        assert f"`{name}" in tables or f".{name.rpartition('.')[2]}" in tables, name


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "messages").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_example_configurations_make_messages(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    document, configs = read_yaml(path), load(path).messages
    sources = [SourceInfo(s["name"], i, s.get("device_id", s["name"])) for i, s in enumerate(document.data["sources"])]
    named = document.data["rules"]
    rules = [RuleInfo(x["name"], "line", x.get("source"), directions=("in", "out")) for x in named.get("lines", ())]
    rules += [RuleInfo(x["name"], "region", x.get("source")) for x in named.get("regions", ())]
    made = messages.make(configs, rules=rules, sources=sources, labels=LABELS, tools=TOOLS)
    assert any(d.make(moment()) for d in made)
    for definition in made:
        assert not definition.failures
    assert moment().frame.time == TIME
