"""Damage is found, told and repaired: one changed bit never changes a count, a message or a place in silence."""

from __future__ import annotations

import gzip
import logging
import random
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import flips
import pytest
from outbox_helpers import CAR, commit, drain, ids, message

from countline import outbox
from countline.config import OutboxConfig
from countline.outbox import Outbox, StreamStart, sums

Opener = Callable[..., Outbox]
DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("seed", range(6))
def test_a_changed_bit_is_harmless_or_told_and_never_an_error_of_the_database(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "m.outbox"
    data = flips.make(path)
    truth, said = flips.seen(path)
    assert truth is not None
    assert not said
    used = [at for at, byte in enumerate(data) if byte]
    for _ in range(40):
        for file in tmp_path.glob("m.outbox*"):
            file.unlink()
        at, bit = chance.choice(used), chance.randrange(8)
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        flips.looked(path)
        found, said = flips.seen(path)
        assert found == truth or said, f"bit {bit} of byte {at}"


@pytest.mark.parametrize("at", [3, 20, 2533, 3200])
def test_damage_to_the_first_page_hides_nothing_that_is_whole(tmp_path: Path, at: int) -> None:
    path = tmp_path / "m.outbox"
    data = flips.make(path)
    truth, _ = flips.seen(path)
    path.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])
    found, said = flips.seen(path)
    assert found == truth
    assert any("set aside" in text for text in said)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE counter SET value = 99", "a row of counts in"),
        ("UPDATE run SET frame = 5 WHERE source = 'gate'", "a row of runs in"),
        ("UPDATE epoch SET epoch = 7", "epochs of counts"),
        ("UPDATE seen SET time = 1", "times of sources"),
        ("UPDATE dead SET reason = 'none'", "dead letters in"),
        ("UPDATE output SET acknowledged = 1 WHERE name = 'a'", "all that is stored is sent again"),
    ],
)
def test_a_row_that_is_not_as_it_was_written_is_lost_and_told(tmp_path: Path, change: str, told: str) -> None:
    path = tmp_path / "m.outbox"
    flips.make(path)
    truth, _ = flips.seen(path)
    with sqlite3.connect(path) as db:
        db.execute(change)
    db.close()
    found, said = flips.seen(path)
    assert truth is not None
    assert found is not None
    assert any(told in text for text in said), said
    assert set(truth["a"]) <= set(found["a"]), "no message is lost"
    assert found["next"] >= truth["next"], "no position is given twice"
    assert flips.seen(path)[1] == [], "told once"


def test_messages_that_cannot_be_read_are_counted_as_lost(
    opener: Opener, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = opener()
    for n in range(5):
        box.write([commit(n, message(2 * n), message(2 * n + 1))])
    box.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE batch SET made = 1, data = substr(data, 1, 60) WHERE first = 3")
    db.close()
    box = opener()
    assert "2 messages that waited for output 'a' cannot be read any more" in caplog.text
    assert box.dropped("a") == {"damaged": 2}
    assert box.pending("a") == 8
    assert drain(box) == ids([0, 1, *range(4, 10)])


def test_damage_met_in_use_is_repaired_in_use(opener: Opener, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = opener()
    box.begin(StreamStart("gate", "s1", live=True))
    for n in range(40):
        box.write([commit(n, message(n, size=3000))])
    box.ack("a", [1, 2])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE counter SET value = 99")
        db.execute("UPDATE seen SET time = 5")
    db.close()
    assert not box.look_through(threading.Event())
    box.settle()
    assert list(path.parent.glob("run.outbox.corrupt-*"))
    assert "a row of counts in" in caplog.text
    box.write([commit(40, message(40))])
    assert box.look_through(threading.Event())
    assert drain(box) == ids(range(2, 41)), "what memory has is in the new file"
    assert box.dropped("a") == {}
    box.close()
    assert drain(opener()) == []


def test_a_large_outbox_is_read_through_beside_the_run(
    opener: Opener, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    box = opener()
    for n in range(20):
        box.write([commit(n, message(n, size=3000))])
    box.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE batch SET made = 7 WHERE first = 8")
    db.close()
    monkeypatch.setattr(sums, "CHECKED", 1000)
    caplog.set_level(logging.WARNING, "countline")
    from countline.pipeline.delivery.delivery import Delivery

    delivery = Delivery(OutboxConfig(), path, [], live=True)
    assert delivery.outbox.large
    assert "set aside" not in caplog.text
    delivery.start()
    for _ in range(500):
        if "set aside" in caplog.text:
            break
        threading.Event().wait(0.01)
    delivery.stop(5.0)
    assert "differ from their checksums" in caplog.text
    assert drain(opener()) == ids(range(20))


def test_an_outbox_of_version_0_1_0_opens_and_goes_on(opener: Opener, path: Path) -> None:
    path.write_bytes(gzip.decompress((DATA / "version-0.1.0.outbox.gz").read_bytes()))
    assert {stored.name: stored.pending for stored in outbox.inspect(path).outputs} == {"a": 9, "b": 3, "gone": 12}
    box = opener("a", "b", "gone")
    (counter,) = box.counters()
    assert (counter.key, counter.value, counter.epoch, counter.reset_at) == (CAR, 3, 1, 1_700_000_000_000_000_000)
    assert [(d.output, d.reason, d.message.id) for d in box.dead_letters()] == [("a", "too large", ids([2])[0])]
    assert box.begin(StreamStart("gate", "s1", live=False)).frame == 12
    box.write([commit(13, message(13))])
    assert drain(box, "a") == ids([3, *range(5, 14)])
    assert drain(box, "b") == ids(range(10, 14))
    assert drain(box, "gone") == ids(range(1, 14)), "what waited for it, and what comes since it is back"
    box.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    db.close()
    assert opener("a", "b", "gone").counters()[0].value == 4
