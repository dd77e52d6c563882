"""DeepStream's YAML is read as its parser (yaml-cpp 0.7, whose answers these are) reads it, or refused with its line."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.compat.deepstream.files import nvdsanalytics, yaml_cpp
from countline.compat.deepstream.files.keygroups import read_groups, yaml_groups
from countline.errors import ConfigError, RuleError

PROPERTY = "property:\n  enable: 1\n  config-width: 1920\n  config-height: 1080\n"
LINE = (
    "line-crossing-stream-0:\n  enable: 1\n  line-crossing-Entry: 500;500;500;700;300;600;900;600\n  class-id: 0\n"
    "  extended: 0\n  mode: loose\n"
)
PLAIN = PROPERTY + LINE


def read(text: str) -> nvdsanalytics.NvdsAnalyticsConfig:
    return nvdsanalytics.parse(text, "config.yml", yaml=True)


@pytest.mark.parametrize(
    "text",
    [
        "%YAML:1.0\n" + PLAIN,
        "%YAML:1.0\n---\n" + PLAIN,
        "# written by hand\n\n%YAML:1.0\n" + PLAIN,
        "%YAML 1.2\n---\n" + PLAIN,
        "%YAML 1.3\n" + PLAIN,
        "%TAG ! tag:x,2000:\n---\n" + PLAIN,
        "%\n" + PLAIN,
        "\ufeff" + PLAIN,
        "\ufeff%YAML:1.0\n" + PLAIN,
        "---\n" + PLAIN,
        PLAIN + "---\nproperty:\n  enable: 0\n",
        PLAIN + "...\nproperty:\n  enable: 0\n",
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("enable: 1", "enable:\t1"),
        PLAIN.replace("enable: 1", "enable\t: 1"),
        PLAIN.replace("enable: 1", "enable: 1\t"),
        PLAIN.replace("enable: 1", "enable: 1\t# on"),
        PLAIN.replace("enable: 1\n", "enable: 1\t\r\n"),
        PLAIN.replace("  class-id", "\t\n\t# all\n  class-id"),
        PLAIN.replace("500;500;500", "500;\t500;500"),
        PLAIN.replace("mode: loose", "mode: &m loose"),
        PLAIN.replace("mode: loose", 'mode: "loose"\t# c'),
        PLAIN.replace("1920", "0x780"),
        PLAIN.replace("1920", "03600"),
        PLAIN.replace("1920", "'1920 '"),
        PLAIN.replace("enable: 1", "enable: &on 1").replace("class-id: 0", "class-id: 0"),
        "{property: {enable: 1, config-width: 1920, config-height: 1080}, line-crossing-stream-0: {enable: 1, "
        "line-crossing-Entry: 500;500;500;700;300;600;900;600, class-id: 0, extended: 0, mode: loose}}",
    ],
)  # fmt: skip
def test_odd_forms_that_yaml_cpp_takes_mean_what_the_plain_form_means(text: str) -> None:
    plain, odd = read(PLAIN), read(text)
    assert (odd.width, odd.height, odd.enable) == (1920, 1080, True)
    (line,), (other,) = plain.streams[0].lines, odd.streams[0].lines
    assert (other.label, other.points, other.enabled, other.class_ids, other.mode, other.extended) == (
        line.label, line.points, line.enabled, line.class_ids, line.mode, line.extended,
    )  # fmt: skip


def test_the_last_of_two_keys_and_the_first_of_two_groups_count() -> None:
    assert read(PLAIN + "  mode: strict\n").streams[0].lines[0].mode == "strict"
    twice = read(PLAIN + "line-crossing-stream-0:\n  enable: 0\n  line-crossing-Exit: 1;2;3;4;5;6;7;8\n")
    assert [line.label for line in twice.streams[0].lines] == ["Entry", "Entry"]


def test_an_alias_stands_for_its_anchor_and_a_merge_key_is_only_a_key() -> None:
    text = (
        PLAIN.replace("enable: 1\n  line", "enable: &on 1\n  line")
        + "roi-filtering-stream-1:\n  enable: *on\n  roi-A: 1;2;3;4;5;6\n"
    )
    assert read(text).streams[1].rois[0].enabled
    merged = read(PLAIN + "x: &x\n  enable: 1\nroi-filtering-stream-1:\n  <<: *x\n  roi-A: 1;2;3;4;5;6\n")
    assert not merged.streams[1].rois[0].enabled
    assert any("<<" in str(warning) for warning in merged.warnings)


def test_a_tab_within_words_belongs_to_them() -> None:
    text = PLAIN.replace("line-crossing-Entry", "line-crossing-A\tB")
    assert read(text).streams[0].lines[0].label == "A\tB"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (PLAIN.replace("  enable: 1\n  line", "\tenable: 1\n  line"), 6, "tab"),
        (PLAIN.replace("  enable: 1\n  line", "  \tenable: 1\n  line"), 6, "tab"),
        (PLAIN.replace("1920", "1920.0"), 3, "whole number"),
        (PLAIN.replace("1920", "01920"), 3, "whole number"),
        (PLAIN.replace("1920", "1_920"), 3, "whole number"),
        (PLAIN.replace("1920", "' 1920'"), 3, "whole number"),
        (PLAIN.replace("1920", "4294967296"), 3, "32 bits"),
        (PLAIN.replace("enable: 1\n  line", "enable: true\n  line"), 6, "write 1 or 0"),
        (PLAIN.replace("class-id: 0", "class-id:"), 8, "plain value"),
        (PLAIN.replace("500;500;500;700;300;600;900;600", "[500,500,500,700,300,600,900,600]"), 7, "plain value"),
        (PROPERTY + "line-crossing-stream-0:\n  - enable: 1\n", 6, "list"),
        (PLAIN.replace("mode: loose", "mode: a\x01"), 10, "U+0001"),
        (PLAIN.replace("mode: loose", "mode: *nobody"), 10, "alias"),
        ("%YAML 2.0\n---\n" + PLAIN, 1, "directive"),
        ("%YAML 1.2\n%YAML 1.2\n---\n" + PLAIN, 2, "directive"),
    ],
)
def test_what_aborts_deepstream_or_cannot_be_read_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        read(text)
    assert f"config.yml:{line}" in str(caught.value)
    assert words in str(caught.value)


def test_a_label_that_is_not_utf8_is_refused_with_line_and_byte(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "config.yml"
    path.write_bytes(PLAIN.replace("Entry", "Entr\xe9e").encode("latin-1"))
    with pytest.raises(RuleError, match=r"config\.yml:7:21: cannot be read: not UTF-8, byte 0xE9"):
        nvdsanalytics.read(path)


def test_deep_nesting_is_refused_without_a_traceback() -> None:
    with pytest.raises(RuleError, match="nested too deep"):
        read("property: " + "[" * 3000)


@given(st.text(alphabet="ab:-#%&*!|>'\"{}[],;\t\r\n 01\ufeff\x07", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RuleError):
        read(text)
    with suppress(ConfigError):
        list(yaml_groups(text, "x.yml"))


def test_the_description_files_take_the_same_forms() -> None:
    (group,) = yaml_groups("%YAML:1.0\nsensor0:\n  enable:\t1\n  id: CAMERA\t# one\n", "msgconv.yml")
    assert (group.name, group.raw("enable"), group.raw("id"), group.line) == ("sensor0", "1", "CAMERA", 2)
    with pytest.raises(ConfigError, match=r"msgconv\.yml:2:7: the character U\+0007"):
        list(yaml_groups("sensor0:\n  id: \x07\n", "msgconv.yml"))


def test_a_text_of_many_tabs_is_parsed_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    parses = []
    original = yaml_cpp._Loader.__init__
    monkeypatch.setattr(yaml_cpp._Loader, "__init__", lambda self, text: (parses.append(1), original(self, text))[1])
    text = PROPERTY + "line-crossing-stream-0:\n  enable:\t1\n"
    text += "".join(f"  line-crossing-{i}:\t \t500;500;500;700;300;600;900;600\n" for i in range(500))
    (rules,) = read(text).streams.values()
    assert len(rules.lines) == 500
    assert rules.lines[499].points[3] == (900, 600)
    assert len(parses) <= 3


def test_tabs_in_words_over_lines_stay_and_work_is_bounded() -> None:
    assert "many tabs" in refused(PROPERTY + 'a: "x\n  y"\n' + "".join(f"k{i}:\t{'x' * 90}\n" for i in range(2000)))
    (group,) = yaml_groups('sensor0:\n  enable:\t1\n  id: "a\tb\n    c\td"\n', "x.yml")
    assert group.raw("id") == "a\tb c\td"


def test_a_text_beyond_any_configuration_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert "larger than" in refused("#" * (yaml_cpp.MOST_BYTES + 1))
    (tmp_path / "config.txt").write_bytes(b"#" * (5 << 20))
    for function in (nvdsanalytics.read, read_groups):
        with pytest.raises((ConfigError, RuleError), match="larger than"):
            function(tmp_path / "config.txt")


def refused(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        read(text)
    return str(caught.value)
