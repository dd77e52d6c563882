"""A server that goes away in the middle of a run: files wait and lose nothing, of live sources what was dropped is counted and said."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest_e2e import walkers
from remote_helpers import Server, bright_model, configuration, lines, serving

import countline as cl
from countline.observe.metrics import FAMILIES

WALKERS = 6
FRAMES = 120


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walkers(tmp_path_factory.mktemp("clips") / "walkers.mp4", WALKERS)


@pytest.fixture(scope="session")
def undisturbed(video: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a run tells whose server is well all the time."""
    folder = tmp_path_factory.mktemp("undisturbed")
    summary = cl.run(configuration(video, folder, {"triton": server.url()}))
    assert summary.frames == FRAMES
    told = lines(folder / "out.jsonl")
    assert [json.loads(line)["count"] for line in told] == list(range(1, WALKERS + 1))
    return told


@pytest.fixture
def own(model: Path) -> Iterator[Server]:
    """A server that is this test's to kill."""
    with serving(model, "--max-batch", "8") as running:
        yield running


def wait(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()


@contextmanager
def running(run: cl.Run) -> Iterator[list[cl.Summary]]:
    """The run in a thread of its own; its summary when it is over."""
    summaries: list[cl.Summary] = []
    thread = threading.Thread(target=lambda: summaries.append(run.execute(drain_timeout=10)))
    thread.start()
    try:
        yield summaries
    finally:
        run.stop()
        thread.join(60)
        assert not thread.is_alive()


def killing(server: Server, at: int) -> Callable[[Any, cl.Analytics], None]:
    """A consumer that kills the server when a frame has been counted."""

    def consumer(frame: Any, analytics: cl.Analytics) -> None:
        if analytics.frame.number == at:
            server.kill()

    return consumer


Counted = tuple[dict[str, tuple[int, dict[str, Any]]], list[int]]


def counted(video: Path, folder: Path, detector: dict[str, Any]) -> Counted:
    """What a run with this detector counts of two files at once."""
    folder.mkdir()
    config = configuration(video, folder, detector)
    config["sources"].append({"name": "yard", "uri": str(video)})
    summary = cl.run(config)
    assert summary.exit_code == 0
    counts = [json.loads(line)["count"] for line in lines(folder / "out.jsonl")]
    return {name: (s.frames, s.lines) for name, s in summary.sources.items()}, counts


@pytest.fixture(scope="module")
def counted_here(video: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    return counted(video, tmp_path_factory.mktemp("runs") / "here", {"model": str(model)})


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_runs_through_a_server_count_what_runs_here_count(
    scheme: str, video: Path, server: Server, counted_here: Counted, tmp_path: Path
) -> None:
    there = counted(video, tmp_path / "there", {"triton": server.url(scheme)})
    assert there == counted_here
    assert there[0]["yard"][0] == FRAMES


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_killed_in_the_middle_of_a_file_costs_nothing(
    scheme: str, video: Path, own: Server, undisturbed: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = cl.Run(configuration(video, tmp_path, {"triton": own.url(scheme)}), consumers=[killing(own, 50)])
    with caplog.at_level(logging.WARNING, "countline"), running(run) as summaries:
        wait(lambda: run.snapshot()["away"])
        health = run.health()
        assert health.is_alive
        assert not health.is_ready
        own.start()
        wait(lambda: summaries)
    assert summaries[0].exit_code == 0
    assert summaries[0].frames == FRAMES
    assert summaries[0].sources["gate"].dropped == 0
    assert sorted(lines(tmp_path / "out.jsonl")) == sorted(undisturbed)
    said = [r.getMessage() for r in caplog.records if "the detector is" in r.getMessage()]
    assert len(said) == 2
    assert "frames of files wait" in said[0]
    assert said[1].startswith("the detector is there again, after")


def test_stopped_while_the_server_is_away_a_run_ends_and_the_next_one_loses_nothing(
    video: Path, own: Server, undisturbed: list[str], tmp_path: Path
) -> None:
    config = configuration(video, tmp_path, {"triton": own.url()})
    run = cl.Run(config, consumers=[killing(own, 50)])
    with running(run) as summaries:
        wait(lambda: run.snapshot()["away"])
        # All that there is of the file may have been read by now.
    assert summaries[0].interrupted
    assert 50 < summaries[0].frames < FRAMES
    own.start()
    again = cl.run(config)
    assert again.sources["gate"].resumed_after == summaries[0].frames - 1
    assert sorted(lines(tmp_path / "out.jsonl")) == sorted(undisturbed)


def test_a_server_that_never_answers_is_away_and_a_run_that_waits_for_it_can_be_stopped(
    video: Path, model: Path, tmp_path: Path
) -> None:
    with serving(model, "--max-batch", "8", "--hang", "5") as server:
        run = cl.Run(configuration(video, tmp_path, {"triton": {"url": server.url(), "timeout": 1}}))
        with running(run) as summaries:
            wait(lambda: "no answer within 1 s" in run.snapshot()["away"])
    assert summaries[0].interrupted
    assert summaries[0].exit_code == 0


def live(video: Path, folder: Path, server: Server) -> dict[str, Any]:
    config = configuration(video, folder, {"triton": server.url()}, live=True, loop=True)
    config["messages"] = [
        {"name": "frame", "on": "frame", "value": {"number": "{frame}", "degraded": "{degraded}"}},
        {"name": "state", "on": "status", "value": {"state": "{status.state}", "reason": "{status.reason}"}},
    ]
    return config


def test_of_a_live_source_frames_are_dropped_while_the_server_is_away_counted_and_said(
    video: Path, own: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = cl.Run(live(video, tmp_path, own))
    with caplog.at_level(logging.WARNING, "countline"), running(run) as summaries:
        stats = run.sources[0].stats
        wait(lambda: run.snapshot()["frames"] > 5)
        own.kill()
        wait(lambda: stats.undetected > 5 and stats.state == "degraded")
        assert stats.reason.startswith("detector away: grpc://127.0.0.1")
        assert not run.health().is_ready
        assert run.health().is_alive
        measured = run.measured()
        assert measured.sources[0].dropped["detector-away"] > 5
        away = next(f for f in FAMILIES if f.name == "countline.detector.away")
        assert [point.value for point in away.read(measured)] == [1.0]
        assert run.snapshot()["sources"]["gate"]["undetected"] > 5
        own.start()
        wait(lambda: stats.state == "live")
        counted = run.snapshot()["frames"]
        wait(lambda: run.snapshot()["frames"] > counted + 5)
        assert run.health().is_ready
    gate = summaries[0].sources["gate"]
    assert summaries[0].exit_code == 0
    assert gate.undetected > 5
    assert gate.dropped >= gate.undetected
    told = [json.loads(line) for line in lines(tmp_path / "out.jsonl")]
    states = [t["state"] for t in told if "state" in t]
    assert states[:1] == ["live"] or states[:2] == ["connecting", "live"]
    assert "degraded" in states
    assert states.index("degraded") < len(states) - 1 - states[::-1].index("live")
    frames = [t for t in told if "number" in t]
    behind = next(i for i, f in enumerate(frames) if f["degraded"])
    assert frames[behind]["number"] - frames[behind - 1]["number"] > 5  # the first behind the hole says so
    assert frames[behind]["degraded"].startswith("detector away")
    assert not frames[-1]["degraded"]
    assert any("frames of live sources were dropped" in r.getMessage() for r in caplog.records)


def test_a_server_back_with_another_version_is_noticed(
    video: Path, own: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = cl.Run(configuration(video, tmp_path, {"triton": own.url()}), consumers=[killing(own, 50)])
    with caplog.at_level(logging.WARNING, "countline"), running(run) as summaries:
        wait(lambda: run.snapshot()["away"])
        own.start("--max-batch", "8", "--version", "2")
        wait(lambda: summaries)
    assert summaries[0].frames == FRAMES
    assert "the model is version 2 now, 1 before" in caplog.text


def test_a_server_back_with_another_model_ends_the_run_with_the_difference(
    video: Path, own: Server, tmp_path: Path
) -> None:
    run = cl.Run(configuration(video, tmp_path, {"triton": own.url()}), consumers=[killing(own, 50)])
    own_model = own.model
    with running(run) as summaries:
        wait(lambda: run.snapshot()["away"])
        own.model = bright_model(tmp_path / "other.onnx", beside=True)
        own.start()
        wait(lambda: summaries)
    assert summaries[0].exit_code == 3
    assert "another model under this name now" in summaries[0].error
    assert "aside float32" in summaries[0].error
    # With the former model the file goes on where it was.
    own.kill()
    own.model = own_model
    own.start()
    again = cl.run(configuration(video, tmp_path, {"triton": own.url()}))
    assert again.sources["gate"].resumed_after is not None
    counts = [json.loads(line)["count"] for line in lines(tmp_path / "out.jsonl")]
    assert sorted(counts) == list(range(1, WALKERS + 1))


def test_a_token_that_is_no_longer_taken_makes_a_file_wait_for_one_that_is(
    video: Path, own: Server, tmp_path: Path
) -> None:
    run = cl.Run(configuration(video, tmp_path, {"triton": own.url()}), consumers=[killing(own, 50)])
    with running(run) as summaries:
        wait(lambda: run.snapshot()["away"])
        own.start("--token", "another")
        wait(lambda: "UNAUTHENTICATED" in run.snapshot()["away"])
        assert run.engine.failure is None
    assert summaries[0].interrupted
