"""Outputs that come, go and change while messages are made: each gets what was made while it was there, once, and nothing is lost."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from stepping import PAUSE, Stepping, Steps, config, stepping, written

import countline as cl
from countline import outbox
from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import tail
from countline.pipeline import swap
from countline.testing import free_port


def every_frame(tmp: Path, *outputs: dict[str, Any]) -> dict[str, Any]:
    messages = [
        {"name": "f", "on": "frame", "value": {"frame": "{frame}"}},
        {"name": "c", "on": "config", "value": {"config": "{config}", "at": "{time}", "id": "{id}"}},
    ]
    return config(tmp, messages=messages, outputs=list(outputs))


def file(tmp: Path, name: str, **more: Any) -> dict[str, Any]:
    return {"file": {"name": name, "path": str(tmp / f"{name}.jsonl"), **more}}


def frames(path: Path) -> list[int]:
    return [m["frame"] for m in written(path) if "frame" in m]


def test_each_output_gets_what_is_made_while_it_is_there(tmp_path: Path) -> None:
    a, b, c = (file(tmp_path, name) for name in "abc")
    with stepping(every_frame(tmp_path, a), [Steps()], tmp_path / "o.outbox") as run:
        run.step(10)
        run.run.control.apply(every_frame(tmp_path, a, b))
        run.step(10)
        applied = run.run.control.apply(every_frame(tmp_path, c, b))
        assert applied.changes.words == ("output 'a' removed", "output 'c' added")
        assert applied.notes == (), "all was delivered"
        run.step(10)
        run.run.control.apply(every_frame(tmp_path, c, a))
        run.step(10)
    assert frames(tmp_path / "a.jsonl") == [*range(20), *range(30, 40)]
    assert frames(tmp_path / "b.jsonl") == [*range(10, 30)]
    assert frames(tmp_path / "c.jsonl") == [*range(20, 40)]
    assert run.summary is not None
    assert run.summary.exit_code == 0


def test_what_an_output_that_is_removed_has_not_taken_stays_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(swap, "DRAIN", 0.5)
    port = free_port()
    away = {"kafka": {"bootstrap": f"127.0.0.1:{port}", "topic": "t"}}
    with stepping(every_frame(tmp_path, away), [Steps()], tmp_path / "o.outbox") as run:
        run.step(10)
        with caplog.at_level(logging.WARNING):
            applied = run.run.control.apply(every_frame(tmp_path, file(tmp_path, "a")))
        assert ["was removed with 10 messages" in note for note in applied.notes] == [True]
        assert "10 messages" in caplog.text
        run.step(10)
        assert "kafka" not in run.run.delivery.stats()
    assert frames(tmp_path / "a.jsonl") == [*range(10, 20)]
    assert {o.name: o.pending for o in outbox.inspect(tmp_path / "o.outbox").outputs} == {"a": 0, "kafka": 10}
    with EmbeddedBroker() as broker:  # it comes back, at another address
        back = {"kafka": {"bootstrap": broker.bootstrap, "topic": "t"}}
        with stepping(every_frame(tmp_path, file(tmp_path, "a")), [Steps(first=20)], tmp_path / "o.outbox") as run:
            run.step(10)
            run.run.control.apply(every_frame(tmp_path, file(tmp_path, "a"), back))
            run.step(10)
        values = [r.value for r in tail({"bootstrap.servers": broker.bootstrap}, "t", idle=3.0)]
    got = sorted(int(v.split(b":")[1].rstrip(b"}")) for v in values if v and v.startswith(b'{"frame"'))
    assert got == [*range(10), *range(30, 40)], "what had waited, and what is made since it is back"


def test_an_output_with_other_options_goes_on_with_what_waits(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        away = {"kafka": {"bootstrap": f"127.0.0.1:{free_port()}", "topic": "t"}}
        there = {"kafka": {"bootstrap": broker.bootstrap, "topic": "t"}}
        with stepping(every_frame(tmp_path, away), [Steps()], tmp_path / "o.outbox") as run:
            run.step(10)
            applied = run.run.control.apply(every_frame(tmp_path, there))
            assert applied.changes.words == ("output 'kafka' changed (bootstrap)",)
            run.step(10)
            bad = {"kafka": {**there["kafka"], "options": {"no.such": "1"}}}
            with pytest.raises(cl.ConfigError, match="librdkafka has no such producer option"):
                run.run.control.apply(every_frame(tmp_path, bad))
            run.step(10)
        assert run.summary is not None
        assert run.summary.pending == 0
        values = [r.value for r in tail({"bootstrap.servers": broker.bootstrap}, "t", idle=3.0)]
    got = {int(v.split(b":")[1].rstrip(b"}")) for v in values if v and v.startswith(b'{"frame"')}
    assert got == set(range(30))


def test_applied_and_refused_changes_are_messages(tmp_path: Path) -> None:
    a = file(tmp_path, "a")

    def apply(run: Stepping, data: dict[str, Any]) -> None:
        with pytest.raises(cl.ConfigError):
            run.run.control.apply(data | {"detector": {"batch": 7}})
        run.run.control.apply(data)

    with stepping(every_frame(tmp_path, a), [Steps()], tmp_path / "o.outbox") as run:
        apply(run, every_frame(tmp_path, a) | {"rules": {"lines": []}})  # before any frame
        digest = run.run.control.current().digest
        run.step(PAUSE)
    told = [m for m in written(tmp_path / "a.jsonl") if "config" in m]
    refused, applied = (m["config"] for m in told)
    assert (refused["applied"], refused["by"]) == (False, "api")
    assert "the detector (batch) cannot be changed while running" in refused["error"]
    assert refused["digest"] != digest
    assert applied == {
        "applied": True, "changes": ["line 'l' removed"], "by": "api", "digest": digest, "error": "",
    }  # fmt: skip
    assert len({m["id"] for m in told}) == 2
    assert all(m["at"].startswith("20") for m in told)
