"""A probe whose configuration is changed while buffers pass: counts and tracks of all else go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from nvds_metas import Frm, Library, Obj
from nvds_pipeline import Pipeline

from countline.deepstream import attach
from countline.errors import ConfigError
from countline.types import Analytics

STEP = 33_333_333
EXACT = """[property]
enable=1
config-width=1000
config-height=1000
[line-crossing-stream-0]
enable=1
line-crossing-gate=500;100;500;900;100;{y};900;{y}
[line-crossing-stream-1]
enable=1
line-crossing-gate=500;100;500;900;100;500;900;500
"""


def line(name: str = "gate", y: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"name": name, "points": [[0.1, y], [0.9, y]], **more}


def config(lines: Any = (line(),), **more: Any) -> dict[str, Any]:
    return {
        "rules": {"lines": list(lines)},
        "messages": [
            {"name": "m", "on": "crossing", "value": {"rule": "{rule}"}},
            {"name": "changed", "on": "config", "value": {"changes": "{config.changes}", "by": "{config.by}"}},
        ],
        "outbox": "memory",
        "sources": [{"name": "a"}, {"name": "b"}],
        **more,
    }


class Walks:
    """Objects that walk down through the middle of both pads' pictures, one after the other."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.library, self.pipeline, self.number, self.id = Library(), pipeline, 0, 0

    def half(self, first: bool) -> None:
        """The way to, or from, the middle."""
        if first:
            self.id += 1
        for i in range(15):
            y = (300 if first else 500) + 13 * i
            frames = [
                Frm(pad, self.number, self.number * STEP, 0, (1000, 1000), [Obj(self.id, (480, y - 80, 40, 80))])
                for pad in (0, 1)
            ]
            self.pipeline.push([self.library.buffer(frames)])
            self.number += 1


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("publish", ["countline", "nvmsgbroker"])
def test_rules_change_between_two_buffers_and_those_that_stay_count_on(publish: Any) -> None:
    seen: list[Analytics] = []
    with Pipeline() as pipeline:
        walks = Walks(pipeline)
        given = attach(
            pipeline.element("here"), config(), lossless=True, publish=publish, consumers=[lambda _, a: seen.append(a)]
        )
        with given as attachment:
            walks.half(True)
            until(lambda: len(seen) == 30)
            applied = attachment.reload(config([line(), line("more", 0.6), line("turned", 0.7)]))
            assert applied.changes.words == ("line 'more' added", "line 'turned' added")
            walks.half(False)
            walks.half(True)
            until(lambda: len(seen) == 90)
            with pytest.raises(ConfigError, match="unknown key 'lnes'"):
                attachment.reload(config() | {"rules": {"lnes": []}})
            attachment.reload(config([line(y=0.55), line("more", 0.6)]))
            walks.half(False)
            pipeline.finish()
            until(lambda: len(seen) == 120)
        assert attachment.counts.errors == 0
    for source in ("a", "b"):
        last = [a for a in seen if a.frame.source.name == source][-1]
        assert last.lines["gate"].cumulative == 2, "the second one passed it where it is now"
        assert last.lines["gate"].epoch == 1
        assert last.lines["more"].cumulative == 2
        assert set(last.lines) == {"gate", "more"}


def test_the_exact_engine_is_made_anew_for_the_stream_that_changed_and_counts_go_on(tmp_path: Path) -> None:
    file, yml = tmp_path / "config_nvdsanalytics.txt", tmp_path / "c.yaml"
    file.write_text(EXACT.format(y=500))
    yml.write_text(yaml.safe_dump({**config(), "rules": {"file": str(file)}}))
    seen: list[Analytics] = []
    with Pipeline() as pipeline:
        walks = Walks(pipeline)
        with attach(
            pipeline.element("here"), yml, lossless=True, consumers=[lambda _, a: seen.append(a)]
        ) as attachment:
            walks.half(True)
            walks.half(False)
            walks.half(True)
            until(lambda: len(seen) == 90)
            file.write_text(EXACT.format(y=470))
            applied = attachment.reload()
            assert [c.what for c in applied.changes.all] == ["file"]
            assert any("gate" in note and "goes on, in a new epoch" in note for note in applied.notes)
            walks.half(False)
            pipeline.finish()
            until(lambda: len(seen) == 120)
    a, b = ([x for x in seen if x.frame.source.name == name][-1].lines["gate"] for name in ("a", "b"))
    assert (a.cumulative, a.epoch) == (1, 1), "its tracks began anew below the line that was moved"
    assert (b.cumulative, b.epoch) == (2, 0), "nothing happened to it"


def test_an_edit_of_the_file_is_applied_where_it_says_so(tmp_path: Path) -> None:
    yml = tmp_path / "c.yaml"
    yml.write_text(yaml.safe_dump(config(watch=True)))
    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), yml, lossless=True) as attachment:
            yml.write_text(yaml.safe_dump(config([line(), line("more", 0.6)], watch=True)))
            until(lambda: attachment.control.current().by == "file")
            assert [line.name for line in attachment.config.rules.lines] == ["gate", "more"]
            pipeline.finish()
