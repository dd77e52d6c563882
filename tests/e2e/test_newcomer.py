"""What the command line says to someone who makes a mistake: in words, once, with the right exit code."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest_e2e import command

from countline import outbox
from countline.cli import main
from countline.config import OutboxConfig
from countline.outbox import Commit, StreamStart
from countline.types import CounterDelta, CounterKey, Message

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """A command in this process: exit code, standard output, standard error."""

    def run(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in args])
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, out, err

    return run


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """An outbox with a count of 5 of line 'door' of source 'gate'."""
    path = tmp_path / "c.outbox"
    with outbox.open(OutboxConfig(), path, ["kafka"]) as box:
        box.begin(StreamStart("gate", "s", live=True))
        box.write([Commit("gate", "s", 0, (), [CounterDelta(CounterKey("gate", "door", "in", "car"), 5)])])
    return path


def test_consume_says_a_trouble_once_however_often_it_repeats(ask: Ask) -> None:
    with socket.socket() as closed:  # bound, not listening: every attempt is refused
        closed.bind(("127.0.0.1", 0))
        code, out, err = ask("consume", "t", "--kafka", f"127.0.0.1:{closed.getsockname()[1]}", "--idle", "1")
    assert (code, out) == (4, "")
    # once as it happens, and once as the reason why it ended
    assert err.count("Connection refused") == 2, err
    assert "bootstrap: " not in err
    assert "in state" not in err


def test_consume_refuses_an_option_that_librdkafka_does_not_know(ask: Ask) -> None:
    code, _, err = ask("consume", "t", "--kafka", "127.0.0.1:1", "-X", "bogus.option=1")
    assert code == 2
    assert "bogus.option" in err
    assert "Traceback" not in err


def test_counts_takes_a_configuration_as_outbox_does(ask: Ask, counted: Path) -> None:
    assert ask("counts", counted)[:2] == ask("counts", "show", counted)[:2]
    code, out, _ = ask("counts", counted)
    assert code == 0
    assert "door" in out


@pytest.mark.parametrize(("option", "name", "known"), [("--source", "gat", "gate"), ("--rule", "dor", "door")])
@pytest.mark.parametrize("action", ["show", "reset"])
def test_counts_of_what_is_not_there_is_an_error(
    ask: Ask, counted: Path, option: str, name: str, known: str, action: str
) -> None:
    code, out, err = ask("counts", action, counted, option, name)
    assert (code, out) == (5, "")
    assert f"'{name}'" in err
    assert known in err
    assert json.loads(ask("counts", counted, "--json")[1])[0]["value"] == 5


def test_schema_of_a_file_without_a_message_name_is_a_question_back(ask: Ask, tmp_path: Path) -> None:
    code, out, err = ask("schema", tmp_path / "c.yaml")
    assert (code, out) == (2, "")
    assert "--message" in err
    code, out, _ = ask("schema")
    assert code == 0
    assert json.loads(out)["title"] == "countline configuration"


def test_an_empty_kafka_option_is_an_error_and_not_standard_output(ask: Ask, clip: Path) -> None:
    code, out, err = ask("run", "-i", clip, "--line", "a=0,0.5,1,0.5", "--kafka", "")
    assert (code, out) == (2, "")
    assert "kafka" in err


def test_messages_lost_with_an_outbox_in_memory_are_not_said_to_be_kept(
    ask: Ask, few: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    """The message of the first frame goes to a port where nobody listens."""
    path = tmp_path / "c.yaml"
    path.write_text(
        f"sources: [{{name: s, uri: {few}}}]\ndetector: {quick}\n"
        "messages: [{name: m, on: interval 1h, value: {n: 1}}]\n"
        "outputs: [{kafka: {bootstrap: '127.0.0.1:9', topic: t}}]\n"
    )
    code, _, err = ask("run", path, "--outbox", "memory", "--drain-timeout", "0")
    assert code == 4
    assert "1 lost" in err
    assert "the next run" not in err


def test_check_tells_a_damaged_outbox_and_what_waits_in_a_sound_one(
    ask: Ask, few: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    box = tmp_path / "c.outbox"
    path.write_text(f"sources: [{{name: s, uri: {few}}}]\ndetector: {quick}\noutputs: [stdout]\noutbox: {box}\n")
    box.write_bytes(b"garbage" * 1000)
    code, out, _ = ask("check", path)
    assert code == 5
    assert "is damaged" in out
    box.unlink()
    with outbox.open(OutboxConfig(), box, ["stdout"]) as open_box:
        open_box.begin(StreamStart("s", "x", live=True))
        open_box.write([Commit("s", "x", 0, [Message("i", b"v")], ())])
    code, out, _ = ask("check", path)
    assert code == 0
    assert "1 messages wait for output 'stdout'" in out


def test_a_terminal_without_unicode_shows_escapes_and_no_traceback(
    tmp_path: Path, few: Path, quick: dict[str, Any]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"sources: [{{name: 入口, uri: {few}}}]\ndetector: {quick}\noutputs: [stdout]\n", encoding="utf-8")
    env = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = command("check", path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "source '\\u5165\\u53e3'" in done.stdout


def test_a_wrong_field_is_answered_briefly_and_all_fields_can_be_listed(
    ask: Ask, few: Path, quick: dict[str, Any]
) -> None:
    Path("c.yaml").write_text(
        f"sources: [{{name: gate, uri: {few}}}]\ndetector: {quick}\nrules: {{lines: [{{name: door, points: [[0, 0.5], [1, 0.5]]}}]}}\n"
        "messages: [{name: m, value: '{lines.dor.cumulativ}'}, {name: ok, on: interval 1h, value: '{lines.door.window}'}]\n"
        "outputs: [stdout]\n"
    )
    code, out, _ = ask("check", "c.yaml")
    assert code == 2
    assert "lines.door.cumulative" in out
    assert "countline schema --fields" in out
    assert len(out) < 1500
    code, out, _ = ask("schema", "--fields")
    assert code == 0
    for field in (
        "lines.NAME.DIRECTION.window",
        "window.start",
        "track_id",
        "regions.NAME.longest_dwell",
        "of an event `crossing`",
    ):
        assert field in out
    code, out, _ = ask("schema", "--fields", "--message", "ok", "c.yaml")
    assert code == 0
    assert "lines.door.in.window" in out
