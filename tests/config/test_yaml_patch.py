"""A YAML text that is changed keeps every comment and every byte that does not change."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml_writer import Writer

from countline.config.yaml_patch import patched, same
from countline.config.yaml_reader import read_yaml
from countline.errors import ConfigError

KEYS = ["name", "points", "classes", "band", "lines", "on", "a b", "0", "ünd"]
numbers = st.one_of(
    st.integers(-3, 2000),
    st.floats(-3, 2000, allow_nan=False).map(lambda v: round(v, 4)),
    st.sampled_from([0.5, 1e-7, 1e22, 0.0]),
)
texts = st.one_of(
    st.sampled_from(
        ["gate", "yes", "no", "12", "1e5", "1:30", "~", "null", "- x", "a: b", "#x", "*a", "&a", "", " x ", "é"]
    ),
    st.text("ab'\"\\ :#,[]{}\n\té\u2028\x7f\U0001f600", max_size=8),
)
scalars = st.one_of(numbers, texts, st.booleans(), st.none())
plain = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=14,
)


@st.composite
def written(draw: st.DrawFn, least: int = 1) -> tuple[str, dict[str, Any]]:
    data = draw(st.dictionaries(st.sampled_from(KEYS), plain, min_size=least, max_size=4))
    text = Writer(draw).whole(data)
    return text, read_yaml("x.yaml", text).data


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at]
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += places(item, (*at, key))
    return found


def changed(draw: st.DrawFn, data: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...], str]:
    """The data with one change, where it is, and what: set, remove or add."""
    made = copy.deepcopy(data)
    at = draw(st.sampled_from(places(made)))
    holder: Any = made
    for part in at[:-1]:
        holder = holder[part]
    inner = holder[at[-1]] if at else made
    what = draw(st.sampled_from(["set", "remove", "add"]))
    value = draw(plain)
    if what == "add" and isinstance(inner, list):
        inner.insert(draw(st.integers(0, len(inner))), value)
    elif what == "add" and isinstance(inner, dict):
        inner[draw(st.sampled_from([*KEYS, "new"]))] = value
    elif not at:
        return made, at, "none"
    elif what == "remove":
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return made, at, what


@given(st.data())
def test_what_is_changed_is_what_the_text_says_then_and_nothing_else(drawn: st.DataObject) -> None:
    text, data = drawn.draw(written())
    new, _, _ = changed(drawn.draw, data)  # type: ignore[arg-type]
    try:
        made = patched(text, "x.yaml", new)
    except ConfigError:  # told: what cannot be changed alone
        return
    assert same(read_yaml("x.yaml", made).data, new)


@given(st.data())
def test_a_value_that_changes_leaves_every_comment_and_every_other_line(drawn: st.DataObject) -> None:
    text, data = drawn.draw(written())
    leaves = [at for at in places(data) if at and not isinstance(_at(data, at), (dict, list))]
    if not leaves:
        return
    at = drawn.draw(st.sampled_from(leaves))
    new = copy.deepcopy(data)
    _at(new, at[:-1])[at[-1]] = drawn.draw(scalars)
    made = patched(text, "x.yaml", new)
    assert same(read_yaml("x.yaml", made).data, new)
    before, after = text.splitlines(keepends=True), made.splitlines(keepends=True)
    assert len(before) == len(after)
    assert sum(one != two for one, two in zip(before, after)) <= 1
    assert re.findall(r"# c\d+", text) == re.findall(r"# c\d+", made)


@given(st.data())
def test_what_is_added_leaves_every_byte_that_was_there(drawn: st.DataObject) -> None:
    text, data = drawn.draw(written())
    lists = [at for at in places(data) if isinstance(_at(data, at), list) and _at(data, at)]
    if not lists:
        return
    at = drawn.draw(st.sampled_from(lists))
    new = copy.deepcopy(data)
    _at(new, at).append(drawn.draw(plain))
    made = patched(text, "x.yaml", new)
    assert same(read_yaml("x.yaml", made).data, new)
    common = next((i for i, (a, b) in enumerate(zip(text, made)) if a != b), min(len(text), len(made)))
    assert made.endswith(text[common:]), "the old text is what stands before and behind what came"


def _at(data: Any, at: tuple[Any, ...]) -> Any:
    for part in at:
        data = data[part]
    return data


SITE = """\
# of the north gate\r
rules: # all\r
  lines:\r
  # the door\r
  - name: 'door'   # named by the guard\r
    points: &door [[0.10, 0.50],  # post\r
                   [0.9, .5]]\r
    band: 0.150\r
  - {name: back, points: *door}\r
  - <<: &more {count: once, classes: [person]}\r
    name: ${NAME:-side}\r
    points: [[0, 0], [1, 1]]\r
  - {<<: *more, name: last, points: [[0, 1], [1, 0]]}"""


def lines(text: str) -> Any:
    return copy.deepcopy(read_yaml("x.yaml", text).data)


def test_a_point_that_moves_leaves_the_numbers_beside_it_as_they_were_written() -> None:
    new = lines(SITE)
    new["rules"]["lines"][2]["points"][1] = [1, 0.75]
    assert patched(SITE, "x.yaml", new) == SITE.replace("[[0, 0], [1, 1]]", "[[0, 0], [1, 0.75]]")


def test_what_an_alias_stands_for_stays_when_what_has_the_anchor_changes() -> None:
    new = lines(SITE)
    new["rules"]["lines"][0]["points"] = [[0.2, 0.5], [0.9, 0.5]]
    made = patched(SITE, "x.yaml", new)
    assert lines(made) == new
    assert "points: &door [[0.10, 0.50]" in made.partition("name: back")[2]


def test_an_alias_that_changes_leaves_what_it_stood_for() -> None:
    new = lines(SITE)
    new["rules"]["lines"][1]["points"] = [[0.2, 0.5], [0.9, 0.5]]
    made = patched(SITE, "x.yaml", new)
    assert made == SITE.replace("*door", "[[0.2, 0.5], [0.9, 0.5]]")


def test_an_item_that_goes_leaves_what_others_take_of_it() -> None:
    new = lines(SITE)
    del new["rules"]["lines"][2]
    made = patched(SITE, "x.yaml", new)
    assert lines(made) == new
    assert "name: last" in made
    assert "&more {count: once" in made


def test_a_value_from_the_environment_is_not_written_over() -> None:
    new = lines(SITE)
    new["rules"]["lines"][2]["name"] = "other"
    with pytest.raises(ConfigError, match=r"comes from \$\{NAME:-side\}"):
        patched(SITE, "x.yaml", new)


def test_what_a_merge_brings_is_set_here_and_not_there() -> None:
    new = lines(SITE)
    new["rules"]["lines"][3]["count"] = "every"
    made = patched(SITE, "x.yaml", new)
    assert lines(made) == new
    assert made.startswith(SITE[:-1])
    with pytest.raises(ConfigError, match="brought by <<"):
        del new["rules"]["lines"][3]["classes"]
        patched(SITE, "x.yaml", new)


def test_json_stays_json() -> None:
    import json

    text = '{"rules": {"lines": []}, "sources": [{"name": "a", "uri": "a.mp4"}]}'
    new = lines(text)
    new["rules"]["lines"].append({"name": "it's", "points": [[0, 0.5], [1, 0.5]], "classes": ["person"]})
    assert json.loads(patched(text, "x.json", new)) == new


def test_a_file_that_says_so_already_is_not_touched() -> None:
    text = "a: 1.0\nb: yes # c"
    assert patched(text, "x.yaml", {"a": 1, "b": True}) == text
