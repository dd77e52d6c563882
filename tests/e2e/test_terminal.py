"""What comes from outside is made visible on a terminal, never executed by it; into a pipe `--raw` stays raw."""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from conftest_e2e import command
from hypothesis import given
from hypothesis import strategies as st

import countline
import starting
from countline.cli import main
from countline.demo.broker import EmbeddedBroker
from countline.terminal import json_line, visible, visible_json

EVIL = "\x1b]0;TITLE\x07\x1b[2J\x9b31m\u202ertl\x7f"
BARE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
OURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_pty(*args: object) -> str:
    """What a terminal is given by the command line."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                seen.extend(data)
        except OSError:
            return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"}
    starting.run(
        [sys.executable, "-m", "countline", *map(str, args)],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=env,
        timeout=120,
        check=False,
    )
    os.close(theirs)
    reader.join(5)
    return seen.decode(errors="surrogateescape").replace("\r\n", "\n")


@given(st.text(st.characters(codec=None, exclude_categories=[])))
def test_nothing_invisible_is_left_of_any_text(text: str) -> None:
    assert not BARE.search(visible(text))
    assert not re.search("[\n\t]", visible(text, breaks=False))
    assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text
    assert not BARE.search(json_line({"a": text}))
    assert json.loads(json_line({"a": text})) == {"a": text}


@given(st.integers(-(10**40), 10**40))
def test_integers_of_any_size_are_exact_in_json_lines(number: int) -> None:
    assert json.loads(json_line({"n": number})) == {"n": number}


@pytest.fixture
def evil(broker: EmbeddedBroker, topic: str) -> str:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    raw = EVIL.encode()
    producer.produce(topic, json.dumps({"a": EVIL}).encode(), key=raw, headers=[("h\x1b[5m", raw)])
    producer.produce(topic, b"plain " + raw, key=b"x")
    producer.produce(topic, json.dumps(EVIL, ensure_ascii=False).encode(), key=b"x")
    producer.produce(topic, b"\xff\xfe\x1b[31m", key=b"x")
    producer.produce(topic, b'{"n": 123456789012345678901234567890}', key=b"big")
    producer.produce(topic, b'{"n": 2}', key=b"late", timestamp=300_000_000_000_000)
    producer.produce(topic, b'{"n": 3}', key=b"after")
    assert producer.flush(20) == 0
    return topic


@pytest.mark.parametrize("form", [[], ["--json"], ["--raw"]])
def test_consume_on_a_terminal_shows_control_characters_and_goes_on(
    form: list[str], broker: EmbeddedBroker, evil: str
) -> None:
    seen = on_pty("consume", evil, "--kafka", broker.bootstrap, "-n", "7", *form)
    bare = BARE.findall(OURS.sub("", seen) if not form else seen)
    assert bare == [], seen
    assert "TITLE" in seen
    assert "123456789012345678901234567890" in seen
    assert "300000000000000 ms" in seen or form == ["--raw"]
    assert "]0;" not in OURS.sub("", seen).replace("\\x1b]0;", "").replace("\\u001b]0;", "")
    assert re.search(r'"n":\s*3', OURS.sub("", seen)), "a record beyond the year 9999 ended it"


def test_raw_into_a_pipe_is_byte_for_byte(broker: EmbeddedBroker, evil: str) -> None:
    ended = starting.run(
        [sys.executable, "-m", "countline", "consume", evil, "--kafka", broker.bootstrap, "-n", "7", "--raw"],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert b"plain " + EVIL.encode() + b"\n" in ended.stdout
    assert b"\xff\xfe\x1b[31m\n" in ended.stdout


def test_names_in_errors_and_results_are_made_visible(
    capsys: pytest.CaptureFixture[str], few: Path, quick: dict[str, Any]
) -> None:
    Path("evil.yaml").write_text(f'sources: [{{name: "a", uri: "{{gone}}"}}]\nmodel{EVIL}: 1\n'.encode().decode())
    for args in (
        ["check", f"no{EVIL}.yaml"], ["run", f"no{EVIL}.yaml"], [f"no{EVIL}"], ["run", f"--no{EVIL}"], ["convert", f"no{EVIL}"],
        ["analyze", "--rules", f"no{EVIL}", f"no{EVIL}"], ["counts", "--outbox", f"no{EVIL}"], ["check", "evil.yaml"],
        ["consume", "t", "-X", f"no{EVIL}"], ["schema", "--check", f"no{EVIL}", "x"],
    ):  # fmt: skip
        with pytest.raises(SystemExit) as end:
            main(args)
        assert end.value.code in (2, 5), args
        out, err = capsys.readouterr()
        assert not BARE.search(out + err), args
    quoted = json.dumps(f"gate{EVIL}")
    Path("c.yaml").write_text(
        f"sources: [{{name: {quoted}, uri: {few}}}]\ndetector: {quick}\n"
        f"rules: {{lines: [{{name: {quoted}, points: [[0, 0.5], [1, 0.5]]}}]}}\n"
        f"messages: [{{name: m, value: {{source: '{{source}}'}}}}]\noutputs: [{{file: {{path: o.jsonl}}}}]\n"
    )
    for form in ([], ["--json"]):
        ended = command("run", "c.yaml", *form)
        assert not BARE.search(ended.stdout + ended.stderr)
        assert ended.returncode == 0, ended.stderr
    for args in (["counts"], ["outbox"], ["check", "c.yaml"]):
        ended = command(*args)
        assert not BARE.search(ended.stdout + ended.stderr), args
    seen = on_pty("run", "c.yaml", "--fresh")
    assert "]0;" not in OURS.sub("", seen).replace("\\x1b]0;", "")


def test_messages_on_a_terminal_are_made_visible(few: Path, quick: dict[str, Any]) -> None:
    Path("c.yaml").write_text(
        f"sources: [{{name: gate, uri: {few}}}]\ndetector: {quick}\nrules: {{lines: [{{name: l, points: [[0, 0.5], [1, 0.5]]}}]}}\n"
        f'messages: [{{name: m, value: {{it: "\\u009b31m\\u202e"}}}}]\noutputs: [stdout]\noutbox: memory\n'
    )
    seen = on_pty("run", "c.yaml", "-q")
    assert "\\x9b31m\\u202e" in seen
    assert not BARE.search(seen)


def test_there_is_one_door_to_the_terminal() -> None:
    """Whoever prints does it through countline.terminal."""
    found = []
    root = Path(countline.__file__).parent
    for path in root.rglob("*.py"):
        if path == root / "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in ("click.echo", "click.secho", "print") or (name == "Text" and not _safe(node)):
                    found.append(f"{path.relative_to(root)}:{node.lineno} {ast.unparse(node)[:80]}")
    assert found == []


def _safe(node: ast.Call) -> bool:
    """A Text of words of ours, or of what was made visible."""
    shown = ast.unparse(node.args[0]) if node.args else "''"
    return "visible" in shown or (isinstance(node.args[0], (ast.Constant, ast.IfExp))) or "_time(" in shown
