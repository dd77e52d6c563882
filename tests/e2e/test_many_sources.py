"""More than one machine can do, or one process reads: what is lost is said, and nobody is forgotten."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml

import starting
from ports import free_port

COMMAND = [sys.executable, "-m", "countline", "run"]
RULES = {"lines": [{"name": "l", "points": [[0.1, 0.55], [0.9, 0.55]]}]}


def write(sources: list[dict[str, object]], **more: object) -> str:
    data = {
        "sources": sources,
        "rules": RULES,
        "outputs": [{"file": {"path": "out.jsonl"}}],
        "outbox": "o.outbox",
        **more,
    }
    data.setdefault("messages", [{"name": "m", "on": "crossing", "value": {"source": "{source}"}}])
    Path("c.yaml").write_text(yaml.safe_dump(data))
    return "c.yaml"


def lines_until(mark: str, *options: str, name: str) -> tuple[int, list[dict[str, object]], str]:
    """A run without an end, asked to finish once it has said something: exit code, JSON lines, all that was said."""
    with starting.Popen(
        [*COMMAND, "--json", *options, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        guard = threading.Timer(90, run.kill)
        guard.start()
        text = ""
        for line in run.stdout or ():
            text += line
            if mark and mark in line:
                run.send_signal(signal.SIGTERM)
                mark = ""
        guard.cancel()
        return run.wait(60), [json.loads(line) for line in text.splitlines() if line.startswith("{")], text


def test_a_camera_that_was_never_seen_is_an_error_with_its_reason(few: Path, quick: dict[str, Any]) -> None:
    sources = [{"name": "file", "uri": str(few)}, {"name": "gate", "uri": f"rtsp://127.0.0.1:{free_port()}/cam"}]
    code, said, text = lines_until("refused", name=write(sources, messages=[], detector=quick))
    summary = next(line for line in said if line["type"] == "summary")
    assert code == 3, text
    assert "source 'gate' was never seen: connection refused" in summary["sources"]["gate"]["error"]
    assert summary["sources"]["gate"]["state"] == "ended"
    assert not summary["sources"]["file"]["error"]


def test_every_shard_reads_its_share_and_all_together_read_all(few: Path, quick: dict[str, Any]) -> None:
    sources = [{"name": f"cam{n}", "uri": str(few), "fps": 2} for n in range(5)]
    read: list[str] = []
    for index in range(3):
        name = write(sources, outbox=f"o{index}.outbox", messages=[], detector=quick)
        done = starting.run(
            [*COMMAND, "--json", "--shard", f"{index}/3", name], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        summaries = [json.loads(line) for line in done.stdout.splitlines() if '"summary"' in line]
        read += [source for summary in summaries for source in summary["sources"]]
    assert sorted(read) == [f"cam{n}" for n in range(5)]
    done = starting.run([*COMMAND, "--shard", "3/3", "c.yaml"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "counted from 0" in done.stderr


def test_an_overload_is_said_with_numbers_and_shares_are_fair(clip: Path) -> None:
    """Cameras of 50 frames a second in all, and a detector that can do 12."""
    Path("slow.py").write_text(
        "import sys, time, countline, numpy as np\n"
        "def detector(pictures):\n"
        "    time.sleep(0.08 * len(pictures))\n"
        "    return [countline.Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0)) for _ in pictures]\n"
        "run = countline.Run('c.yaml', detector=detector)\n"
        "import threading; threading.Timer(12, run.stop).start()\n"
        "import json; summary = run.execute(); print(json.dumps(dict(summary.as_dict())))\n"
    )
    write([{"name": f"cam{n}", "uri": str(clip), "live": True, "loop": True} for n in range(5)], messages=[])
    began = time.monotonic()
    done = starting.run([sys.executable, "slow.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 100
    summary = json.loads(done.stdout.splitlines()[-1])
    frames = [source["frames"] for source in summary["sources"].values()]
    assert "can be processed: each gets at most" in done.stderr
    assert "Counts need about 5" in done.stderr
    assert min(frames) > 0.6 * max(frames), frames
    assert all(source["thinned"] > source["dropped"] for source in summary["sources"].values()), "evenly, not at random"
