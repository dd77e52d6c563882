"""What docs/stream.md says of engines is what the tested recipes do."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "stream.md").read_text(encoding="utf-8")
RECIPES = ROOT / "examples" / "streams"


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_sql_of_the_page_is_that_of_the_recipe() -> None:
    recipe = plain((RECIPES / "flink" / "totals.sql").read_text(encoding="utf-8"))
    assert blocks("sql")
    for block in blocks("sql"):
        assert plain(block) in recipe


def test_each_deduplication_of_the_page_stands_in_a_tested_recipe() -> None:
    texts = {path.parent.name: plain(path.read_text(encoding="utf-8")) for path in RECIPES.glob("*/totals.*")}
    rows = dict(re.findall(r"^\| ([\w ]+?) \| `([^`]+)`", PAGE, re.MULTILINE))
    assert rows["Quix Streams"] in texts["quix"]
    assert rows["DuckDB"] in texts["duckdb"]
    for part in rows["Flink SQL"].split(" … "):
        assert part in texts["flink"]
    assert "FROM crossings FINAL" in texts["clickhouse"]


def test_the_messages_of_the_page_are_those_of_the_recipes() -> None:
    (block,) = blocks("yaml")
    ours = yaml.load((RECIPES / "countline.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
    assert yaml.load(block, yaml.BaseLoader) == ours["messages"]
