"""nvdsanalytics' files are read as NVIDIA reads them, and every fault names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from countline.compat.deepstream.files import nvdsanalytics as nv
from countline.compat.deepstream.files.keyfile import KeyFile, boolean, integer, integer_list
from countline.compat.deepstream.rules.by_file import make
from countline.config.rules import RulesConfig
from countline.errors import Place, RuleError
from countline.types import SourceInfo

HEAD = "[property]\nenable=1\nconfig-width=1920\nconfig-height=1080\n"
LINE = "line-crossing-A=1;2;3;4;5;6;7;8\n"
YAML_HEAD = "property:\n  enable: 1\n  config-width: 1280\n  config-height: 720\n"


def ini(text: str, head: str = HEAD) -> nv.NvdsAnalyticsConfig:
    return nv.parse(head + text, "rules.txt")


def yml(text: str, head: str = YAML_HEAD) -> nv.NvdsAnalyticsConfig:
    return nv.parse(head + text, "rules.yml", yaml=True)


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (HEAD + "junk\n", 5, "neither"),
        ("x=1\n" + HEAD, 1, "does not start with a group"),
        (HEAD + "[a[b]\n", 5, "group name"),
        (HEAD + "[x]\nq]=1\n", 6, "no valid key"),
        (HEAD.replace("enable=1", "enable=yes"), 2, "truth value"),
        (HEAD.replace("enable=1", "enable=1 # on"), 2, "truth value"),
        (HEAD.replace("1920", "0x780"), 3, "whole number"),
        (HEAD.replace("1920", "-1"), 3, "negative"),
        (HEAD.replace("1920", "99999999999"), 3, "32 bits"),
        (HEAD + "osd-mode=3\n", 5, "outside 0..2"),
        (HEAD + "obj-cnt-win-in-ms=0\n", 5, "outside 1.."),
        (HEAD + "display-obj-cnt=maybe\n", 5, "truth value"),
        (HEAD + "[line-crossing-stream-0]\nline-crossing-A=1;2;3;4;5;6;7\n", 6, "7 numbers instead of 8"),
        (HEAD + "[line-crossing-stream-0]\nline-crossing-A=1;2;3;4;5;6;;8\n", 6, "whole number"),
        (HEAD + "[line-crossing-stream-0]\nline-crossing-A=1,2,3,4,5,6,7,8\n", 6, "whole number"),
        (HEAD + "[line-crossing-stream-0]\nline-crossing-A=1;2;3;4;5;6;7;-8\n", 6, "negative"),
        (HEAD + "[line-crossing-stream-0]\nenable=1\n", 5, "no line-crossing-<label>"),
        (HEAD + "[direction-detection-stream-0]\ndirection-A=1;2;3\n", 6, "3 numbers instead of 4"),
        (HEAD + "[roi-filtering-stream-0]\nroi-A=1;2;3\n", 6, "no list of points"),
        (HEAD + "[roi-filtering-stream-0]\nroi-A=\n", 6, "no list of points"),
        (HEAD + "[overcrowding-stream-0]\nroi-A=1;2\nobject-threshold=-1\n", 7, "negative"),
    ],
)
def test_a_bad_file_is_rejected_with_its_line(text: str, line: int, word: str) -> None:
    with pytest.raises(RuleError) as caught:
        nv.parse(text, "rules.txt")
    assert isinstance(caught.value.where, Place)
    assert (caught.value.where.file, caught.value.where.line) == ("rules.txt", line)
    assert word in caught.value.what
    assert caught.value.fix


def test_more_numbers_than_a_line_or_direction_takes_are_left_out_as_by_nvidia_and_told() -> None:
    text = (
        "[line-crossing-stream-0]\nenable=1\nline-crossing-A=1;2;3;4;5;6;7;8;9;10\n"
        "[direction-detection-stream-0]\nenable=1\ndirection-B=1;2;3;4;5;6\n"
    )
    config = nv.parse(HEAD + text, "rules.txt")
    assert config.streams[0].lines[0].points == ((1, 2), (3, 4), (5, 6), (7, 8))
    assert config.streams[0].directions[0].points == ((1, 2), (3, 4))
    told = [str(warning) for warning in config.warnings]
    assert "rules.txt:7 " in told[0]
    assert "10 numbers instead of 8" in told[0]
    assert "rules.txt:10 " in told[1]
    assert "6 numbers instead of 4" in told[1]


@pytest.mark.parametrize("key", ["enable", "config-width", "config-height"])
def test_the_property_group_and_its_mandatory_keys_must_be_there(key: str) -> None:
    without = "\n".join(line for line in HEAD.splitlines() if not line.startswith(key))
    with pytest.raises(RuleError, match=f"'{key}' is missing"):
        nv.parse(without, "rules.txt")
    with pytest.raises(RuleError, match="property"):
        nv.parse("[line-crossing-stream-0]\n" + LINE, "rules.txt")


def test_defaults_are_nvidias() -> None:
    config = ini("[line-crossing-stream-0]\n" + LINE + "[overcrowding-stream-3]\nroi-c=0;0;1;0;1;1\n")
    line, crowding = config.streams[0].lines[0], config.streams[3].crowding[0]
    assert (line.enabled, line.extended, line.mode, line.class_ids) == (False, True, "loose", ())
    assert (crowding.object_threshold, crowding.time_threshold_ms) == (1, 2000)
    assert (config.window, config.osd_mode, config.font_size) == (50, 2, 12)
    assert any("not enabled" in warning for warning in config.warnings)


def test_keys_hold_for_the_whole_group_wherever_they_stand_and_groups_of_one_name_merge() -> None:
    config = ini(
        "[line-crossing-stream-2]\n"
        + LINE
        + "mode=strict\n[foo]\n[line-crossing-stream-2]\nline-crossing-B=1;2;3;4;5;6;7;9\nenable=true \n"
    )
    lines = config.streams[2].lines
    assert [(line.label, line.mode, line.enabled) for line in lines] == [("A", "strict", True), ("B", "strict", True)]
    assert [warning for warning in config.warnings if "unknown group" in warning]


def test_stream_numbers_are_read_as_c_does() -> None:
    groups = {"0": 0, "00": 0, "x": 0, "7abc": 7, "-1": -1, "4294967297": 1}
    for suffix, index in groups.items():
        assert list(ini(f"[line-crossing-stream-{suffix}]\nenable=1\n{LINE}").streams) == [index], suffix


def test_a_key_that_stands_twice_is_visited_twice_with_its_last_value() -> None:
    config = ini("[roi-filtering-stream-0]\nenable=1\nroi-A=0;0;1;0;1;1\nroi-A=5;5;6;5;6;6\n")
    assert [roi.points for roi in config.streams[0].rois] == [((5, 5), (6, 5), (6, 6))] * 2
    config = ini(
        "[line-crossing-stream-0]\nenable=1\nline-crossing-A=8;7;6;5;4;3;2;1\nline-crossing-B=0;0;1;1;2;2;3;3\n" + LINE
    )
    assert [(line.label, line.points[0]) for line in config.streams[0].lines] == [("A", (1, 2)), ("B", (0, 0))]


def test_blanks_behind_numbers_and_a_final_separator_are_as_in_glib() -> None:
    config = ini(
        "[line-crossing-stream-0]\r\nenable = 1 \r\nline-crossing-A = 1 ; 2;3;4;5;6;7;8; \r\n",
        HEAD.replace("1920", "1920 px"),
    )
    assert config.width == 1920
    assert config.streams[0].lines[0].points[3] == (7, 8)
    assert any("blanks behind" in warning for warning in config.warnings)


def test_an_unknown_mode_falls_back_with_a_warning() -> None:
    config = ini(
        "[line-crossing-stream-0]\nenable=1\nmode=strict \n"
        + LINE
        + "[direction-detection-stream-0]\nenable=1\nmode=x\ndirection-E=0;0;1;0\n"
    )
    assert config.streams[0].lines[0].mode == "loose"
    assert config.streams[0].directions[0].mode == "balanced"
    assert sum("unknown mode" in warning for warning in config.warnings) == 2


def test_in_yaml_property_counts_only_for_the_groups_behind_it() -> None:
    group = "line-crossing-stream-0:\n  enable: 1\n  line-crossing-A: 1;2;3;4;5;6;7;8\n"
    assert yml(group).streams[0].width == 1280
    assert nv.parse(group + YAML_HEAD, "r.yml", yaml=True).streams[0].width == 1920


@pytest.mark.parametrize(
    "fault",
    [
        "line-crossing-stream-0:\n  enable: 1\n  line-crossing-A: 1;2;3;4;5;6;7\n",
        "line-crossing-stream-0:\n  enable: 1\n  line-crossing-A: 1;2;3;4;5;6;7;8;\n",
        "line-crossing-stream-0:\n  enable: 1\n  line-crossing-A: 1;2;3;4;5;6;7;-8\n",
        "line-crossing-stream-0:\n  enable: 1\n",
        "direction-detection-stream-0:\n  enable: 1\n  direction-A: 1;2;3\n",
        "roi-filtering-stream-0:\n  enable: 1\n  roi-A: 1;2;3\n",
        "overcrowding-stream-0:\n  enable: 1\n  roi-A: 1;-2;3;4\n",
    ],
)
def test_in_yaml_a_fault_ends_the_reading_without_an_error_but_with_a_warning(fault: str) -> None:
    before = "roi-filtering-stream-4:\n  enable: 1\n  roi-A: 1;2;3;4;5;5\n"
    after = "roi-filtering-stream-5:\n  enable: 1\n  roi-A: 1;2;3;4;5;5\n"
    config = yml(before + fault + after)
    assert list(config.streams) == [4]
    assert any("leaves out this group and all that follow" in warning for warning in config.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "line-crossing-stream-0:\n  enable: true\n  line-crossing-A: 1;2;3;4;5;6;7;8\n",
        "line-crossing-stream-0:\n  enable:\n  line-crossing-A: 1;2;3;4;5;6;7;8\n",
        "line-crossing-stream-0:\n  enable: 1\n  line-crossing-A: [1, 2, 3, 4, 5, 6, 7, 8]\n",
        "line-crossing-stream-0:\n  enable: 1\n  line-crossing-A: 1;2;x;4;5;6;7;8\n",
        "line-crossing-stream-0:\n  class-id: 0;\n  line-crossing-A: 1;2;3;4;5;6;7;8\n",
        "overcrowding-stream-0:\n  enable: 1\n  roi-A: 1;2;3;4;\n",
        "overcrowding-stream-0:\n  enable: 1\n  object-threshold: -1\n  roi-A: 1;2;3;4\n",
        "roi-filtering-stream-0: {enable: 1\n",
    ],
)
def test_yaml_on_which_deepstream_aborts_is_rejected_with_its_line(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        yml(text)
    assert isinstance(caught.value.where, Place)
    assert caught.value.where.line >= 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "property:\n",
        "property: {}\n",
        "line-crossing-stream-0:\n  enable: 1\n  line-crossing-A: 1;2;3;4;5;6;7;8\n",
    ],
)
def test_yaml_without_a_property_group_is_rejected(text: str) -> None:
    with pytest.raises(RuleError):
        nv.parse(text, "r.yml", yaml=True)


def test_yaml_numbers_are_read_as_the_libraries_do() -> None:
    config = yml(
        "line-crossing-stream-0:\n  enable: 2\n  extended: 0\n  class-id: -1\n  line-crossing-A: 1.9; 2x;3;4;5;6;7;8\n",
        YAML_HEAD.replace("1280", "0x500").replace("enable: 1", "enable: 1\n  osd-mode: 9\n  obj-cnt-win-in-ms: 0"),
    )
    line = config.streams[0].lines[0]
    assert (config.width, config.osd_mode, config.window) == (1280, 2, 50)
    assert (line.enabled, line.extended, line.class_ids, line.points[0]) == (True, False, (-1,), (1, 2))


def test_a_rule_file_is_known_by_name_or_keys(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("rules:\n  lines: []\n")
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text("# comment\nroi-filtering-stream-0:\n  enable: 1\n")
    assert nv.is_nvdsanalytics("config_nvdsanalytics.txt")
    assert nv.is_nvdsanalytics(theirs)
    assert not nv.is_nvdsanalytics(own)


def test_a_missing_file_and_one_that_is_no_text_are_reported(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no such file"):
        nv.read(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuleError, match="cannot be read"):
        nv.read(tmp_path / "binary.txt")


GLIB = {
    "12 # c": (12, None, (12,)),
    "12#c": (None, None, None),
    "+5": (5, None, (5,)),
    "- 5": (None, None, None),
    "": (None, None, ()),
    "12\v": (None, None, None),
    "5\f": (5, None, (5,)),
    "1;2 3;4;": (None, None, (1, 2, 4)),
    "1;;2": (None, None, None),
    ";": (None, None, None),
    r"1\s;2": (None, None, (1, 2)),
    r"1\x;2": (None, None, None),
    "1;2; ": (None, None, (1, 2, 0)),
    "true ": (None, True, None),
    "TRUE": (None, None, None),
    "01": (1, None, (1,)),
    "1\t": (1, True, (1,)),
    "2147483648": (None, None, None),
    "-2147483648": (-(2**31), None, (-(2**31),)),
}
"""Value -> what GLib 2.74 makes of it as a number, a truth value and a list of numbers; None: an error."""


@pytest.mark.parametrize("value", GLIB)
def test_values_are_read_as_glib_reads_them(value: str) -> None:
    entry = KeyFile.parse(f"[a]\nx={value}\n").last("a", "x")
    assert entry is not None
    got: list[object] = []
    for reader in (integer, boolean, integer_list):
        try:
            got.append(reader(entry.value, Place()))
        except RuleError:
            got.append(None)
    assert tuple(got) == GLIB[value]


def test_bytes_that_are_no_utf8_matter_only_where_they_are_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    line = b"[line-crossing-stream-0]\nenable=1\nline-crossing-A=5;4;5;6;1;5;9;5\n"
    head = b"[property]\nenable=1\nconfig-width=10\nconfig-height=10\n"
    file.write_bytes(b"# T\xfcr\n" + head + b"[T\xfcr]\nx=\xfc\n" + line + b"\xfc=1\n")
    config = nv.read(file)
    assert [item.label for item in config.streams[0].lines] == ["A"]
    assert sum("unknown" in warning for warning in config.warnings) == 2
    for bad in (line.replace(b"-A=", b"-\xfc="), line + b"mode=\xfc\n", line + b"class-id=\xfc\n"):
        file.write_bytes(head + bad)
        with pytest.raises(RuleError):
            nv.read(file)


def test_keys_with_brackets_are_read_as_glib_reads_them() -> None:
    keys = KeyFile.parse("[a]\nx[de]=1\nx y[de]=2\ny[]=3\n")
    assert [(entry.key, entry.value) for entry in keys.groups["a"]] == [("y[]", "3")]


@pytest.mark.parametrize(
    "text",
    ["[a]\nEncoding=latin1\n", "[a]\nx=1\n[c]\r", "[a\tb]\n", "[a]\nx[d e]=1\n", "[a]\nx [de]=1\n", "[a]\n[de]=1\n"],
)
def test_what_glib_refuses_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        KeyFile.parse(text)


@pytest.mark.parametrize(("word", "stream"), [("all", 0), ("", 0), ("1x", 1), (" 2", 2), ("-1", -1)])
@pytest.mark.parametrize("yaml", [False, True])
def test_a_group_for_all_streams_is_told_to_be_one_streams(word: str, stream: int, yaml: bool) -> None:
    if yaml:
        text = (
            f"property:\n  enable: 1\n'line-crossing-stream-{word}':\n  enable: 1\n  line-crossing-a: 1;1;1;9;0;5;9;5\n"
        )
    else:
        text = "[property]\nenable=1\nconfig-width=9\nconfig-height=9\n"
        text += f"[line-crossing-stream-{word}]\nenable=1\nline-crossing-a=1;1;1;9;0;5;9;5\n"
    config = nv.parse(text, "f", yaml=yaml)
    assert list(config.streams) == [stream]
    assert any(f"for stream {stream} alone" in warning for warning in config.warnings)
    plain = nv.parse(text.replace(f"stream-{word}", "stream-3"), "f", yaml=yaml)
    assert not any("alone" in warning for warning in plain.warnings)


def test_sources_without_rules_and_rules_without_a_source_are_told(tmp_path: Path) -> None:
    path = tmp_path / "config.txt"
    line = "enable=1\nline-crossing-a=1;1;1;9;0;5;9;5\n"
    head = "[property]\nenable=1\nconfig-width=9\nconfig-height=9\n"
    path.write_text(f"{head}[line-crossing-stream-1]\n{line}[line-crossing-stream-5]\n{line}")
    sources = [SourceInfo("a", 0), SourceInfo("b", 1)]
    _, warnings = make(RulesConfig.model_validate({"file": str(path)}), sources, ["x"])
    assert [w for w in warnings if "stream" in w] == [
        "source 'a' is stream 0, for which it has no rules: nothing of it is counted",
        "its rules of stream 5 belong to no source",
    ]
