"""Evidence clips from video to folder and object store: the message names its clip at once, and the clip comes when its end is there."""

from __future__ import annotations

import io
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
import pytest
from conftest_e2e import bright, made, write
from test_faults import driver

import countline as cl
import starting
from countline.errors import ConfigError

WALKS = 6
STEPS = 20


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 frames at 25 a second, a key frame each fifth of a second, and a crossing each 0.8 s."""
    target = tmp_path_factory.mktemp("walk") / "walk.mp4"
    with av.open(str(target), "w") as sink:
        options = {"preset": "ultrafast", "threads": "1", "g": "5", "sc_threshold": "0"}
        stream = sink.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        sink.metadata["creation_time"] = "2024-05-01T10:00:00Z"
        for number in range(WALKS * STEPS):
            walker, step = divmod(number, STEPS)
            image = np.zeros((240, 320, 3), np.uint8)
            image[:20, : 2 * number + 2] = 100  # no two frames are alike
            y = 60 + step * 8 if walker % 2 == 0 else 172 - step * 8
            if step < 15:
                image[y : y + 30, 140:170] = 255
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        sink.mux(stream.encode(None))
    return target


def configuration(video: Path, folder: Path, attach: dict[str, Any], *outputs: dict[str, Any]) -> dict[str, Any]:
    message = {
        "name": "crossing",
        "on": "crossing",
        "attach": {"as": "clip", "before": 0.4, "after": 0.4, **attach},
        "value": {"id": "{id}", "frame": "{frame}", "clip": "{attachment}"},
    }
    out = [{"file": {"path": str(folder / "counts.jsonl")}}, *outputs]
    return made(video, "", "", messages=[message], outputs=out, outbox={"path": str(folder / "box")})


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "counts.jsonl"
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def pictures(data: Any) -> list[bytes]:
    with av.open(data) as container:
        return [frame.to_ndarray(format="gray").tobytes() for frame in container.decode(video=0)]


def assert_evidence(video: Path, found: list[dict[str, Any]], read: Any) -> None:
    """Each message has its clip, with its frame and the seconds round it, decoded to the very pixels of the video."""
    assert len({line["id"] for line in found}) == WALKS
    whole = pictures(str(video))
    for line in found:
        number, clip = line["frame"], pictures(io.BytesIO(read(line["clip"])))
        first = whole.index(clip[0])
        assert clip == whole[first : first + len(clip)]
        assert max(0, number - 15) <= first <= max(0, number - 10)
        assert first + len(clip) - 1 == min(number + 10, len(whole) - 1)


def test_every_crossing_names_a_clip_in_a_folder(walk: Path, tmp_path: Path) -> None:
    config = configuration(walk, tmp_path, {"folder": str(tmp_path / "clips")})
    summary = cl.run(config, detector=bright)
    found = lines(tmp_path)
    assert summary.clips["made"] == WALKS
    assert "lost" not in summary.clips
    for line in found:
        assert line["clip"] == f"{tmp_path}/clips/2024-05-01/{line['id']}.mp4"
    assert_evidence(walk, found, lambda url: Path(url).read_bytes())
    assert len(list((tmp_path / "clips").rglob("*.mp4"))) == WALKS
    assert not (tmp_path / "box.clips.jsonl").exists()
    first = next((tmp_path / "clips").rglob("*.mp4"))
    assert first.stat().st_mode & 0o777 == 0o600


def test_every_crossing_names_a_clip_in_an_object_store(walk: Path, tmp_path: Path) -> None:
    pytest.importorskip("obstore")
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    store = {"object_store": {"name": "evidence", "url": f"file://{bucket}", "content": "message"}}
    summary = cl.run(configuration(walk, tmp_path, {"url": "https://clips.example"}, store), detector=bright)
    found = lines(tmp_path)
    assert summary.clips["made"] == summary.outputs["evidence"].acknowledged == WALKS
    for line in found:
        assert line["clip"] == f"https://clips.example/2024-05-01/{line['id']}.mp4"
    assert_evidence(walk, found, lambda url: (bucket / url.removeprefix("https://clips.example/")).read_bytes())


def test_a_run_that_was_killed_is_resumed_and_every_clip_is_there(walk: Path, tmp_path: Path) -> None:
    config = configuration(walk, tmp_path, {"folder": str(tmp_path / "clips"), "after": 0.4})
    process = starting.Popen(driver(write(tmp_path / "c.yaml", config)), stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(lines(tmp_path)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    cl.run(config, detector=bright)
    assert_evidence(walk, lines(tmp_path), lambda url: Path(url).read_bytes())


LIVE = """
import sys
sys.path.insert(0, {here!r})
from conftest_e2e import bright
import countline as cl
cl.run({config!r}, detector=bright)
"""


def test_after_a_crash_it_is_told_which_clips_of_a_camera_are_missing(
    walk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configuration(walk, tmp_path, {"folder": str(tmp_path / "clips"), "after": 100})
    config["sources"][0] |= {"live": True, "loop": True}
    path = write(tmp_path / "c.yaml", config)
    program = LIVE.format(here=str(Path(__file__).parent), config=str(path))
    process = starting.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 60
    while not lines(tmp_path) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    named = [line["clip"] for line in lines(tmp_path)]
    assert named
    assert not any(Path(url).exists() for url in named)
    with caplog.at_level(logging.WARNING), cl.Run(config, detector=bright):
        pass
    (told,) = [r.getMessage() for r in caplog.records if "clips that messages name" in r.getMessage()]
    assert named[0] in told
    caplog.clear()
    with cl.Run(config, detector=bright):
        assert not [r for r in caplog.records if "clips that messages name" in r.getMessage()], "told once"


def test_at_an_orderly_end_clips_end_with_the_run(walk: Path, tmp_path: Path) -> None:
    config = configuration(walk, tmp_path, {"folder": str(tmp_path / "clips"), "after": 100})
    config["sources"][0] |= {"live": True, "loop": True}
    run = cl.Run(config, detector=bright)
    run.add_consumer(lambda frame, analytics: run.stop() if analytics.events else None)
    summary = run.execute()
    (line,) = lines(tmp_path)
    assert summary.clips == {"made": 1, "short": 1}
    assert len(pictures(line["clip"])) > 5


def test_a_clip_that_cannot_be_stored_is_told_and_counted(
    walk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "clips").write_text("this is no folder")
    summary = cl.run(configuration(walk, tmp_path, {"folder": str(tmp_path / "clips")}), detector=bright)
    assert summary.clips == {"lost": WALKS}
    assert len(lines(tmp_path)) == WALKS
    assert any("is lost, though a message names it" in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize(
    ("attach", "words"),
    [
        ({"folder": "clips", "what": "crop"}, "'what' is for pictures"),
        ({"folder": "clips", "output": "x"}, "exclude each other"),
        ({}, "no place"),
        ({"as": "base64", "before": 2}, "is for clips"),
        ({"folder": "clips", "before": -1}, "before"),
    ],
)
def test_what_makes_no_sense_for_a_clip_is_refused(
    attach: dict[str, Any], words: str, walk: Path, tmp_path: Path
) -> None:
    config = configuration(walk, tmp_path, attach)
    if attach.get("as") == "base64":
        del config["messages"][0]["attach"]["after"]
    with pytest.raises(ConfigError, match=words):
        cl.Run(config, detector=bright)
