"""A real broker, real video, the real command line."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
import pytest
import yaml

from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import Record, tail
from countline.types import Detections

_number = itertools.count()


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def topic() -> str:
    """A topic that no other test uses."""
    return f"e2e-{os.getpid()}-{next(_number)}"


@pytest.fixture
def read_back(broker: EmbeddedBroker) -> Callable[..., list[Record]]:
    def read(topic: str, count: int, idle: float = 3.0) -> list[Record]:
        """``count`` different records, and all that come until nothing has come for ``idle`` s. On a busy machine a record
        may be long in coming: half a minute's silence is taken for the end."""
        found: list[Record] = []
        last = time.monotonic()

        def enough() -> bool:
            return len({r.value for r in found}) >= count and time.monotonic() - last > idle

        for record in tail({"bootstrap.servers": broker.bootstrap}, topic, idle=30.0, stop=enough):
            found.append(record)
            last = time.monotonic()
        return found

    return read


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    """Frames 60 to 140 of the street clip: seven crossings of the demo's line within eight seconds."""
    target = tmp_path_factory.mktemp("clips") / "short.mp4"
    with av.open(str(clip)) as source, av.open(str(target), "w") as sink:
        stream = sink.add_stream("libx264", rate=10, options={"crf": "20", "preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        sink.metadata["creation_time"] = "2024-05-01T10:00:00Z"
        for i, frame in enumerate(source.decode(video=0)):
            if 60 <= i < 140:
                frame.pts, frame.time_base = i - 60, Fraction(1, 10)
                sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return target


WALKERS = 24


def walkers(target: Path, count: int) -> Path:
    """A made video, 25 frames/s: one bright square after another walks across the middle, every second one back."""
    dark = np.zeros((240, 320, 3), np.uint8)
    with av.open(str(target), "w") as sink:
        stream = sink.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        sink.metadata["creation_time"] = "2024-05-01T10:00:00Z"
        for walker in range(count):
            for step in range(20):
                image = dark.copy()
                y = 60 + step * 8 if walker % 2 == 0 else 172 - step * 8
                if step < 15:
                    image[y : y + 30, 140:170] = 255
                sink.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        sink.mux(stream.encode(None))
    return target


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """480 frames with ``WALKERS`` crossings."""
    return walkers(tmp_path_factory.mktemp("clips") / "squares.mp4", WALKERS)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames with three crossings: for what does not count them."""
    return walkers(tmp_path_factory.mktemp("clips") / "few.mp4", 3)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A detector for the made videos: a real model, of one class ``person``, that is loaded and through with a frame in no
    time. For command lines where what is found is not the point."""
    from seeing_models import Seeing  # programs that tests write import this file, too, and have no such folder

    model = Seeing(size=(96, 96))
    model.output("output0", model.join(model.xyxy, model.given([0.9, 0]), axis=2), 6, rows=300)
    path = model.save(tmp_path_factory.mktemp("models") / "squares.onnx", {"names": {0: "person"}})
    return {"model": str(path), "runtime": "onnxruntime", "threads": 1}


def bright(images: list[np.ndarray]) -> list[Detections]:
    """A user's own detector: the box around what is bright."""
    found = []
    for image in images:
        rows, columns = np.nonzero(image[:, :, 0] > 128)
        if len(rows) < 20:
            found.append(Detections.empty())
            continue
        box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
        found.append(Detections(np.array(box), np.array([0.9]), np.array([0])))
    return found


VALUE: dict[str, Any] = {
    "messageid": "{id}",
    "@timestamp": "{time}",
    "deviceId": "{device_id}",
    "analyticsModule": {
        "stream_source_id": "{source_index}",
        "lc_curr_straight": "{lines.straight.current}",
        "lc_cum_straight": "{lines.straight.cumulative}",
    },
}


def street(video: Path, bootstrap: str, topic: str, **more: Any) -> dict[str, Any]:
    """The demo's configuration for another video."""
    data: dict[str, Any] = {
        "sources": [{"name": "street", "uri": str(video), "device_id": "device_test"}],
        "detector": {"classes": ["person"]},
        "rules": {"lines": [{"name": "straight", "points": [[0.39, 0.26], [0.39, 0.62]]}]},
        "messages": [{"name": "line-crossing", "on": "crossing", "key": "{device_id}", "value": VALUE}],
        "outputs": [{"kafka": {"bootstrap": bootstrap, "topic": topic}}],
    }
    data.update(more)
    return data


def made(video: Path, bootstrap: str, topic: str, **more: Any) -> dict[str, Any]:
    """A configuration for the made video, whose line lies across the middle."""
    return street(
        video,
        bootstrap,
        topic,
        detector={},
        rules={"lines": [{"name": "straight", "points": [[0.2, 0.5], [0.8, 0.5]]}]},
        **more,
    )


def write(path: Path, data: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def command(*args: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own, in the test's folder."""
    import starting  # programs that tests write import this file, too, and do not find it

    return starting.run(
        [sys.executable, "-m", "countline", *map(str, args)], capture_output=True, text=True, timeout=150, **more
    )


def values(records: list[Record]) -> list[dict[str, Any]]:
    return [orjson.loads(r.value or b"null") for r in records]
