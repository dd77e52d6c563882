"""Servers of others, MLServer and KServe, and the tests' own, with the demo's detector and clip: the counts are exactly those of the
detector here. ``make test-remote`` runs these, some minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import remote_engines as engines

import countline as cl
from countline import detect, video
from countline.config import DetectorConfig, SourceConfig
from countline.detect.catalogue import weights
from countline.detect.coco import COCO
from countline.testing.ports import free_port

pytestmark = [pytest.mark.remote, pytest.mark.timeout(600)]

SERVED = Path(__file__).with_name("served")
SCHEMES = ("grpc", "http")
SLOW = {("mlserver", "http"), ("kserve", "http")}
"""These make lists of numbers of each picture: seconds for each frame, which the counts are left to the other ways for."""
KINDS = ("own", *engines.SERVERS.names)


class Engine:
    """A server as a process, with the detector as its model 'street'."""

    def __init__(self, kind: str, onnx: Path, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.ports = {"grpc": free_port(), "http": free_port()}
        more = [str(SERVED), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])]
        self.environment = dict(os.environ, PYTHONPATH=os.pathsep.join(more))
        self.process: subprocess.Popen[bytes] | None = None
        self.command = getattr(self, f"_{kind}")(onnx)

    def _own(self, onnx: Path) -> list[str]:
        ports = [f"--{name}={port}" for name, port in self.ports.items()]
        script = str(SERVED.with_name("inference_server.py"))
        return [sys.executable, script, str(onnx), "--name=street", "--max-batch=8", "--threads=2", *ports]

    def _mlserver(self, onnx: Path) -> list[str]:
        self._settings(onnx)
        start = "from mlserver.cli import main; main()"
        return [str(engines.python("mlserver")), "-c", start, "start", str(self.folder)]

    def _kserve(self, onnx: Path) -> list[str]:
        ports = [f"--{name}_port={port}" for name, port in self.ports.items()]
        return [str(engines.python("kserve")), str(SERVED / "kserve_street.py"), f"--onnx={onnx}", *ports]

    def _settings(self, onnx: Path) -> None:
        ports = {"http_port": self.ports["http"], "grpc_port": self.ports["grpc"], "metrics_port": free_port()}
        settings = {"host": "127.0.0.1", "parallel_workers": 0, **ports}
        (self.folder / "settings.json").write_text(json.dumps(settings))
        model = {
            "name": "street",
            "implementation": "mlserver_street.Street",
            "parameters": {"uri": str(onnx), "version": "3"},
            "platform": "onnx",
            "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 416, 416, 3]}],
        }
        (self.folder / "model-settings.json").write_text(json.dumps(model))

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def detector(self, scheme: str, **more: Any) -> dict[str, Any]:
        url = f"{scheme}://127.0.0.1:{self.ports[scheme]}/street"
        # It is waited for at the start of a run for as long as a request may take.
        triton = {"url": url, "timeout": 60, **more}
        return {"triton": triton, "classes": ["person"], "layout": "nanodet", "labels": list(COCO)}


@pytest.fixture(scope="module")
def onnx() -> Path:
    return weights("nanodet", "fp32").path


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    reason = engines.missing(request.param)
    if reason:
        pytest.skip(reason)
    made = Engine(request.param, onnx, tmp_path_factory.mktemp(request.param))
    made.start()
    try:
        yield made
    finally:
        made.kill()


def configuration(clip: Path, detector: dict[str, Any], **source: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": "street", "uri": str(clip), **source}],
        "detector": detector,
        "rules": {"lines": [{"name": "straight", "points": [[0.39, 0.26], [0.39, 0.62]]}]},
        "outbox": "memory",
    }


@pytest.fixture(scope="module")
def here(clip: Path, onnx: Path) -> dict[str, dict[str, int]]:
    """Counts of the detector that runs here, on the same file."""
    detector = {"model": str(onnx), "runtime": "onnxruntime", "classes": ["person"], "layout": "nanodet"}
    summary = cl.run(configuration(clip, detector))
    assert summary.frames == 300
    assert summary.sources["street"].lines["straight"]["total"] == 10
    return summary.sources["street"].lines


def unless_slow(engine: Engine, scheme: str) -> None:
    if (engine.kind, scheme) in SLOW:
        pytest.skip("seconds for each frame: test_frames_give_what_they_give_here stands for it")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_frames_give_what_they_give_here(engine: Engine, scheme: str, clip: Path, onnx: Path) -> None:
    frames = [frame for frame, _ in zip(video.open_source(SourceConfig(name="street", uri=str(clip)), 0), range(3))]
    found = []
    for where in ({"model": str(onnx), "runtime": "onnxruntime"}, {"batch": 1, **engine.detector(scheme)}):
        made = detect.make(DetectorConfig.model_validate({"classes": ["person"], "layout": "nanodet", **where}))
        found.append([made.detect([frame])[0] for frame in frames])
        made.close()
    for here, there in zip(*found):
        np.testing.assert_array_equal(there.xyxy, here.xyxy)
        np.testing.assert_array_equal(there.confidence, here.confidence)
        np.testing.assert_array_equal(there.class_id, here.class_id)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_counts_over_the_clip_are_those_of_the_detector_here(
    engine: Engine, scheme: str, clip: Path, here: dict[str, dict[str, int]]
) -> None:
    unless_slow(engine, scheme)
    summary = cl.run(configuration(clip, engine.detector(scheme)))
    assert summary.exit_code == 0
    assert summary.frames == 300
    assert summary.sources["street"].lines == here


def wait(condition: Any, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    assert condition()


def in_thread(run: cl.Run) -> tuple[threading.Thread, list[cl.Summary]]:
    summaries: list[cl.Summary] = []
    thread = threading.Thread(target=lambda: summaries.append(run.execute()))
    thread.start()
    return thread, summaries


@pytest.mark.parametrize("scheme", SCHEMES)
def test_killed_in_the_middle_of_the_clip_it_costs_nothing(
    engine: Engine, scheme: str, clip: Path, here: dict[str, dict[str, int]]
) -> None:
    unless_slow(engine, scheme)
    run = cl.Run(configuration(clip, engine.detector(scheme)))
    thread, summaries = in_thread(run)
    wait(lambda: run.snapshot()["frames"] > 100)
    engine.kill()
    wait(lambda: run.snapshot()["away"])
    engine.start()
    thread.join(300)
    assert summaries[0].frames == 300
    assert summaries[0].sources["street"].lines == here


def test_killed_under_a_live_source_it_comes_back(engine: Engine, clip: Path) -> None:
    run = cl.Run(configuration(clip, engine.detector("grpc"), live=True, loop=True))
    thread, summaries = in_thread(run)
    stats = run.sources[0].stats
    wait(lambda: run.snapshot()["frames"] > 5)
    engine.kill()
    wait(lambda: stats.undetected > 5 and stats.state == "degraded")
    engine.start()
    wait(lambda: stats.state == "live")
    frames = run.snapshot()["frames"]
    wait(lambda: run.snapshot()["frames"] > frames + 5)
    run.stop()
    thread.join(60)
    assert summaries[0].exit_code == 0
    assert summaries[0].sources["street"].undetected > 5


def test_what_it_refuses_is_told_with_its_own_words(engine: Engine, clip: Path) -> None:
    for scheme in SCHEMES:
        wrong = engine.detector(scheme)
        cl.Run(configuration(clip, wrong)).close()  # it is there
        wrong["triton"]["url"] = wrong["triton"]["url"].replace("/street", "/people")
        with pytest.raises(cl.DetectorError) as refused:
            cl.Run(configuration(clip, wrong))
        assert "people" in refused.value.what
