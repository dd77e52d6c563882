"""`countline check` finds what `countline run` would refuse at its start: both ask the same questions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import countline as cl
from countline import outbox
from countline.commands.check import checks
from countline.config import OutboxConfig
from countline.demo.broker import EmbeddedBroker
from countline.types import Detections


def nobody(images: list[Any]) -> list[Detections]:
    return [Detections.empty() for _ in images]


def config(clip: Path, **more: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": "gate", "uri": str(clip)}],
        "rules": {"lines": [{"name": "l", "points": [[0.2, 0.5], [0.8, 0.5]]}]},
        "messages": [{"name": "m", "value": {"id": "{id}"}}],
        "outputs": [{"file": {"path": "out.jsonl"}}],
        "outbox": {"path": "o.outbox"},
        **more,
    }


def folder(name: str) -> None:
    Path(name).mkdir()


def link(target: str) -> None:
    Path("o.outbox").symlink_to(target)


def newer() -> None:
    outbox.open(OutboxConfig(), Path("o.outbox"), ["file"]).close()
    with sqlite3.connect("o.outbox") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def somebodys_database() -> None:
    with sqlite3.connect("o.outbox") as db:
        db.execute("CREATE TABLE visitors (name TEXT)")
    db.close()


def at(path: str) -> dict[str, Any]:
    return {"outbox": {"path": path}}


def kafka(**more: Any) -> Callable[[str], dict[str, Any]]:
    return lambda bootstrap: {"outputs": [{"kafka": {"bootstrap": bootstrap, "topic": "t", **more}}]}


OUTBOXES: dict[str, tuple[Callable[[], object], dict[str, Any], str]] = {
    "a folder": (lambda: folder("o.outbox"), {}, "is a folder"),
    "a folder in the place of its lock": (lambda: folder("o.outbox.lock"), {}, "is a folder"),
    "a folder in the place of its log": (lambda: folder("o.outbox-wal"), {}, "is a folder"),
    "a pipe": (lambda: os.mkfifo("o.outbox"), {}, "is a pipe"),
    "a device": (lambda: None, at("/dev/null"), "device"),
    "a link to where nobody may write": (lambda: link("/proc/none.outbox"), {}, "/proc"),
    "of a newer version": (newer, {}, "was made by a newer countline"),
    "somebody's database": (somebodys_database, {}, "o.outbox"),
    "a name that is too long": (lambda: None, at("x" * 300 + ".outbox"), "too long"),
    "a name that is too long for its lock": (lambda: None, at("x" * 244 + ".outbox"), "too long"),
    "a folder's name that is too long": (lambda: None, at("x" * 300 + "/o.outbox"), "too long"),
    "a name that is none": (lambda: None, at(""), "has no name"),
    "a name with a NUL": (lambda: None, at("o\0.outbox"), "NUL"),
    "in a file": (lambda: Path("some").write_text("thing"), at("some/o.outbox"), "some"),
}


def told(change: dict[str, Any], clip: Path, detector: dict[str, Any]) -> tuple[str, str]:
    """What a check and a run say of a configuration. Neither makes an outbox."""
    Path("c.yaml").write_text(yaml.safe_dump(config(clip, detector=detector, **change)))
    given = cl.load("c.yaml")
    failed = [(code, c) for code, c in checks(given, Path("c.yaml"), send=False, timeout=5.0) if not c.ok]
    with pytest.raises(cl.CountlineError) as refused:
        cl.Run("c.yaml", detector=nobody)
    assert failed, f"the run says: {refused.value}"
    assert refused.value.exit_code in [code for code, _ in failed]
    assert all(check.fix for _, check in failed)
    return "\n".join(f"{c.subject}: {c.detail}" for _, c in failed), str(refused.value)


@pytest.mark.parametrize("what", OUTBOXES)
def test_check_finds_an_outbox_that_a_run_refuses(what: str, clip: Path, quick: dict[str, Any]) -> None:
    prepare, change, words = OUTBOXES[what]
    prepare()
    before = sorted(p.name for p in Path().iterdir())
    checked, ran = told(change, clip, quick)
    assert words in checked
    assert words in ran
    made = {p.name for p in Path().iterdir()} - {"c.yaml", *before}
    assert made <= {"o.outbox.lock"}, "neither made an outbox"


@pytest.fixture(scope="module")
def bootstrap() -> Any:
    with EmbeddedBroker() as broker:
        yield broker.bootstrap


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"acks": 1, "options": {"enable.idempotence": True}}, "enable.idempotence"),
        ({"options": {"max.in.flight.requests.per.connection": 50}}, "max.in.flight"),
        ({"options": {"compression.type": "none-such"}}, "compression.type"),
        ({"options": {"partitioner": "none-such"}}, "partitioner"),
        ({"options": {"statistics.interval.ms": "often"}}, "statistics.interval.ms"),
    ],
)
def test_check_finds_what_only_a_producer_refuses_while_the_broker_answers(
    options: dict[str, Any], words: str, bootstrap: str, clip: Path, quick: dict[str, Any]
) -> None:
    checked, ran = told(kafka(**options)(bootstrap), clip, quick)
    assert words in checked
    assert words in ran


def test_check_finds_a_pipe_that_is_to_be_read_again_and_again(clip: Path, quick: dict[str, Any]) -> None:
    os.mkfifo("in.mp4")
    checked, ran = told({"sources": [{"name": "gate", "uri": "in.mp4", "loop": True}]}, clip, quick)
    assert "can be read only once" in checked
    assert "can be read only once" in ran


def test_a_check_leaves_what_a_run_in_the_same_folder_is_writing_as_it_is(clip: Path, quick: dict[str, Any]) -> None:
    """A part of a rotated file belongs to the run that writes it."""
    given = config(clip, detector=quick, outputs=[{"file": {"path": "out-{date}.jsonl", "rotate_bytes": 1_000_000}}])
    Path("c.yaml").write_text(yaml.safe_dump(given))
    part = Path("out-1970-01-01.jsonl.part")
    with cl.Run(given, detector=nobody):
        part.write_text("half a line")
        found = [c for _, c in checks(cl.load("c.yaml"), Path("c.yaml"), send=False, timeout=1.0)]
        assert part.read_text() == "half a line"
    assert any("in use by process" in c.detail for c in found)
    assert all(c.ok for c in found)
