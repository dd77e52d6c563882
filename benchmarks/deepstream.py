"""What a probe costs the pipeline that it sits in: µs added on the streaming thread for a frame with 20 tracked objects.

Real NvDsBatchMeta (NVIDIA's own library) flows through a real GStreamer pipeline at a steady rate. Two probes in C, one before
and one behind the probe in question, write down the time of each buffer, so that waiting for Python's lock is in the figure; what
the same takes without a probe between them is subtracted. Compared are

* countline.deepstream.attach(): metadata copied, rules, messages and delivery on other threads
* the same with publish="nvmsgbroker": rules and messages within the probe, finished messages on the buffer
* the original recipe's way: a Python probe that walks the metas (ctypes in place of pyds), builds the message, and calls
  kafka-python's send()

each with the broker up, and with the broker gone. Every frame makes one message on all sides.

    python benchmarks/deepstream.py [--buffers 1500] [--rate 200]
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import json
import logging
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machine import absent, header

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "deepstream"))

from nvds_gst import gst, missing
from nvds_metas import UNTRACKED, Frm, Library, Obj, ObjectMeta, listed
from nvds_pipeline import Pipeline

from countline.deepstream import attach
from countline.deepstream.libraries import GSTREAMER
from countline.demo.broker import EmbeddedBroker

OBJECTS = 20
TOPIC = "bench"
DESCRIPTION = "appsrc name=in ! identity name=before ! identity name=here ! fakesink name=out sync=false"
Install = Callable[[Pipeline], Callable[[], None]]


def frames(library: Library, count: int) -> Iterator[int]:
    """One camera, 20 people who walk down across the line, again and again."""
    for n in range(count):
        objects = [
            Obj((n // 100) * OBJECTS + i, (i * 90.0, (n % 100) * 10.0, 60, 120), 2, "Person") for i in range(OBJECTS)
        ]
        yield library.buffer([Frm(0, n, n * 33_333_333, time.time_ns(), (1920, 1080), objects)])


STAMP = """
#include <time.h>
int stamp(void *pad, void *info, long *times) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  times[++times[0]] = now.tv_sec * 1000000000L + now.tv_nsec;
  return 1;
}
"""


@functools.cache
def stamp() -> Any:
    """The probe in C: writes the time into an array whose first element counts."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        absent("there is no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "stamp.c", Path(folder) / "stamp.so"
        source.write_text(STAMP)
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        return ctypes.CDLL(str(library)).stamp


def add_stamp(pad: Any, count: int) -> Any:
    """Times (ns) of the buffers that pass a pad; element 0 is their number."""
    times = (ctypes.c_long * (count + 1))()
    add = ctypes.CDLL(GSTREAMER).gst_pad_add_probe
    add.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    add(hash(pad), 16, ctypes.cast(stamp(), ctypes.c_void_p), ctypes.addressof(times), None)
    return times


def transit(library: Library, install: Install | None, count: int, rate: float) -> list[float]:
    """µs from before to behind, for each buffer."""
    with Pipeline(DESCRIPTION) as pipeline:
        remove = install(pipeline) if install else lambda: None
        begin = add_stamp(pipeline.element("before").get_static_pad("src"), count)
        end = add_stamp(pipeline.element("out").get_static_pad("sink"), count)
        due = time.perf_counter()
        for buffer in frames(library, count):
            due += 1 / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            pipeline.push([buffer])
            time.sleep(0.4 / rate)  # making the next one must not compete with the probe
        pipeline.finish()
        pipeline.stop()
        remove()
    assert begin[0] == end[0] == count
    return [(b - a) / 1000 for a, b in zip(begin[1:], end[1:])][count // 5 :]


def with_countline(bootstrap: str, publish: Any, told: list[str]) -> Install:
    config = {
        "sources": [{"name": "entrance", "device_id": "device_test"}],
        "rules": {"lines": [{"name": "straight", "points": [[0.0, 0.5], [1.0, 0.5]]}]},
        "messages": [
            {
                "name": "counts",
                "on": "frame",
                "key": "{device_id}",
                "value": {
                    "messageid": "{id}",
                    "@timestamp": "{time}",
                    "deviceId": "{device_id}",
                    "analyticsModule": {
                        "stream_source_id": "{source_index}",
                        "lc_curr_straight": "{lines.straight.current}",
                        "lc_cum_straight": "{lines.straight.cumulative}",
                    },
                },
            }
        ],
        "outputs": [{"kafka": {"bootstrap": bootstrap, "topic": TOPIC}}] if publish == "countline" else [],
    }
    folder = tempfile.TemporaryDirectory()

    def install(pipeline: Pipeline) -> Callable[[], None]:
        config["outbox"] = str(Path(folder.name) / "bench.outbox")
        attachment = attach(pipeline.element("here"), config, publish=publish)

        def remove() -> None:
            summary = attachment.close(timeout=2.0)
            sent = summary.outputs["kafka"].acknowledged if summary.outputs else summary.messages
            told.append(
                f"{attachment.counts.frames} frames, {attachment.counts.dropped} dropped, {attachment.counts.errors} errors, "
                f"{sent} sent, {summary.pending} kept in the outbox"
            )
            folder.cleanup()

        return remove

    return install


def with_original(library: Library, bootstrap: str, told: list[str]) -> Install:
    """As the recipe's osd_sink_pad_buffer_probe does it: PyGObject's probe, walk, message, send."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, value_serializer=lambda v: json.dumps(v).encode())
    done = {"sent": 0, "failed": 0, "acknowledged": 0}
    producer.send(TOPIC, {"warm": True}).get(timeout=10)

    def acknowledged(_: Any) -> None:
        done["acknowledged"] += 1

    def probe(pad: Any, info: Any) -> Any:
        for frame in library.frames_of(hash(info.get_buffer())):
            per_class: dict[int, int] = {}
            for address in listed(frame.objects):
                found = ObjectMeta.from_address(address)
                per_class[found.class_id] = per_class.get(found.class_id, 0) + (found.object_id != UNTRACKED)
                box = found.rect.box
                _ = (box.left, box.top, box.width, box.height)
            message = {
                "messageid": str(uuid.uuid4()),
                "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                "deviceId": "device_test",
                "analyticsModule": {
                    "stream_source_id": frame.source_id,
                    "lc_curr_straight": 0,
                    "lc_cum_straight": per_class.get(2, 0),
                },
            }
            try:
                producer.send(TOPIC, message, key=b"device_test").add_callback(acknowledged)
                done["sent"] += 1
            except Exception:
                done["failed"] += 1
        return gst().PadProbeReturn.OK

    def install(pipeline: Pipeline) -> Callable[[], None]:
        pipeline.element("here").get_static_pad("src").add_probe(gst().PadProbeType.BUFFER, probe)

        def remove() -> None:
            with contextlib.suppress(Exception):
                producer.flush(timeout=2)
            with contextlib.suppress(Exception):
                producer.close(timeout=0)
            producer.__class__.__del__ = lambda self: None  # would wait, and complain, once more
            told.append(
                f"{done['sent']} sent, {done['acknowledged']} acknowledged, {done['failed']} refused by send(); "
                f"{done['sent'] - done['acknowledged']} lost with the process"
            )

        return remove

    return install


def report(name: str, taken: list[float], without: float, note: str) -> None:
    taken = sorted(max(0.0, t - without) for t in taken)
    p99 = taken[int(len(taken) * 0.99)]
    print(
        f"{name:<46} {statistics.median(taken):>8.1f} {statistics.fmean(taken):>8.1f} {p99:>9.1f} {taken[-1]:>9.1f}   {note}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buffers", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=200.0, help="buffers a second")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", DeprecationWarning)
    print(header("kafka-python", "nvidia-deepstream-videodecode-cu13"))
    reason = missing()
    if reason:
        absent(reason)
    library = Library()
    print(
        f"{options.buffers} frames of {OBJECTS} objects at {options.rate:g} frames/s; µs added on the streaming thread"
    )
    baseline = transit(library, None, options.buffers, options.rate)
    without = statistics.median(baseline)
    print(f"{'':<46} {'median':>8} {'mean':>8} {'p99':>9} {'max':>9}")
    report("no probe (its own scatter)", baseline, without, f"transit {without:.1f} µs, subtracted below")
    for state in ("up", "gone"):
        sides: list[tuple[str, Callable[[str, list[str]], Install]]] = [
            ("countline", lambda b, told: with_countline(b, "countline", told)),
            ('countline, publish="nvmsgbroker"', lambda b, told: with_countline(b, "nvmsgbroker", told)),
            ("walk, build, kafka-python send()", lambda b, told: with_original(library, b, told)),
        ]
        for name, make in sides:
            told: list[str] = []
            with EmbeddedBroker() as broker:
                install = make(broker.bootstrap, told)
                if state == "gone":
                    timer = threading.Timer(options.buffers / options.rate / 10, broker.stop)
                    timer.start()
                taken = transit(library, install, options.buffers, options.rate)
                if state == "gone":
                    timer.join()
            report(f"{name}; broker {state}", taken, without, told[0])


if __name__ == "__main__":
    main()
