"""A single message that waits or was refused can be shown, given up, changed and sent again; nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from outbox_helpers import commit, drain, ids, message
from test_outbox_commands import apart

from command_line import countline_text as countline
from countline import outbox
from countline.errors import OutboxError
from countline.outbox import Outbox, StreamStart, mending, upkeep
from countline.outbox.mending import Change
from countline.types import Message

Opener = Callable[..., Outbox]
MINE = ids([2])[0]


@pytest.fixture
def filled(opener: Opener, path: Path) -> Path:
    """Five messages in one batch, for two outputs; 'b' refused the second and acknowledged the last."""
    box = opener("a", "b")
    box.begin(StreamStart("gate", "s1", live=True))
    box.write([commit(0, *[message(n) for n in range(5)])])
    entries, _ = box.read("b")
    box.dead_letter("b", [(entries[1], "too large")])
    box.ack("b", [5])
    box.close()
    return path


def _read(box: Outbox, output: str) -> list[Message]:
    return [entry.message for entry in box.read(output)[0]]


def test_a_message_is_shown_while_a_run_uses_the_outbox_and_changed_only_when_none_does(
    filled: Path, opener: Opener
) -> None:
    box = opener("a", "b")
    shown = json.loads(apart("outbox", "show", MINE, filled.name, cwd=filled.parent).stdout)
    assert (shown["id"], shown["waiting"], shown["position"]) == (MINE, ["a", "b"], 3)
    for words in (("skip", MINE), ("send", MINE), ("edit", MINE, "--topic", "t")):
        done = apart("outbox", *words, filled.name, cwd=filled.parent)
        assert done.returncode == 5
        assert "in use by another countline" in done.stderr
    assert drain(box) == ids(range(5))


def test_a_skipped_message_is_counted_and_the_rest_flows(filled: Path, opener: Opener) -> None:
    assert upkeep.skip_message(filled, MINE, "a") == 1
    box = opener("a", "b")
    assert (box.pending("a"), box.dropped("a"), box.dropped("b")) == (4, {"skipped": 1}, {})
    assert drain(box, "a") == ids([0, 1, 3, 4])
    assert drain(box, "b") == ids([0, 2, 3])


def test_a_skipped_dead_letter_is_counted_and_gone(filled: Path, opener: Opener) -> None:
    assert upkeep.skip_message(filled, ids([1])[0], "b") == 1
    box = opener("a", "b")
    assert list(box.dead_letters()) == []
    assert (box.dropped("a"), box.dropped("b")) == ({}, {"skipped": 1})
    assert drain(box, "a") == ids(range(5))


def test_an_edited_message_keeps_its_id_and_its_place(filled: Path, opener: Opener) -> None:
    change = Change(value=b'{"new": 1}' * 3000, key=b"k", topic="counts", headers={"kind": b"x", "more": b"y"})
    assert upkeep.edit_message(filled, ids([3])[0], change) == 1
    box = opener("a", "b")
    found = _read(box, "a")
    assert [m.id for m in found] == ids(range(5))
    changed = found[3]
    assert (changed.value, changed.key, changed.topic) == (change.value, b"k", "counts")
    assert changed.headers == (("kind", b"x"), ("more", b"y"))
    assert [m for m in found if m.id != changed.id] == [message(n) for n in (0, 1, 2, 4)]
    assert box.status().bytes >= len(changed.value), "bounds know of it"


def test_a_dead_letter_is_mended_and_sent(filled: Path, opener: Opener) -> None:
    mine = ids([1])[0]
    assert upkeep.edit_message(filled, mine, Change(value=b"small", no_key=True, without=["kind"])) == 2
    assert upkeep.send_message(filled, mine, "b") == 1
    box = opener("a", "b")
    assert [m.id for m in _read(box, "b")] == ids([0, 2, 3, 1])
    last = _read(box, "b")[-1]
    assert (last.value, last.key, last.headers, last.outputs) == (b"small", None, (), ("b",))
    assert list(box.dead_letters()) == []
    assert drain(box, "a") == ids(range(5))


def test_a_message_that_is_sent_goes_behind_the_others_once(filled: Path, opener: Opener) -> None:
    assert upkeep.send_message(filled, MINE) == 2
    box = opener("a", "b")
    assert (box.pending("a"), box.pending("b")) == (5, 3)
    assert drain(box, "a") == ids([0, 1, 3, 4, 2])
    assert drain(box, "b") == ids([0, 3, 2])
    assert (box.dropped("a"), box.status().messages) == ({}, 0)


@pytest.mark.parametrize(
    "work", [mending.skip, mending.send, lambda box, ident: mending.edit(box, ident, Change(value=b"new"))]
)
@pytest.mark.parametrize("ident", ids([1, 2]))
def test_a_change_that_cannot_be_stored_changes_nothing(
    filled: Path, opener: Opener, work: Callable[[Outbox, str], int], ident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [list(outbox.export(filled)), list(outbox.export(filled, dead=True)), outbox.inspect(filled).outputs]
    for stored in before[2]:
        stored.oldest_age = 0.0

    def fails(box: Outbox) -> int:
        box._db.execute("PRAGMA query_only = ON")  # SQLite itself refuses to write
        return work(box, ident)

    with pytest.raises(OutboxError):
        upkeep._with(filled, fails)
    after = [list(outbox.export(filled)), list(outbox.export(filled, dead=True)), outbox.inspect(filled).outputs]
    for stored in after[2]:
        stored.oldest_age = 0.0
    assert before == after
    opener("a", "b").close()


def test_what_is_not_there_or_could_not_be_sent_is_refused_in_words(filled: Path) -> None:
    for words, code, text in (
        (("show", "nosuch"), 5, "has no message 'nosuch'"),
        (("skip", "nosuch"), 5, "has no message 'nosuch'"),
        (("skip", MINE, "--output", "c"), 5, "has no message"),
        (("edit", MINE), 2, "nothing is to be changed"),
        (("edit", MINE, "--header", "x"), 2, "NAME=VALUE"),
        (("edit", MINE, "--topic", ""), 2, "is empty"),
        (("edit", MINE, "--key", "x", "--no-key"), 2, "both"),
        (("edit", MINE, "--value", "{"), 2, "is no JSON"),
    ):
        done = countline("outbox", words[0], words[1], filled.name, *words[2:], cwd=filled.parent)
        assert done.returncode == code, (words, done.stderr)
        assert text in done.stderr
        assert "Traceback" not in done.stderr


def test_the_status_is_still_shown_by_the_name_of_a_file(filled: Path) -> None:
    for words in (("show", filled.name), (filled.name,), ("show", "--outbox", filled.name)):
        assert "1 dead letters" in countline("outbox", *words, cwd=filled.parent).stdout
