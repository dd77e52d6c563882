"""`--display` shows a window where there is a screen; without one that is said once, and the run goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import starting
from countline.testing import Scene, Walk
from countline.view.display import Display, no_screen

QUICK = ["run", "--line", "l=0.1,0.55,0.9,0.55", "--outbox", "memory", "-q"]


def countline(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return starting.run(
        [sys.executable, "-m", "countline", *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        env={**kept, **environment},
    )


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """Five pictures."""
    import cv2
    import numpy as np

    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(5):
        cv2.imwrite(str(folder / f"{i}.jpg"), np.full((90, 160, 3), 40 * i, np.uint8))
    return folder


def test_without_a_screen_that_is_said_once_and_the_run_goes_on(short: Path) -> None:
    done = countline(*QUICK, "-i", str(short), "--display", "--stdout")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no window is shown: there is no screen (DISPLAY is not set); the run goes on") == 1


def test_a_screen_that_cannot_be_reached_is_told_and_the_run_goes_on(short: Path) -> None:
    pytest.importorskip("tkinter")
    done = countline(*QUICK, "-i", str(short), "--display", "--realtime", "--stdout", DISPLAY=":977")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no window is shown: couldn't connect to display") == 1


def test_no_display_is_quiet_and_asks_for_nothing(short: Path) -> None:
    done = countline(*QUICK, "-i", str(short), "--display", "--no-display", "--stdout", DISPLAY=":977")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_screen_needs_is_known_before() -> None:
    assert no_screen({"DISPLAY": ":0"}) == ""
    if sys.platform.startswith("linux"):
        assert "DISPLAY" in no_screen({})


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[str]:
    """A screen in memory."""
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("needs Xvfb (Debian: apt install xvfb)")
    pytest.importorskip("tkinter")
    read, write = os.pipe()
    with subprocess.Popen(
        [server, "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        yield f":{number}"
        process.terminate()


def test_all_sources_are_shown_in_one_window_until_it_is_closed(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", screen)
    from countline.analytics.native import NativeRules
    from countline.config.rules import RulesConfig
    from countline.types import FrameTracks, Tracks

    scene = Scene([Walk((0.2, 0.2), (0.8, 0.9))], size=(320, 180), seconds=2.0)
    rules = NativeRules(
        RulesConfig.model_validate({"lines": [{"name": "l", "points": [[0, 0.5], [1, 0.5]]}]}), [], ["person"]
    )
    display = Display(lambda: rules.rules, ["person"])
    for name in ("gate", "yard", "door"):
        for frame in scene.source(name):
            found = scene.detections(frame.info.number)
            tracks = Tracks(found.xyxy, found.confidence, found.class_id, [1] * len(found))  # type: ignore[arg-type]
            display(frame, rules.update([FrameTracks(frame.info, tracks)])[0])
    try:
        assert display.shown.wait(60), "a picture is on the screen"
        process = display._process
        assert process is not None
        assert display._tiles.keys() >= {"gate"}
        process.terminate()  # as when somebody closes it
        process.wait(30)
        display._thread.join(30)
        assert display._ended
        display(frame, rules.update([FrameTracks(frame.info, Tracks.empty())])[0])
        assert not display._newest, "nothing is kept for a window that is gone"
    finally:
        display.close()
    assert process.poll() is not None
