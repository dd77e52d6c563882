"""One message of each key at a time: the book-keeping alone, with whatever may be settled, refused or sent again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from countline.outputs.base.fitness import unfit
from countline.outputs.base.key_order import KeyOrder
from countline.outputs.base.text import shown
from countline.protocols import Entry
from countline.types import Message

Step = tuple[str, int]


@settings(max_examples=300)
@given(st.lists(st.sampled_from([b"a", b"b", None]), max_size=12), st.lists(st.integers(0, 5), max_size=60))
def test_no_message_is_published_before_an_earlier_one_of_its_key_is_settled(
    keys: list[bytes | None], turns: list[int]
) -> None:
    order = KeyOrder()
    todo = [Entry(n + 1, Message(str(n), b"", key=key)) for n, key in enumerate(keys)]
    published: list[Entry] = []
    arrived: list[Entry] = []
    for turn in turns:
        if turn < 3 and todo:
            entry = todo.pop(0)
            if order.enter(entry):
                published.append(entry)
        elif published and turn < 5:
            entry = published.pop(turn % len(published))
            arrived.append(entry)
            follower = order.leave(entry.position)
            published += [] if follower is None else [follower]
        elif published:  # refused for a while: it comes again, and those behind it
            entry = published.pop(0)
            todo = sorted([entry, *order.stop(entry.position), *todo], key=lambda e: e.position)
        busy = [e.message.key for e in published if e.message.key is not None]
        assert len(busy) == len(set(busy))
    for key in (b"a", b"b"):
        positions = [e.position for e in arrived if e.message.key == key]
        assert positions == sorted(positions)


@settings(max_examples=300)
@given(st.text(), st.integers(10, 100))
def test_text_of_a_server_is_one_short_line_that_no_terminal_obeys(text: str, most: int) -> None:
    line = shown(text + "\x1b[2J\x07\u202e", most)
    assert len(line) <= most
    assert not set(line) & {"\n", "\r", "\x1b", "\x07", "\u202e", "\x9b"}
    line.encode()


@settings(max_examples=300)
@given(st.text(), st.text(), st.integers(-(2**80), 2**80))
def test_what_no_protocol_can_carry_is_found_in_every_field(number: str, name: str, time: int) -> None:
    good = unfit(Message(number, b"", headers=((name, b""),), time=time)) == ""
    dated = -62_135_596_800 * 10**9 <= time < 253_402_300_800 * 10**9
    assert good == (dated and not any("\ud800" <= c <= "\udfff" for c in number + name))
