"""The failure file: what stands there comes back as it was; bounded, counted, and whole after a crash."""

from __future__ import annotations

import os
import stat
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countline import types
from countline.analytics.native.kinds import event_types, state_types
from countline.messages.snapshot import Snapshot, pack, unpack
from countline.pipeline.delivery import failure_file
from countline.pipeline.delivery.failure_file import FailureFile
from countline.pipeline.delivery.failure_lines import read, rewrite
from countline.types import Analytics, CounterDelta, CounterKey, FrameInfo, SourceInfo, TimeQuality, Tracks

TEXT = st.text(st.characters(), max_size=12)
"""Lone surrogates included: names of files may hold them."""
INTEGER = st.integers(-(2**70), 2**70)
NUMBER = st.floats(allow_nan=False)
SOURCES = st.builds(SourceInfo, TEXT, st.integers(0, 9), TEXT, TEXT, st.booleans())
FRAMES = st.builds(
    FrameInfo,
    SOURCES,
    st.integers(0, 2**40),
    INTEGER,
    INTEGER,
    st.just(64),
    st.just(48),
    st.sampled_from(TimeQuality),
    TEXT,
)
COUNTS = st.builds(types.Count, INTEGER, INTEGER)
KEYS = st.builds(CounterKey, TEXT, TEXT, TEXT, TEXT)
LINES = st.builds(
    types.LineState,
    INTEGER,
    INTEGER,
    st.dictionaries(TEXT, COUNTS, max_size=2),
    st.dictionaries(TEXT, COUNTS, max_size=2),
    INTEGER,
)
BOXES = st.none() | st.tuples(NUMBER, NUMBER, NUMBER, NUMBER)
EVENT = (
    FRAMES,
    TEXT,
    st.integers(0, 9),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | INTEGER,
    TEXT,
    NUMBER,
    BOXES,
)
EVENTS = st.one_of(
    st.builds(types.Crossing, *EVENT, TEXT),
    st.builds(types.Leave, *EVENT, NUMBER),
    st.builds(types.Crowding, *EVENT, TEXT, INTEGER),
    st.builds(types.Journey, *EVENT, TEXT, TEXT),
)


@st.composite
def analytics(draw: st.DrawFn) -> Analytics:
    n = draw(st.integers(0, 5))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    tracks = Tracks(
        random.normal(size=(n, 4)),
        random.random(n),
        random.integers(0, 80, n),
        random.integers(0, 2**64 - 1, n, np.uint64),
    )
    return Analytics(
        draw(FRAMES), tracks,
        lines=draw(st.dictionaries(TEXT, LINES, max_size=2)),
        regions=draw(st.dictionaries(TEXT, st.builds(types.RegionState, INTEGER, st.just({"a": 1}), COUNTS, COUNTS), max_size=1)),
        journeys=draw(st.dictionaries(TEXT, st.dictionaries(TEXT, INTEGER, max_size=1), max_size=1)),
        events=draw(st.lists(EVENTS, max_size=2)),
        deltas=draw(st.lists(st.builds(CounterDelta, KEYS, INTEGER), max_size=2)),
        object_count=draw(st.dictionaries(st.integers(0, 80), INTEGER, max_size=2)),
        objects=draw(st.lists(st.none() | st.builds(types.ObjectStatus, st.just(["r"]), text=TEXT), max_size=2)),
        speeds=draw(st.dictionaries(st.integers(0, 2**64 - 1), st.floats(), max_size=1)),
        class_names=draw(st.lists(TEXT, max_size=2)),
        window=draw(st.none() | st.builds(types.Window, INTEGER, INTEGER, st.dictionaries(KEYS, INTEGER, max_size=1))),
        gap=draw(st.none() | st.builds(types.Gap, st.just(1), st.just(9), TEXT)),
    )  # fmt: skip


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, (Analytics, Tracks)):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return type(one) is type(other) and (one == other or repr(one) == repr(other))


@settings(max_examples=60, deadline=None)
@given(
    analytics(),
    st.lists(EVENTS, max_size=2),
    TEXT,
    st.dictionaries(st.integers(0, 2**64 - 1), st.just([[1, 2.5, 3.0]]), max_size=2),
)
def test_what_a_message_is_made_of_comes_back_exactly(
    a: Analytics, hits: list[Any], mark: str, paths: dict[int, Any]
) -> None:
    found = unpack(pack(Snapshot(a, hits, 0 if hits else None, "id", mark, paths)))
    assert same(a, found.analytics)
    assert (found.hits, found.event, found.id, found.mark, found.paths) == (
        hits,
        0 if hits else None,
        "id",
        mark,
        paths,
    )


@given(st.binary(max_size=200))
def test_what_is_no_snapshot_is_an_error_in_words(data: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        unpack(data)


def failure(n: int, again: bytes | None = None, **more: Any) -> Any:
    data = {
        "definition": "m",
        "place": "f.py:3",
        "error": "KeyError",
        "id": f"id-{n}",
        "source": "a",
        "stream": "s",
        "mark": "x",
        **more,
    }
    return SimpleNamespace(as_dict=lambda: data, snapshot=lambda: again)


def test_a_line_that_a_crash_has_cut_short_takes_no_other_along(tmp_path: Path) -> None:
    file = FailureFile(tmp_path / "o")
    for n in range(3):
        file.write(failure(n))
    file.close()
    os.truncate(file.path, file.path.stat().st_size - 20)
    file = FailureFile(tmp_path / "o")
    file.write(failure(3))
    file.close()
    found = read(tmp_path / "o")
    assert [one.data["id"] for one in found.kept] == ["id-0", "id-1", "id-3"]
    assert found.unreadable == 1
    rewrite(tmp_path / "o", lambda data: None if data["id"] == "id-0" else {**data, "error": "new"})
    found = read(tmp_path / "o")
    assert ([one.data["error"] for one in found.kept], found.unreadable) == (["new", "new"], 1)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_what_was_let_go_is_counted_over_runs(tmp_path: Path) -> None:
    for run in range(5):
        file = FailureFile(tmp_path / "o", most=5000)
        for n in range(100):
            file.write(failure(run * 100 + n))
        file.close()
    found = read(tmp_path / "o")
    assert len(found.kept) + found.let_go == 500
    assert found.kept[-1].data["id"] == "id-499"


def test_what_is_too_large_to_keep_is_written_without_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_file, "MOST_KEPT", 100)
    file = FailureFile(tmp_path / "o")
    file.write(failure(1, b"x" * 101))
    file.write(failure(2, b"x" * 100))
    file.close()
    one, two = read(tmp_path / "o").kept
    with pytest.raises(ValueError, match="was not kept"):
        one.snapshot()
    with pytest.raises(ValueError, match="cannot be read"):
        two.snapshot()


def test_what_cannot_be_written_is_counted_as_gone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = FailureFile(tmp_path / "file" / "o")
    for n in range(3):
        file.write(failure(n))
    assert file.let_go == 3


def test_a_stream_that_is_gone_through_again_forgets_only_what_will_be_made_again(tmp_path: Path) -> None:
    file = FailureFile(tmp_path / "o")
    file.write(failure(1), 10)
    file.write(failure(2), 11)
    file.write(failure(3, stream="other"), 11)
    file.write(failure(4, mark="y"), 11)
    file.write(failure(5, source="b"), 11)
    file.begun("a", "s", 10, ("x", "xz"))
    file.write(failure(6), 12)
    file.close()
    assert [one.data["id"] for one in read(tmp_path / "o").kept] == ["id-1", "id-3", "id-4", "id-5", "id-6"]


def test_what_kinds_of_rules_bring_with_them_comes_back_too() -> None:
    info = FrameInfo(SourceInfo("gate"), 3, 5, 7, 64, 48)
    events = [cls(info, "r", n, 5) for n, cls in enumerate(event_types().values())]
    states = {key: {"r": cls()} for key, cls in state_types().items()}
    assert events
    assert states
    a = Analytics(info, Tracks.empty(), events=events, states=states)
    found = unpack(pack(Snapshot(a, events, 0, "id")))
    assert same(a, found.analytics)
    assert [type(e) for e in found.hits] == list(event_types().values())


@pytest.mark.parametrize(
    "column",
    [
        np.arange(12, dtype=np.float32).reshape(2, 3, 2),
        np.array(["B-XY 1", "ö"]),
        np.array([{"plate": "B-XY 1", "sure": (1, 2.5)}, None], object),
        np.array([["a", None], ["b", "\udc80"]], object),
        np.arange(8)[::4],
        np.array([True, False]),
        np.array([2**63, 1], np.uint64),
    ],
    ids=lambda column: f"{column.dtype}{column.shape}",
)
def test_attributes_of_objects_come_back_whatever_a_detector_gives(column: Any) -> None:
    info = FrameInfo(SourceInfo("gate"), 3, 5, 7, 64, 48)
    tracks = Tracks(np.ones((2, 4)), np.ones(2), np.zeros(2), np.array([1, 2]), attributes={"of": column})
    found = unpack(pack(Snapshot(Analytics(info, tracks), []))).analytics.tracks.attributes
    assert found is not None
    assert found["of"].dtype == column.dtype
    assert found["of"].tolist() == column.tolist()
