"""``kill -9`` behind a change: what comes after is what would have come, each message once, and nothing of it is lost."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from stepping import written

import starting

SCRIPT = Path(__file__).with_name("changed_run.py")
BEHIND = 45
"""The third walker has passed the line where it was, and not yet where it will be."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six squares walk across the middle, every second one back; 20 frames each."""
    target = tmp_path_factory.mktemp("clips") / "walkers.mp4"
    dark = np.zeros((240, 320, 3), np.uint8)
    with av.open(str(target), "w") as sink:
        stream = sink.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        sink.metadata["creation_time"] = "2024-05-01T10:00:00Z"
        for step in range(120):
            image = dark.copy()
            y = 60 + step % 20 * 8 if step // 20 % 2 == 0 else 172 - step % 20 * 8
            if step % 20 < 15:
                image[y : y + 30, 140:170] = 255
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        sink.mux(stream.encode(None))
    return target.read_bytes()


def run(folder: Path, behind: int, kill: int = -1) -> None:
    command = [sys.executable, str(SCRIPT), str(folder), str(behind), str(kill)]
    done = starting.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == (-signal.SIGKILL if kill >= 0 else 0), done.stderr


def messages(folder: Path) -> list[dict[str, Any]]:
    """Those of crossings, in order, each once."""
    unique = {m["id"]: m for m in written(folder / "out.jsonl") if "id" in m}
    return sorted(unique.values(), key=lambda m: (m["frame"], m["rule"]))


def test_a_run_over_a_file_that_is_killed_behind_a_change_goes_on_to_the_same_messages(
    video: bytes, tmp_path: Path
) -> None:
    found = {}
    for kill in (-1, BEHIND + 1, BEHIND + 30):
        folder = tmp_path / f"killed-{kill}"
        folder.mkdir()
        (folder / "walkers.mp4").write_bytes(video)
        run(folder, BEHIND, kill)
        if kill >= 0:
            run(folder, -2)
        found[kill] = messages(folder)
    whole = found.pop(-1)
    told = [m["config"] for m in written(tmp_path / "killed--1" / "out.jsonl") if "config" in m]
    assert [(c["applied"], c["changes"], c["by"]) for c in told] == [(True, ["line 'moved' changed (points)"], "api")]
    assert [m["frame"] for m in whole if m["rule"] == "kept"] == [5, 31, 45, 71, 85, 111]
    assert whole[-1]["kept"] == 6
    assert {m["epoch"] for m in whole if m["frame"] <= BEHIND} == {0}
    assert {m["epoch"] for m in whole if m["frame"] > BEHIND} == {1}
    for kill, one in found.items():
        assert one == whole, f"killed behind frame {kill}"
