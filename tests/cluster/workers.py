"""Workers as real processes, over made sources, at a real broker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import seeing_models as seeing
import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from walking_source import STEPS

import starting
from countline.cluster.tables import Tables
from countline.cluster.topics import Names, Reader
from countline.config.moment import moment_of
from distributions import install

VALUE = {"id": "{id}", "source": "{source}", "time": "{time}", "to": "{direction}", "count": "{lines.door.cumulative}"}


def scene(folder: Path, kafka: str, topic: str, **more: Any) -> Path:
    """A configuration for workers, with a model and a kind of source beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).with_name("walking_source.py").read_text()
    entries = {"countline.sources": {"walking": "walking_source"}}
    install(folder / "walking", "walking", "1.0", entries, {"walking_source.py": source})
    model = seeing.Seeing(size=(160, 160))
    cells = sum((160 // stride) ** 2 for stride in (8, 16, 32))
    row = model.join(model.centred, model.classes(2, 1, 0.9), axis=2)
    model.output("output0", row, 6, rows=cells, channels_first=True)
    model.save(folder / "square.onnx", {"imgsz": [160, 160], "task": "detect", "names": {0: "round", 1: "square"}})
    data = {
        "detector": {"model": str(folder / "square.onnx"), "runtime": "onnxruntime", "threads": 1},
        "rules": {"lines": [{"name": "door", "points": [[0.1, 0.5], [0.9, 0.5]]}]},
        "messages": [{"name": "walked", "on": "crossing", "key": "{source}", "value": VALUE}],
        "outputs": [{"kafka": {"bootstrap": kafka, "topic": topic, "linger_ms": 2}}],
        **more,
    }
    path = folder / "worker.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def environment(folder: Path) -> dict[str, str]:
    before = os.environ.get("PYTHONPATH", "")
    return {
        **os.environ,
        "PYTHONFAULTHANDLER": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder / "walking"), before])),
    }


def countline(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The command line, to its end."""
    return starting.run(
        [sys.executable, "-m", "countline", *map(str, words)],
        capture_output=True, text=True, timeout=60, check=False, env=environment(folder),
    )  # fmt: skip


class Worker:
    """``countline worker`` in a process of its own, with an outbox of its own that stays."""

    def __init__(self, config: Path, group: str, kafka: str, name: str, *options: object) -> None:
        self.config, self.name = config, name
        self.words = [
            *("worker", config, "--group", group, "--kafka", kafka, "--name", name, "--partitions", 12),
            *("--outbox", config.parent / f"{name}.outbox", *options),
        ]
        self.log = config.parent / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Worker:
        with open(self.log, "ab") as out:
            self.process = starting.Popen(
                [sys.executable, "-m", "countline", *map(str, self.words)],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment(self.config.parent),
            )  # fmt: skip
        return self

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and gone."""
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(30)

    def stop(self, seconds: float = 60.0) -> int:
        """An orderly end; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds)

    def end(self) -> None:
        """Whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def last_words(self) -> str:
        """What it said lately; if it lives, its end, and where each of its threads was."""
        before = len(self.said())
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGABRT)
            self.process.wait(30)
        said = self.said()
        return f"{self.name}\n{said[max(0, before - 3000) :]}"


@contextlib.contextmanager
def ending(*workers: Worker) -> Iterator[None]:
    """Whatever happens, none of them is left."""
    try:
        yield
    finally:
        for worker in workers:
            worker.end()


@dataclass(frozen=True)
class Told:
    """A message of a source."""

    id: str
    source: str
    generation: int
    offset: int
    value: dict[str, Any]


def walker_of(message: Told, began: int, fps: float) -> int:
    """Which of the scene's walkers a message tells of. Every second one goes the other way: so it is known also where frames were left out
    and the crossing is told while the next one walks."""
    moment = moment_of(message.value["time"])
    assert moment is not None
    number = round((moment.timestamp() - began / 1e9) * fps) // STEPS
    return number if (message.value["to"] == "in") == bool(number % 2) else number - 1


class Watch:
    """What stands in the topics of a group, and in that of its messages."""

    def __init__(self, kafka: str, group: str, topic: str, partitions: int = 12) -> None:
        self.tables = Tables()
        options = {"bootstrap.servers": kafka}
        self.reader = Reader(options, Names.of(group), partitions, self.tables)
        self.told: list[Told] = []
        self._consumer = Consumer(
            {
                **options,
                "group.id": "watch",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        places = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in places])

    def look(self, wait: float = 0.05) -> None:
        self.reader.poll(0.0)
        for message in self._consumer.consume(1000, wait):
            if message.error() is not None:
                continue
            headers = dict(message.headers() or ())
            value = orjson.loads(message.value())
            generation = int(headers["countline.generation"])
            self.told.append(
                Told(headers["id"].decode(), headers["countline.source"].decode(), generation, message.offset(), value)
            )

    def until(self, true: Callable[[], object], seconds: float = 60.0, workers: tuple[Worker, ...] = ()) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            self.look()
            assert time.monotonic() < deadline, "\n\n".join([self.seen(), *(w.last_words() for w in workers)])
            for worker in workers:
                assert worker.process is None or worker.process.poll() in (None, -9), worker.said()[-3000:]

    def seen(self) -> str:
        """Owners and counts of all sources, and how many messages came."""
        names = sorted(self.tables.definitions())
        return f"{[(n, self.owner(n), self.count(n)) for n in names]}, {len(self.told)} messages"

    def owner(self, source: str) -> str:
        claim = self.tables.claim(source)
        return claim.worker if claim is not None else ""

    def count(self, source: str) -> int:
        return sum(self.tables.state(source).total().values())

    def finished(self, source: str) -> bool:
        return any(slot.finished for slot in self.tables.state(source).slots.values())

    def close(self) -> None:
        self.reader.close()
        self._consumer.close()
