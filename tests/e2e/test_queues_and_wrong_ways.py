"""Queues and wrong ways: real video in, messages out; the same from recorded tracks; counts that a kill does not forget."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from conftest_e2e import WALKERS, bright, command, write

import countline as cl
import starting
from countline.commands.summary_text import summary_text
from countline.record import TracksWriter, read_tracks
from countline.types import FrameTracks

WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
RULES: dict[str, Any] = {
    "queues": [{"name": "pavement", "points": WHOLE, "after": 1, "max_length": 6, "max_wait": 5}],
    "wrong_ways": [
        {"name": "leftward", "points": WHOLE, "arrow": [[0.1, 0.5], [0.9, 0.5]], "tolerance": 40, "distance": 0.6},
        {"name": "rightward", "points": WHOLE, "arrow": [[0.9, 0.5], [0.1, 0.5]], "tolerance": 40, "distance": 0.6},
    ],
    "lines": [{"name": "straight", "points": [[0.39, 0.26], [0.39, 0.62]]}],
}
VALUE = {
    "kind": "{kind}", "rule": "{rule}", "frame": "{frame}", "track": "{track_id}", "length": "{queues.pavement.length}",
    "so far": "{wrong_ways.leftward.counted.cumulative}",
}  # fmt: skip


def told(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_people_in_a_street_wait_and_go_both_ways_and_recorded_tracks_say_the_same(short: Path, tmp_path: Path) -> None:
    data = {
        "sources": [{"name": "street", "uri": str(short)}],
        "detector": {"classes": ["person"]},
        "rules": RULES,
        "messages": [{"name": "m", "on": ["wrong-way", "long-wait", "long-queue"], "value": VALUE}],
        "outputs": [{"file": {"path": str(tmp_path / "out.jsonl")}}],
        "outbox": "memory",
    }
    events: list[tuple[int, str, str, int | None]] = []
    with TracksWriter(tmp_path / "tracks.parquet") as writer:

        def keep(frame: Any, analytics: cl.Analytics) -> None:
            writer.write(FrameTracks(analytics.frame, analytics.tracks))
            events.extend(
                (e.frame.number, e.kind, e.rule, e.track_id) for e in analytics.events if e.kind != "crossing"
            )

        summary = cl.run(data, consumers=[keep])
    assert summary.exit_code == 0
    messages = told(tmp_path / "out.jsonl")
    assert [(m["frame"], m["kind"], m["rule"], m["track"]) for m in messages] == events
    assert {kind for _, kind, _, _ in events} == {"wrong-way", "long-wait", "long-queue"}
    # Whoever is said to have gone leftward was farther right before, by the size of its box, and conversely.
    paths = _paths(tmp_path / "tracks.parquet")
    for number, kind, rule, track in events:
        if kind == "wrong-way" and track is not None:
            so_far = np.array([(x, size) for n, x, size in _with_what_it_continues(paths, track) if n <= number])
            xs, size = so_far[:, 0], so_far[-1, 1]
            gone = xs.max() - xs[-1] if rule == "leftward" else xs[-1] - xs.min()
            assert gone >= 0.6 * size - 1e-3
    # The line's crossings, counted by eye elsewhere (four rightward, three leftward), are of people who go that way.
    assert sum(rule == "leftward" for _, _, rule, _ in events) >= 3
    assert sum(rule == "rightward" for _, _, rule, _ in events) >= 4
    text = summary_text(summary)
    assert "  queue pavement: " in text
    assert "  wrong way leftward: " in text

    config = write(tmp_path / "countline.yaml", data)
    replay = command("analyze", "--rules", config, "--out", tmp_path / "replay.jsonl", tmp_path / "tracks.parquet")
    assert replay.returncode == 0, replay.stderr
    frames = told(tmp_path / "replay.jsonl")
    again = [
        (f["frame"], e["kind"], e["rule"], e["track_id"])
        for f in frames
        for e in f["events"]
        if e["kind"] != "crossing"
    ]
    assert again == events
    assert frames[-1]["wrong_ways"]["leftward"]["counted"]["cumulative"] == sum(
        r == "leftward" for _, _, r, _ in events
    )
    for number, kind, rule, track in events:
        if kind == "wrong-way":
            why = command("analyze", "--rules", config, "--explain", f"{track}:{rule}", tmp_path / "tracks.parquet")
            assert f"at frame {number} (" in why.stdout
            assert "travelled the wrong way for" in why.stdout
            break


def _with_what_it_continues(
    paths: dict[int, list[tuple[int, float, float]]], track: int
) -> list[tuple[int, float, float]]:
    """The way of a track, and before it that of one which ended just where it begins: rules go on with what they knew of it."""
    first, x, size = paths[track][0]
    ended = [p for p in paths.values() if 0 < first - p[-1][0] <= 15 and abs(p[-1][1] - x) < size]
    return [*(ended[0] if len(ended) == 1 else ()), *paths[track]]


def _paths(tracks: Path) -> dict[int, list[tuple[int, float, float]]]:
    """Track -> (frame, x of the bottom centre, longer side of the box) in pixels."""
    found: dict[int, list[tuple[int, float, float]]] = {}
    for info, objects in read_tracks(tracks):
        for track, (left, top, right, bottom) in zip(objects.track_id.tolist(), objects.xyxy.tolist()):
            found.setdefault(track, []).append((info.number, (left + right) / 2, max(right - left, bottom - top)))
    return found


DRIVER = """
import sys, time
sys.path.insert(0, {here!r})
from conftest_e2e import bright
import countline as cl

def slow(images):
    time.sleep(0.004 * len(images))
    return bright(images)

print("ready", flush=True)
sys.exit(cl.run({config!r}, detector=slow).exit_code)
"""


def walkers_config(squares: Path, folder: Path, **outbox: Any) -> dict[str, Any]:
    """Squares walk down and up by turns; the right way is up."""
    return {
        "sources": [{"name": "street", "uri": str(squares)}],
        "rules": {
            "wrong_ways": [{"name": "up only", "points": WHOLE, "arrow": [[0.5, 0.9], [0.5, 0.1]], "seconds": 0.2}],
            "queues": [{"name": "middle", "points": WHOLE, "after": 0.3, "grace": 0.1}],
        },
        "messages": [
            {
                "name": "m",
                "on": "wrong-way",
                "value": {
                    "id": "{id}", "n": "{wrong_ways.up only.counted.cumulative}", "joined": "{queues.middle.joined.cumulative}",
                },
            }
        ],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": {"path": str(folder / "box")},
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_kill_9_forgets_no_count_of_theirs(squares: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    summary = cl.run(walkers_config(squares, whole), detector=bright)
    assert summary.messages == WALKERS // 2
    expected = told(whole / "out.jsonl")
    assert [m["n"] for m in expected] == list(range(1, WALKERS // 2 + 1))
    # The last but one walks down, and is told before it has stayed long enough to be in the queue.
    assert expected[-1]["joined"] == WALKERS - 2
    config = write(tmp_path / "c.yaml", walkers_config(squares, tmp_path))
    driver = [sys.executable, "-c", DRIVER.format(here=str(Path(__file__).parent), config=str(config))]
    moments, kills = random.Random(3), 0
    for _ in range(4):
        process = starting.Popen(driver, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.8, 2.2))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    done = starting.run(driver, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert kills >= 2
    # Nothing lost, nothing invented; a message may stand there twice, then byte for byte.
    messages = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert list(dict.fromkeys(messages)) == (whole / "out.jsonl").read_bytes().splitlines()
