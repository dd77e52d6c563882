"""Sources that come, go or are opened anew, while the others are read on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from stepping import PAUSE, SCENE, WAIT, Stepping, Steps, config, stepping, written

import countline as cl
from countline.types import Analytics

VALUE = {"frame": "{frame}", "source": "{source}", "index": "{source_index}", "device": "{device_id}"}


def with_sources(tmp: Path, *sources: dict[str, Any]) -> dict[str, Any]:
    return config(tmp, messages=[{"name": "f", "on": "frame", "value": VALUE}], sources=list(sources))


class Others:
    """Waits for frames of sources that no test lets through."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self.seen: dict[str, list[int]] = {}

    def __call__(self, _: Any, analytics: Analytics) -> None:
        with self._change:
            self.seen.setdefault(analytics.frame.source.name, []).append(analytics.frame.number)
            self._change.notify_all()

    def wait(self, name: str, frame: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: frame in self.seen.get(name, ()), WAIT)


class SteppingBeside(Stepping):
    """Frames of the test's own source alone are waited for."""

    def _see(self, frame: Any, analytics: Analytics) -> None:
        others(frame, analytics)
        if analytics.frame.source.name == "gate":
            super()._see(frame, analytics)


others = Others()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    others.__init__()  # type: ignore[misc]


@pytest.mark.parametrize("live", [True, False])
def test_a_source_comes_is_opened_anew_and_goes_and_the_other_is_read_on(
    live: bool, clip: Path, tmp_path: Path
) -> None:
    gate, b = {"name": "gate"}, {"name": "b", "uri": str(clip), "device_id": "camera-b"}
    last = 299
    run = SteppingBeside(with_sources(tmp_path, gate), [Steps(live=live)], tmp_path / "o.outbox")
    try:
        run.step(PAUSE)
        assert run.run.control.apply(with_sources(tmp_path, gate, b)).changes.words == ("source 'b' added",)
        if live:
            others.wait("b", last)
        run.step(PAUSE)
        b["fps"] = 2.0
        applied = run.run.control.apply(with_sources(tmp_path, b, gate))
        assert applied.changes.restarted == ["b"]
        run.step(PAUSE)
        run.run.control.apply(with_sources(tmp_path, gate))
        run.step(PAUSE)
    finally:
        summary = run.end()
    assert summary.exit_code == 0, summary.error
    assert run.frames[-1].lines["l"].cumulative == 4
    sent = written(tmp_path / "out.jsonl")
    own = [m for m in sent if m["source"] == "gate"]
    assert [m["frame"] for m in own] == list(range(4 * PAUSE)), "none lost, none twice"
    assert [m["index"] for m in own[::PAUSE]] == [0, 0, 1, 0], "its place in the configuration"
    assert {m["device"] for m in sent if m["source"] == "b"} == {"camera-b"}
    if live:
        assert [m["frame"] for m in sent if m["source"] == "b"][: last + 1] == list(range(last + 1))


def test_only_what_is_told_of_a_source_changes_without_opening_it_anew(tmp_path: Path) -> None:
    with stepping(with_sources(tmp_path, {"name": "gate"}), [Steps()], tmp_path / "o.outbox") as run:
        run.step(5)
        applied = run.run.control.apply(with_sources(tmp_path, {"name": "gate", "device_id": "north"}))
        assert applied.changes.words == ("source 'gate' changed (device_id)",)
        assert not applied.changes.restarted
        run.step(5)
    assert [m["device"] for m in written(tmp_path / "out.jsonl")] == ["gate"] * 5 + ["north"] * 5


def test_a_source_that_takes_the_place_of_the_only_one_does_not_end_the_run(clip: Path, tmp_path: Path) -> None:
    a, b = {"name": "a", "uri": str(clip), "fps": 1.0}, {"name": "b", "uri": str(clip), "fps": 1.0}
    passed = threading.Event()

    def see(frame: Any, analytics: Analytics) -> None:
        others(frame, analytics)
        if analytics.frame.source.name == "a":
            passed.wait(WAIT)

    run = cl.Run(with_sources(tmp_path, a), detector=SCENE.detector(), consumers=[see], state=tmp_path / "o.outbox")
    done: list[cl.Summary] = []
    thread = threading.Thread(target=lambda: done.append(run.execute()))
    thread.start()
    others.wait("a", 0)
    change = threading.Thread(target=run.control.apply, args=(with_sources(tmp_path, b),))
    change.start()
    passed.set()
    change.join(WAIT)
    thread.join(WAIT)
    assert done[0].exit_code == 0, done[0].error
    assert others.seen["b"][0] == 0
    assert max(others.seen["b"]) >= 289
    run = cl.Run(with_sources(tmp_path, a), detector=SCENE.detector(), state=tmp_path / "o.outbox")
    summary = run.execute()
    assert summary.sources["a"].resumed_after == max(others.seen["a"]), "it was not read to its end"
    sent = [m["frame"] for m in written(tmp_path / "out.jsonl") if m["source"] == "a"]
    assert len(sent) == len(set(sent)) == 30, "each frame once, over both runs"


def test_an_object_of_the_program_cannot_be_opened_anew(tmp_path: Path) -> None:
    one, two = Steps("gate"), Steps("two", 1)
    both = with_sources(tmp_path, {"name": "gate"}, {"name": "two"})
    with stepping(both, [one, two], tmp_path / "o.outbox") as run:
        run.step(2)
        with pytest.raises(cl.ConfigError, match="is an object of the program"):
            run.run.control.apply(with_sources(tmp_path, {"name": "gate"}, {"name": "two", "fps": 1.0}))
        run.step(2)
