"""What was missed of a camera while countline was down, or the camera away, is told: from when to when, once, whatever is killed."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
import pytest
from conftest_e2e import bright, command, walkers, write

import countline as cl
import starting
from countline.pipeline import gaps


class Camera:
    """A network camera: 25 JPEGs a second as multipart, in which one bright square after another walks across the middle.
    ``dark``: nobody walks. ``away``: hangs up, and answers nobody."""

    def __init__(self) -> None:
        self.dark, self.away, self.closing = threading.Event(), threading.Event(), threading.Event()
        images = [_jpeg(step) for step in range(20)]
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if camera.away.is_set():
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                step = 0
                while not camera.closing.wait(0.04) and not camera.away.is_set():
                    body = images[-1 if camera.dark.is_set() else step % len(images)]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                    try:
                        self.wfile.write(head + body + b"\r\n")
                    except OSError:
                        return
                    step += 1

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/video"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


def _jpeg(step: int) -> bytes:
    image = np.zeros((240, 320, 3), np.uint8)
    if step < 15:
        image[60 + step * 8 : 90 + step * 8, 140:170] = 255
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        out.mux(stream.encode())
    return buffer.getvalue()


@pytest.fixture
def camera() -> Iterator[Camera]:
    made = Camera()
    yield made
    made.closing.set()
    made.server.shutdown()
    made.server.server_close()


def config(uri: object, out: str, **more: Any) -> dict[str, Any]:
    gap = {"from": "{gap.start|epoch_ns}", "to": "{gap.end|epoch_ns}", "missed": "{gap.seconds}", "why": "{gap.cause}"}
    return {
        "sources": [{"name": "gate", "uri": str(uri), "live": True, "timeout": 2, **more}],
        "rules": {"lines": [{"name": "l", "points": [[0.2, 0.5], [0.8, 0.5]]}]},
        "messages": [
            {"name": "crossing", "value": {"kind": "crossing", "n": "{lines.l.cumulative}", "gap": "{gap}"}},
            {"name": "status", "on": "gap", "value": {"kind": "gap", "now": "{time|epoch_ns}", **gap}},
        ],
        "outputs": [{"file": {"path": out}}],
        "outbox": "o.outbox",
    }


def until(data: dict[str, Any], enough: Callable[[cl.Analytics], bool]) -> cl.Summary:
    """Run until a frame is enough; fails after a long time."""
    run = cl.Run(data, detector=bright)
    done: list[bool] = []

    def watch(_: object, analytics: cl.Analytics) -> None:
        if enough(analytics):
            done.append(True)
            run.stop()

    run.add_consumer(watch)
    giving_up = threading.Timer(60, run.stop)
    giving_up.start()
    summary = run.execute()
    giving_up.cancel()
    assert done, "what the test waits for never came"
    assert summary.exit_code == 0, summary.error
    return summary


def crossed(analytics: cl.Analytics) -> bool:
    return bool(analytics.deltas)


def frames(count: int) -> Callable[[cl.Analytics], bool]:
    return lambda analytics: analytics.frame.number >= count


def told(out: str, kind: str) -> list[dict[str, Any]]:
    path = Path(out)
    values = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return [v for v in values if v["kind"] == kind]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000) * 10**6


def test_what_a_camera_showed_between_two_runs_is_told_once(camera: Camera, caplog: pytest.LogCaptureFixture) -> None:
    summary = until(config(camera.url, "1"), crossed)
    assert told("1", "gap") == [], "before the first run lies nothing that is known"
    assert summary.sources["gate"].gaps == 0
    ended = time.time_ns()
    time.sleep(0.5)
    begun = time.time_ns()
    summary = until(config(camera.url, "2"), lambda a: crossed(a) and a.lines["l"].cumulative >= 3)
    (gap,) = told("2", "gap")
    assert gap["from"] < ended < begun < gap["to"] == gap["now"]
    assert gap["why"] == "not-running"
    assert gap["missed"] == pytest.approx((gap["to"] - gap["from"]) / 1e9, abs=1e-6)
    first, *others = told("2", "crossing")
    assert first["n"] == len(told("1", "crossing")) + 1, "counts go on"
    assert ns(first["gap"]["start"]) == pytest.approx(gap["from"], abs=10**6)
    assert ns(first["gap"]["end"]) == pytest.approx(gap["to"], abs=10**6)
    assert [v["gap"] for v in others] == [None] * len(others) != []
    assert summary.sources["gate"].gaps == 1
    assert summary.sources["gate"].missed == pytest.approx(gap["missed"], abs=0.001)
    assert "source 'gate': nothing was seen from " in caplog.text
    assert "countline did not run" in caplog.text


def test_a_run_that_told_nothing_does_not_make_it_forgotten(camera: Camera) -> None:
    until(config(camera.url, "1"), crossed)
    ended = time.time_ns()
    camera.dark.set()
    until(config(camera.url, "2"), frames(10))
    assert told("2", "crossing") == []
    (first,) = told("2", "gap")
    camera.dark.clear()
    until(config(camera.url, "3"), crossed)
    (second,) = told("3", "gap")
    assert second["from"] > first["to"], "each gap is told by itself, once"
    (crossing,) = told("3", "crossing")
    gap = crossing["gap"]
    assert ns(gap["start"]) < ended
    assert ns(gap["end"]) == pytest.approx(second["to"], abs=10**6)
    assert gap["seconds"] == pytest.approx(first["missed"] + second["missed"], abs=1e-3), (
        "what was seen between is not missed"
    )
    until(config(camera.url, "4"), crossed)
    assert ns(told("4", "crossing")[0]["gap"]["start"]) >= second["to"], "what was told is not told again"


def test_kill_9_leaves_a_gap_from_the_last_frame_to_the_next(camera: Camera, tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from conftest_e2e import bright; import countline as cl\n"
        "run = cl.Run(sys.argv[2], detector=bright)\n"
        "run.add_consumer(lambda _, a: print(a.frame.number, flush=True))\n"
        "run.execute()"
    )
    path = write(tmp_path / "c.yaml", config(camera.url, "1"))
    process = starting.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 10:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed = time.time_ns()
    until(config(camera.url, "2"), frames(3))
    (gap,) = told("2", "gap")
    assert killed - 30 * 10**9 < gap["from"] < killed < gap["to"] < time.time_ns()


def test_a_camera_that_was_away_is_told_when_it_is_back(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "GAP", 10**9)
    left: list[int] = []

    def leave(analytics: cl.Analytics) -> bool:
        if analytics.frame.number >= 10 and not left:
            left.append(analytics.frame.number)
            camera.away.set()
            threading.Timer(2.0, camera.away.clear).start()
        return analytics.gap is not None and analytics.gap.seconds > 1.5

    summary = until(config(camera.url, "1"), leave)
    gap = told("1", "gap")[-1]
    assert gap["why"] == "no-frames"
    assert gap["to"] - gap["from"] > 1.5e9
    assert summary.sources["gate"].reconnects >= 1
    assert summary.sources["gate"].gaps >= 1


def test_a_file_that_stands_for_a_camera_has_gaps_by_the_clock(tmp_path: Path) -> None:
    video = walkers(tmp_path / "w.mp4", 2)
    assert cl.run(config(video, "1"), detector=bright).exit_code == 0
    ended = time.time_ns()
    summary = cl.run(config(video, "2"), detector=bright)
    (gap,) = told("2", "gap")
    assert gap["from"] < ended < gap["to"] < time.time_ns()
    assert [v["gap"] is not None for v in told("2", "crossing")][:2] in ([], [True], [True, False]), (
        "live: frames may be dropped"
    )
    assert summary.sources["gate"].gaps == 1


@pytest.mark.parametrize("source", [{"live": False}, {"live": False, "counts": "continue"}])
def test_files_miss_nothing_however_often_they_run(tmp_path: Path, source: dict[str, Any]) -> None:
    video = walkers(tmp_path / "w.mp4", 2)
    for out in "12":
        summary = cl.run(config(video, out, **source), detector=bright)
        assert told(out, "gap") == []
        assert [v["gap"] for v in told(out, "crossing")] == [None, None]
        assert summary.sources["gate"].gaps == 0


def test_the_summary_says_what_was_missed(tmp_path: Path) -> None:
    video = walkers(tmp_path / "w.mp4", 1)
    path = write(tmp_path / "c.yaml", {**config(video, "1"), "detector": {"model": "default"}})
    command("run", path)
    second = command("run", path)
    assert re.search(r"source gate: \d+ frames \(.*1 gap of \d+\.\d s in all", second.stdout + second.stderr)
    found = orjson.loads(command("run", path, "--json").stdout.splitlines()[-1])["sources"]["gate"]
    assert found["gaps"] == 1
    assert found["missed"] > 0
