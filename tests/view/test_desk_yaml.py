"""Random edits of random configurations, in any style of YAML: what is not edited keeps its comments and every byte."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from yaml_writer import Writer

from countline.config.rules import RulesConfig
from countline.config.yaml_patch import patched, same
from countline.config.yaml_reader import read_yaml
from countline.config.yaml_tree import Node, Tree
from countline.errors import ConfigError
from countline.view.desk.changes import Edit, described, edited

NAMES = ["gate", "north door", "12", "yes", 'ünder: "it"', "#1"]
coordinate = st.one_of(st.floats(0, 1).map(lambda v: round(v, 5)), st.sampled_from([0, 1, 0.5]))
point = st.tuples(coordinate, coordinate).map(list)


@st.composite
def rule(draw: st.DrawFn, name: str, corners: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "points": draw(st.lists(point, min_size=corners, max_size=corners + 2, unique_by=tuple)),
    }
    if draw(st.booleans()):
        found["classes"] = draw(st.lists(st.sampled_from(["person", "car", "no"]), max_size=3))
    if draw(st.booleans()):
        found["band"] = draw(st.sampled_from([0.1, 0.25, 1]))
    keys = draw(st.permutations(list(found)))
    return {key: found[key] for key in keys}


@st.composite
def configurations(draw: st.DrawFn) -> str:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    rules: dict[str, Any] = {}
    for name in names:
        key, corners = draw(st.sampled_from([("lines", 2), ("regions", 3)]))
        rules.setdefault(key, []).append(draw(rule(name, corners)))
    data = {"sources": [{"name": "cam", "uri": "a.mp4"}], "rules": rules, "watch": True, "outbox": {"path": "memory"}}
    if not rules and draw(st.booleans()):
        del data["rules"]
    if not rules and draw(st.booleans()):
        data["rules"] = {draw(st.sampled_from(["lines", "regions", "speeds"])): []}
    return Writer(draw).whole({key: data[key] for key in draw(st.permutations(list(data)))})


def an_edit(draw: Any, rules: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, int] | None]:
    """An edit, and the place of the rule that it is about; None: it is new."""
    there = [(key, i) for key in ("lines", "regions") for i in range(len(rules.get(key) or ()))]
    at = draw(st.sampled_from([*there, None]))
    kind, corners = ("line", 2) if at is None or at[0] == "lines" else ("region", 3)
    points = draw(st.lists(point, min_size=corners, max_size=corners + 3, unique_by=tuple))
    if at is None:
        return {
            "op": "put",
            "kind": kind,
            "name": "brand new",
            "was": None,
            "points": points,
            "options": {"band": 0.5},
        }, None
    item = rules[at[0]][at[1]]
    edit: dict[str, Any] = {"op": draw(st.sampled_from(["put", "put", "remove"])), "kind": kind, "name": item["name"]}
    if edit["op"] == "put":
        edit["was"] = item["name"]
        if draw(st.booleans()):
            moved = [list(p) for p in item["points"]]
            moved[draw(st.integers(0, len(moved) - 1))] = draw(point)
            edit["points"] = draw(st.sampled_from([points, moved]))
        if draw(st.booleans()):
            edit["name"] = "another: name"
        if draw(st.booleans()):
            edit["options"] = draw(st.sampled_from([{}, {"band": 0.75}, {"classes": ["dog"], "grace": 2}]))
    return edit, at


def node_of(text: str, at: tuple[str, int] | None) -> Node | None:
    root = Tree(text).root
    assert root is not None
    rules = next((v for k, v in root.pairs if k.value == "rules"), None)
    if rules is None or at is None:
        return rules
    return next(v for k, v in rules.pairs if k.value == at[0]).items[at[1]]


def begun(tree: Tree, node: Node, at: tuple[str, int]) -> int:
    """Where the rule begins: with its dash, where it has one."""
    assert tree.root is not None
    rules = next(v for k, v in tree.root.pairs if k.value == "rules")
    items = next(v for k, v in rules.pairs if k.value == at[0])
    return node.start if items.flow else tree.dash(node, items.items[at[1] - 1].end if at[1] else items.start)


@settings(max_examples=60)
@given(st.data())
def test_an_edit_keeps_every_comment_and_every_byte_of_what_it_is_not_about(drawn: st.DataObject) -> None:
    text = drawn.draw(configurations())
    data = read_yaml("x.yaml", text).data
    asked, at = an_edit(drawn.draw, data.get("rules") or {})
    new = edited(data, [Edit.of(asked)])
    try:
        made = patched(text, "x.yaml", new)
    except ConfigError as error:
        refused = str(error)
        made = ""
    else:
        refused = ""
    assert not refused, "there is nothing here that cannot be edited"
    assert same(read_yaml("x.yaml", made).data, new)
    tree, node = Tree(text), node_of(text, at)
    if node is None:  # the first rule of all
        first = next((i for i, (a, b) in enumerate(zip(text, made)) if a != b), len(text))
        assert made.endswith(text[first:]), "the old text is what stands before and behind what came"
        return
    if at is None:
        assert len(re.findall(r"# c\d+", made)) == len(re.findall(r"# c\d+", text))
        return
    begin, end = tree.line_start(begun(tree, node, at)), tree.line_end(node.end)
    inside = text[begin:end] + text[end:].partition("\n")[1]
    outside = [re.findall(r"# c\d+", part) for part in (text[:begin], text[len(text[:begin] + inside) :])]
    kept = re.findall(r"# c\d+", made)
    assert [c for c in kept if c in outside[0]] == outside[0], "comments before it"
    assert [c for c in kept if c in outside[1]] == outside[1], "comments behind it"
    if asked["op"] == "put":
        stop = node.end if node.flow else tree.behind_comments(node.end, tree.column(node.start))
        assert made.startswith(text[: begun(tree, node, at)]), "all before the rule"
        assert made.endswith(text[stop:]), "all behind it"


@settings(max_examples=40)
@given(st.data())
def test_what_is_put_as_it_is_told_leaves_the_file_as_it_is(drawn: st.DataObject) -> None:
    text = drawn.draw(configurations())
    data = read_yaml("x.yaml", text).data
    try:
        rules = RulesConfig.model_validate(data.get("rules") or {})
    except ValueError:
        return
    shown = [described(rules, r) for _, _, r in rules.each()]
    edits = [
        Edit.of({"op": "put", "was": s["name"], **{k: s[k] for k in ("kind", "name", "points", "options")}})
        for s in shown
    ]
    new = edited(data, edits)
    assert not edits or same(new, data)
    if edits:
        assert patched(text, "x.yaml", new) == text
