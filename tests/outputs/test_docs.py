"""The page about outputs: its examples load, and it names every option."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from countline.config import load
from countline.config.outputs import BUILT_IN, config_class

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
KINDS = tuple(kind for kind in BUILT_IN if kind != "kafka")  # it has a page of its own


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", example):
        monkeypatch.setenv(name, "from-the-environment")
    config = load("countline.yaml", "sources: [{name: a, uri: a.mp4}]\n" + example)
    assert config.outputs
    assert "from-the-environment" not in repr(config) + config.model_dump_json()


def test_there_is_an_example_of_every_kind() -> None:
    assert [kind for kind in KINDS if not any(re.search(rf"\b{kind}\b", e) for e in EXAMPLES)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_described(kind: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    shared = page[page.index("## Options of all") : page.index("## mqtt")]
    section = page[page.index(f"\n## {kind}\n") :].split("\n## ", 2)[1]
    fields = set(config_class(kind).model_fields) - {"name"}
    assert [field for field in sorted(fields) if f"`{field}`" not in shared + section] == []
