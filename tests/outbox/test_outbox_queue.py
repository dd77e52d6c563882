"""What is written is there until every output has settled it, once, in order."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from outbox_helpers import commit, drain, ids, message

from countline import outbox
from countline.outbox import Outbox, StreamStart

Opener = Callable[..., Outbox]


@pytest.mark.parametrize("memory", [False, True])
def test_messages_are_read_in_the_order_in_which_they_were_written(opener: Opener, memory: bool) -> None:
    box = opener(memory=memory)
    for frame in range(50):
        assert box.write([commit(frame, *[message(frame * 3 + i) for i in range(3)])]) == 1
    assert drain(box) == ids(range(150))
    assert box.pending("a") == 0
    box.settle()
    assert box.status().messages == 0


def test_a_dead_output_never_holds_up_another_and_loses_nothing(opener: Opener) -> None:
    box = opener("a", "dead")
    for frame in range(200):
        box.write([commit(frame, message(frame))])
        assert drain(box, "a") == ids([frame])
    assert box.pending("a") == 0
    assert box.pending("dead") == 200
    assert drain(box, "dead") == ids(range(200))


def test_what_was_not_acknowledged_is_there_after_a_restart_and_nothing_else(opener: Opener) -> None:
    box = opener()
    for frame in range(20):
        box.write([commit(frame, *[message(frame * 10 + i) for i in range(10)])])
    drain(box, ack=False)
    acknowledged = random.Random(1).sample(range(1, 201), 120)  # out of order, as brokers do
    for start in range(0, 120, 7):
        box.ack("a", acknowledged[start : start + 7])
    box.close()
    box = opener()
    left = [n - 1 for n in range(1, 201) if n not in set(acknowledged)]
    assert box.pending("a") == len(left)
    assert drain(box) == ids(left)


def test_position_is_the_lowest_that_is_not_acknowledged(opener: Opener) -> None:
    box = opener()
    box.write([commit(0, *[message(n) for n in range(10)])])
    box.ack("a", [1, 2, 3, 5, 6, 9])
    assert box.status().outputs[0].position == 3
    box.ack("a", [4])
    assert box.status().outputs[0].position == 6


def test_one_stuck_message_does_not_keep_the_acknowledged_ones_behind_it(opener: Opener) -> None:
    box = opener()
    for frame in range(300):
        box.write([commit(frame, message(frame, size=2000))])
    full = box.status().bytes
    box.ack("a", range(2, 301))
    box.settle()
    assert box.status().messages == 1
    assert box.status().bytes < full / 100


def test_a_message_goes_to_the_outputs_it_names(opener: Opener) -> None:
    box = opener("a", "b")
    box.write(
        [commit(0, message(0), message(1, outputs=("a",)), message(2, outputs=("b",)), message(3, outputs=("x",)))]
    )
    assert (box.pending("a"), box.pending("b")) == (2, 2)
    assert drain(box, "a") == ids([0, 1])
    assert drain(box, "b") == ids([0, 2])
    box.settle()
    assert box.status().messages == 0, "a message that no output wants does not stay for ever"


def test_positions_are_never_given_twice(opener: Opener) -> None:
    box = opener()
    box.write([commit(0, message(0), message(1))])
    drain(box)
    box.close()
    box = opener()
    box.write([commit(1, message(2))])
    entries, _ = box.read("a", 0)
    assert [e.position for e in entries] == [3]


def test_a_new_output_begins_with_what_comes(opener: Opener) -> None:
    box = opener("a")
    box.write([commit(0, message(0))])
    box.close()
    box = opener("a", "new")
    box.write([commit(1, message(1))])
    assert drain(box, "new") == ids([1])
    assert drain(box, "a") == ids([0, 1])


def test_an_output_that_is_no_longer_configured_is_reported_and_gets_its_messages_when_it_is_back(
    opener: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    box = opener("a", "gone")
    box.write([commit(0, message(0))])
    box.close()
    box = opener("a")
    assert "output 'gone' is no longer configured" in caplog.text
    box.write([commit(1, message(1))])
    drain(box, "a")
    status = {stored.name: stored for stored in box.status().outputs}
    assert (status["gone"].configured, status["gone"].pending, status["a"].pending) == (False, 1, 0)
    box.close()
    box = opener("a", "gone")
    assert drain(box, "gone") == ids([0]), "and nothing that was made while it was away"


def test_an_absent_output_does_not_hold_pruning_for_ever(opener: Opener, path: Path) -> None:
    now = [10**18]
    clocks = {"clock": lambda: now[0], "steady": lambda: now[0]}
    box = opener("a", "gone", **clocks)
    box.write([commit(0, message(0))])
    box.close()
    opener("a", **clocks).close()
    now[0] += 8 * 24 * 3600 * 10**9
    box = opener("a", **clocks)
    drain(box, "a")
    box.settle()
    status = box.status()
    assert status.messages == 0
    assert {stored.name: stored.dropped for stored in status.outputs}["gone"] == {"output-removed": 1}


@pytest.mark.parametrize("memory", [False, True])
def test_block_stores_what_fits_and_says_how_much(opener: Opener, memory: bool) -> None:
    box = opener(memory=memory, max_bytes=50_000, when_full="block")
    commits = [commit(frame, message(frame, size=1000)) for frame in range(200)]
    stored = 0
    while n := box.write(commits[stored:]):
        stored += n
    assert 20 < stored < 60
    assert box.status().bytes <= 50_000
    assert drain(box) == ids(range(stored))
    assert box.write(commits[stored:]) > 0, "there is room again"


def test_block_takes_a_single_message_larger_than_the_bound_once_it_is_empty(opener: Opener) -> None:
    box = opener(max_bytes=5_000, when_full="block")
    assert box.write([commit(0, message(0))]) == 1
    assert box.write([commit(1, message(1, size=20_000))]) == 0
    drain(box)
    assert box.write([commit(1, message(1, size=20_000))]) == 1


@pytest.mark.parametrize("memory", [False, True])
def test_drop_oldest_keeps_the_newest_and_counts_what_it_drops(
    opener: Opener, memory: bool, caplog: pytest.LogCaptureFixture
) -> None:
    box = opener(memory=memory, max_bytes=50_000, when_full="drop-oldest")
    box.begin(StreamStart("gate", "s1", live=True))
    for frame in range(200):
        assert box.write([commit(frame, message(frame, size=1000))]) == 1
    left = drain(box, ack=False)
    assert left == ids(range(200 - len(left), 200))
    assert box.dropped("a") == {"size": 200 - len(left)}
    assert box.pending("a") == len(left)
    assert "dropped (size)" in caplog.text
    assert box.counters()[0].value == 200, "a dropped message does not take its count with it"


def test_drop_newest_keeps_the_oldest_and_counts_what_it_drops(opener: Opener) -> None:
    box = opener(max_bytes=50_000, when_full="drop-newest")
    for frame in range(200):
        assert box.write([commit(frame, message(frame, size=1000))]) == 1
    left = drain(box, ack=False)
    assert left == ids(range(len(left)))
    assert box.dropped("a") == {"size": 200 - len(left)}
    assert box.counters()[0].value == 200


def test_auto_blocks_for_files_and_drops_the_oldest_for_live_sources(opener: Opener) -> None:
    assert opener(memory=True).when_full == "block"
    assert opener(memory=True, live=True).when_full == "drop-oldest"


def test_messages_older_than_max_age_are_dropped_and_counted(opener: Opener) -> None:
    now = [10**18]
    box = opener(max_age=60.0, clock=lambda: now[0], steady=lambda: now[0])
    box.write([commit(0, message(0))])
    now[0] += 50 * 10**9
    box.write([commit(1, message(1))])
    box.settle()
    assert box.status().oldest_age == pytest.approx(50)
    now[0] += 15 * 10**9
    box.settle()
    assert drain(box) == ids([1])
    assert box.dropped("a") == {"age": 1}


def test_dead_letters_are_kept_with_their_reason_and_can_be_sent_again(opener: Opener, path: Path) -> None:
    box = opener("a", "b")
    box.write([commit(0, *[message(n) for n in range(5)])])
    entries, _ = box.read("a")
    box.dead_letter("a", [(entries[1], "too large"), (entries[3], "bad topic")])
    box.ack("a", [1, 3, 5])
    drain(box, "b")
    box.settle()
    assert box.status().messages == 0
    assert [(d.output, d.reason, d.message) for d in box.dead_letters()] == [
        ("a", "too large", message(1)),
        ("a", "bad topic", message(3)),
    ]
    box.close()
    assert outbox.retry(path, "a", number=2) == 1
    assert outbox.retry(path) == 1
    box = opener("a", "b")
    assert drain(box, "a") == ids([3, 1])
    assert drain(box, "b") == [], "only its own output gets it again"
    assert list(box.dead_letters()) == []


def test_the_file_does_not_grow_with_what_has_passed_through(opener: Opener, path: Path) -> None:
    box = opener()
    sizes = []
    for frame in range(400):
        box.write([commit(frame, *[message(frame * 100 + i, size=400) for i in range(100)])])
        drain(box)
        if frame % 100 == 99:
            box.settle()
            sizes.append(path.stat().st_size)
    assert sizes[-1] <= sizes[0] * 1.5, sizes
    assert sizes[-1] < 8 << 20, "16 MB have passed through"


def test_emptied_pages_are_given_back_to_the_disk(opener: Opener, path: Path) -> None:
    now = [10**18]
    box = opener(clock=lambda: now[0], steady=lambda: now[0])
    for frame in range(100):
        box.write([commit(frame, *[message(frame * 100 + i, size=4000) for i in range(100)])])
    drain(box)
    for _ in range(20):
        now[0] += 2 * 10**9
        box.settle()
    box.close()
    assert path.stat().st_size < 20 << 20, "40 MB were in it"


def test_inspect_and_export_read_while_a_run_has_it_open(opener: Opener, path: Path) -> None:
    box = opener("a", "b")
    box.write([commit(0, message(0), message(1, outputs=("b",)))])
    box.ack("a", [1])
    box.settle()
    status = outbox.inspect(path)
    assert {stored.name: stored.pending for stored in status.outputs} == {"a": 0, "b": 2}
    assert status.in_use_by == os.getpid()
    assert [(m["id"], m["waiting"]) for m in outbox.export(path)] == [("id-000000", ["b"]), ("id-000001", ["b"])]
    assert list(outbox.export(path, "a")) == []
    assert outbox.inspect_counters(path) == box.counters()
    json.dumps(list(outbox.export(path)))


def test_a_damaged_block_is_set_aside_and_counted_and_the_rest_flows(opener: Opener, path: Path) -> None:
    box = opener()
    for frame in range(5):
        box.write([commit(frame, message(frame))])
    box.close()
    with sqlite3.connect(path) as db:
        data = bytearray(db.execute("SELECT data FROM batch WHERE first = 3").fetchone()[0])
        data[-1] ^= 1
        db.execute("UPDATE batch SET data = ? WHERE first = 3", (bytes(data),))
    db.close()
    box = opener()
    assert drain(box) == ids([0, 1, 3, 4])
    assert box.dropped("a") == {"damaged": 1}
    assert path.with_name("run.outbox.damaged-3").read_bytes() == bytes(data)


def test_what_is_acknowledged_is_not_written_to_the_disk_once_more(opener: Opener, path: Path) -> None:
    """As zeros, by an SQLite that is built to overwrite what it deletes."""
    box = opener()
    box.write([commit(0, *[message(n, size=4000) for n in range(500)])])
    drain(box)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    box.settle()
    assert box.status().messages == 0
    assert path.with_name(path.name + "-wal").stat().st_size < 200_000, "of the 2 MB that are deleted"
