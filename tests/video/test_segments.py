"""When a recording is whole, and what its neighbours tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from countline.video import open_source
from countline.video.clock import SECOND
from countline.video.segments import PATIENCE, SHORTEST, Segment, Settling, is_complete

from .conftest import config
from .making import film, numbers_of

NOW = 1_800_000_000


class Clock:
    """Both clocks of a machine; files may be dated by another one."""

    def __init__(self) -> None:
        self.passed = 0.0

    def steady(self) -> float:
        return 1000.0 + self.passed

    def wall(self) -> float:
        return NOW + self.passed


def segment(path: Path, written: float) -> Segment:
    return Segment(path, path.name, (0,), None, path.stat().st_size, int(written * SECOND))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settling(clock: Clock) -> Settling:
    return Settling(5.0, clock.steady, clock.wall)


def test_one_that_grows_is_waited_for_and_one_that_is_old_is_not(
    tmp_path: Path, clock: Clock, settling: Settling
) -> None:
    path = film(tmp_path / "a.ts", range(5))
    assert settling.left(segment(path, NOW - 60)) == 0
    fresh = segment(path, NOW - 1)
    settling.forget(fresh)
    assert settling.left(fresh) == pytest.approx(4)
    assert settling.left(fresh, followed=True) == 0, "the next one was begun"
    clock.passed = 3.9
    grown = replace(fresh, size=fresh.size + 188, mtime=int((NOW + 3.9) * SECOND))
    assert settling.left(grown) == pytest.approx(5)
    clock.passed = 9
    assert settling.left(grown) == 0


def test_whose_clock_is_ahead_is_waited_for_no_longer(tmp_path: Path, clock: Clock, settling: Settling) -> None:
    paths = [film(tmp_path / f"{name}.ts", range(5)) for name in "ab"]
    tomorrow = [segment(path, NOW + 86400) for path in paths]
    for one in tomorrow:
        settling.see(one)
    clock.passed = 5
    assert [settling.left(one) for one in tomorrow] == [0, 0], "all were seen to stand still at the same time"


def test_an_mp4_without_its_index_is_waited_for_longer(tmp_path: Path, clock: Clock, settling: Settling) -> None:
    path = film(tmp_path / "a.mp4", range(5))
    assert settling.left(segment(path, NOW)) == pytest.approx(SHORTEST)
    path.write_bytes(path.read_bytes()[:-300])
    half = segment(path, NOW)
    assert settling.left(half) == pytest.approx(PATIENCE * 5)
    assert settling.left(half, followed=True) == pytest.approx(PATIENCE * 5)
    clock.passed = PATIENCE * 5
    assert settling.left(half) == 0, "it will not be finished any more"


@pytest.mark.parametrize(
    ("name", "container", "told"),
    [
        ("a.mp4", {}, True),
        ("a.mp4", {"movflags": "faststart"}, True),
        ("a.mov", {}, True),
        ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}, None),
        ("a.mkv", {}, True),
        ("a.avi", {}, True),
        ("a.ts", {}, None),
    ],
)
def test_a_file_says_itself_whether_it_is_finished(
    tmp_path: Path, name: str, container: dict[str, str], told: bool | None
) -> None:
    path = film(tmp_path / name, range(20), container=container)
    assert is_complete(path) is told
    data = path.read_bytes()
    if told and path.suffix != ".mkv":  # whose length is written at the end
        for share in (0.3, 0.6, 0.9):
            path.write_bytes(data[: int(len(data) * share)])
            assert is_complete(path) is False
    for length in (0, 3, 12, 30):
        path.write_bytes(data[:length])
        assert not is_complete(path) or path.suffix == ".mkv"


def test_recordings_that_overlap_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for place, second in enumerate(("00", "02")):
        film(tmp_path / f"20261122-0800{second}.ts", range(50 * place, 50 * place + 50))
    frames = list(open_source(config(tmp_path, start="{name:%Y%m%d-%H%M%S}", segments={"settle": 0}), 0))
    assert numbers_of(frames) == list(range(100)), "nothing is left out"
    assert "20261122-080002.ts begins 3.0 s before the end of the one before it" in caplog.text
    assert frames[-1].info.pts > frames[49].info.pts
