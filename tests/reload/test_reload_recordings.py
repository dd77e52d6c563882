"""Recordings that follow each other, rules that are changed while they are read, and ``kill -9``: what comes after is what would have
come, from whichever seam the run goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from stepping import written

from forked import Forked

STEPS = 14
"""Frames of a recording: seams lie at all stages of a crossing, which has twenty."""
RECORDINGS = 10
BEHIND = 45
"""The third walker has passed the line where it was, and not yet where it will be; the recording has begun three frames before."""
Ran = list[tuple[int, str, dict[int, str]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven squares walk across the middle, every second one back; 20 frames each."""
    made = tmp_path_factory.mktemp("recordings")
    for recording in range(RECORDINGS):
        with av.open(str(made / f"gate {recording}.ts"), "w", format="mpegts") as sink:
            stream: Any = sink.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for number in range(recording * STEPS, recording * STEPS + STEPS):
                walker, step = divmod(number, 20)
                image = np.zeros((240, 320, 3), np.uint8)
                y = 60 + step * 8 if walker % 2 == 0 else 172 - step * 8
                if step < 17:
                    image[y : y + 30, 140:170] = 255
                sink.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            sink.mux(stream.encode(None))
    return made


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    with Forked(Path(__file__).with_name("changed_recordings.py"), tmp_path_factory.mktemp("said")) as forked:
        yield forked


def told(process: Forked, folder: Path, target: Path, runs: Ran) -> tuple[dict[str, dict[str, Any]], list[int]]:
    """Messages by id of some runs one after the other, each (killed behind that frame, begun with that configuration, changed behind
    these frames to those); whatever came twice is equal. And the number of each run's first frame."""
    (target / "nvr").mkdir(parents=True)
    for path in folder.iterdir():
        os.link(path, target / "nvr" / path.name)
    begun = []
    for kill, first, changes in runs:
        changed = [str(part) for change in changes.items() for part in change]
        done = process.run(target, kill, first, *changed)
        assert done.returncode == (-signal.SIGKILL if kill >= 0 else 0), done.stderr
        begun.append(int(done.stdout))
    found: dict[str, dict[str, Any]] = {}
    for message in written(target / "out.jsonl"):
        assert found.setdefault(message["id"], message) == message
    return found, begun


@pytest.mark.parametrize("to", ["moved", "tracker"])
def test_recordings_whose_rules_were_changed_are_told_the_same_whenever_the_run_is_killed(
    to: str, process: Forked, folder: Path, tmp_path: Path
) -> None:
    changes = {BEHIND: to}
    whole, _ = told(process, folder, tmp_path / "whole", [(-1, "begin", changes)])
    kept = [m for m in whole.values() if m.get("rule") == "kept"]
    assert [(m["frame"], m["kept"]) for m in kept] == [(5, 1), (31, 2), (45, 3), (71, 4), (85, 5), (111, 6), (125, 7)]
    assert all(m["epoch"] == (m["frame"] > BEHIND) for m in whole.values() if "epoch" in m)
    runs: dict[str, Ran] = {
        # It goes on from a seam before the change, and everything that was told is suppressed.
        "right behind the change": [(BEHIND + 1, "begin", changes), (-1, to, {})],
        # From a seam behind it, with the counts as they were there.
        "long behind it, again and again": [(60, "begin", changes), (75, to, {}), (130, to, {}), (-1, to, {})],
    }
    for name, parts in runs.items():
        found, begun = told(process, folder, tmp_path / name, parts)
        assert found == whole, name
        assert begun == sorted(begun), name
    assert begun[-1] > BEHIND


def test_recordings_that_are_opened_anew_in_the_middle_tell_each_event_once(
    process: Forked, folder: Path, tmp_path: Path
) -> None:
    """What of a source says how it is read is changed: it goes on where it was, as it does after a start."""
    whole, _ = told(process, folder, tmp_path / "whole", [(-1, "begin", {})])
    for to in ("segments", "options"):
        found, _ = told(process, folder, tmp_path / to, [(-1, "begin", {60: to})])
        assert found == whole, to
    found, _ = told(process, folder, tmp_path / "killed", [(80, "begin", {60: "segments"}), (-1, "segments", {})])
    assert found == whole


@pytest.fixture(scope="module")
def windows(process: Forked, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a run without a break tells, in windows of 3 s."""
    return told(process, folder, tmp_path_factory.mktemp("windows") / "whole", [(-1, "long", {})])[0]


INTO_A_WINDOW = 72
"""Nearly 3 s, and the run that is killed there goes on from a seam in the middle of the first window, behind who was counted in it."""


def test_a_window_that_began_before_the_seam_is_told_with_all_that_was_counted_in_it(
    process: Forked, folder: Path, tmp_path: Path, windows: dict[str, dict[str, Any]]
) -> None:
    counts = [m["w"] for m in windows.values() if "w" in m]
    assert [(w["complete"], w["counts"]["kept"]) for w in counts] == [
        (True, {"in": 2, "out": 2}),
        (False, {"in": 1, "out": 2}),
    ]
    found, begun = told(process, folder, tmp_path, [(60, "long", {}), (INTO_A_WINDOW, "long", {}), (-1, "long", {})])
    assert found == windows
    assert begun[-1] > 5, "behind the first who was counted"


def test_of_a_window_that_is_not_stored_only_what_is_counted_again_is_told(
    process: Forked, folder: Path, tmp_path: Path, windows: dict[str, dict[str, Any]]
) -> None:
    """As in an outbox of an earlier version: all else is the same."""
    told(process, folder, tmp_path, [(INTO_A_WINDOW, "long", {})])
    with contextlib.closing(sqlite3.connect(tmp_path / "o.outbox")) as db, db:
        assert db.execute("DELETE FROM meta WHERE name = 'windows gate'").rowcount == 1
    assert process.run(tmp_path, -1, "long").returncode == 0
    found = {m["id"]: m for m in written(tmp_path / "out.jsonl")}
    assert found.keys() == windows.keys()
    differing = [m["w"] for key, m in found.items() if m != windows[key]]
    assert [(w["complete"], w["counts"]["kept"]) for w in differing] == [(False, {"in": 2, "out": 1})], (
        "not the one at frame 5"
    )
