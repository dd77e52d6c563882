"""The table of a message in Flink SQL and ClickHouse: a column for each key, of the type that the values have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from countline.cli import group

VALUE = {
    "when": "{time}",
    "track": "{track_id}",
    "wait's": {"speed": "{speed}", "box": "{box}", "odd`": 1},
    "classes": "{class_counts}",
    "path": "{trajectory}",
    "maybe": {"if": "confidence > 0.5", "then": "{confidence}"},
    "whole": "{frame}",
    "yes": True,
}


def printed(tmp_path: Path, engine: str, value: Any, **more: Any) -> tuple[int, str]:
    config = {
        "sources": [{"name": "a", "uri": "a.mp4"}],
        "rules": {"lines": [{"name": "l", "points": [[0, 0.5], [1, 0.5]]}]},
        "messages": [{"name": "line-crossing", "on": "crossing", "value": value, **more}],
        "outputs": [{"kafka": {"bootstrap": ["k1:9092", "k2:9092"], "topic": "counts"}}],
    }
    path = tmp_path / "c.yaml"
    path.write_bytes(orjson.dumps(config))
    done = CliRunner().invoke(group, ["schema", "--message", "line-crossing", f"--{engine}", str(path)])
    return done.exit_code, f"{done.output}{done.exception or ''}"


def columns(text: str) -> dict[str, str]:
    """Of the first table."""
    found = {}
    for line in text.partition("(\n")[2].partition("\n)")[0].splitlines():
        name, _, kind = line.strip().rstrip(",").partition(" ")
        found[name.strip("`")] = kind.strip()
    return found


def test_a_table_for_flink(tmp_path: Path) -> None:
    value = {k: v for k, v in VALUE.items() if k != "wait's"} | {"in": {"speed": "{speed}"}}
    code, text = printed(tmp_path, "flink", value)
    assert code == 0
    own = columns(text)
    assert own["when"] == "TIMESTAMP_LTZ(3)"
    assert own["track"] in ("BIGINT", "DECIMAL(20, 0)")
    assert own["in"] == "ROW<`speed` DOUBLE>"
    assert own["classes"] == "MAP<STRING, BIGINT>"
    assert own["path"] == "ARRAY<ARRAY<DOUBLE>>"
    assert (own["maybe"], own["whole"], own["yes"]) == ("DOUBLE", "BIGINT", "BOOLEAN")
    assert "WATERMARK FOR `when` AS `when` - INTERVAL" in text
    assert "'topic' = 'counts'" in text
    assert "'properties.bootstrap.servers' = 'k1:9092,k2:9092'" in text


def test_a_table_for_clickhouse(tmp_path: Path) -> None:
    code, text = printed(tmp_path, "clickhouse", {k: v for k, v in VALUE.items() if k != "wait's"})
    assert code == 0
    own = columns(text)
    assert own["when"] == "DateTime64(9, 'UTC')"
    assert own["classes"] == "Map(String, Int64)"
    assert own["maybe"] == "Nullable(Float64)"
    assert own["path"].startswith("Array(Array(Float64))")
    assert "ReplacingMergeTree ORDER BY (`message_id`)" in text


def test_without_a_time_the_time_of_the_record_is_the_event_time(tmp_path: Path) -> None:
    assert "WATERMARK FOR `record_time` AS" in printed(tmp_path, "flink", {"record_time_": 1})[1]


@pytest.mark.parametrize(
    ("value", "more", "words"),
    [
        ("{track_id}", {}, "is no object"),
        ({"a`b": 1}, {}, "cannot be a column"),
        ({"a": 1}, {"encoding": "avro"}, "values that are JSON"),
        ({"a": 1}, {"cloudevents": "structured"}, "values that are JSON"),
    ],
)
def test_what_is_no_row_is_refused(value: Any, more: dict[str, Any], words: str, tmp_path: Path) -> None:
    code, text = printed(tmp_path, "flink", value, **more)
    assert code != 0
    assert words in text
