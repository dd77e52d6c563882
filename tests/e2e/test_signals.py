"""The first Ctrl-C or SIGTERM finishes cleanly, the second ends at once with the documented code, and nothing is lost."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import starting
from countline import outbox

CONFIG = """\
sources: [{{name: gate, uri: {clip}, loop: true, realtime: true}}]
detector: {quick}
rules: {{lines: [{{name: l, points: [[0, 0.5], [1, 0.5]]}}]}}
messages: [{{name: m, value: {{id: "{{id}}"}}}}]
outputs: [{{kafka: {{bootstrap: "127.0.0.1:{port}", topic: t}}}}]
outbox: o.outbox
"""


@pytest.mark.parametrize(
    "kinds", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)]
)
def test_two_signals_end_at_once_with_130_and_what_waits_stays_in_the_outbox(
    kinds: tuple[signal.Signals, signal.Signals], few: Path, quick: dict[str, Any]
) -> None:
    with socket.socket() as closed:  # bound, not listening: the broker is away
        closed.bind(("127.0.0.1", 0))
        Path("c.yaml").write_text(CONFIG.format(clip=few, quick=quick, port=closed.getsockname()[1]))
        run = starting.Popen(
            [sys.executable, "-m", "countline", "run", "c.yaml", "--drain-timeout", "60"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not (
                Path("o.outbox").exists() and outbox.inspect(Path("o.outbox")).messages
            ):
                time.sleep(0.2)
            run.send_signal(kinds[0])
            time.sleep(1.0)
            assert run.poll() is None, "it waits for the broker"
            run.send_signal(kinds[1])
            assert run.wait(30) == 130
        finally:
            run.kill()
    assert run.stderr is not None
    said = run.stderr.read()
    assert "finishing (once more to end at once)" in said
    assert "stays in the outbox" in said
    assert outbox.inspect(Path("o.outbox")).messages > 0
