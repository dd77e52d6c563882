"""What benchmarks/gpu.py measures with: the workers, all in the same seconds; the GPUs' load in these; and a topic's reader."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

WORKER = Path(__file__).parent / "gpu_worker.py"
START = 240.0
"""Seconds within which every stream must have given its first frame."""


class Load:
    """Use of decoders and multiprocessors in percent, and memory, as the driver tells it, within ``with``; of several GPUs the
    mean, the most memory, and each one's own."""

    def __init__(self, gpus: list[int]) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._nvml = pynvml
        self._handles = [pynvml.nvmlDeviceGetHandleByIndex(gpu) for gpu in gpus]
        self.name = str(pynvml.nvmlDeviceGetName(self._handles[0]))
        self.began = 0
        """When ``with`` was entered, ns since 1970."""
        self._seen: list[tuple[int, float, float, float]] = []
        self._done = threading.Event()

    def __enter__(self) -> Load:
        self.began = time.time_ns()
        self._seen.clear()
        self._done.clear()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.2):
            for gpu, handle in enumerate(self._handles):
                decoder = float(self._nvml.nvmlDeviceGetDecoderUtilization(handle)[0])
                memory = float(self._nvml.nvmlDeviceGetMemoryInfo(handle).used) / 2**30
                busy = float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
                self._seen.append((gpu, decoder, busy, memory))

    def means(self) -> dict[str, Any]:
        made = _mean(self._seen)
        if len(self._handles) == 1:
            return made
        return {**made, "each": [_mean([s for s in self._seen if s[0] == i]) for i in range(len(self._handles))]}


def _mean(seen: list[tuple[int, float, float, float]]) -> dict[str, Any]:
    seen = seen or [(0, 0.0, 0.0, 0.0)]
    return {
        "nvdec": round(statistics.mean(s[1] for s in seen), 1),
        "sm": round(statistics.mean(s[2] for s in seen), 1),
        "memory_gib": round(max(s[3] for s in seen), 1),
    }


class Worker:
    """One process with a job. It says when each of its streams has given a frame, waits for the time from which it measures, and
    answers."""

    def __init__(self, job: dict[str, Any], environment: dict[str, str]) -> None:
        self.ready = threading.Event()
        """Or ended."""
        self.answer: dict[str, Any] | None = None
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the worker
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **environment},
        )
        self._tell(job)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def go(self, at: float) -> None:
        """Measure from this time on (``time.monotonic()``, which all processes of a machine share)."""
        self._tell({"at": at})

    def result(self, until: float) -> dict[str, Any]:
        """What it measured; zeros and the reason if it did not."""
        self._thread.join(max(0.0, until - time.monotonic()))
        late = self._thread.is_alive()
        if late:
            self._process.kill()
        self._process.wait()
        if self.answer is not None:
            return self.answer
        self._errors.seek(0)
        said = self._errors.read()[-800:]
        return {"fps": 0.0, "cores": 0.0, "dropped": 0, "errors": ["no answer" if late else said or "it ended"]}

    def _tell(self, what: dict[str, Any]) -> None:
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: its result says so

    def _listen(self) -> None:
        for line in self._process.stdout:
            if line.startswith('{"ready"'):
                self.ready.set()
            elif line.startswith("{"):
                self.answer = json.loads(line)
        self.ready.set()


def measure(
    jobs: list[dict[str, Any]], load: Load, settle: float, seconds: float, environment: dict[str, str]
) -> list[dict[str, Any]]:
    """The workers side by side, all in the same seconds: from ``settle`` seconds after the last stream's first frame. Sums of
    what processes measure at different times can be more than there ever was at once."""
    workers = [Worker(job, environment) for job in jobs]
    latest = time.monotonic() + START
    for worker in workers:
        worker.ready.wait(max(0.0, latest - time.monotonic()))
    at = time.monotonic() + settle
    for worker in workers:
        worker.go(at)
    time.sleep(max(0.0, at - time.monotonic()))
    with load:
        time.sleep(seconds)
    until = time.monotonic() + 120.0
    return [worker.result(until) for worker in workers]


class Reader:
    """Reads a topic, and notes for each message how long ago its frame was due."""

    def __init__(self, kafka: str, topic: str) -> None:
        from confluent_kafka import Consumer, TopicPartition
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": kafka})
        for made in admin.create_topics([NewTopic(topic, 4, 1)]).values():
            made.result(10)
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": topic, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20}
        )
        self._consumer.assign([TopicPartition(topic, part, 0) for part in range(4)])  # no group: nobody to wait for
        self._late: list[tuple[int, float]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)

    def _read(self) -> None:
        while not self._done.is_set():
            for message in self._consumer.consume(500, 0.05):
                if message.error() is None and b'"due"' in message.value():
                    due = json.loads(message.value())["due"]
                    self._late.append((due, (time.time_ns() - due) / 1e6))
        self._consumer.close()

    def percentiles(self, since: int) -> dict[str, Any]:
        """Of frames that were due after this (ns since 1970)."""
        late = sorted(ms for due, ms in self._late if due >= since)
        if not late:
            return {"p50_ms": None, "p95_ms": None, "p99_ms": None, "samples": 0}
        at = {f"p{p}_ms": round(late[min(len(late) - 1, len(late) * p // 100)], 1) for p in (50, 95, 99)}
        return {**at, "samples": len(late)}
