"""No event is lost and no count forgotten: brokers that are away, signals, kills in the middle of a run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from conftest_e2e import WALKERS, bright, command, made, street, values, write

import countline as cl
import starting
from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import Record, tail
from ports import free_port

Read = Callable[..., list[Record]]

DRIVER = """
import sys, time
sys.path.insert(0, {here!r})
from conftest_e2e import bright
import countline as cl

def slow(images):
    time.sleep(0.004 * len(images))
    return bright(images)

print("ready", flush=True)
summary = cl.run({config!r}, detector=slow)
print("total", summary.sources["street"].lines["straight"]["total"], flush=True)
sys.exit(summary.exit_code)
"""


def driver(config: Path) -> list[str]:
    return [sys.executable, "-c", DRIVER.format(here=str(Path(__file__).parent), config=str(config))]


def test_a_broker_that_comes_late_gets_every_message(topic: str, squares: Path, tmp_path: Path) -> None:
    port = free_port()
    data = made(squares, f"127.0.0.1:{port}", topic, outbox={"path": str(tmp_path / "box")})
    run = cl.Run(data, detector=bright)
    broker = EmbeddedBroker(port=port)
    consumers_saw = []

    def watch(frame: object, analytics: cl.Analytics) -> None:
        consumers_saw.append(analytics.frame.number)
        if analytics.frame.number == 400:  # most crossings have happened by now, with nobody to send them to
            broker.__enter__()

    run.add_consumer(watch)
    try:
        summary = run.execute(drain_timeout=60)
        assert summary.exit_code == 0
        assert summary.outputs["kafka"].acknowledged == WALKERS
        records = list(tail({"bootstrap.servers": broker.bootstrap}, topic, idle=2.0))
        assert [v["analyticsModule"]["lc_cum_straight"] for v in values(records)] == list(range(1, WALKERS + 1))
    finally:
        broker.__exit__(None, None, None)


def test_messages_left_over_by_one_run_are_delivered_by_the_next(topic: str, squares: Path, tmp_path: Path) -> None:
    port = free_port()
    config = write(
        tmp_path / "c.yaml", made(squares, f"127.0.0.1:{port}", topic, outbox={"path": str(tmp_path / "box")})
    )
    first = cl.run(config, detector=bright, drain_timeout=0.5)
    assert first.exit_code == 4
    assert first.pending == WALKERS
    with EmbeddedBroker(port=port) as broker:
        second = cl.run(config, detector=bright, drain_timeout=60)
        assert second.exit_code == 0
        ids = [v["messageid"] for v in values(list(tail({"bootstrap.servers": broker.bootstrap}, topic, idle=2.0)))]
    # The second run over the same file makes the same messages again, with the same ids, after those that were waiting.
    assert len(ids) == 2 * WALKERS
    assert ids[:WALKERS] == ids[WALKERS:]


def test_sigterm_ends_cleanly_and_the_next_run_goes_on_where_it_stopped(
    broker: EmbeddedBroker, topic: str, read_back: Read, short: Path, tmp_path: Path
) -> None:
    config = write(tmp_path / "c.yaml", street(short, broker.bootstrap, topic, outbox={"path": str(tmp_path / "box")}))
    process = starting.Popen(
        [sys.executable, "-m", "countline", "run", str(config), "--json", "--realtime"],  # it is not at its end before
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        state = orjson.loads(line)
        if state["type"] == "progress" and state["frames"] >= 10:
            break
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    summary = orjson.loads(rest.splitlines()[-1])
    assert summary["type"] == "summary"
    assert summary["interrupted"] is True
    assert process.returncode == 0
    assert 10 <= summary["frames"] < 80
    again = orjson.loads(command("run", config, "--json").stdout.splitlines()[-1])
    assert again["sources"]["street"]["resumed_after"] == summary["frames"] - 1
    assert again["sources"]["street"]["lines"]["straight"]["total"] == 7
    found = values(read_back(topic, 7))
    assert [v["analyticsModule"]["lc_cum_straight"] for v in found] == list(range(1, 8))


def killed_at_random(config: Path, *, times: int, seed: int) -> int:
    """Start the job so many times and kill -9 it at some moment of its work; how often it was still running then."""
    moments = random.Random(seed)
    kills = 0
    for _ in range(times):
        process = starting.Popen(driver(config), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.4, 2.2))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    return kills


def test_kill_9_at_random_moments_loses_nothing_and_forgets_no_count(
    broker: EmbeddedBroker, topic: str, read_back: Read, squares: Path, tmp_path: Path
) -> None:
    whole = cl.run(made(squares, broker.bootstrap, f"{topic}-whole", outbox="memory"), detector=bright)
    assert whole.messages == WALKERS
    expected = [(r.key, r.value) for r in read_back(f"{topic}-whole", WALKERS)]
    config = write(tmp_path / "c.yaml", made(squares, broker.bootstrap, topic, outbox={"path": str(tmp_path / "box")}))
    kills = killed_at_random(config, times=8, seed=7)
    done = starting.run(driver(config), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"total {WALKERS}"
    assert kills >= 4
    records = [(r.key, r.value) for r in read_back(topic, WALKERS)]
    # Nothing lost, nothing invented; a message may stand there twice, then byte for byte.
    assert set(records) == set(expected)
    firsts = list(dict.fromkeys(records))
    assert firsts == expected
    assert {values_of["messageid"] for values_of in map(orjson.loads, (v for _, v in records))} == {
        orjson.loads(v)["messageid"] for _, v in expected
    }


def test_two_runs_with_one_outbox_the_second_refuses(
    squares: Path, tmp_path: Path, broker: EmbeddedBroker, topic: str
) -> None:
    data = made(squares, broker.bootstrap, topic, outbox={"path": str(tmp_path / "box")})
    first = cl.Run(data, detector=bright)
    try:
        done = command("run", write(tmp_path / "c.yaml", data))
        assert done.returncode == 5
        assert "box" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        first.execute()


def test_the_failure_file_holds_what_is_documented(squares: Path) -> None:
    @cl.message(on="crossing")
    def broken(event: cl.Crossing) -> dict[str, Any]:
        raise ValueError("no")

    data = made(squares, "127.0.0.1:1", "t", outputs=["stdout"], outbox={"path": "o.outbox"})
    data["messages"] = []
    summary = cl.run(data, messages=[broken], detector=bright)
    lines = [orjson.loads(line) for line in Path("o.outbox.failures.jsonl").read_bytes().splitlines()]
    assert len(lines) == summary.failures == WALKERS
    for line in lines:
        known = {
            "definition",
            "place",
            "error",
            "source",
            "stream",
            "frame",
            "when",
            "id",
            "mark",
            "event",
            "committed",
            "again",
        }
        assert set(line) == known
        assert line["error"] == "ValueError: no"
        assert "test_faults.py" in line["place"]
        assert line["event"]["kind"] == "crossing"
        assert len(line["id"]) == 36
