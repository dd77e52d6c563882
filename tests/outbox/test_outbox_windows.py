"""Windows that are open when a run is killed are stored with the frame, and given to the run that goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from outbox_helpers import CAR, commit, message

from countline.outbox import Outbox, StreamStart
from countline.types import CounterKey, Seam, Window

Opener = Callable[..., Outbox]
FILE = StreamStart("gate", "s1", live=False)
MINUTE = Window(0, 60, {CAR: 3, CounterKey("gate", 'a "line"', "A>B", ""): 1}, complete=False)
HOUR = Window(0, 3600, {})


def test_the_windows_behind_the_last_frame_are_there_again(opener: Opener) -> None:
    box = opener()
    assert box.begin(FILE).windows == {}
    box.write([commit(0, windows={"m": HOUR}), commit(1, message(1), windows={"m": MINUTE, "h": HOUR}), commit(2)])
    box.close()
    resume = opener().begin(FILE)
    assert (resume.frame, resume.windows) == (2, {"m": MINUTE, "h": HOUR})


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_gone_through_again_does_not_change_them(opener: Opener, number: int) -> None:
    box = opener()
    box.begin(FILE)
    box.write([commit(0), commit(1, seam=Seam(number=1, place="there", since=1)), commit(2, windows={"m": MINUTE})])
    box.close()
    box = opener()
    start = StreamStart("gate", "s1", live=False, number=number)
    assert box.begin(start).windows == {"m": MINUTE}
    box.write([commit(1, windows={"m": HOUR}), commit(2, windows={})])
    assert box.begin(start).windows == {"m": MINUTE}
    box.write([commit(3, windows={"h": HOUR})])
    assert box.begin(start).windows == {"h": HOUR}


@pytest.mark.parametrize("why", ["finished", "another stream", "fresh", "none is open"])
def test_they_are_forgotten_when_a_stream_begins_anew(opener: Opener, why: str) -> None:
    box = opener()
    box.begin(FILE)
    box.write([commit(0, windows={"m": MINUTE})])
    start = StreamStart("gate", "s2", live=False) if why == "another stream" else FILE
    if why == "finished":
        box.write([commit(0, finished=True)])
    if why == "none is open":
        box.write([commit(1, windows={})])
    assert box.begin(start, fresh=why == "fresh").windows == {}
    names = [name for (name,) in box._db.execute("SELECT name FROM meta")]
    assert "windows gate" not in names


def test_sources_are_kept_apart(opener: Opener) -> None:
    box = opener()
    other = StreamStart("gate 2", "s1", live=False)
    for start in (FILE, other):
        box.begin(start)
    box.write([commit(0, windows={"m": MINUTE})])
    assert (box.begin(other).windows, box.begin(FILE).windows) == ({}, {"m": MINUTE})


def test_an_outbox_of_an_earlier_version_knows_none(opener: Opener) -> None:
    box = opener()
    box.begin(FILE)
    box.write([commit(0, message(1)), commit(1)])
    resume = box.begin(FILE)
    assert (resume.frame, resume.windows) == (1, {})
