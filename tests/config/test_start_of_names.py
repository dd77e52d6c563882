"""The time of a recording stands in its name."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.config import load
from countline.config.moment import name_time, no_start
from countline.errors import ConfigError

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def ns(text: str) -> int:
    return int((datetime.fromisoformat(text) - EPOCH) / timedelta(microseconds=1)) * 1000


@pytest.mark.parametrize(
    ("start", "path", "moment"),
    [
        ("{name:%Y%m%d-%H%M%S}", "gate_20261122-080000.ts", "2026-11-22T08:00:00+00:00"),
        ("{name:%Y%m%d%H%M%S}", "/x/ch01_00000000107000000.20261122080000.mp4", "2026-11-22T08:00:00+00:00"),
        ("{name:%Y%m%d%H%M%S} Europe/Berlin", "20260701000000-20260701000100.mp4", "2026-06-30T22:00:00+00:00"),
        ("{name:%Y-%m-%d/%H/%M.%S}", "/nvr/2026-11-22/08/15.30[M][0@0][0].dav", "2026-11-22T08:15:30+00:00"),
        ("{name:%F_%T}", "cam 2026-11-22_08:00:05.mkv", "2026-11-22T08:00:05+00:00"),
        ("{name:%s.%f}", "1795334400.250.ts", "2026-11-22T08:00:00.250000+00:00"),
        ("{name:%y%j%H%M}", "26326-263260800.ts", "2026-11-22T08:00:00+00:00"),
        ("{name:%Y%m%dT%H%M%S%z} Asia/Tokyo", "20261122T080000+0100.ts", "2026-11-22T07:00:00+00:00"),
        ("{name:%Y%m%dT%H%M%S%z}", "20261122T080000Z.ts", "2026-11-22T08:00:00+00:00"),
        ("{name:%Y%m%d}", "99999999_20261122.ts", "2026-11-22T00:00:00+00:00"),
        ("{name:100%% %Y_%m_%d}", "100% 2026_11_22.ts", "2026-11-22T00:00:00+00:00"),
    ],
)
def test_a_name_tells_its_time(start: str, path: str, moment: str) -> None:
    assert no_start(start) is None
    assert name_time(start).of(path) == ns(moment)


@pytest.mark.parametrize("path", ["gate.ts", "20261322-080000.ts", "120261122-0800001.ts", "/20261122-080000/gate.ts"])
def test_a_name_without_one_tells_none(path: str) -> None:
    assert name_time("{name:%Y%m%d-%H%M%S}").of(path) is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)), st.text("abc_-.0123456789 ü", max_size=5))
def test_what_is_written_is_read(moment: datetime, before: str) -> None:
    name = before + moment.strftime("@%Y%m%d-%H%M%S.%f") + ".ts"
    assert name_time("{name:@%Y%m%d-%H%M%S.%f}").of(name) == ns(moment.isoformat() + "+00:00")


@given(st.text(max_size=30))
def test_whatever_is_written_there_is_understood_or_refused_in_words(text: str) -> None:
    for start in (text, "{name:" + text + "}", "{name:%Y%m%d} " + text):
        wrong = no_start(start)
        if wrong is None and start.startswith("{"):
            name_time(start).of("gate_20261122-080000.ts")
        assert wrong is None or all(wrong)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("{name:%H%M%S}", "tells no date"),
        ("{name:%Y%m%d%Q}", "'%Q'"),
        ("{name:%Y%m%d%Y}", "'%Y'"),
        ("{name:%Y%m%d} Mars/Base", "time zone 'Mars/Base'"),
        ("{names:%Y%m%d}", "is not {name:FORMAT}"),
        ("2026-11-22", "is not a time with its offset"),
    ],
)
def test_a_start_that_is_none_is_refused_with_its_line(start: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", f'sources:\n  - {{name: a, uri: nvr, start: "{start}"}}\n')
    assert words in str(caught.value)
    assert "c.yaml:2" in str(caught.value)


def test_watch_is_for_ever_or_for_some_seconds() -> None:
    def watch(text: str) -> object:
        return load("c.yaml", f"sources:\n  - {{name: a, uri: nvr, watch: {text}}}\n").sources[0].watch

    assert watch("true") is True
    assert watch("false") is False
    assert watch("1") == 1.0
    assert watch("1") is not True
    with pytest.raises(ConfigError, match="more than 0"):
        watch("-1")
