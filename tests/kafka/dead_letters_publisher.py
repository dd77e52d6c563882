"""A run that publishes messages some of which Kafka refuses, to be killed: ``dead_letters_publisher.py OUTBOX BOOTSTRAP TOPIC
DEAD_LETTERS COUNT``. Says ``put`` when all of them are in the outbox."""

from __future__ import annotations

import sys
from pathlib import Path

from feed import SOURCE, kafka, mixed

from countline.config import OutboxConfig
from countline.outbox import StreamStart
from countline.pipeline.delivery.delivery import Delivery
from countline.types import FrameInfo


def main(path: str, bootstrap: str, topic: str, dead: str, count: str) -> None:
    delivery = Delivery(OutboxConfig(), Path(path), [kafka(bootstrap, topic, dead_letters=dead)], live=False)
    delivery.start()
    resume = delivery.begin(StreamStart("gate", "s", live=False, time=1))
    for n, made in enumerate(mixed(0, int(count), bad=20)):
        if resume.frame is None or n > resume.frame:
            delivery.put(FrameInfo(SOURCE, n, 0, 0, 1, 1, stream="s"), [made], ())
    delivery.writer.flush()
    print("put", flush=True)
    delivery.stop(60.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
