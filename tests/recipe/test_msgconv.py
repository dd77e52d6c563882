"""nvmsgconv's description files are read as nvmsgconv reads them, with the place of every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from countline.compat.deepstream.files.msgconv import AnalyticsModule, PlaceInfo, Sensor, parse, read
from countline.errors import ConfigError

KEYFILE = """\
# cameras
[sensor0]
enable=1
type=Camera
id = CAM \t
location=45.293701447;-75.8303914499;48.1557479338;
description="Right lane"
coordinate=5.2;10.1;11.2

[sensor7]
enable=0
location=nonsense

[place1]
enable=true
id=1
place-sub-field1="C-76-2"
name=a\\sb
colour=red

[analytics0]
enable=1
source=OpenALR
version=1.0
[custom]
foo=1
"""


def test_key_file() -> None:
    got = parse(KEYFILE, "msgconv.txt")
    assert got.sensors == {
        0: Sensor(
            "CAM \t",
            "Camera",
            '"Right lane"',
            (45.293701447, -75.8303914499, 48.1557479338),
            (5.2, 10.1, 11.2),
        )
    }
    assert got.places == {1: PlaceInfo(id="1", name="a b", sub1='"C-76-2"')}
    assert got.analytics == {0: AnalyticsModule(source="OpenALR", version="1.0")}
    assert [note.split(": ", 1)[1] for note in got.notes] == ["unknown key, ignored", "unknown group, ignored"]
    assert got.notes[0].startswith("msgconv.txt:19 [")


def test_yaml_scalars_stay_as_they_are_written() -> None:
    text = """\
sensor0:
  enable: 1
  id: 007
  type: "Camera"
  description:
  location: 45.29;-75.83;48.1
place3:
  enable: 1
  name: yes
analytics0:
  enable: 1
  version: 1.10
analytics1:
  enable: 0
"""
    got = parse(text, "x.yml")
    assert got.sensors == {0: Sensor("007", "Camera", "", (45.29, -75.83, 48.1))}
    assert got.places == {3: PlaceInfo(name="yes")}
    assert got.analytics == {0: AnalyticsModule(version="1.10")}


def test_csv_has_a_camera_in_each_row() -> None:
    got = parse("a,b,c,d,e,f,g\nx, cam-0 ,Entrance,y,walsh,lane1,P2\r\n\nx,cam-1,Exit,y,,,,\n", "cameras.csv")
    assert got.sensors == {0: Sensor("cam-0", "Camera", "Entrance"), 1: Sensor("cam-1", "Camera", "Exit")}
    assert got.places[0] == PlaceInfo("Id", "building/garage", "endeavor", sub1="walsh", sub2="lane1", sub3="P2")
    assert got.analytics == {0: AnalyticsModule(version="1.0"), 1: AnalyticsModule(version="1.0")}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[sensor0]\nenable=1\nlocation=45.29;-75.83\n", 3, "has 2 numbers, not 3"),
        ("[place0]\nenable=1\ncoordinate=1;2;three\n", 3, "'three' is not a number"),
        ("[place0]\nenable=1\ncoordinate=1;2;3 \n", 3, "'3 ' is not a number"),
        ("[sensorX]\nenable=1\n", 1, "has no number"),
        ("[sensor0]\nenable=1\n[sensor00]\nenable=1\n", 3, "sensor 0 is described twice"),
        ("[sensor0]\nenable=1\nfoo\n", 3, "neither"),
        ("id=1\n", 1, "group"),
    ],
)
def test_what_nvmsgconv_refuses_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        parse(text, "msgconv.txt")
    assert f"msgconv.txt:{line}" in str(caught.value)


def test_short_rows_and_yaml_lists_with_a_semicolon_too_many_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"cameras\.csv:2: the row has 3 cells"):
        parse("header\nx,cam-0,Entrance\n", "cameras.csv")
    with pytest.raises(ConfigError, match=r"x\.yml:3 .*'' is not a number"):
        parse("sensor0:\n  enable: 1\n  location: 1;2;3;\n", "x.yml")
    assert parse("sensor0:\n  enable: 1\n  location: 1; 2 ;3\n", "x.yml").sensors[0].location == (1.0, 2.0, 3.0)


def test_numbers_are_checked_before_a_group_is_skipped() -> None:
    with pytest.raises(ConfigError, match="has no number"):
        parse("[sensorX]\nenable=0\n", "msgconv.txt")
    with pytest.raises(ConfigError, match="described twice"):
        parse("[sensor0]\nenable=1\n[sensor00]\nenable=0\n", "msgconv.txt")
    assert list(parse("[sensor0]\nenable=0\n[sensor00]\nenable=1\n", "msgconv.txt").sensors) == [0]


def test_disabled_and_unclear_groups_are_absent() -> None:
    got = parse("[sensor0]\nid=1\n[sensor1]\nenable=yes\n[place0]\nenable=0\n", "msgconv.txt")
    assert (got.sensors, got.places) == ({}, {})
    assert "the group is skipped" in got.notes[0]


def test_yaml_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"x\.yml:3.*not valid YAML"):
        parse("sensor0:\n  enable: [1\nplace0: {}\n", "x.yml")
    with pytest.raises(ConfigError, match="must be a mapping"):
        parse("- 1\n", "x.yml")
    assert parse("", "x.yml").sensors == {}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such msgconv file"):
        read(tmp_path / "none.txt")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"[sensor0]\nid=\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read(tmp_path / "latin.txt")
    (tmp_path / "bom.txt").write_bytes(b"\xef\xbb\xbf[sensor0]\r\nenable=1\r\nid=\xc3\xa9\r\n")
    assert read(tmp_path / "bom.txt").sensors[0].id == "é"
