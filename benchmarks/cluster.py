"""Workers that share sources over Apache Kafka 4, while one after the other is killed, and one is halted.

    python benchmarks/cluster.py [--workers 3] [--sources 24] [--seconds 300] [--every 20] [--fencing epochs] [--json FILE]

Half of the sources are recordings that are still being written (the same frames for everybody, each when its time has come), half
are cameras (whoever comes sees what there is from now on). Every ``--every`` seconds the next worker gets SIGKILL and is started
again three seconds later with the outbox that it had; once, halfway through, one gets SIGSTOP for longer than the session time-out
and then SIGCONT, so that it goes on where it was. Held against one worker that reads the same recordings and is left alone:

* recordings: the messages, those with the same id once, and the counts are the same;
* cameras: nobody is counted by two owners, and the counts are what the messages tell; who is missing walked by while nobody looked
  (one owner may take two for one, and count the second at once with the first, where frames are dropped on a busy machine);
* two owners of a camera never tell of the same time: their generations tell which of them is the owner.

Printed, too: how long it took from a worker's death to the first frame of each of its sources by the next owner. Needs Java and Maven
(the first run fetches Apache Kafka).
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from machine import header

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("cluster", "kafka", "detect", "")]

import kafka4  # noqa: E402
from kafka_tools import new_topic  # noqa: E402
from walking_source import STEPS  # noqa: E402
from workers import Watch, Worker, countline, ending, scene, walker_of  # noqa: E402

FPS = 5
BACK = 3.0
"""Seconds after which a killed worker is started again."""
HALT = 10.0
"""Seconds of SIGSTOP: more than twice the brokers' session time-out of 4 s."""


def put(folder: Path, kafka: str, group: str, sources: dict[str, str]) -> None:
    listed = [{"name": name, "uri": uri} for name, uri in sources.items()]
    (folder / "sources.json").write_text(json.dumps(listed))
    words = ("put", "--file", folder / "sources.json", "--group", group, "--kafka", kafka, "--partitions", 12)
    made = countline(folder, "sources", *words)
    if made.returncode:
        raise SystemExit(made.stderr)


def addresses(count: int, seconds: float, began: int) -> tuple[dict[str, str], dict[str, str]]:
    """Recordings and cameras by name."""
    walkers = int(seconds * FPS / STEPS)
    recordings = {
        f"recording-{i:02}": f"walking://r{i}?walkers={walkers}&fps={FPS}&began={began}" for i in range(count // 2)
    }
    cameras = {
        f"camera-{i:02}": f"walking://c{i}?walkers={10 * walkers}&fps={FPS}&began={began}&live=1"
        for i in range(count - count // 2)
    }
    return recordings, cameras


class Trial:
    """The workers, and what was seen of them."""

    def __init__(self, folder: Path, kafka: str, workers: int, fencing: str) -> None:
        self.kafka, self.group = kafka, "bench"
        topic = new_topic(kafka, partitions=6)
        config = scene(folder, kafka, topic)
        self.workers = [
            Worker(config, self.group, kafka, f"worker-{i}", "--fencing", fencing, "--lease", 3) for i in range(workers)
        ]
        self.folder, self.topic = folder, topic
        self.watch: Watch
        self.deaths: list[tuple[float, set[str]]] = []
        self.takeovers: list[float] = []
        self._waiting: dict[str, tuple[float, int]] = {}

    def identity(self, worker: Worker) -> str:
        path = self.folder / f"{worker.name}.outbox.worker"
        return path.read_text() if path.exists() else ""

    def died(self, worker: Worker, names: list[str]) -> None:
        """From now on its sources are waited for."""
        now, gone = time.time(), self.identity(worker)
        for name in names:
            claim = self.watch.tables.claim(name)
            if claim is not None and claim.worker == gone and not self.watch.finished(name):
                self._waiting[name] = now, claim.generation

    def look(self) -> None:
        """A first frame shows as the first slot of a new generation."""
        self.watch.look(0.05)
        for name, (since, generation) in list(self._waiting.items()):
            if self.watch.finished(name):
                del self._waiting[name]
                continue
            later = [s for g, s in self.watch.tables.state(name).slots.items() if g > generation]
            if later:
                self.takeovers.append(
                    min(s.looked for s in later) / 1e9 - since if len(later) == 1 else time.time() - since
                )
                del self._waiting[name]

    def rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()

    def all_read(self, names: list[str], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not all(self.watch.owner(name) for name in names):
            self.look()
            if time.monotonic() > end:
                raise SystemExit("not all sources are read:\n" + "\n".join(w.said()[-2000:] for w in self.workers))


def torment(trial: Trial, names: list[str], seconds: float, every: float) -> int:
    """Kill one after the other; halfway through, halt one. Returns how many kills there were."""
    end, kills, halted = time.monotonic() + seconds, 0, False
    victims = itertools.cycle(trial.workers)
    while time.monotonic() + every < end:
        trial.rest(every - BACK)
        worker = next(victims)
        if not halted and time.monotonic() > end - seconds / 2:
            halted = True
            worker.send(signal.SIGSTOP)
            trial.died(worker, names)
            trial.rest(HALT)
            worker.send(signal.SIGCONT)
            continue
        worker.kill()
        trial.died(worker, names)
        kills += 1
        trial.rest(BACK)
        worker.start()
    return kills


def alone(folder: Path, kafka: str, sources: dict[str, str]) -> Watch:
    """The recordings, read by one worker that is left alone."""
    group, topic = "alone", new_topic(kafka, partitions=6)
    config = scene(folder / group, kafka, topic)
    put(config.parent, kafka, group, sources)
    worker = Worker(config, group, kafka, "alone").start()
    watch = Watch(kafka, group, topic)
    with ending(worker):
        watch.until(lambda: all(watch.finished(name) for name in sources), 300.0, (worker,))
        worker.stop()
    watch.look(1.0)
    return watch


def compare(
    trial: Trial, reference: Watch, recordings: dict[str, str], cameras: dict[str, str], began: int
) -> dict[str, Any]:
    """What the two have in common."""
    watch = trial.watch
    told = {m.id: m for m in watch.told}
    mine = {i: m.value for i, m in told.items() if m.source in recordings}
    theirs = {m.id: m.value for m in reference.told}
    seen: dict[str, dict[int, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    spans: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for message in told.values():
        if message.source in cameras:
            seen[message.source][walker_of(message, began, FPS)].append((message.generation, message.value["time"]))
            spans[message.source][message.generation].append(message.value["time"])
    twice = [(name, n, told_at) for name, by in seen.items() for n, told_at in by.items() if len(told_at) > 1]
    overlaps = 0
    for by_generation in spans.values():
        ordered = sorted((min(t), max(t), g) for g, t in by_generation.items())
        overlaps += sum(a[1] >= b[0] or a[2] >= b[2] for a, b in itertools.pairwise(ordered))
    return {
        "messages": len(watch.told),
        "repeated": len(watch.told) - len(told),
        "recordings_same_messages": mine == theirs,
        "recordings_missing": len(theirs.keys() - mine.keys()),
        "recordings_more": len(mine.keys() - theirs.keys()),
        "recordings_same_counts": all(watch.count(n) == reference.count(n) for n in recordings),
        "cameras_counted": sum(len(at) for by in seen.values() for at in by.values()),
        "cameras_counted_by_two_owners": sum(len({g for g, _ in told_at}) > 1 for _, _, told_at in twice),
        "cameras_counted_twice_by_one": sum(len({g for g, _ in told_at}) == 1 for _, _, told_at in twice),
        "cameras_twice": twice,
        "cameras_counts_are_messages": all(
            watch.count(n) == sum(len(told_at) for told_at in seen[n].values()) for n in cameras
        ),
        "cameras_two_owners_at_a_time": overlaps,
        "generations": sum(len(watch.tables.state(n).slots) for n in (*recordings, *cameras)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--sources", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--every", type=float, default=20.0)
    parser.add_argument("--fencing", choices=["epochs", "transactions"], default="epochs")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if reason := kafka4.missing():
        print(reason)
        return 0
    print(header("confluent-kafka", "onnxruntime"))
    with tempfile.TemporaryDirectory(prefix="countline-cluster-") as place:
        broker = kafka4.Kafka4(Path(place) / "broker")
        broker.start()
        try:
            result = measure(Path(place), broker.bootstrap(), asked)
        finally:
            broker.kill()
    for name, value in result.items():
        print(f"{name:32} {value}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(result, indent=1) + "\n")
    good = (
        result["recordings_same_messages"] and result["recordings_same_counts"] and not result["cameras_counted_by_two_owners"]
        and result["cameras_counts_are_messages"] and not result["cameras_two_owners_at_a_time"]
    )  # fmt: skip
    print("all as promised" if good else "NOT as promised")
    return 0 if good else 1


def measure(place: Path, kafka: str, asked: argparse.Namespace) -> dict[str, Any]:
    trial = Trial(place / "group", kafka, asked.workers, asked.fencing)
    began = time.time_ns() + 10 * 10**9
    recordings, cameras = addresses(asked.sources, asked.seconds, began)
    names = [*recordings, *cameras]
    put(trial.folder, kafka, trial.group, {**recordings, **cameras})
    trial.watch = Watch(kafka, trial.group, trial.topic)
    with ending(*trial.workers):
        for worker in trial.workers:
            worker.start()
        trial.all_read(names)
        kills = torment(trial, names, asked.seconds, asked.every)
        trial.watch.until(lambda: all(trial.watch.finished(n) for n in recordings), 300.0)
        trial.rest(5.0)
        codes = [worker.stop() for worker in trial.workers]
    trial.watch.look(1.0)
    took = sorted(trial.takeovers) or [0.0]
    fenced = sum(worker.said().count("(fenced)") for worker in trial.workers)
    return {
        "workers": asked.workers,
        "sources": asked.sources,
        "seconds": asked.seconds,
        "fencing": asked.fencing,
        "kills": kills,
        "exit_codes": codes,
        "fenced_generations": fenced,
        "takeovers": len(trial.takeovers),
        "death_to_first_frame_median_s": round(statistics.median(took), 2),
        "death_to_first_frame_max_s": round(took[-1], 2),
        **compare(trial, alone(place, kafka, recordings), recordings, cameras, began),
    }


if __name__ == "__main__":
    sys.exit(main())
