"""Data frames and figures: times are times, and a camera that was away is not a zero."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import BEGIN, HOUR, frame, record

from countline import analysis
from countline.analysis.frames import _edges
from countline.errors import ConfigError
from countline.types import FrameTracks, Tracks

RULES: dict[str, Any] = {
    "lines": [{"name": "gate", "points": [[0.2, 0.1], [0.2, 0.9]]}],
    "regions": [{"name": "yard", "points": [[0.1, 0.1], [0.4, 0.1], [0.4, 0.9], [0.1, 0.9]]}],
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """07:00 to 07:05 and 09:00 to 09:05 UTC; objects walk through again and again. Nothing from 07:05 to 09:00."""
    path = tmp_path_factory.mktemp("frames")
    frames = []
    for block in (0, 2):
        for n in range(3000):
            item = frame(n, time=BEGIN + block * HOUR + n * 10**8, stream=f"s{block}")
            lap = n // 700
            tracks = item.tracks
            ids = tracks.track_id + np.uint64(10 * lap + 1)
            frames.append(FrameTracks(item.info, Tracks(tracks.xyxy, tracks.confidence, tracks.class_id, ids)))
    record(path, frames)
    return path


@pytest.fixture(scope="module")
def found(recorded: Path) -> analysis.Findings:
    return analysis.replay(RULES, recorded)


def test_an_hour_of_which_nothing_was_recorded_is_missing_not_zero(found: analysis.Findings) -> None:
    table = analysis.counts(found)
    gate = table[(table["rule"] == "gate")]
    assert [t.hour for t in gate["time"].unique()] == [7, 8, 9]
    away = gate[gate["time"].dt.hour == 8]
    assert away["count"].isna().all()
    assert (away["seen"] == 0).all()
    seen = gate[gate["time"].dt.hour != 8]
    assert seen["count"].sum() == sum(n for key, n in found.totals().items() if key[1] == "gate") > 0
    assert seen["seen"].round(3).unique().tolist() == [round(299.9 / 3600, 3)]
    (gap,) = analysis.gaps(found).to_dict("records")
    assert (str(gap["start"]), gap["seconds"]) == ("2026-11-22 07:04:59.900000+00:00", 2 * 3600 - 299.9)


def test_every_frame_comes_in_pandas_and_in_polars(recorded: Path, found: analysis.Findings) -> None:
    import pandas
    import polars

    for function in (
        analysis.events,
        analysis.counts,
        analysis.gaps,
        analysis.dwell,
        analysis.speeds,
        analysis.journeys,
    ):
        one, two = function(found), function(found, library="polars")
        assert isinstance(one, pandas.DataFrame)
        assert isinstance(two, polars.DataFrame)
        assert list(one.columns) == two.columns
        assert len(one) == len(two)
    rows = analysis.tracks(recorded, columns=["time", "source", "track_id"])
    assert len(rows) == 12000
    assert str(rows["time"].dtype).startswith("datetime64[ns, UTC")
    late = analysis.tracks(recorded, since=BEGIN + 2 * HOUR, library="polars")
    assert (late.height, late["stream_id"].unique().to_list()) == (6000, ["s2"])


def test_dwell_times_are_those_of_who_left(found: analysis.Findings) -> None:
    table = analysis.dwell(found)
    assert set(table["rule"]) == {"yard"}
    assert (table["seconds"] > 0).all()


def test_heat_and_paths_are_where_the_feet_were(recorded: Path) -> None:
    scene = analysis.scenes(recorded)["entrance"]
    assert scene.heat.sum() == 12000
    rows = np.flatnonzero(scene.heat.sum(axis=1))
    assert rows.tolist() == [int(420.7 / 1080 * len(scene.heat))]
    assert len(scene.paths) > 0
    path = scene.path(next(iter(scene.paths)))
    assert path[:, 1] == pytest.approx(420.7 / 1080, abs=1e-6)


def test_of_many_tracks_a_sample_is_kept_whatever_their_number(tmp_path: Path) -> None:
    items = []
    for n in range(2000):
        item = frame(n, objects=1)
        tracks = Tracks(item.tracks.xyxy, item.tracks.confidence, item.tracks.class_id, np.array([n // 2]))
        items.append(FrameTracks(item.info, tracks))
    record(tmp_path, items)
    scene = analysis.scenes(tmp_path, most_paths=50)["entrance"]
    assert 10 < len(scene.paths) <= 50
    assert scene.one_of in (16, 32, 64)
    assert all(len(scene.path(key)) == 2 for key in scene.paths)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1_600_000_000, 1_900_000_000), st.integers(0, 400_000),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]), st.sampled_from([15, 60, 360, 1440]),
)  # fmt: skip
def test_bins_cover_all_times_without_hole_or_overlap(first: int, length: int, zone: str, minutes: int) -> None:
    begin, end = first * 10**9, (first + length) * 10**9
    edges = _edges(begin, end, timedelta(minutes=minutes), zone)
    assert edges == sorted(set(edges))
    assert edges[0] <= begin < edges[1]
    assert edges[-1] > end
    assert edges[-2] <= end
    assert max(np.diff(edges)) <= (minutes + 61) * 60 * 10**9  # clocks that go back make one longer


def test_days_begin_at_midnight_where_the_camera_is() -> None:
    import pandas

    first = 1_795_330_800 * 10**9
    edges = _edges(first, first + 30 * HOUR, timedelta(days=1), "Europe/Berlin")
    assert [pandas.Timestamp(e, tz="UTC").tz_convert("Europe/Berlin").hour for e in edges] == [0, 0, 0]
    with pytest.raises(ConfigError, match="no time zone 'Mars/Olympus'"):
        _edges(first, first, timedelta(hours=1), "Mars/Olympus")
