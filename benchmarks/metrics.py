"""What metrics cost: an observation, a frame's notes, messages that are acknowledged, and a scrape.

python benchmarks/metrics.py [--sources 50]
"""

from __future__ import annotations

import argparse
import timeit

import numpy as np
from machine import header

from countline.observe.histogram import Histogram
from countline.observe.measured import Measured, OutputMeasures, SourceMeasures
from countline.observe.notes import Notes
from countline.observe.prometheus import exposition, registry
from countline.observe.traces import Traces
from countline.protocols import Entry
from countline.types import Analytics, Detections, Frame, FrameInfo, Message, SourceInfo, Tracks
from countline.video import ArrayPicture


def each(work: str, names: dict[str, object], times: int) -> float:
    """Microseconds of one call, the best of five rounds."""
    return min(timeit.repeat(work, globals=names, number=times, repeat=5)) / times * 1e6


def measured(sources: int) -> Measured:
    """As of a run with so many sources, three rules each."""
    ages = Histogram()
    for value in np.linspace(0, 4, 1000):
        ages.observe(float(value))
    return Measured(
        sources=[
            SourceMeasures(
                f"camera-{i}",
                "live",
                dropped={"replaced": 1, "thinned": 2, "vanished": 3},
                events={("crossing", f"line-{n}", way): 7 for n in range(3) for way in ("in", "out")},
                counts={(f"line-{n}", way): 7 for n in range(3) for way in ("in", "out")},
            )
            for i in range(sources)
        ],
        outputs=[OutputMeasures("kafka", latency=ages.read())],
        ages={stage: ages.read() for stage in ("detector", "worker", "outbox")},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=50)
    count = parser.parse_args().sources
    print(header("prometheus_client"))
    histogram = Histogram()
    print(f"one observation: {each('h.observe(0.07)', {'h': histogram}, 200_000):.3f} µs")

    notes = Notes()
    info = FrameInfo(SourceInfo("gate"), 0, 0, 0, 1920, 1080)
    tracks = Tracks(np.zeros((20, 4)), np.ones(20), np.zeros(20), np.arange(20))
    analytics = Analytics(info, tracks)
    frames = [Frame(info, ArrayPicture(np.zeros((2, 2, 3), np.uint8)), 1.0)]
    found = Detections.empty()
    work = (
        "notes.reached('detector', frames, 2.0); notes.begin(1.0); notes.reached('worker', frames, notes.found());"
        "notes.detections('gate', len(found)); notes.see(analytics, again=False); notes.done([('gate', 1.0)])"
    )
    names = {"notes": notes, "frames": frames, "found": found, "analytics": analytics}
    print(f"a frame with 20 objects, from detector to outbox: {each(work, names, 20_000):.2f} µs")

    traces = Traces(sample=1.0)
    message = Message("m-1", b"{}", definition="crossings", source="gate")
    work = "traces.made([message], analytics, frame, 1.0, 1.1); traces.answered('kafka', entry, 0.1)"
    names = {
        "traces": traces,
        "message": message,
        "analytics": analytics,
        "frame": frames[0],
        "entry": Entry(1, message),
    }
    print(f"a message that is traced: {each(work, names, 5_000):.1f} µs; nothing where it is not")

    made = measured(count)
    collected = registry(lambda: made)
    text, _ = exposition(collected)
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    cost = each("exposition(collected)", {"exposition": exposition, "collected": collected}, 5) / 1000
    print(f"a scrape of {count} sources: {series} series, {len(text) / 1024:.0f} KiB, {cost:.1f} ms")


if __name__ == "__main__":
    main()
