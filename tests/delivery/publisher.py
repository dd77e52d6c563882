"""A process that publishes a deterministic stream of commits, to be killed. Forks one child per line of standard input.

A line is JSON: {"path", "bootstrap", "topic", "frames", "live", "pause"}. Prints the child's process id, then, when the child has ended,
its status.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import orjson

from countline.config import OutboxConfig
from countline.config.outputs import config_class
from countline.outbox import StreamStart
from countline.outputs.kafka.output import make
from countline.pipeline.delivery.delivery import Delivery
from countline.types import CounterDelta, CounterKey, FrameInfo, Message, SourceInfo

CAR = CounterKey("gate", "line", "in", "car")


def messages(frame: int) -> list[Message]:
    """0, 1 or 2 messages, always the same for a frame."""
    return [
        Message(
            id=f"id-{frame:06d}-{i}", value=b"%d.%d" % (frame, i) + b"." * 300, key=b"k%d" % (frame % 7), source="gate"
        )
        for i in range((frame * 7919) % 3)
    ]


def publish(job: dict[str, object]) -> None:
    kafka = {"name": "kafka", "bootstrap": job["bootstrap"], "topic": job["topic"], "linger_ms": 2}
    live, frames, pause = bool(job["live"]), int(str(job["frames"])), float(str(job["pause"]))
    output = make(config_class("kafka").model_validate(kafka))  # type: ignore[arg-type]
    delivery = Delivery(OutboxConfig(), Path(str(job["path"])), [output], live=live)
    delivery.start()
    resume = delivery.begin(StreamStart("gate", "stream", live=live, time=1))
    # A file is gone through again from its beginning; what the camera shows next, the counter tells here: one count a frame.
    first = resume.counters.get(CAR, 0) if live else 0
    source = SourceInfo("gate", live=live)
    for frame in range(first, frames):
        if resume.frame is not None and frame <= resume.frame:
            continue
        info = FrameInfo(source, frame, frame, frame, 1, 1, stream="stream")
        delivery.put(info, messages(frame), [CounterDelta(CAR, 1)])
        if pause and frame % 10 == 0:
            time.sleep(pause * 10)
    delivery.finished("gate", "stream")
    delivery.stop(60.0)
    assert not any(s.pending or s.dead or s.dropped for s in delivery.stats().values()), delivery.stats()


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                publish(orjson.loads(line))
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
