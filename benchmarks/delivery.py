"""Delivery, measured against bare clients on the same broker, all in one run.

    python benchmarks/delivery.py                       # everything, full size, three minutes
    python benchmarks/delivery.py --messages 20000 --backlog 50000 --seconds 3

Prints: messages/s and CPU µs a message (durable, memory, bare confluent-kafka, aiokafka, kafka-python in a loop); latency from put() to
acknowledgement at 1,000 messages/s, beside bare confluent-kafka's; how long put() takes with the broker up, down and slow; replay of a
backlog with its memory; and at the end each goal with what was measured for it and what it is measured against.
The broker is the embedded one unless --bootstrap names another.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import platform
import resource
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from countline.config import OutboxConfig
from countline.config.outputs import config_class
from countline.demo.broker import EmbeddedBroker, free_port
from countline.outbox import StreamStart
from countline.outputs.kafka.output import make
from countline.pipeline.delivery.delivery import Delivery
from countline.protocols import Entry, Receipt
from countline.types import CounterDelta, CounterKey, FrameInfo, Message, SourceInfo

VALUE = b'{"messageid":"0b8f5c0e-5d0b-5b0e-9d2c-3c8d1a1f6b7a","pad":"' + b"x" * 350 + b'"}'
SOURCE = SourceInfo("gate", live=True)
CAR = CounterKey("gate", "line", "in", "car")
KEYS = [b"camera-%d" % i for i in range(16)]
GOALS: list[tuple[str, str, str, bool]] = []
"""Goal, measured, other side, met."""


def goal(what: str, measured: str, other: str, met: bool) -> None:
    """Note one for the table at the end."""
    GOALS.append((what, measured, other, met))


def tidy() -> None:
    """What one part leaves behind must not make the garbage collector stop the next one."""
    gc.collect()
    gc.freeze()


def message(n: int) -> Message:
    return Message(id=f"id-{n:012d}", value=VALUE, key=KEYS[n % 16], time=time.time_ns(), definition="c", source="gate")


def info(n: int) -> FrameInfo:
    return FrameInfo(SOURCE, n, n, n, 1, 1, stream="s")


@contextlib.contextmanager
def delivery(
    bootstrap: str, topic: str, folder: Path | None, wrap: Callable[[Any], Any] = lambda o: o, **config: Any
) -> Iterator[Delivery]:
    output = make(config_class("kafka").model_validate({"name": "kafka", "bootstrap": bootstrap, "topic": topic}))  # type: ignore[arg-type]
    path = folder / f"{topic}.outbox" if folder is not None else None
    this = Delivery(OutboxConfig(when_full="block", **config), path, [wrap(output)], live=True)
    this.start()
    this.begin(StreamStart("gate", "s", live=True))
    try:
        yield this
    finally:
        this.stop(0.0)


def settled(this: Delivery) -> None:
    while this.stats()["kafka"].pending:
        time.sleep(0.005)


def ours(bootstrap: str, topic: str, folder: Path | None, made: list[Message]) -> None:
    with delivery(bootstrap, topic, folder) as this:
        for frame in range(0, len(made), 10):
            this.put(info(frame), made[frame : frame + 10], [CounterDelta(CAR, 10)])
        settled(this)
        assert this.stats()["kafka"].acknowledged == len(made)


def bare_settings(bootstrap: str) -> dict[str, Any]:
    """The same promises of order and no duplicates that countline asks of librdkafka."""
    return {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4",
            "partitioner": "murmur2_random", "log_level": 0}  # fmt: skip


def bare(bootstrap: str, topic: str, made: list[Message]) -> None:
    from confluent_kafka import Producer

    acknowledged = [0]

    def delivered(error: Any, _: Any) -> None:
        assert error is None
        acknowledged[0] += 1

    producer = Producer(bare_settings(bootstrap))
    for m in made:
        while True:
            try:
                producer.produce(topic, m.value, m.key, on_delivery=delivered, headers=[("id", m.id.encode())])
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    producer.flush()
    assert acknowledged[0] == len(made)


def kafka_python(bootstrap: str, topic: str, made: list[Message]) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
    for m in made:
        producer.send(topic, m.value, m.key, headers=[("id", m.id.encode())])
    producer.flush()
    producer.close()


def aio(bootstrap: str, topic: str, made: list[Message]) -> None:
    from aiokafka import AIOKafkaProducer

    async def work() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
        await producer.start()
        waiting = [await producer.send(topic, m.value, m.key, headers=[("id", m.id.encode())]) for m in made]
        await asyncio.gather(*waiting)
        await producer.stop()

    asyncio.run(work())


def rates(bootstrap: str, folder: Path, count: int, repeat: int) -> None:
    print(f"\n## Rate: {count} messages of {len(VALUE)} bytes, 16 keys, linger 5 ms, acks=all; best of {repeat}")
    print(f"{'client':<34}{'messages/s':>12}{'CPU µs/message':>16}")
    sides: list[tuple[str, int, Callable[[str, list[Message]], None]]] = [
        ("countline, durable (full)", count, lambda t, m: ours(bootstrap, t, folder, m)),
        ("countline, memory", count, lambda t, m: ours(bootstrap, t, None, m)),
        ("bare confluent-kafka", count, lambda t, m: bare(bootstrap, t, m)),
        ("aiokafka", count // 4, lambda t, m: aio(bootstrap, t, m)),
        ("kafka-python in a loop", count // 8, lambda t, m: kafka_python(bootstrap, t, m)),
    ]
    best: dict[str, tuple[float, float]] = {}
    for turn in range(repeat):
        for number, (name, many, work) in enumerate(sides):
            made = [message(n) for n in range(many)]
            tidy()
            cpu, start = time.process_time(), time.perf_counter()
            try:
                work(f"rate-{turn}-{number}", made)
            except ImportError as error:
                best[name] = (0.0, 0.0)
                print(f"{name}: {error}", file=sys.stderr)
                continue
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            best[name] = max(best.get(name, (0.0, 0.0)), (many / seconds, cpu / many * 1e6))
    for name, (rate, cost) in best.items():
        print(f"{name:<34}{rate:>12,.0f}{cost:>16.1f}")
    reference = best["bare confluent-kafka"][0]
    durable, memory = (best[f"countline, {kind}"][0] / reference for kind in ("durable (full)", "memory"))
    print(f"durable / bare: {durable:.2f}   memory / bare: {memory:.2f}")
    ours_rate, other = best["countline, durable (full)"][0], f"bare confluent-kafka {reference:,.0f}/s"
    goal("durable at least 50,000 messages/s", f"{ours_rate:,.0f}/s", other, ours_rate >= 50_000)
    goal("durable at least 0.5 of bare confluent-kafka", f"{durable:.2f}", other, durable >= 0.5)


class Timed:
    """An output that notes when each acknowledgement came in."""

    def __init__(self, inner: Any, seen: dict[str, float]) -> None:
        self.inner, self.seen, self.ids = inner, seen, dict[int, str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def send(self, entries: list[Entry]) -> int:
        accepted: int = self.inner.send(entries)
        self.ids.update((e.position, e.message.id) for e in entries[:accepted])
        return accepted

    def poll(self, timeout: float) -> list[Receipt]:
        receipts: list[Receipt] = self.inner.poll(timeout)
        now = time.perf_counter()
        for receipt in receipts:
            self.seen[self.ids.pop(receipt.position)] = now
        return receipts


def percentile(values: list[float], part: float) -> float:
    """In ms."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1e3


def percentiles(values: list[float]) -> str:
    p50, p99, most = (percentile(values, part) for part in (0.5, 0.99, 1.0))
    return f"p50 {p50:.2f} ms   p99 {p99:.2f} ms   max {most:.2f} ms"


def paced(this: Delivery, seconds: float, rate: int) -> tuple[list[float], dict[str, float]]:
    """put() at a fixed rate; how long each took, and when each was put."""
    took, put = [], {}
    start = time.perf_counter()
    for n in range(int(seconds * rate)):
        delay = start + n / rate - time.perf_counter()
        if delay > 0:
            time.sleep(delay)
        made = message(n)
        before = time.perf_counter()
        this.put(info(n), [made], [CounterDelta(CAR, 1)])
        after = time.perf_counter()
        took.append(after - before)
        put[made.id] = before
    return took, put


def bare_latency(bootstrap: str, topic: str, seconds: float, rate: int) -> list[float]:
    """From produce() to its callback, nothing else in the process."""
    from confluent_kafka import Producer

    producer, values = Producer(bare_settings(bootstrap)), list[float]()
    start = time.perf_counter()
    for n in range(int(seconds * rate)):
        while (delay := start + n / rate - time.perf_counter()) > 0:
            producer.poll(delay)
        m, before = message(n), time.perf_counter()
        producer.produce(
            topic, m.value, m.key, headers=[("id", m.id.encode())],
            on_delivery=lambda error, _, before=before: values.append(time.perf_counter() - before),
        )  # fmt: skip
    producer.flush()
    return values


def latency(bootstrap: str, folder: Path, seconds: float) -> None:
    print(f"\n## Latency from put() to acknowledgement, 1,000 messages/s for {seconds:.0f} s (without the first tenth)")
    found = {}
    for name, place in (("durable (full)", folder), ("memory", None)):
        seen: dict[str, float] = {}
        tidy()
        with delivery(bootstrap, f"latency-{name[:3]}", place, lambda o, s=seen: Timed(o, s)) as this:
            _, put = paced(this, seconds, 1000)
            settled(this)
        found[name] = [seen[i] - t for i, t in put.items()]
    tidy()
    found["bare confluent-kafka"] = bare_latency(bootstrap, "latency-bare", seconds, 1000)
    for name, values in found.items():
        found[name] = values[len(values) // 10 :]
        print(f"{name:<24}{percentiles(found[name])}")
    p99 = {name: percentile(values, 0.99) for name, values in found.items()}
    for name in ("durable (full)", "memory"):
        other = f"bare confluent-kafka {p99['bare confluent-kafka']:.1f} ms"
        goal(f"p99 below 50 ms at 1,000/s, {name}", f"{p99[name]:.1f} ms", other, p99[name] < 50)


class SlowProxy:
    """TCP in front of the broker that lets through a little at a time."""

    def __init__(self, target: int, pause: float) -> None:
        self.pause, self.target = pause, target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                a, _ = self.listener.accept()
                b = socket.create_connection(("127.0.0.1", self.target))
                for source, sink in ((a, b), (b, a)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1024):
                time.sleep(self.pause)
                sink.sendall(data)


def put_times(bootstrap: str, folder: Path, seconds: float) -> None:
    print(f"\n## Time that put() takes from the worker, 1,000 frames/s for {seconds:.0f} s")
    places = [("broker up", bootstrap), ("broker down", f"127.0.0.1:{free_port()}")]
    # A broker that tells its clients the slow proxy's address, so that all they do goes through there.
    port = free_port()
    proxy = SlowProxy(port, 0.2)
    places.append(("broker slow", f"127.0.0.1:{proxy.port}"))
    found = {}
    with EmbeddedBroker(port, advertised_port=proxy.port):
        for name, where in places:
            tidy()
            with delivery(where, "put-" + name.split()[-1], folder) as this:
                took, _ = paced(this, seconds, 1000)
                acknowledged = this.stats()["kafka"].acknowledged
            print(f"{name:<18}{percentiles(took)}   ({acknowledged} of {len(took)} acknowledged at the end)")
            found[name] = percentile(took, 0.99)
    up = f"broker up {found['broker up']:.3f} ms"
    for name in ("broker down", "broker slow"):
        goal(f"p99 of put() below 1 ms, {name}", f"{found[name]:.3f} ms", up, found[name] < 1)


def replay(bootstrap: str, folder: Path, count: int) -> None:
    print(f"\n## Replay of a backlog of {count:,} messages")
    tidy()
    with delivery(f"127.0.0.1:{free_port()}", "backlog", folder, max_bytes=1 << 36) as this:
        start = time.perf_counter()
        for frame in range(0, count, 10):
            this.put(info(frame), [message(frame + i) for i in range(10)], [CounterDelta(CAR, 10)])
        this.writer.flush()
        written = count / (time.perf_counter() - start)
        print(f"written with the broker down: {written:,.0f} messages/s")
    size = (folder / "backlog.outbox").stat().st_size
    samples: list[float] = []
    before = rss()
    with delivery(bootstrap, "backlog", folder, max_bytes=1 << 36) as this:
        start, cpu = time.perf_counter(), time.process_time()
        while this.stats()["kafka"].pending:
            samples.append(rss())
            time.sleep(0.05)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    tenth = max(1, len(samples) // 10)
    print(
        f"delivered: {count / seconds:,.0f} messages/s, {cpu / count * 1e6:.1f} CPU µs a message; file {size / 2**20:.0f} MiB"
    )
    early, late = mean(samples[tenth : 2 * tenth]), mean(samples[-tenth:])
    print(
        f"memory: {before:.0f} MiB before, highest {max(samples):.0f}, mean of 2nd tenth {early:.0f}, of last {late:.0f}"
    )
    rate = count / seconds
    goal("backlog replayed at 50,000 messages/s", f"{rate:,.0f}/s", f"written at {written:,.0f}/s", rate >= 50_000)
    grown = f"{late:.0f} MiB at the end"
    goal("memory of the replay flat (within a tenth)", grown, f"{early:.0f} MiB at the start", late <= early * 1.1)


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def rss() -> float:
    """Resident memory now, MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", help="a broker of your own instead of the embedded one")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--backlog", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--only", choices=["rates", "latency", "put", "replay"])
    given = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    print("command:", " ".join(sys.argv))
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="countline-bench-", dir=os.environ.get("TMPDIR")))
        )
        broker = stack.enter_context(EmbeddedBroker()) if not given.bootstrap else None
        bootstrap = given.bootstrap or (broker.bootstrap if broker else "")
        if given.only in (None, "rates"):
            rates(bootstrap, folder, given.messages, given.repeat)
        if given.only in (None, "latency"):
            latency(bootstrap, folder, given.seconds)
        if given.only in (None, "put"):
            put_times(bootstrap, folder, given.seconds)
        if given.only in (None, "replay"):
            replay(bootstrap, folder, given.backlog)
    print(f"\n## Goals\n{'':<5}{'goal':<50}{'measured':>16}   against")
    for what, measured, other, met in GOALS:
        print(f"{'met' if met else 'NOT':<5}{what:<50}{measured:>16}   {other}")


if __name__ == "__main__":
    main()
