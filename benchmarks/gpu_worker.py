"""One process of benchmarks/gpu.py: reads a job (JSON) from its standard input, says when each of its streams has given a frame, reads
from when it is to measure, and writes what it measured (JSON) on its last line.

Stages, each with all before it: ``bare`` (PyAV alone: packets to device frames), ``decode`` (countline's sources), ``preprocess``,
``inference``, ``rules`` (tracks and rules), ``delivery`` (messages through the outbox to Kafka).
"""

from __future__ import annotations

import faulthandler
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

PATIENCE = 200.0
"""Seconds within which all streams should have given a frame."""


class Counter:
    """Frames of all threads; each has a place of its own."""

    def __init__(self, threads: int) -> None:
        self.counts = [0] * threads

    @property
    def total(self) -> int:
        return sum(self.counts)


def measured(
    ready: Callable[[], bool], count: Callable[[], int], seconds: float, begin: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Frames a second and processors used, from when the parent says, which it does once all processes are ready (or ``PATIENCE``
    is over: a stream that never comes is seen in the sum)."""
    latest = time.monotonic() + PATIENCE
    while not ready() and time.monotonic() < latest:
        time.sleep(0.05)
    print("\n" + json.dumps({"ready": True}), flush=True)
    at = json.loads(sys.stdin.readline())["at"]
    time.sleep(max(0.0, at - time.monotonic()))
    begin()
    first, cpu, at = count(), time.process_time(), time.monotonic()
    time.sleep(seconds)
    last, took = count(), time.monotonic() - at
    return {"fps": (last - first) / took, "cores": (time.process_time() - cpu) / took, "seconds": took}


def sources(job: dict[str, Any]) -> list[Any]:
    from countline import video
    from countline.config import SourceConfig

    gpu = job["gpu"]
    made = [SourceConfig(name=f"s{i}", uri=job["clip"], loop=True) for i in range(job["streams"])]
    return [video.open_source(config, i, gpu=gpu) for i, config in enumerate(made)]


def threads(
    job: dict[str, Any], work: Callable[[int, Callable[[], bool]], None]
) -> tuple[list[threading.Thread], threading.Event]:
    ended = threading.Event()
    made = [threading.Thread(target=work, args=(i, ended.is_set), daemon=True) for i in range(job["streams"])]
    for thread in made:
        thread.start()
    return made, ended


def bare(job: dict[str, Any]) -> dict[str, Any]:
    import av
    from av.codec.hwaccel import HWAccel

    from countline.gpu.driver import prepare

    prepare([job["gpu"]])
    counter = Counter(job["streams"])

    def frames(done: Callable[[], bool]) -> Iterator[Any]:
        while not done():
            accel = HWAccel("cuda", device=str(job["gpu"]), is_hw_owned=True, options={"primary_ctx": "1"})
            with av.open(job["clip"], hwaccel=accel) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                for packet in container.demux(stream):
                    yield from packet.decode()
                    if done():
                        return

    def work(place: int, done: Callable[[], bool]) -> None:
        for _ in frames(done):
            counter.counts[place] += 1

    _, ended = threads(job, work)
    result = measured(lambda: all(counter.counts), lambda: counter.total, job["seconds"])
    ended.set()
    return result


def decode(job: dict[str, Any], batch: Callable[[int, list[Any]], None] | None = None) -> dict[str, Any]:
    from countline.gpu.driver import prepare

    prepare([job["gpu"]])
    counter, opened = Counter(job["streams"]), sources(job)

    def work(place: int, done: Callable[[], bool]) -> None:
        waiting = []
        for frame in opened[place]:
            waiting.append(frame)
            if len(waiting) == 16:
                if batch is not None:
                    batch(place, waiting)
                counter.counts[place] += 16
                waiting = []
            if done():
                return

    _, ended = threads(job, work)
    result = measured(lambda: all(counter.counts), lambda: counter.total, job["seconds"])
    ended.set()
    return result


def preprocess(job: dict[str, Any]) -> dict[str, Any]:
    from countline.gpu.cuda import CudaGpu
    from countline.gpu.stage import Input, Letterbox
    from countline.video.picture import fit

    gpu = CudaGpu(job["gpu"])
    form = Input(416, 416, np.dtype(np.uint8), False, False, (1, 1, 1), (0, 0, 0), 0.0, True)
    queues = [gpu.queue() for _ in range(job["streams"])]
    boxes = [Letterbox(gpu, queue, form, 16, np.dtype(np.float16)) for queue in queues]
    content = fit(1920, 1080, 416, 416)[:2]

    def batch(place: int, frames: list[Any]) -> None:
        boxes[place].fill([frame.picture.tensor() for frame in frames], [content] * len(frames))
        queues[place].wait()

    return decode(job, batch)


def inference(job: dict[str, Any]) -> dict[str, Any]:
    from countline import detect
    from countline.config import DetectorConfig
    from countline.pipeline.frame_buffer import FrameBuffer
    from countline.pipeline.inference import Inference
    from countline.protocols import SourceStats

    detector: Any = detect.make(DetectorConfig(**job["detector"]))
    depth = 2 * -(
        -detector.most // job["streams"]
    )  # as of a run: whole batches, and as many frames that come meanwhile
    buffer = FrameBuffer([False] * job["streams"], depth=depth)
    work_ahead = Inference(detector, batch=1, every=1, ahead=1)
    opened, done, total, seen = sources(job), 0, threading.Event(), set()

    def read(place: int, ended: Callable[[], bool]) -> None:
        for frame in opened[place]:
            if ended() or not buffer.put(place, frame, SourceStats()):
                return

    def look() -> None:
        nonlocal done
        under_way = []
        while not total.is_set():
            under_way.append(work_ahead.begin(*buffer.take_rounds(detector.most, detector.patience)))
            while len(under_way) > 3:
                batch = under_way.pop(0)
                batch.wait()
                done += len(batch.frames)
                seen.update(frame.info.source.name for frame in batch.frames)

    _, ended = threads(job, read)
    threading.Thread(target=look, daemon=True).start()
    result = measured(lambda: len(seen) == job["streams"], lambda: done, job["seconds"])
    ended.set(), total.set()
    return result


def pipeline(job: dict[str, Any]) -> dict[str, Any]:
    """``rules``, ``delivery``, and streams at their own speed (``paced``)."""
    from countline.messages import message
    from countline.pipeline.run import Run
    from countline.pipeline.turns import pass_over_what_is_loaded

    due: dict[str, Any] = {}

    @message(on="frame", name="due", key=lambda analytics: analytics.frame.source.name)
    def told(analytics: Any) -> Any:
        """Every second of a stream: when the frame was due, by this machine's clock."""
        info = analytics.frame
        source = due.get(info.source.name)
        if source is None or info.number % 30 or source._paced is None:
            return None
        began, first = source._paced
        return {"due": began + info.pts - first + job["epoch"] - job["ticks"], "number": info.number}

    with Run(_config(job), messages=[told] if job.get("paced") else []) as run:
        pass_over_what_is_loaded()  # as `countline run` does
        due.update({source.info.name: source for source in run.sources})
        runner = threading.Thread(target=run.execute, kwargs={"drain_timeout": 20.0}, daemon=True)
        runner.start()
        summary, dropped = run.engine.summary, 0

        def begin() -> None:
            nonlocal dropped
            dropped = sum(source.stats.dropped for source in run.sources)

        if job.get("trace"):
            threading.Thread(target=_trace, args=(run, job["trace"]), daemon=True).start()

        def all_began() -> bool:
            return summary.frames > 0 and all(source.stats.frames for source in run.sources)

        result = measured(all_began, lambda: summary.frames, job["seconds"], begin)
        result["dropped"] = sum(source.stats.dropped for source in run.sources) - dropped
        result["stages"] = {
            k: round(v, 2) for k, v in dict(run.engine.clock.seconds).items() if not k.startswith("decode")
        }
        result["decoders"] = sorted({source.stats.decoder for source in run.sources})
        run.stop()
        runner.join(60)
        result["messages"] = summary.messages
        result["failures"] = summary.failures
        result["errors"] = [s.error for s in summary.sources.values() if s.error] + (
            [str(run.engine.failure)] if run.engine.failure else []
        )
    return result


def _trace(run: Any, path: str) -> None:
    """Each second a line: frames that came, were looked at, dropped and passed over, those that wait, how late the latest source is;
    messages that wait for their acknowledgement, and for how long. Where frames wait and none is looked at for a second, what
    each thread does goes into a file beside it."""
    before, began = [0, 0, 0, 0], time.monotonic()
    with open(path, "w", encoding="utf-8") as file, open(f"{path}.threads", "w", encoding="utf-8") as threads_at:
        while True:
            time.sleep(1.0)
            stats = [source.stats for source in run.sources]
            now = [
                sum(s.frames for s in stats),
                run.engine.summary.frames,
                sum(s.dropped for s in stats),
                sum(s.thinned for s in stats),
            ]
            late = [time.monotonic() - s.last_frame for s in stats if s.last_frame]
            at, depth = time.monotonic() - began, run._frames.depth()
            unsent = list(run.delivery.stats().values())
            file.write(
                f"{at:6.1f} s  came, done, dropped, passed over {[a - b for a, b in zip(now, before)]}"
                f"  wait {depth}  silent for up to {max(late, default=0) * 1000:.0f} ms"
                f"  unacknowledged {sum(s.pending for s in unsent)}, for up to"
                f" {max((s.oldest_age for s in unsent), default=0):.1f} s\n"
            )
            file.flush()
            if depth and before[1] == now[1]:
                threads_at.write(f"\n== {at:.1f} s, {depth} frames wait\n")
                threads_at.flush()
                faulthandler.dump_traceback(threads_at)
            before = now


def _config(job: dict[str, Any]) -> dict[str, Any]:
    paced = bool(job.get("paced"))
    made: dict[str, Any] = {
        "sources": [
            {
                "name": f"{job['name']}s{i}",
                "uri": job["clip"],
                "loop": True,
                "start": "2026-01-01T00:00:00Z",
                **({"live": True} if paced else {}),
            }
            for i in range(job["streams"])
        ],
        "detector": job["detector"],
        "rules": {
            "lines": [{"name": "straight", "points": [[0.1, 0.55], [0.9, 0.55]]}],
            "regions": [{"name": "place", "points": [[0.2, 0.3], [0.8, 0.3], [0.8, 0.9], [0.2, 0.9]]}],
        },
        "outbox": {"path": job["outbox"]},
    }
    if job["stage"] == "delivery":
        value = {"id": "{id}", "at": "{time}", "in": "{lines.straight.cumulative}"}
        made["messages"] = [{"name": "crossing", "on": "crossing", "key": "{device_id}", "value": value}]
        made["outputs"] = [{"kafka": {"bootstrap": job["kafka"], "topic": job["topic"]}}]
    return made


STAGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "bare": bare, "decode": decode, "preprocess": preprocess, "inference": inference, "rules": pipeline, "delivery": pipeline,
}  # fmt: skip

if __name__ == "__main__":
    from countline.pipeline.turns import take_short_turns

    given = json.loads(sys.stdin.readline())
    take_short_turns()
    answer = STAGES[given["stage"]](given)
    print("\n" + json.dumps(answer), flush=True)
    sys.stdout.flush()
    import os

    os._exit(0)
