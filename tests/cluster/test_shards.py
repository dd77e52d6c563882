"""Static shards: every source is read once, and few move when a process is added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.cluster.shards import Shard, parse_shard, share_of
from countline.commands.run import sharded
from countline.errors import ConfigError
from countline.pipeline import build

names = st.lists(st.text(min_size=1), unique=True, max_size=60)


@given(names, st.integers(1, 12))
def test_every_source_is_read_by_exactly_one_shard(sources: list[str], count: int) -> None:
    taken = [name for index in range(count) for name in share_of(sources, Shard(index, count))]
    assert sorted(taken) == sorted(sources)


@given(names, st.integers(1, 8), st.randoms())
def test_a_share_depends_neither_on_order_nor_on_the_other_sources(sources: list[str], count: int, random) -> None:
    mixed = sorted(sources, key=lambda _: random.random())
    for index in range(count):
        shard = Shard(index, count)
        assert set(share_of(mixed, shard)) == set(share_of(sources, shard))
        assert all(share_of([name], shard) == [name] for name in share_of(sources, shard))


@given(names, st.integers(1, 8))
def test_who_moves_when_a_shard_is_added_moves_to_the_new_one(sources: list[str], count: int) -> None:
    for index in range(count):
        before, after = share_of(sources, Shard(index, count)), share_of(sources, Shard(index, count + 1))
        assert set(after) <= set(before)


def test_growing_from_four_to_five_moves_a_fifth_and_shares_are_even() -> None:
    sources = [f"camera-{n}" for n in range(5000)]
    moved = len(share_of(sources, Shard(4, 5)))
    assert 900 < moved < 1100
    assert all(1150 < len(share_of(sources, Shard(i, 4))) < 1350 for i in range(4))


def test_a_share_is_the_same_in_every_version() -> None:
    sources = [f"camera-{n}" for n in range(12)]
    assert [[int(n.partition("-")[2]) for n in share_of(sources, Shard(i, 3))] for i in range(3)] == EXPECTED


EXPECTED = [[3, 4, 7], [5, 10], [0, 1, 2, 6, 8, 9, 11]]


@pytest.mark.parametrize(
    ("text", "host", "words"),
    [
        ("4/4", "", "counted from 0"),
        ("0/0", "", "counted from 0"),
        ("2", "", "is no shard"),
        ("-1/4", "", "is no shard"),
        ("a/b", "", "is no shard"),
        ("auto/4", "laptop", "does not end in a number"),
        ("auto/4", "countline-4", "counted from 0"),
    ],
)
def test_a_shard_that_cannot_be_is_an_error_that_says_what_to_write(text: str, host: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_shard(text, host)
    assert "--shard" in str(caught.value)


def test_the_number_comes_from_the_name_of_the_pod() -> None:
    assert parse_shard("auto/4", "countline-site-7-2") == Shard(2, 4)
    assert parse_shard(" 3/4 ") == Shard(3, 4)


def document(**more: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": name, "uri": f"rtsp://127.0.0.1/{name}"} for name in "abcdef"],
        "rules": {
            "lines": [{"name": f"l-{name}", "source": name, "points": [[0, 0.5], [1, 0.5]]} for name in "abcdef"]
        },
        "messages": [
            {"name": "all", "on": "crossing", "value": {"l": "{lines.l-a.current}"}},
            {"name": "one", "on": "frame", "sources": ["a"], "value": {"n": "{frame}"}},
            {"name": "some", "on": "frame", "sources": ["a", "b"], "value": {"n": "{frame}"}},
        ],
        "outputs": ["stdout"],
        **more,
    }


def test_rules_and_messages_of_sources_that_others_read_do_not_hinder_a_shard() -> None:
    config = build.as_config(document())
    said: dict[str, list[list[str]]] = {}
    for index in range(2):
        mine = sharded(config, f"{index}/2")
        stages = build.stages(mine, build.source_infos(mine, live=True), ["person"])
        assert [d.name for d in stages.definitions] == [m.name for m in mine.messages]
        for message in mine.messages:
            said.setdefault(message.name, []).append(message.sources)
    assert said["all"] == [[], []]
    assert sorted(said["one"]) == [["a"]]
    assert sorted(name for names in said["some"] for name in names) == ["a", "b"]


def test_a_file_whose_streams_are_numbers_is_not_shared_out(tmp_path: Path) -> None:
    """Number 0 would be another source in each process."""
    file = tmp_path / "config_nvdsanalytics.txt"
    file.write_text("[property]\nenable=1\n[line-crossing-stream-0]\nenable=1\nline-crossing-l=1;1;2;2;1;1;5;5\n")
    with pytest.raises(ConfigError, match="by their numbers") as caught:
        sharded(build.as_config(document(rules={"file": str(file)}, messages=[])), "0/2")
    assert "countline convert" in str(caught.value.fix)
