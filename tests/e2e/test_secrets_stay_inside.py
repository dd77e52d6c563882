"""Secrets stay inside: real commands, with everything that they print."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import starting

COMMAND = [sys.executable, "-m", "countline"]
MESSAGES = 'messages: [{name: m, on: interval 1s, value: {f: "{frame}"}}]\n'


def said(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    done = starting.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def said_until(mark: str, *arguments: str) -> tuple[int, str]:
    """The same of a run without an end: it is asked to finish once it has printed ``mark`` (a regular expression)."""
    with starting.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as process:
        guard = threading.Timer(120, process.kill)
        guard.start()
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if mark and re.search(mark, line):
                process.send_signal(signal.SIGTERM)
                mark = ""
        guard.cancel()
        return process.wait(60), "".join(lines)


def write(text: str) -> str:
    Path("c.yaml").write_text(text, encoding="utf-8")
    return "c.yaml"


@pytest.mark.parametrize("command", [["check"], ["check", "--json"], ["run"]])
def test_a_numeric_password_is_not_printed(command: list[str], few: Path) -> None:
    sasl = "{mechanism: PLAIN, username: u, password: 8675309}"
    name = write(
        f"sources: [{{name: a, uri: {few}}}]\noutputs:\n"
        f'  - kafka: {{bootstrap: "localhost:1", topic: t, security: {{sasl: {sasl}}}}}\n'
    )
    code, text = said(*command, name)
    assert code == 2
    assert "c.yaml:3" in text
    assert "sasl.password" in text
    assert "8675309" not in text


def test_a_header_with_a_line_break_is_refused_and_not_printed(few: Path) -> None:
    name = write(
        f"sources: [{{name: a, uri: {few}}}]\n{MESSAGES}outputs:\n"
        '  - webhook: {url: "http://127.0.0.1:1/hook", headers: {Authorization: "Bearer ${WORD}"}, secret: "sigKey_123456"}\n'
    )
    for word in ("canary-one\ncanary-two", "canary-one\r", "canary\x00one", "canäry-one "):
        if "\x00" in word:
            continue  # no environment holds it
        code, text = said("run", name, WORD=word)
        assert code == 2, text
        assert "c.yaml:4" in text
        assert "headers.Authorization" in text
        assert not any(part in text for part in ("canary", "can", "sigKey"))


@pytest.mark.timeout(400)
def test_a_run_prints_no_secret_of_outputs_or_cameras(few: Path, quick: dict[str, Any]) -> None:
    word = "canary-7531"
    detector = {**quick, "interval": 30}
    name = write(
        "sources:\n"
        f"  - {{name: a, uri: {few}}}\n"
        f'  - {{name: b, uri: "rtsp://admin:{word}@127.0.0.1:1/user=admin_password={word}_channel=1", live: false}}\n'
        f"detector: {detector}\n{MESSAGES}outputs:\n"
        f'  - webhook: {{url: "http://127.0.0.1:1/hook/{word}", password: {word}, username: u, headers: {{X-Key: {word}}}}}\n'
        f"  - redis: {{host: 127.0.0.1, port: 1, password: {word}}}\n"
        f"  - kafka: {{bootstrap: '127.0.0.1:1', topic: t, options: {{sasl.password: {word}, debug: 'all'}}}}\n"
    )
    for command in (["run", "--json", "-v"], ["run", "-v"], ["check", "--json", "--timeout", "0.5"]):
        if command[0] == "run":
            code, text = said_until(
                r'messages"?[ :]+[1-9]', *command, "--drain-timeout", "0.5", "--outbox", "memory", name
            )
            assert "attempt 1" in text
        else:
            code, text = said(*command, name)
        assert code != 0
        assert "canary" not in text
        assert "127.0.0.1:1" in text
        assert "librdkafka" in text or command[0] == "check"
        if "--json" in command:
            assert all(json.loads(line) for line in text.splitlines() if line.startswith("{"))


def test_an_unforeseen_error_prints_its_traceback_without_secrets(few: Path, quick: dict[str, Any]) -> None:
    Path("broken.py").write_text(
        "import atexit, os, sys, threading\n"
        "def payload(event):\n    return {}\n"
        "def shout():\n    raise RuntimeError('saw ' + repr(os.environ['WORD']))\n"
        "threading.Thread(target=shout).start()\n"
        "import countline.pipeline.build as b\n"
        "def worse(*a, **k):\n    shout()\n"
        "b.tracker = worse\n",
        encoding="utf-8",
    )
    name = write(
        f"sources: [{{name: a, uri: {few}}}]\ndetector: {quick}\n"
        "messages: [{name: m, on: frame, function: 'broken:payload'}]\noutputs:\n"
        "  - redis: {host: 127.0.0.1, port: 1, password: '${WORD}'}\n"
    )
    code, text = said("check", name, WORD="canary-7531")
    assert code == 1
    assert text.count("RuntimeError: saw '***'") == 2
    assert "Traceback" in text
    assert "canary" not in text


def test_a_name_that_is_made_of_an_address_holds_no_secret() -> None:
    from countline.commands.run import _source_names

    uris = (
        "rtmp://127.0.0.1:1/app/canary-7531",
        "rtsp://admin:canary-7531@127.0.0.1:1",
        "rtsp://admin:can/canary-7531@127.0.0.1:1/main",
        "rtsp://127.0.0.1/user=a_password=canary-7531_channel=1",
        "street.mp4",
    )
    names = _source_names(uris)
    assert len(set(names)) == len(uris)
    assert not any("canary" in name or "***" in name for name in names)
    assert names[-1] == "street"


@pytest.mark.parametrize(
    ("options", "files"),
    [
        (["--conn-str", "localhost:5672;u;canary-7531"], {}),
        (["--conn-str", "localhost;x;u;canary-7531"], {}),
        (["-c", "cfg.txt", "--conn-str", "localhost;5672"], {"cfg.txt": "[message-broker]\npassword=canary-7531\nport=canary-7531\n"}),
        (["-c", "cfg.txt"], {"cfg.txt": "[message-broker]\npassword=canary-7531\n=canary-7531\nhostname\n"}),
    ],
)  # fmt: skip
def test_deepstreams_options_show_no_password(options: list[str], files: dict[str, str], few: Path) -> None:
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    code, text = said("run", "-i", str(few), "-p", "libnvds_amqp_proto.so", *options)
    assert code == 2
    assert "canary" not in text
