"""Several workers as real processes share sources over Apache Kafka 4; some are killed, some are halted."""

from __future__ import annotations

import itertools
import os
import signal
import time
import uuid
from pathlib import Path

import kafka4
import pytest
from feed import Proxy, running
from kafka_tools import new_topic
from workers import Told, Watch, Worker, countline, ending, scene, walker_of

pytestmark = [pytest.mark.kafka4, pytest.mark.timeout(240)]


def put(folder: Path, kafka: str, group: str, names: list[str], **asked: object) -> None:
    """Define sources of one kind by the command line."""
    query = "&".join(f"{key}={value}" for key, value in asked.items())
    listed = "\n".join(f"- {{name: {name}, uri: 'walking://{name}?{query}'}}" for name in names)
    (folder / "sources.yaml").write_text(listed)
    words = ("put", "--file", folder / "sources.yaml", "--group", group, "--kafka", kafka, "--partitions", 12)
    made = countline(folder, "sources", *words)
    assert made.returncode == 0, made.stderr


def unique(told: list[Told]) -> dict[str, Told]:
    return {message.id: message for message in told}


def alone(folder: Path, kafka: str, names: list[str], **asked: object) -> Watch:
    """The same sources read by one worker that nobody kills."""
    group, topic = f"alone-{uuid.uuid4().hex[:8]}", new_topic(kafka, partitions=3)
    config = scene(folder / group, kafka, topic)
    put(config.parent, kafka, group, names, **asked)
    worker = Worker(config, group, kafka, "alone").start()
    watch = Watch(kafka, group, topic)
    with ending(worker):
        watch.until(lambda: all(watch.finished(name) for name in names), workers=(worker,))
        assert worker.stop() == 0
    watch.look(0.3)
    return watch


@pytest.mark.parametrize("fencing", ["epochs", "transactions"])
def test_a_worker_killed_and_back_gives_the_messages_and_counts_of_one_that_never_was(
    apache: kafka4.Kafka4, tmp_path: Path, fencing: str
) -> None:
    kafka, group, topic = (
        apache.bootstrap(),
        f"kill-{uuid.uuid4().hex[:8]}",
        new_topic(apache.bootstrap(), partitions=3),
    )
    config = scene(tmp_path, kafka, topic)
    names = ["gate", "hall", "yard", "roof"]
    go_on = tmp_path / "go-on"  # what is read to its end has no owner to lose: half of it comes after the first is dead
    asked = {"walkers": 24, "fps": 30, "began": time.time_ns() + 5 * 10**9, "after": go_on}
    put(tmp_path, kafka, group, names, **asked)
    first, second = (Worker(config, group, kafka, name, "--fencing", fencing).start() for name in ("first", "second"))
    watch = Watch(kafka, group, topic)
    with ending(first, second):
        watch.until(lambda: len({watch.owner(n) for n in names} - {""}) == 2, workers=(first, second))
        watch.until(lambda: all(watch.count(n) >= 3 for n in names), workers=(first, second))
        lost = {n: watch.owner(n) for n in names}
        first.kill()
        watch.until(lambda: len({watch.owner(n) for n in names}) == 1, workers=(second,))
        first.start()
        go_on.touch()
        watch.until(lambda: all(watch.finished(n) for n in names), workers=(first, second))
        watch.until(lambda: first.said().count("joins group") == 2, workers=(first, second))
        assert len(set(lost.values())) == 2
        assert first.stop() == second.stop() == 0
    watch.look(0.5)
    told = unique(watch.told)
    assert {n: watch.count(n) for n in names} == dict.fromkeys(names, 24)
    assert sorted((m.source, m.value["count"]) for m in told.values()) == [
        (n, i + 1) for n in sorted(names) for i in range(24)
    ]
    if fencing == "transactions":
        assert len(watch.told) == len(told), "whoever reads only what is committed sees nothing twice"
    else:
        expected = unique(alone(tmp_path, kafka, names, **asked).told)
        assert {i: m.value for i, m in told.items()} == {i: m.value for i, m in expected.items()}
    assert any(watch.tables.state(n).slots.keys() - {min(watch.tables.state(n).slots)} for n in names), "taken over"


def nobody_twice(watch: Watch, names: list[str], began: int) -> None:
    """What was told of cameras: each walker by one owner, in as many messages as there are counts, and no two owners at the same
    time, as their generations tell."""
    told = unique(watch.told)
    assert len(told) == len(watch.told), "no crash: nothing is sent twice"
    # A busy machine leaves out so many frames that one owner may take two walkers for one that turned round: that is its own count.
    owners: dict[tuple[str, int], set[int]] = {}
    for m in told.values():
        owners.setdefault((m.source, walker_of(m, began, 20)), set()).add(m.generation)
    assert not {who: of for who, of in owners.items() if len(of) > 1}, "counted by two owners"
    assert {n: watch.count(n) for n in names} == {n: sum(m.source == n for m in told.values()) for n in names}
    for name in names:
        own = [m for m in told.values() if m.source == name]
        times = {g: [m.value["time"] for m in own if m.generation == g] for g in {m.generation for m in own}}
        spans = sorted((min(t), max(t), g) for g, t in times.items())
        assert all(a[1] < b[0] and a[2] < b[2] for a, b in itertools.pairwise(spans))


def taken_over(watch: Watch, names: list[str], former: str, workers: tuple[Worker, ...]) -> None:
    """Wait until others read these sources, and have counted."""
    watch.until(lambda: all(watch.owner(n) != former for n in names), workers=workers)
    at = {n: watch.count(n) for n in names}
    watch.until(lambda: all(watch.count(n) >= at[n] + 2 for n in names), workers=workers)


def test_a_worker_that_was_halted_beyond_the_time_out_is_fenced_by_the_broker_too(
    apache: kafka4.Kafka4, tmp_path: Path
) -> None:
    kafka, group, topic = (
        apache.bootstrap(),
        f"halt-{uuid.uuid4().hex[:8]}",
        new_topic(apache.bootstrap(), partitions=3),
    )
    config = scene(tmp_path, kafka, topic)
    names, began = ["gate", "hall", "yard", "roof"], time.time_ns()
    put(tmp_path, kafka, group, names, walkers=2000, fps=20, began=began, live=1)
    first, second = (
        Worker(config, group, kafka, name, "-v", "--fencing", "transactions").start() for name in ("first", "second")
    )
    watch = Watch(kafka, group, topic)
    with ending(first, second):
        watch.until(lambda: len({watch.owner(n) for n in names} - {""}) == 2, workers=(first, second))
        watch.until(lambda: all(watch.count(n) >= 2 for n in names), workers=(first, second))
        halted = (tmp_path / "first.outbox.worker").read_text()
        taken = [n for n in names if watch.owner(n) == halted]
        first.send(signal.SIGSTOP)
        taken_over(watch, taken, halted, (second,))
        first.send(signal.SIGCONT)
        watch.until(lambda: "were given to others" in first.said(), workers=(first, second))
        at = {n: watch.count(n) for n in names}
        watch.until(lambda: all(watch.count(n) > at[n] + 1 for n in names), workers=(first, second))
        assert second.stop() == first.stop() == 0
    watch.look(0.5)
    nobody_twice(watch, names, began)


def test_what_a_worker_counts_while_it_is_cut_off_from_the_group_is_given_up_when_another_has_taken_over(
    apache: kafka4.Kafka4, tmp_path: Path
) -> None:
    """Its cameras go on, and so does it; what it had counted before it was cut off still comes."""
    kafka, group, topic = apache.bootstrap(), f"cut-{uuid.uuid4().hex[:8]}", new_topic(apache.bootstrap(), partitions=3)
    link = f"127.0.0.1:{apache.proxy_port}"
    names, began = ["gate", "hall", "yard", "roof"], time.time_ns()
    put(tmp_path, kafka, group, names, walkers=2000, fps=20, began=began, live=1)
    proxy = Proxy(apache.ports["PROXIED"], apache.proxy_port)
    first = Worker(scene(tmp_path / "a", link, topic), group, link, "first", "-v").start()
    second = Worker(scene(tmp_path / "b", kafka, topic), group, kafka, "second", "-v").start()
    watch = Watch(kafka, group, topic)
    with ending(first, second):
        watch.until(lambda: len({watch.owner(n) for n in names} - {""}) == 2, workers=(first, second))
        watch.until(lambda: all(watch.count(n) >= 2 for n in names), workers=(first, second))
        away = (tmp_path / "a" / "first.outbox.worker").read_text()
        taken = [n for n in names if watch.owner(n) == away]
        proxy.close()
        taken_over(watch, taken, away, (first, second))
        watch.until(lambda: "has not confirmed this worker's place in it" in first.said(), workers=(first, second))
        with running(Proxy(apache.ports["PROXIED"], apache.proxy_port)):
            watch.until(lambda: "(fenced)" in first.said(), workers=(first, second))
            at = {n: watch.count(n) for n in names}
            watch.until(lambda: all(watch.count(n) > at[n] + 1 for n in names), workers=(first, second))
            assert second.stop() == first.stop() == 0
    watch.look(0.5)
    nobody_twice(watch, names, began)


@pytest.mark.skipif(not os.environ.get("COUNTLINE_LONG_OUTAGES"), reason="30 s; set COUNTLINE_LONG_OUTAGES=1 to run it")
@pytest.mark.slow
@pytest.mark.parametrize("fencing", ["epochs", "transactions"])
def test_a_broker_that_is_away_beyond_all_leases_fences_nobody_and_loses_nothing(
    apache: kafka4.Kafka4, tmp_path: Path, fencing: str
) -> None:
    kafka, group, topic = (
        apache.bootstrap(),
        f"away-{uuid.uuid4().hex[:8]}",
        new_topic(apache.bootstrap(), partitions=3),
    )
    config = scene(tmp_path, kafka, topic)
    names, began = ["gate", "hall", "yard", "roof"], time.time_ns()
    put(tmp_path, kafka, group, names, walkers=2000, fps=20, began=began, live=1)
    first, second = (Worker(config, group, kafka, name, "--fencing", fencing).start() for name in ("first", "second"))
    watch = Watch(kafka, group, topic)
    with ending(first, second):
        watch.until(lambda: len({watch.owner(n) for n in names} - {""}) == 2, workers=(first, second))
        watch.until(lambda: all(watch.count(n) >= 2 for n in names), workers=(first, second))
        claims = {n: watch.tables.claim(n) for n in names}
        apache.stop()
        time.sleep(10)  # leases are 3 s, the session time-out is 4 s
        apache.start()
        at = {n: watch.count(n) for n in names}
        watch.until(lambda: all(watch.count(n) > at[n] + 20 for n in names), workers=(first, second))
        assert claims == {n: watch.tables.claim(n) for n in names}
        assert first.stop() == second.stop() == 0
    watch.look(0.5)
    nobody_twice(watch, names, began)
    for name in names:
        seen = sorted(
            walker_of(m, began, 20) for m in watch.told if m.source == name and m.generation == claims[name].generation
        )  # type: ignore[union-attr]
        assert seen == list(range(seen[0], seen[-1] + 1)), "nobody was missed"


def test_sources_go_over_in_order_come_and_go_and_the_classic_protocol_does_it_too(
    apache: kafka4.Kafka4, tmp_path: Path
) -> None:
    kafka, group, topic = (
        apache.bootstrap(),
        f"move-{uuid.uuid4().hex[:8]}",
        new_topic(apache.bootstrap(), partitions=3),
    )
    config = scene(tmp_path, kafka, topic)
    names, began = ["gate", "hall", "yard", "roof"], time.time_ns()
    asked = {"walkers": 2000, "fps": 20, "began": began, "live": 1}
    put(tmp_path, kafka, group, names, **asked)
    first = Worker(config, group, kafka, "first", "--classic", "--lease", 4).start()
    second = Worker(config, group, kafka, "second", "--classic", "--lease", 4)
    watch = Watch(kafka, group, topic)
    with ending(first, second):
        watch.until(lambda: all(watch.count(n) for n in names), workers=(first,))
        before = {n: watch.tables.claim(n) for n in names}
        second.start()
        watch.until(lambda: len({watch.owner(n) for n in names}) == 2, workers=(first, second))
        seen: list[tuple[float, object]] = []

        def nothing_moves() -> bool:
            claims = {n: watch.tables.claim(n) for n in names}
            if not seen or seen[-1][1] != claims:
                seen.append((time.monotonic(), claims))
            return time.monotonic() - seen[-1][0] > 2.0

        watch.until(nothing_moves, workers=(first, second))  # sources go over one after another
        stayed = [n for n in names if watch.tables.claim(n) == before[n]]
        assert stayed, "what stays is not interrupted"
        gone, anew = stayed[0], next(n for n in names if n not in stayed)
        removed = countline(tmp_path, "sources", "remove", gone, "--group", group, "--kafka", kafka)
        assert removed.returncode == 0, removed.stderr
        watch.until(lambda: f"source '{gone}': removed" in first.said(), workers=(first, second))
        claim = watch.tables.claim(anew)
        put(tmp_path, kafka, group, [anew], **asked)
        watch.until(lambda: watch.tables.claim(anew) != claim, workers=(first, second))
        rest = [n for n in names if n != gone]
        at = {n: watch.count(n) for n in rest}
        watch.until(lambda: all(watch.count(n) > at[n] for n in rest), workers=(first, second))
        shown = countline(tmp_path, "sources", "list", "--group", group, "--kafka", kafka)
        assert [line.partition(":")[0] for line in shown.stdout.splitlines()] == sorted(rest)
        assert first.stop() == second.stop() == 0
    watch.look(0.5)
    nobody_twice(watch, names, began)
    assert "fenced" not in first.said() + second.said()
