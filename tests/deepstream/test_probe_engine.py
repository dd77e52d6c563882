"""The probe stands before the same engine as a run of video: it starts, tells and ends as that does."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from nvds_metas import UNTRACKED, Frm, Library, Obj
from nvds_pipeline import Pipeline

import countline as cl
from countline import outbox
from countline.commands.summary_text import summary_text
from countline.config import OutboxConfig
from countline.deepstream import attach

STEPS = 20
"""More threads than a start has."""


def config(**more: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": "gate"}],
        "rules": {"lines": [{"name": "l", "points": [[0.1, 0.5], [0.9, 0.5]]}]},
        "messages": [{"name": "m", "on": "frame", "value": {"frame": "{frame}"}}],
        "outputs": [{"file": {"path": "out.jsonl"}}],
        "outbox": {"path": "o.outbox"},
        **more,
    }


def push(pipeline: Pipeline, frames: int, *objects: Obj) -> None:
    library = Library()
    pipeline.push(library.buffer([Frm(0, n, n * 40_000_000, 0, (640, 480), list(objects))]) for n in range(frames))
    pipeline.finish()


def held() -> tuple[set[str], list[str]]:
    """Our threads, and the files of this process in this folder."""
    gc.collect()
    files = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            files.append(os.readlink(entry))
    threads = {t.name for t in threading.enumerate() if t.name.startswith("countline")}
    return threads, [f for f in files if f.startswith(os.getcwd())]


@contextmanager
def nothing_left() -> Iterator[None]:
    yield
    assert held() == (set(), [])
    outbox.open(OutboxConfig(), Path("o.outbox"), ["file"]).close()


@pytest.mark.parametrize(
    "change",
    [
        {"rules": {"file": "none.txt"}},
        {"messages": [{"name": "m", "value": "{nosuch}"}]},
        {"outbox": {"path": "o.outbox", "reset": "daily 25:00"}},
        {"outbox": {"path": "/dev/null"}},
        {"detector": {"labels": "none.txt"}},
        {"outputs": [{"file": {"path": "o.outbox"}}]},
        {"outputs": [{"kafka": {"bootstrap": "127.0.0.1:1", "topic": "t", "options": {"acks": "seven"}}}]},
    ],
)
def test_a_probe_whose_start_is_refused_leaves_nothing_open(change: dict[str, Any]) -> None:
    with Pipeline() as pipeline, nothing_left(), pytest.raises(cl.CountlineError):
        attach(pipeline.element("here"), config(**change))


def test_a_probe_that_gets_no_thread_leaves_none_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    refused = 0
    for step in range(STEPS):
        left = step

        def limited(thread: threading.Thread) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise RuntimeError("can't start new thread")
            start(thread)

        with Pipeline() as pipeline, nothing_left(), monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", limited)
            try:
                attach(pipeline.element("here"), config()).close()
            except RuntimeError:
                refused += 1
            else:
                break
    assert refused == 4, "outbox, check, output and evaluation have one each"


def test_a_probe_that_would_overwrite_its_configuration_is_refused() -> None:
    Path("site.yaml").write_text("outputs: [{file: {path: site.yaml}}]\noutbox: memory\n")
    with Pipeline() as pipeline, pytest.raises(cl.ConfigError, match="would overwrite"):
        attach(pipeline.element("here"), "site.yaml")


def test_the_summary_of_a_probe_tells_what_that_of_a_run_tells() -> None:
    """What has no track id, where failures are kept, and that an outbox in memory loses what is not delivered."""

    @cl.message(on="frame")
    def broken(analytics: cl.Analytics) -> dict[str, Any]:
        raise ValueError("on purpose")

    nowhere = {"kafka": {"bootstrap": "127.0.0.1:1", "topic": "t"}}
    with Pipeline() as pipeline:
        attachment = attach(
            pipeline.element("here"), config(outbox="memory", outputs=[nowhere]), messages=[broken], lossless=True
        )
        push(pipeline, 3, Obj(UNTRACKED, (10, 10, 20, 40), 2, "Person"))
        summary = attachment.close(0.1)
    assert summary.sources["gate"].untracked == 3
    assert summary.failures == 3
    assert Path(summary.failure_file).read_bytes().count(b"on purpose") == 3
    assert (summary.durable, summary.pending, summary.exit_code) == (False, 3, 4)
    assert "its outbox was in memory" in summary_text(summary)


def test_a_probe_whose_consumer_fails_ends_as_a_run_does() -> None:
    """With code 1, what went wrong in the summary, and everything closed."""

    def consumer(frame: Any, analytics: cl.Analytics) -> None:
        raise KeyError("nosuch")

    with Pipeline() as pipeline, nothing_left():
        attachment = attach(pipeline.element("here"), config(), consumers=[consumer], lossless=True)
        push(pipeline, 3)
        summary = attachment.close(1.0)
        assert summary.exit_code == 1
        assert "unforeseen error: KeyError('nosuch')" in summary.error
        assert summary.sources["gate"].dropped == 2
