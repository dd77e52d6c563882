"""No YAML file makes countline run long, use much memory or show a traceback: it is read, or refused with its line."""

from __future__ import annotations

import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from countline.config import load
from countline.config.yaml_reader import MOST_BYTES, MOST_DEPTH, MOST_DIGITS, Document, read_yaml
from countline.errors import ConfigError


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", text)
    return str(caught.value)


def laughs(levels: int, width: int, form: str = "[{}]") -> str:
    lines = ["a0: &a0 " + form.format(", ".join(["x"] * width))]
    for i in range(1, levels):
        lines.append(f"a{i}: &a{i} " + form.format(", ".join([f"*a{i - 1}"] * width)))
    return "\n".join(lines) + "\n"


MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 5000))
KEYS = "a0: &a0 {k: 1}\n" + "".join(
    f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(9))}}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (laughs(9, 9), "stands for more than"),
        (laughs(30, 2), "stands for more than"),
        (laughs(3, 500), "stands for more than"),
        (KEYS, "stands for more than"),
        (MERGES, "stands for more than"),
        (CHAIN, "nested too deeply"),
        ("sources: " + "[" * 200, "nested too deeply"),
        ("sources: " + "[" * 200 + "]" * 200, "nested too deeply"),
        ("sources: " + "[" * 100_000, "nested too deeply"),
        ("sources: " + "{a: " * 200, "nested too deeply"),
        ("".join(" " * i + "a:\n" for i in range(200)), "nested too deeply"),
        ("- " * 200, "nested too deeply"),
        ("? " * 200, "nested too deeply"),
        ("sources: &x [*x]\n", "contains itself"),
        ("sources: &x {a: {b: [*x]}}\n", "contains itself"),
        ("<<: &x {<<: *x}\n", "contains itself"),
        ("sources: [{name: a, uri: a, fps: " + "9" * 10_000 + "}]", "10000 digits is too long"),
        ("sources: [{name: a, uri: a, fps: 0x" + "f" * 10_000 + "}]", "too long"),
        ("sources: [{name: a, uri: a, fps: " + "1:" * 5000 + "1}]", "too long"),
        ("sources: [{name: a, uri: a, fps: 1e999}]", "finite number"),
        ("sources: [{name: a, uri: a, start: 2026-02-30}]", "not a time"),
        ("sources: [{name: a, uri: a, start: 2026-13-01T00:00:00Z}]", "not a time"),
        ("sources: [{name: a, uri: !!int abc}]", "!!int"),
        ("sources: [{name: a, uri: !!int ''}]", "!!int"),
        ("sources: [{name: a, uri: !!float x}]", "!!float"),
        ("sources: [{name: a, uri: !!bool perhaps}]", "!!bool"),
        ("sources: [{name: a, uri: !!timestamp noon}]", "!!timestamp"),
        ("sources: [{name: a, uri: !!binary '%%%'}]", "tag (!) has no meaning"),
        ("sources: [{name: a, uri: !!python/name:os.system x}]", "tag (!) has no meaning"),
        ("sources: !!python/object/apply:os.system [id]", "tag (!) has no meaning"),
        ("sources: [{name: a, uri: !own x}]", "tag (!) has no meaning"),
        ("sources: !!set {a, b}", "tag (!) has no meaning"),
        ("sources: !!omap [a: 1]", "tag (!) has no meaning"),
        ("sources: [{<<: 5, name: a}]", "<< takes a mapping"),
        ("sources: [{<<: [5], name: a}]", "<< takes a mapping"),
        ("sources: [{? [a] : b}]", "a key must be a plain word"),
        ("sources: [{? {a: b} : b}]", "a key must be a plain word"),
        ("sources: [*nowhere]", "names an anchor"),
        ("a: \x00", "may not stand in YAML"),
        ("a: '\x07'", "may not stand in YAML"),
        ("a: \"\\UFFFFFFFF\"", "not valid YAML"),
        ("%YAML 9.9\n---\na: 1\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("a: 'x", "not valid YAML"),
        ("a: [1, 2", "not valid YAML"),
        ("\ta: 1", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("a: @b", "not valid YAML"),
        ("x: 1\n" * 2, "stands twice"),
    ],
)  # fmt: skip
def test_odd_yaml_is_refused_with_its_line(text: str, words: str) -> None:
    said = fault(text)
    assert words in said
    assert said.startswith("c.yaml:")
    assert said.split(":")[1].isdigit()
    assert "Traceback" not in said


def test_what_multiplies_itself_costs_no_memory() -> None:
    for text in (laughs(12, 12), laughs(40, 2), MERGES, KEYS):
        tracemalloc.start()
        fault(text)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 50 * 1024 * 1024


def test_a_file_without_an_end_is_read_only_so_far(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load("/dev/zero")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MOST_BYTES + 10))
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load(large)
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load("c.yaml", "sources: [{name: a, uri: '${file:/dev/zero}'}]")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "latin.yaml")


def test_a_configuration_may_come_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("sources: [{name: a, uri: a.mp4}]\n"))
    writer.start()
    assert load(pipe).sources[0].name == "a"
    writer.join()


def test_what_people_do_write_is_read() -> None:
    text = """\
base: &base {uri: a.mp4, fps: 0x10}
sources:
  - {<<: *base, name: a, start: 2026-11-22T08:00:00Z}
  - {<<: [*base], name: 'b', device_id: "2026-11-22", fps: 1_000}
"""
    data = read_yaml("c.yaml", text).data
    assert data["sources"][0] == {"uri": "a.mp4", "fps": 16, "name": "a", "start": "2026-11-22T08:00:00Z"}
    assert data["sources"][1] == {"uri": "a.mp4", "fps": 1000, "name": "b", "device_id": "2026-11-22"}
    assert read_yaml("c.yaml", "a: =\nb: <<\nc: 2026-02-30\nd: !!str 5\ne: ~\non: yes\n").data == {
        "a": "=", "b": "<<", "c": "2026-02-30", "d": "5", "e": None, "on": True,
    }  # fmt: skip
    assert load("c.yaml", "sources: [{name: a, uri: a.mp4, start: 2026-11-22T08:00:00Z}]").sources[0].start is not None
    deep = "[" * (MOST_DEPTH - 2) + "]" * (MOST_DEPTH - 2)
    assert read_yaml("c.yaml", f"a: {deep}").data
    assert read_yaml("c.yaml", "a: " + "1" * MOST_DIGITS).data["a"] == int("1" * MOST_DIGITS)
    many = "sources:\n" + "".join(f"  - {{name: camera-{i}, uri: rtsp://10.0.0.1/{i}}}\n" for i in range(2000))
    assert len(read_yaml("c.yaml", many).data["sources"]) == 2000


WORDS = st.sampled_from(
    ["sources", "name", "uri", "a.mp4", "rules", "lines", "points", "outputs", "kafka", "messages", "value", "on", "0.5", "1e5",
     "2026-02-30", "12:30", "0x1F", "~", "yes", "=", "<<", "*a", "&a", "!!int", "!!str", "!x", "|", ">", "'", '"', "- ", "? ", ": ",
     "{", "}", "[", "]", ",", "\n", "\n  ", "\n    ", " ", "#", "%", "@", "`", "---", "...", "\t", "${A}", "${file:x}", "\\", "ä",
     "\u2028", "\x85", "\ufeff", "\x00", "null", ".inf", ".nan", "0o7", "09", "1_0", "+", "-", "%YAML 1.1\n---\n", "%TAG ! x\n---\n"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=40).map("".join)))
@example("a: !!float .")
@example("a: !!int -")
@example("a: !!int 0x")
@example("a: 0b")
@example("a: -.inf")
@example("!!map")
@example("!!int")
@example("? !!binary x\n: 1")
@example("a: !!timestamp 2026-1-1T25:00:00")
@example("%TAG ! tag:yaml.org,2002:\n---\na: !int x\n")
@example("a: ${}\nb: ${file:}\nc: ${file:\x00}\n")
@example("a: '${file:/}'")
def test_any_text_is_a_document_or_an_error_in_words(text: str) -> None:
    said = "c.yaml"
    try:
        assert isinstance(read_yaml("c.yaml", text), Document)
        load("c.yaml", text)
    except ConfigError as error:
        said = str(error)
    assert "c.yaml" in said
    assert "Traceback" not in said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "name", "uri", "points", "kafka", "on"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["sources", "detector", "tracker", "rules", "messages", "outputs", "outbox", "x"]),
        VALUES,
        max_size=4,
    ),
    st.sampled_from(
        [
            None,
            ("rules", "lines"),
            ("messages",),
            ("outputs",),
            ("sources",),
            ("detector", "normalize"),
            ("rules", "regions"),
        ]
    ),
    VALUES,
)
def test_any_data_is_a_configuration_or_an_error_in_words(
    data: dict[str, object], place: tuple[str, ...] | None, value: object
) -> None:
    import yaml

    data.setdefault("sources", [{"name": "a", "uri": "a.mp4"}])
    if place is not None:
        inner: object = value if len(place) == 1 else {place[1]: value}
        data[place[0]] = inner
    text = yaml.safe_dump(data, sort_keys=False)
    said = "c.yaml"
    try:
        load("c.yaml", text)
    except ConfigError as error:
        said = str(error)
    assert "c.yaml" in said
    for word in (
        "pydantic",
        "valid dictionary",
        "valid tuple",
        "valid list",
        "valid string",
        "extra_forbidden",
        "Traceback",
    ):
        assert word not in said
