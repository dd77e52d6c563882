"""Who clicks an object is told of each rule, in words for people, why it was or was not counted, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from desks import CONFIG, LABELS, SITE, across, desk_at, frame, line
from stepping import PAUSE

from countline.analysis.rules import RecordedRules
from countline.config import Config
from countline.view.desk import TrackMemory
from countline.view.desk.explaining import explain, objects

Way = list[tuple[float, float]]


def down(first: float, last: float, x: float = 0.5, frames: int = 20) -> Way:
    return [(x, first + (last - first) * i / (frames - 1)) for i in range(frames)]


def said(way: Way, *lines: Any, track: int = 2, then: Any = None, **more: Any) -> dict[str, Any]:
    """Of the first rule, for one object on its way: a person, if its number is even, else a car."""
    config = Config.model_validate({**CONFIG, "rules": {"lines": list(lines), **more}})
    before = Config.model_validate({**CONFIG, "rules": then}) if then is not None else config
    memory, engine = TrackMemory(), RecordedRules.of(before).make(LABELS)
    for number, (x, y) in enumerate(way):
        memory(None, engine.update([frame(number, [(x, y, track)])])[0])
    found: dict[str, Any] = explain(memory, config, "gate", track)["rules"][0]
    return found


AREA = {"name": "r", "points": [[0.2, 0.5], [0.8, 0.5], [0.8, 0.9], [0.2, 0.9]]}
L = across("l", 0.5)
SAYS: dict[str, tuple[dict[str, Any], str, str]] = {
    "crossed": (said(down(0.2, 0.8), L), "counted", "crossed out at 08:00:01 UTC, counted"),
    "both ways": (
        said(down(0.2, 0.8) + down(0.8, 0.2), L),
        "counted",
        "crossed out at 08:00:01 UTC, counted; crossed in at 08:00:03 UTC, counted",
    ),
    "never reached": (
        said(down(0.2, 0.46), L),
        "not-counted",
        "its foot point never touched the line: the nearest it came was 4 % of the picture's height above it, at 08:00:01 UTC",
    ),
    "below": (said(down(0.9, 0.6), L), "not-counted", "10 % of the picture's height below it"),
    "beside": (
        said(down(0.2, 0.8, x=0.2), {"name": "l", "points": [[0.4, 0.5], [0.9, 0.5]]}),
        "not-counted",
        "left of it, at 08:00:00 UTC; crossed the line's extension",
    ),
    "turned back within the band": (
        said(down(0.3, 0.505), {**L, "band": 0.5}),
        "not-counted",
        "its foot point touched the line at 08:00:01 UTC; passed the line, but",
    ),
    "of a class that is crossing uncounted": (
        said(down(0.2, 0.8), {**L, "classes": ["car"]}),
        "not-counted",
        'crossed out, but the class "person" is not counted by this line, at 08:00:01 UTC',
    ),
    "of a class that is not looked at": (
        said(down(0.2, 0.3), {**L, "classes": ["car"]}),
        "not-concerned",
        "class filtered: the object is a person, the rule looks at car only",
    ),
    "the other way": (
        said(down(0.2, 0.8), {**L, "direction": "in"}),
        "not-counted",
        "crossed out, which this line does not count, at 08:00:01 UTC",
    ),
    "by another point": (said(down(0.2, 0.7), {**L, "anchor": "top-center"}), "not-counted", "its head never touched"),
    "a region": (said(down(0.2, 0.7), regions=[AREA]), "counted", "entered at 08:00:01 UTC"),
    "a region that was not entered": (
        said(down(0.2, 0.4), regions=[AREA]),
        "not-counted",
        "its foot point was never inside: the nearest it came was 10 % of the picture's height above it",
    ),
    "a line that was drawn later": (
        said(down(0.2, 0.8), L, then={}),
        "not-counted",
        "the rule was another one then, or not there; as it is now: crossed out at 08:00:01 UTC, counted",
    ),
    "a line that was moved away": (
        said(down(0.2, 0.8), across("l", 0.95), then={"lines": [L]}),
        "counted",
        "counted when it happened (crossing out at 08:00:01 UTC); by the rule as it is now: its foot point never touched",
    ),
    "a direction": (
        said(down(0.2, 0.8), directions=[{"name": "d", "points": [[0.5, 0.2], [0.5, 0.8]]}]),
        "counted",
        "began to head this way at",
    ),
}


@pytest.mark.parametrize("name", SAYS)
def test_each_fate_is_told_in_words_with_its_verdict(name: str) -> None:
    found, verdict, words = SAYS[name]
    assert (found["verdict"], words in found["text"]) == (verdict, True), found
    assert bool(found["times"]) == (verdict == "counted")


def test_the_place_that_is_told_is_where_it_happened() -> None:
    assert said(down(0.2, 0.46), L)["at"] == [0.5, 0.46]
    x, y = said(down(0.2, 0.8), L)["at"]
    assert x == 0.5
    assert 0.5 < y < 0.65


EXACT: dict[str, tuple[int, str, str]] = {
    "counted": (-1, "counted", "counted at 08:00:01 UTC"),
    "of another class": (1, "not-concerned", "class 0 is filtered"),
}


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_engine_explains_too(name: str, tmp_path: Path) -> None:
    classes, verdict, words = EXACT[name]
    rules = tmp_path / "config_nvdsanalytics.txt"
    rules.write_text(
        "[property]\nenable=1\nconfig-width=640\nconfig-height=360\n[line-crossing-stream-0]\nenable=1\n"
        f"line-crossing-gate=320;100;320;250;0;180;640;180\nclass-id={classes}\nextended=0\nmode=loose\n"
    )
    found = said(down(0.2, 0.8, frames=30), file=str(rules))
    assert (found["name"], found["verdict"]) == ("gate", verdict), found
    assert words in found["text"]


def test_objects_are_told_with_their_ways_the_newest_first(tmp_path: Path) -> None:
    with desk_at(tmp_path) as at:
        at.stepping.step(2 * PAUSE + 10)
        found = at.desk.objects("gate", 120)["objects"]
        assert [o["live"] for o in found] == [True, False, False]
        assert [len(o["path"]) for o in found[1:]] == [30, 31]
        assert found[0]["path"][-1][:2] == pytest.approx(
            [(found[0]["box"][0] + found[0]["box"][2]) / 2, found[0]["box"][3]], abs=1e-4
        )
        assert found[-1]["path"][0][2] == 1_767_225_600_000
        assert len(at.desk.objects("gate", 3)["objects"]) == 2
        told = at.desk.explain("gate", found[1]["id"])
        assert told["object"]["label"] == "person"
        assert told["object"]["path"] == found[1]["path"]
        assert told["rules"][0]["text"].startswith("crossed out at 00:00:05 UTC, counted")
        with pytest.raises(KeyError):
            at.desk.explain("gate", 10**9)
        with pytest.raises(KeyError):
            at.desk.objects("yard", 10)


def test_what_an_object_did_is_told_by_the_rules_as_they_are_now(tmp_path: Path) -> None:
    with desk_at(tmp_path, SITE) as at:
        at.stepping.step(PAUSE)
        (one,) = at.desk.objects("gate", 120)["objects"]
        at.desk.apply(at.digest, [line("low", 0.8)])
        told = {rule["name"]: rule for rule in at.desk.explain("gate", one["id"])["rules"]}
        assert told["door"]["verdict"] == "counted"
        assert told["low"]["verdict"] == "not-counted"
        assert "as it is now: crossed out" in told["low"]["text"]


def test_a_long_way_is_shown_with_a_bounded_number_of_points() -> None:
    memory = TrackMemory()
    config = Config.model_validate(CONFIG)
    engine = RecordedRules.of(config).make(LABELS)
    for number in range(1000):
        memory(None, engine.update([frame(number, [(0.5, number / 1000, 1)])])[0])
    (one,) = objects(memory, "gate", 600)["objects"]
    assert len(one["path"]) <= 150
    assert one["path"][-1][1] == pytest.approx(0.999)
