"""On a real GPU (`make test-cuda`): NVDEC's frames, the kernels, ONNX Runtime's CUDA provider, and whole runs, against the CPU."""

from __future__ import annotations

import ctypes
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from alike import Near, assert_alike

import starting
from countline import detect, video
from countline.config import DetectorConfig, SourceConfig
from countline.demo import clip_path
from countline.errors import CountlineError
from countline.gpu.driver import driver
from countline.gpu.survey import survey
from countline.pipeline.run import Run
from countline.types import DevicePlanes, Frame

FRAMES = 150


def _count() -> int:
    try:
        return driver().count
    except CountlineError:
        return 0


pytestmark = [pytest.mark.cuda, pytest.mark.skipif(_count() == 0, reason="no NVIDIA GPU")]


def encoded(path: Path, codec: str, pixels: str = "yuv420p", **options: str) -> Path:
    """The beginning of the demo's clip in another codec."""
    with av.open(str(path), "w") as target, av.open(str(clip_path())) as source:
        stream = target.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 768, 576, pixels
        stream.options = options
        for number, frame in enumerate(source.decode(video=0)):
            if number == FRAMES:
                break
            picture = frame.reformat(format=pixels)
            picture.pts, picture.time_base = number, Fraction(1, 10)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module", params=["libx264", "libx265", "libx265-10"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec, _, deep = request.param.partition("-")
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {"crf": "18"}
    path = tmp_path_factory.mktemp("clips") / f"{request.param}.mp4"
    return encoded(path, codec, "yuv420p10le" if deep else "yuv420p", **options)


def frames(path: Path, count: int, gpu: int | None) -> list[Frame]:
    source = video.open_source(SourceConfig(name="s", uri=str(path)), 0, gpu=gpu)
    found = []
    for frame in source:
        found.append(frame)
        if len(found) == count:
            break
    assert source.stats.decoder == ("gpu" if gpu is not None else "")
    return found


def run(path: Path, out: Path, device: str, consumers: Sequence[Any] = (), **more: Any) -> Any:
    given = {
        "sources": [{"name": "s", "uri": str(path), "start": "2026-01-01T00:00:00Z"}],
        "detector": {
            "classes": ["person"],
            "device": device,
            **({} if device != "cpu" else {"precision": "fp32"}),
            **more,
        },
        "rules": {"lines": [{"name": "straight", "points": [[0.1, 0.55], [0.9, 0.55]]}]},
        "messages": [
            {
                "name": "m",
                "on": "crossing",
                "attach": {"what": "crop", "as": "base64"},
                "value": {"at": "{time}", "to": "{direction}", "picture": "{attachment}"},
            }
        ],
        "outputs": [{"file": {"path": str(out)}}],
        "outbox": "memory",
    }
    made = Run(given, consumers=consumers)
    summary = made.execute()
    assert made.engine.failure is None
    return summary


def test_nothing_is_missing() -> None:
    assert [check for check in survey([0]) if not check.ok] == []


def test_frames_stay_on_the_gpu_and_are_those_of_the_cpu(clip: Path) -> None:
    for on_gpu, on_cpu in zip(frames(clip, 40, 0), frames(clip, 40, None)):
        planes = on_gpu.picture.tensor()  # type: ignore[attr-defined]
        assert isinstance(planes, DevicePlanes)
        assert (on_gpu.info.number, on_gpu.info.pts) == (on_cpu.info.number, on_cpu.info.pts)
        assert np.abs(on_gpu.image.astype(int) - on_cpu.image).mean() < 2


def test_boxes_are_those_of_the_cpu_within_a_tolerance(clip: Path) -> None:
    options = {"classes": ["person"], "precision": "fp32", "runtime": "onnxruntime"}
    on_cpu, candidates = detect.make(DetectorConfig(**options)), detect.make(DetectorConfig(**options, iou=1.0))
    for precision in ("fp32", "fp16"):
        on_gpu = detect.make(DetectorConfig(classes=["person"], precision=precision, device="cuda"))
        given, host = frames(clip, 64, 0), frames(clip, 64, None)[::8]
        for _ in range(2):  # the second time nothing is looked at twice
            for want, all_of_them, got in zip(on_cpu.detect(host), candidates.detect(host), on_gpu.detect(given)[::8]):
                assert_alike(want, all_of_them, got)
        on_gpu.close()


def test_crossings_are_those_of_the_cpu(clip: Path, tmp_path: Path) -> None:
    near, told = Near(), []
    for device in ("cpu", "cuda"):
        summary = run(clip, tmp_path / f"{device}.jsonl", device, consumers=[near] if device == "cpu" else [])
        assert summary.frames == FRAMES
        lines = [json.loads(line) for line in (tmp_path / f"{device}.jsonl").read_text().splitlines()]
        assert all(len(line.pop("picture")) > 500 for line in lines)
        at = [datetime.fromisoformat(line.pop("at").replace("Z", "+00:00")) for line in lines]
        told.append((summary.sources["s"].lines, lines, [round(10 * (t.timestamp() % 60)) for t in at]))
    assert told[0][:2] == told[1][:2]
    assert told[0][0]["straight"]["total"] > 0
    for track, number in zip(near.crossed, told[1][2]):
        assert number in near.frames[track]


def test_what_the_gpu_cannot_decode_is_decoded_on_the_cpu_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lossless = encoded(tmp_path / "ffv1.mkv", "ffv1")
    profile = encoded(tmp_path / "444.mp4", "libx264", "yuv444p")
    with caplog.at_level(logging.WARNING, "countline.video"):
        for path in (lossless, profile):
            summary = run(path, tmp_path / "out.jsonl", "cuda")
            assert summary.frames == FRAMES
    assert sum("the GPU cannot decode" in record.message for record in caplog.records) == 2


def test_runs_one_after_another_give_their_memory_back(clip: Path, tmp_path: Path) -> None:
    import cupy

    used = []
    for number in range(3):
        run(clip, tmp_path / f"{number}.jsonl", "cuda")
        cupy.get_default_memory_pool().free_all_blocks()
        free, total = cupy.cuda.runtime.memGetInfo()
        used.append(total - free)
    assert used[2] - used[1] < 200 * 2**20, used


@pytest.mark.skipif(_count() < 2, reason="one GPU alone")
def test_two_gpus_share_the_sources(clip: Path) -> None:
    seen: dict[str, set[int]] = {}

    def note(frame: Frame, _: object) -> None:
        seen.setdefault(frame.info.source.name, set()).add(frame.picture.tensor().device)  # type: ignore[attr-defined]

    given = {
        "sources": [{"name": f"s{i}", "uri": str(clip)} for i in range(4)],
        "detector": {"device": "cuda", "devices": [0, 1]},
        "outbox": "memory",
    }
    summary = Run(given, consumers=[note]).execute()
    assert summary.frames == 4 * FRAMES
    assert seen == {"s0": {0}, "s1": {1}, "s2": {0}, "s3": {1}}


def test_within_a_gpu_it_is_the_current_one_and_afterwards_what_was_before() -> None:
    import cupy

    from countline.gpu.cuda import CudaGpu

    library = ctypes.CDLL("libcuda.so.1")

    def current() -> int | None:
        context = ctypes.c_void_p()
        assert library.cuCtxGetCurrent(ctypes.byref(context)) == 0
        return context.value

    gpus = [CudaGpu(index) for index in range(_count())]
    before = current()
    for outer in gpus:
        with outer.here():
            for inner in gpus:
                with inner.here():
                    assert cupy.cuda.runtime.getDevice() == inner.index
                assert cupy.cuda.runtime.getDevice() == outer.index
        assert current() == before


# Runs on the last GPU alone, and tells of each whether this process has opened it.
ONE_OF_THEM = """
import ctypes, json, sys
from countline.gpu.driver import driver
from countline.pipeline.run import Run

frames = Run(json.loads(sys.argv[1])).execute().frames
library, flags, opened, states = ctypes.CDLL("libcuda.so.1"), ctypes.c_uint(), ctypes.c_int(), []
for device in range(driver().count):
    assert library.cuDevicePrimaryCtxGetState(driver().handle(device), ctypes.byref(flags), ctypes.byref(opened)) == 0
    states.append(opened.value)
print(json.dumps([frames, states]))
"""


@pytest.mark.skipif(_count() < 2, reason="one GPU alone")
def test_a_process_opens_no_gpu_but_its_own(clip: Path, tmp_path: Path) -> None:
    given = {
        "sources": [{"name": "s", "uri": str(clip)}],
        "detector": {"device": f"cuda:{_count() - 1}", "classes": ["person"]},
        "rules": {"lines": [{"name": "straight", "points": [[0.1, 0.55], [0.9, 0.55]]}]},
        "messages": [
            {"name": "m", "on": "crossing", "attach": {"what": "crop", "as": "base64"}, "value": {"p": "{attachment}"}}
        ],
        "outputs": [{"file": {"path": str(tmp_path / "out.jsonl")}}],
        "outbox": "memory",
    }
    command = [sys.executable, "-c", ONE_OF_THEM, json.dumps(given)]
    made = starting.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told, said = made.communicate(timeout=120)
    assert made.returncode == 0, said
    assert json.loads(told) == [FRAMES, [0] * (_count() - 1) + [1]]


@pytest.mark.skipif(_count() < 2, reason="one GPU alone")
def test_processes_on_two_gpus_count_what_one_on_one_gpu_counts(clip: Path, tmp_path: Path) -> None:
    lines = run(clip, tmp_path / "one.jsonl", "cuda").sources["s"].lines
    config = tmp_path / "run.yaml"
    config.write_text(
        json.dumps(
            {
                "sources": [{"name": f"s{i}", "uri": str(clip), "start": "2026-01-01T00:00:00Z"} for i in range(4)],
                "detector": {"device": "cuda", "devices": [0, 1], "classes": ["person"]},
                "rules": {"lines": [{"name": "straight", "points": [[0.1, 0.55], [0.9, 0.55]]}]},
                "messages": [{"name": "m", "on": "crossing", "value": {"to": "{direction}"}}],
                "outputs": [{"file": {"path": str(tmp_path / "out.{source}.jsonl")}}],
            }
        )
    )
    command = [sys.executable, "-m", "countline", "run", str(config), "--json", "--processes", "2"]
    made = starting.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told, said = made.communicate(timeout=150)
    assert made.returncode == 0, said
    summary = json.loads(told.splitlines()[-1])
    assert summary["type"] == "summary"
    assert {name: source["lines"] for name, source in summary["sources"].items()} == {f"s{i}": lines for i in range(4)}
