"""A run on GPUs counts what a run on the CPU counts."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import av
import pytest
from alike import assert_alike
from device_frames import on_device

import countline as cl
from countline import detect
from countline.config import DetectorConfig
from countline.pipeline.run import Run
from countline.types import Frame

pytestmark = pytest.mark.usefixtures("two_gpus")
FRAMES = 30


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the demo's clip."""
    from countline.demo import clip_path

    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    with av.open(str(clip_path())) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        made = target.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.dts is None or number >= FRAMES:
                break
            packet.stream = made
            target.mux(packet)
    return path


def config(short: Path, out: Path, sources: int = 1, **detector: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": f"s{i}", "uri": str(short), "start": "2026-01-01T00:00:00Z"} for i in range(sources)],
        "detector": {"model": "yolox-nano", "classes": ["person"], "precision": "fp32", "threads": 2, **detector},
        "rules": {"lines": [{"name": "straight", "points": [[0.5, 0.0], [0.5, 1.0]]}]},
        "messages": [
            {"name": "m", "on": "crossing", "value": {"at": "{time}", "to": "{direction}", "source": "{source}"}}
        ],
        "outputs": [{"file": {"path": str(out)}}],
        "outbox": "memory",
    }


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def counts(summary: Any) -> dict[str, Any]:
    return {name: source.lines for name, source in summary.sources.items()}


def test_crossings_on_two_gpus_are_those_of_the_cpu(short: Path, tmp_path: Path) -> None:
    on_cpu = cl.run(config(short, tmp_path / "cpu.jsonl", runtime="onnxruntime"))
    on_gpu = cl.run(config(short, tmp_path / "gpu.jsonl", 2, device="cuda", devices=[0, 1], batch=8))
    assert on_cpu.frames == FRAMES
    assert on_gpu.frames == 2 * FRAMES
    assert counts(on_cpu)["s0"]["straight"]["total"] > 0
    assert counts(on_gpu)["s0"] == counts(on_gpu)["s1"] == counts(on_cpu)["s0"]
    first = [line | {"source": "s0"} for line in lines(tmp_path / "gpu.jsonl") if line["source"] == "s1"]
    assert first == lines(tmp_path / "cpu.jsonl")


def test_boxes_are_those_of_the_cpu_within_a_tolerance(street: list[Frame]) -> None:
    options = {"classes": ["person"], "precision": "fp32", "runtime": "onnxruntime"}
    on_cpu, candidates = detect.make(DetectorConfig(**options)), detect.make(DetectorConfig(**options, iou=1.0))
    on_gpu = detect.make(DetectorConfig(classes=["person"], precision="fp32", device="cuda", batch=8))
    found = on_gpu.detect([on_device(frame) for frame in street])
    for want, all_of_them, got in zip(on_cpu.detect(street), candidates.detect(street), found):
        assert_alike(want, all_of_them, got)
    on_cpu.close(), candidates.close(), on_gpu.close()


def test_frames_of_the_host_go_through_the_gpu_beside_others(street: list[Frame]) -> None:
    on_gpu = detect.make(DetectorConfig(classes=["person"], precision="fp32", device="cuda", devices=[0, 1], batch=2))
    mixed = [on_device(f, i % 2) if i % 3 else f for i, f in enumerate(street)]
    assert isinstance(on_gpu, detect.OnnxDetector)
    calls = on_gpu.calls(mixed)  # type: ignore[attr-defined]
    assert sorted(i for places in calls for i in places) == list(range(len(mixed)))
    assert max(map(len, calls)) <= 2
    for places in calls:
        assert len({mixed[i].picture.tensor().device for i in places if mixed[i].picture.tensor()}) <= 1  # type: ignore[attr-defined]
    found = on_gpu.detect(mixed)
    assert all(len(detections) for detections in found)
    on_gpu.close()


def test_pictures_are_copied_from_the_gpu_only_when_a_message_asks(short: Path, tmp_path: Path) -> None:
    asked: list[int] = []
    given = config(short, tmp_path / "out.jsonl", device="cuda", batch=8)
    given["messages"][0]["attach"] = {"what": "crop", "as": "base64"}
    given["messages"][0]["value"]["picture"] = "{attachment}"
    run = Run(given, consumers=[lambda frame, _: asked.append(frame.picture.asked)])
    summary = run.execute()
    assert len(asked) == summary.frames
    told = lines(tmp_path / "out.jsonl")
    assert told
    assert sum(map(bool, asked)) == len({line["at"] for line in told})
    assert base64.b64decode(told[0]["picture"])[:2] == b"\xff\xd8"


def test_between_the_frames_that_are_looked_at_tracks_are_predicted(short: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    given = config(short, tmp_path / "out.jsonl", device="cuda", batch=4, interval=2)
    summary = Run(given, consumers=[lambda _, analytics: seen.append(len(analytics.tracks))]).execute()
    assert summary.frames == FRAMES
    assert sum(map(bool, seen[10:])) > 0.9 * len(seen[10:])
    assert counts(summary)["s0"]["straight"]["total"] > 0
