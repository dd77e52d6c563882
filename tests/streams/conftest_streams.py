"""Crossings of three cameras in Apache Kafka 4, muddled: some come twice, some late. And what is true of them."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import engines
import kafka4
import pytest
from confluent_kafka import Producer

import countline as cl
from countline.config.loader import read_yaml
from countline.outputs.kafka.tail import Record, tail
from countline.testing import Scene, Walk
from countline.types import Detections, Frame

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "streams"
SITES = dict(line.split(",") for line in (EXAMPLES / "sources.csv").read_text().split())
CAMERAS = tuple(SITES)
SECONDS = 100
LATE = 8.0
"""Seconds by which a message may come late."""

Total = tuple[str, str, str, int]
"""Name of the window, camera or site, direction, start in ms since the Unix epoch."""


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka4.Kafka4]:
    reason = kafka4.missing()
    if reason:
        pytest.skip(reason)
    running = kafka4.Kafka4(tmp_path_factory.mktemp("kafka4") / "broker")
    running.start()
    yield running
    running.kill()


def scene_of(camera: str) -> Scene:
    """People who cross the middle, now many, now for seconds nobody; another way for each camera."""
    chance = random.Random(camera)
    walks, now = [], 1.0
    while now < SECONDS - 3:
        there = (0.1 + 0.8 * chance.random(), 0.2 if chance.random() < 0.5 else 0.95)
        walks.append(Walk(there, (there[0], 1.15 - there[1]), begin=now, until=now + 2))
        now += chance.choice([0.35, 0.95, 2.15, 6.35])
    return Scene(walks, seconds=SECONDS, fps=10, labels=["person"])


class Detector:
    """Knows where everybody is, by camera and frame."""

    labels: Sequence[str] = ("person",)

    def __init__(self, scenes: dict[str, Scene]) -> None:
        self.scenes = scenes

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self.scenes[f.info.source.name].detections(f.info.number) for f in frames]

    def close(self) -> None:
        """Nothing is held."""


def configuration(bootstrap: str, topic: str) -> dict[str, Any]:
    """That of the recipes, for these cameras and this broker."""
    config: dict[str, Any] = dict(read_yaml(EXAMPLES / "countline.yaml").data)
    config["sources"] = [{"name": name, "uri": "scene"} for name in CAMERAS]
    config["outputs"] = [{"kafka": {"bootstrap": bootstrap, "topic": topic}}]
    return config | {"outbox": "memory"}


@dataclass
class Crossings:
    """A topic, and what is true of it."""

    bootstrap: str
    topic: str
    records: int
    truth: dict[Total, int]


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def truth(values: Sequence[dict[str, Any]]) -> dict[Total, int]:
    """Counted by hand from each crossing once."""
    found: Counter[Total] = Counter()
    by_camera: dict[str, list[int]] = {}
    for value in values:
        at, camera, direction = _ms(value["at"]), value["camera"], value["direction"]
        found["tumbling", camera, direction, at // 10_000 * 10_000] += 1
        found["site", SITES[camera], direction, at // 10_000 * 10_000] += 1
        for step in range(4):
            found["hopping", camera, direction, at // 5000 * 5000 - 5000 * step] += 1
        by_camera.setdefault(camera, []).append(at)
    for camera, times in by_camera.items():
        begun = last = -(10**9)
        for at in sorted(times):
            assert at - last != 4000, "engines differ in whether that is one session"
            begun = begun if at - last < 4000 else at
            last = at
            found["session", camera, "", begun] += 1
    return dict(found)


def muddled(records: Sequence[Record]) -> list[Record]:
    """Some twice, some late: in another order, but none by more than ``LATE`` seconds of event time."""
    chance = random.Random(5)
    placed = []
    for place, record in enumerate(records):
        at = json.loads(record.value or b"{}")["at"]
        moment = _ms(at) / 1000 if at is not None else 0.0
        placed.append((moment + chance.random() * LATE, place, record))
        while chance.random() < 0.3:
            placed.append((moment + chance.random() * LATE, place, record))
    return [record for _, _, record in sorted(placed, key=lambda p: p[:2])]


@pytest.fixture(scope="session")
def crossings(broker: kafka4.Kafka4) -> Crossings:
    """Made by countline, read back, and put into another topic muddled."""
    scenes = {name: scene_of(name) for name in CAMERAS}
    sources = [scene.source(name, index) for index, (name, scene) in enumerate(scenes.items())]
    cl.run(configuration(broker.bootstrap(), "made"), sources=sources, detector=Detector(scenes))
    records = list(tail({"bootstrap.servers": broker.bootstrap()}, "made", idle=2.0))
    values = [json.loads(r.value or b"") for r in records]
    own = [v for v in values if v["kind"] == "crossing"]
    assert len(own) > 100
    assert len(values) > len(own), "heartbeats"
    producer = Producer({"bootstrap.servers": broker.bootstrap(), "enable.idempotence": True})
    sent = muddled(records)
    assert len(sent) > 1.2 * len(records)
    for record in sent:
        producer.produce(
            "crossings", record.value, record.key, headers=list(record.headers), timestamp=record.timestamp_ms
        )
    assert producer.flush(30) == 0
    return Crossings(broker.bootstrap(), "crossings", len(sent), truth(own))


def run(engine: str, *words: object, folder: Path, given: str = "", seconds: float = 150) -> str:
    """A program in an engine's environment, which is given this text; what it printed."""
    reason = engines.missing(engine)
    if reason:
        pytest.skip(reason)
    command = [str(engines.python(engine)), *map(str, words)]
    made = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, cwd=folder, check=False, input=given
    )
    said = [line for line in (made.stdout + made.stderr).splitlines() if not line.startswith("\tat ")]
    assert made.returncode == 0, "\n".join(said)[-4000:]
    return made.stdout


def totals_in(topic: str, bootstrap: str, idle: float = 2.0) -> dict[Total, int]:
    """The newest of each total in a topic."""
    found: dict[Total, int] = {}
    for record in tail({"bootstrap.servers": bootstrap}, topic, idle=idle):
        if record.value:
            value = json.loads(record.value)
            found[total_of(value)] = value["crossings"]
    return found


def total_of(value: dict[str, Any]) -> Total:
    """The name of a total."""
    start = value["window_start"]
    if isinstance(start, str):
        text = start.replace(" ", "T").replace("Z", "+00:00")
        start = round(datetime.fromisoformat(text if "+" in text else f"{text}+00:00").timestamp() * 1000)
    return value.get("name", "site"), value["who"], value["direction"], start
