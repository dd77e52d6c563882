"""The main job: real video in, counted crossings out to a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest_e2e import WALKERS, bright, command, made, street, values, walkers, write

import countline as cl
from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import Record

Read = Callable[..., list[Record]]


@pytest.fixture(scope="module")
def counted(
    broker: EmbeddedBroker, short: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str]:
    """The summary of a run over the street, and the topic that its messages went to."""
    folder, topic = tmp_path_factory.mktemp("street"), f"street-{os.getpid()}"
    done = command(
        "run", write(folder / "countline.yaml", street(short, broker.bootstrap, topic)), "--json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout.splitlines()[-1]), topic


def test_the_recipes_message_is_sent_field_for_field_and_read_back_as_counted(
    counted: tuple[dict[str, Any], str], read_back: Read
) -> None:
    summary, topic = counted
    counts = summary["sources"]["street"]["lines"]["straight"]
    records = read_back(topic, summary["messages"])
    found = values(records)
    assert (
        sum(v["analyticsModule"]["lc_curr_straight"] for v in found) == counts["total"] == counts["in"] + counts["out"]
    )
    # By eye, in this excerpt: leftwards (out) at frames 74, 93, 108; rightwards (in) at 97, 117, 130, 136 of the clip.
    assert (counts["in"], counts["out"]) == (4, 3)
    assert [v["analyticsModule"]["lc_cum_straight"] for v in found] == sorted(
        v["analyticsModule"]["lc_cum_straight"] for v in found
    )
    first = found[0]
    assert list(first) == ["messageid", "@timestamp", "deviceId", "analyticsModule"]
    assert list(first["analyticsModule"]) == ["stream_source_id", "lc_curr_straight", "lc_cum_straight"]
    assert first["deviceId"] == "device_test"
    assert first["@timestamp"].startswith("2024-05-01T10:00:0")
    assert first["@timestamp"].endswith("Z")
    assert len(first["@timestamp"]) == len("2024-05-01T10:00:00.000Z")
    assert {r.key for r in records} == {b"device_test"}


def test_two_runs_over_a_file_give_the_same_messages(
    counted: tuple[dict[str, Any], str],
    broker: EmbeddedBroker,
    topic: str,
    read_back: Read,
    short: Path,
    tmp_path: Path,
) -> None:
    config = write(tmp_path / "countline.yaml", street(short, broker.bootstrap, topic))
    # With an interpreter of its own, whose sets have an order of their own.
    assert subprocess.run([sys.executable, "-m", "countline", "run", str(config), "-q"], check=False).returncode == 0
    first, second = ([(r.key, r.value) for r in read_back(name, 7)] for name in (counted[1], topic))
    assert first == second
    assert len(first) >= 6


def test_the_quick_start_options_do_the_same_as_a_configuration(
    broker: EmbeddedBroker, topic: str, read_back: Read, short: Path
) -> None:
    done = command(
        "run", "-i", short, "--line", "straight=0.39,0.26,0.39,0.62", "--classes", "person",
        "--kafka", broker.bootstrap, "--topic", topic, "--device-id", "device_test",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = values(read_back(topic, 7))
    assert found[-1]["analyticsModule"]["lc_cum_straight"] == 7
    assert found[-1]["deviceId"] == "device_test"


def test_several_sources_share_one_detector_and_keep_their_own_counts(
    broker: EmbeddedBroker, topic: str, read_back: Read, squares: Path
) -> None:
    data = made(squares, broker.bootstrap, topic)
    data["sources"] = [{"name": f"camera-{n}", "uri": str(squares)} for n in range(4)]
    summary = cl.run(data, detector=bright)
    assert summary.exit_code == 0
    for n in range(4):
        assert summary.sources[f"camera-{n}"].lines["straight"]["total"] == WALKERS
    found = values(read_back(topic, 4 * WALKERS))
    assert len(found) == 4 * WALKERS
    assert {v["deviceId"] for v in found} == {f"camera-{n}" for n in range(4)}
    assert len({v["messageid"] for v in found}) == 4 * WALKERS


def test_a_hundred_sources_run_at_once(broker: EmbeddedBroker, topic: str, tmp_path: Path) -> None:
    video = walkers(tmp_path / "one.mp4", 1)
    data = made(video, broker.bootstrap, topic)
    data["sources"] = [{"name": f"camera-{n}", "uri": str(video)} for n in range(100)]
    summary = cl.run(data, detector=bright)
    assert summary.exit_code == 0
    assert {s.lines["straight"]["total"] for s in summary.sources.values()} == {1}
    assert summary.messages == 100


def test_a_python_function_makes_the_message_and_its_own_key(
    broker: EmbeddedBroker, topic: str, read_back: Read, squares: Path
) -> None:
    @cl.message(on="crossing", key=lambda event: event.source.device_id)
    def payload(event: cl.Crossing) -> dict[str, object]:
        return {"who": event.track_id, "line": event.rule, "to": event.direction, "at": event.time}

    data = made(squares, broker.bootstrap, topic, messages=[])
    summary = cl.run(data, messages=[payload], detector=bright)
    records = read_back(topic, WALKERS)
    assert summary.messages == len(records) == WALKERS
    assert {v["to"] for v in values(records)} == {"in", "out"}
    assert all(v["at"].startswith("2024-05-01T10:00:") for v in values(records))


def test_an_exception_in_a_users_function_is_told_and_kept_and_stops_nothing(
    broker: EmbeddedBroker, topic: str, read_back: Read, squares: Path, tmp_path: Path
) -> None:
    calls = []

    @cl.message(on="crossing")
    def payload(event: cl.Crossing) -> dict[str, object]:
        calls.append(event)
        if len(calls) % 3 == 0:
            raise RuntimeError("no licence plate in sight")
        return {"n": len(calls)}

    data = made(squares, broker.bootstrap, topic, messages=[], outbox={"path": str(tmp_path / "box.outbox")})
    summary = cl.run(data, messages=[payload], detector=bright)
    assert summary.failures == WALKERS // 3
    made_anyway = WALKERS - WALKERS // 3
    assert len(read_back(topic, made_anyway)) == made_anyway
    letters = (tmp_path / "box.outbox.failures.jsonl").read_text().splitlines()
    assert len(letters) == WALKERS // 3
    letter = orjson.loads(letters[0])
    assert "no licence plate in sight" in str(letter)
    assert "test_main_job.py" in str(letter)


def test_the_users_detector_that_fails_is_named(squares: Path) -> None:
    def broken(images: list[object]) -> list[object]:
        raise ValueError("out of memory on the accelerator")

    with pytest.raises(cl.DetectorError, match="broken"):
        cl.run(made(squares, "127.0.0.1:9", "t", outputs=["stdout"]), detector=broken)


def test_standard_output_carries_the_messages_and_nothing_else(squares: Path, quick: dict[str, Any]) -> None:
    done = command("run", "-i", squares, "--line", "straight=0.2,0.5,0.8,0.5", "--model", quick["model"], "--stdout")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 6
    assert all(orjson.loads(line)["analyticsModule"]["stream_source_id"] == 0 for line in lines)
    assert "line straight: " in done.stderr
