"""Changes of a YAML text that leave all else as it was written, to the byte.

No dump is made: what changes is found by comparing the data, and only the characters of those values are replaced. So comments,
order, quotes, numbers, indentation, line breaks, anchors and ``${NAME}`` stay as somebody wrote them. (Libraries that keep comments
through a load and a dump set indentation, line breaks and long lines anew.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from countline.config.yaml_reader import Document, Loc, read_yaml
from countline.config.yaml_tree import Node, Tree
from countline.config.yaml_words import block_lines, flow, in_block, scalar
from countline.errors import ConfigError

__all__ = ["patched", "same"]

_MOST_PASSES = 1000
_BY_HAND = "edit the file by hand there"


class _Splice(NamedTuple):
    start: int
    end: int
    text: str


def same(one: Any, two: Any) -> bool:
    """Whether two pieces of plain data say the same: 1 and 1.0 do, 1 and true do not."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def patched(text: str, file: str, new: Any) -> str:
    """``text``, the content of ``file``, changed so that it says ``new``.

    Raises ConfigError for what cannot be changed alone: a value that comes from ``${NAME}``, a block that aliases elsewhere stand
    for, an option that ``<<`` brings and that is to go.
    """
    for _ in range(_MOST_PASSES):
        document = read_yaml(file, text)
        if same(document.data, new):
            return text
        made = _Pass(Tree(text), document)
        made.run(new)
        if not made.splices:
            break
        changed = text
        last = len(text) + 1
        for start, end, words in sorted(made.splices, reverse=True):
            if end > last:  # of two that meet the later one waits for the next pass
                continue
            changed, last = changed[:start] + words + changed[end:], start
        if changed == text:
            break
        text = changed
    raise ConfigError("cannot be changed without writing more of the file anew", where=file, fix=_BY_HAND)


class _Pass:
    """Finds what is to be replaced in one reading of a text. What changes the length of a list in brackets comes one at a time."""

    def __init__(self, tree: Tree, document: Document) -> None:
        self.tree, self.document = tree, document
        self.splices: list[_Splice] = []
        root = tree.root
        first = root.pairs[0][0] if root is not None and root.pairs else None
        self.json_like = root is not None and root.flow and first is not None and first.style == '"'

    def run(self, new: Any) -> None:
        root = self.tree.root
        if root is not None and root.kind == "mapping" and isinstance(new, Mapping):
            self._change(root, self.document.data, new, (), None)

    def _fault(self, what: str, loc: Loc, fix: str = _BY_HAND) -> ConfigError:
        return ConfigError(what, where=self.document.place(loc), fix=fix)

    def _splice(self, start: int, end: int, text: str) -> None:
        self.splices.append(_Splice(start, end, text))

    # -- values ---------------------------------------------------------------------------------------------------

    def _change(self, node: Node, old: Any, new: Any, loc: Loc, key: Node | None) -> None:
        """``key``: of the mapping in which the value stands, if it is one."""
        if same(old, new):
            return
        if loc in self.document.written:
            written = self.document.written[loc][1]
            raise self._fault(f"comes from {written}", loc, f"change it there, or write a value in place of {written}")
        if node.kind == "alias":
            self._splice(node.start, node.end, flow(new, json_like=self.json_like))
        elif node.anchor and self.tree.aliases(node.anchor, node):
            self._give_up_anchor(node, loc)
            self._replace(node, new, loc, key)
        elif node.kind == "mapping" and isinstance(new, Mapping) and isinstance(old, Mapping):
            self._mapping(node, old, new, loc, key)
        elif node.kind == "sequence" and isinstance(new, (list, tuple)) and isinstance(old, (list, tuple)):
            self._sequence(node, list(old), list(new), loc, key)
        else:
            self._keep_anchors(node, loc)
            self._replace(node, new, loc, key)

    def _replace(self, node: Node, new: Any, loc: Loc, key: Node | None) -> None:
        """The whole value."""
        if any(place[: len(loc)] == loc for place in self.document.written):
            raise self._fault("has parts that come from elsewhere (${NAME})", loc)
        if key is not None and in_block(new) and self._has_line(node, key):
            self._below(node, key, new)
            return
        plain = node.kind == "scalar" and not isinstance(new, (Mapping, list, tuple))
        text = (
            scalar(new, json_like=self.json_like, style=node.style if node.flow else "")
            if plain
            else flow(new, json_like=self.json_like)
        )
        if node.kind == "scalar" and not node.flow:  # a block of text took its line break along
            self._splice(node.start, self.tree.line_end(node.end), text)
        elif node.start == node.end:  # nothing stands there
            self._splice(node.start, node.end, f" {text}")
        elif node.flow:
            self._splice(node.start, node.end, text)
        else:
            self._empty(node, loc, key, text)

    def _has_line(self, node: Node, key: Node) -> bool:
        """Whether ``key: value`` is a line of a block, so that there may be lines below it."""
        tree = self.tree
        assert tree.root is not None
        if any(n.flow and n.kind in ("mapping", "sequence") and n.start < key.start < n.end for n in tree.root.walk()):
            return False
        between = tree.text[key.end : node.end]
        return node.flow and not any(sign in between for sign in "\r\n#") and not (node.anchor or node.tagged)

    def _below(self, node: Node, key: Node, new: Any) -> None:
        """Lines in place of what stands behind a key."""
        tree = self.tree
        colon = tree.text.index(":", key.end) + 1
        self._splice(colon, node.end, "")
        end = tree.line_end(node.end)
        self._splice(end, end, "".join(tree.line_break + line for line in block_lines(new, tree.column(key.start) + 2)))

    def _empty(self, node: Node, loc: Loc, key: Node | None, text: str) -> None:
        """In place of a block, ``text`` behind its key; comments between its parts stay."""
        tree = self.tree
        if key is None or node.anchor or node.tagged:
            raise self._fault("is a block that cannot be replaced alone", loc)
        colon = tree.text.index(":", key.end) + 1
        self._splice(colon, colon, f" {text}")
        behind = node.start
        parts = [(item, item) for item in node.items] or node.pairs
        for first, last in parts:
            start = tree.dash(first, behind) if node.kind == "sequence" else first.start
            behind = max(last.end, first.end)
            self._lines_away(start, behind, loc)

    def _lines_away(self, start: int, end: int, loc: Loc) -> None:
        tree = self.tree
        begin = tree.line_start(start)
        if tree.text[begin:start].strip(" "):
            raise self._fault("shares its line with what it stands in", loc)
        self._splice(begin, tree.next_line(tree.line_end(end)), "")

    # -- anchors --------------------------------------------------------------------------------------------------

    def _keep_anchors(self, node: Node, loc: Loc) -> None:
        """What else stands for parts of a node that goes, gets them."""
        for part in node.walk():
            if part.anchor and part.kind != "alias" and self.tree.aliases(part.anchor, node):
                self._give_up_anchor(part, loc, node)

    def _give_up_anchor(self, node: Node, loc: Loc, within: Node | None = None) -> None:
        """The first alias gets what it stands for, with the anchor."""
        aliases = self.tree.aliases(node.anchor, within or node)
        if not node.flow:
            at = self.tree.text.count("\n", 0, aliases[0].start) + 1
            raise self._fault(f"is also what *{node.anchor} in line {at} stands for", loc)
        self._splice(aliases[0].start, aliases[0].end, self.tree.text[node.start : node.end])

    # -- mappings -------------------------------------------------------------------------------------------------

    def _mapping(self, node: Node, old: Mapping[str, Any], new: Mapping[str, Any], loc: Loc, key: Node | None) -> None:
        own = {k.value: (k, v) for k, v in node.pairs}
        gone = [k for k in old if k not in new]
        come = [k for k in new if k not in old or (k not in own and not same(old[k], new[k]))]
        for name in gone:
            if name not in own:
                raise self._fault(f"'{name}' is brought by << and cannot be taken away here", loc)
        if node.pairs and len(gone) == len(node.pairs) and not come:
            self._keep_anchors(node, loc)
            self._replace(node, {}, loc, key)
            return
        for name, value in new.items():
            if name in own and name in old:
                self._change(own[name][1], old[name], value, (*loc, name), own[name][0])
        for name in gone[:1] if node.flow else gone:
            self._keep_anchors(own[name][1], (*loc, name))
            self._remove_pair(node, own[name], (*loc, name))
        if come and not (gone and node.flow):
            pairs = {k: new[k] for k in come}
            if not node.pairs and key is not None and in_block(pairs) and self._has_line(node, key):
                self._below(node, key, pairs)
            else:
                self._insert_pairs(node, pairs)

    def _remove_pair(self, node: Node, pair: tuple[Node, Node], loc: Loc) -> None:
        tree, (key, value) = self.tree, pair
        end = max(key.end, value.end)
        if node.flow:
            self._remove_from_flow(node.pairs.index(pair), [(k.start, max(k.end, v.end)) for k, v in node.pairs])
            return
        if not tree.text[tree.line_start(key.start) : key.start].strip(" "):
            self._lines_away(key.start, end, loc)
            return
        # The first one of an item, behind its dash: the next one moves up.
        at = node.pairs.index(pair)
        if at + 1 == len(node.pairs):
            raise self._fault("shares its line with what it stands in", loc)
        following = node.pairs[at + 1][0].start
        between = tree.text[tree.line_end(end) : following]
        if between.strip():  # comments: they stay, and the next one where it is
            begin = len(tree.text[: key.start].rstrip(" "))
            self._splice(begin, tree.line_end(end), "")
        else:
            self._splice(key.start, following, "")

    def _insert_pairs(self, node: Node, pairs: Mapping[str, Any]) -> None:
        tree = self.tree
        if node.flow:
            text = flow(pairs, json_like=self.json_like)[1:-1]
            if node.pairs:
                key, value = node.pairs[-1]
                at = max(key.end, value.end)
                self._splice(at, at, f", {text}")
            else:
                self._splice(node.end - 1, node.end - 1, text)
            return
        key, value = node.pairs[-1]
        column = tree.column(node.pairs[0][0].start)
        at = tree.behind_comments(max(key.end, value.end), column)
        lines = block_lines(pairs, column)
        self._splice(at, at, "".join(tree.line_break + line for line in lines))

    # -- sequences ------------------------------------------------------------------------------------------------

    def _sequence(self, node: Node, old: list[Any], new: list[Any], loc: Loc, key: Node | None) -> None:
        most = min(len(old), len(new))
        first = next((i for i in range(most) if not same(old[i], new[i])), most)
        last = next((i for i in range(most - first) if not same(old[-1 - i], new[-1 - i])), most - first)
        before, after = len(old) - last, len(new) - last
        paired = min(before, after)
        for i in range(first, paired):
            self._change(node.items[i], old[i], new[i], (*loc, i), None)
        gone = range(paired, before)
        if gone and len(gone) == len(old):
            for item in node.items:
                self._keep_anchors(item, loc)
            self._replace(node, [], loc, key)
        elif gone:
            for i in gone[:1] if node.flow else gone:
                self._keep_anchors(node.items[i], (*loc, i))
                self._remove_item(node, i, (*loc, i))
        elif after > paired:
            self._insert_items(node, paired, new[paired:after], loc, key)

    def _remove_item(self, node: Node, i: int, loc: Loc) -> None:
        if node.flow:
            self._remove_from_flow(i, [(item.start, item.end) for item in node.items])
            return
        behind = node.items[i - 1].end if i else node.start
        self._lines_away(self.tree.dash(node.items[i], behind), node.items[i].end, loc)

    def _insert_items(self, node: Node, at: int, items: list[Any], loc: Loc, key: Node | None) -> None:
        tree = self.tree
        if node.flow:
            if not node.items and key is not None and in_block(items) and self._has_line(node, key):
                self._below(node, key, items)
                return
            text = flow(items, json_like=self.json_like)[1:-1]
            if at:
                self._splice(node.items[at - 1].end, node.items[at - 1].end, f", {text}")
            elif node.items:
                self._splice(node.items[0].start, node.items[0].start, f"{text}, ")
            else:
                self._splice(node.end - 1, node.end - 1, text)
            return
        dash = tree.dash(node.items[0], node.start)
        column = tree.column(dash)
        if tree.text[tree.line_start(dash) : dash].strip(" "):
            raise self._fault("shares its line with what it stands in", loc)
        one_line = all(item.flow for item in node.items)
        lines = [f"{' ' * column}- {flow(item)}" for item in items] if one_line else block_lines(items, column)
        if at:
            end = tree.behind_comments(node.items[at - 1].end, column)
            self._splice(end, end, "".join(tree.line_break + line for line in lines))
        else:
            begin = tree.line_start(dash)
            self._splice(begin, begin, "".join(line + tree.line_break for line in lines))

    # -- in brackets ----------------------------------------------------------------------------------------------

    def _remove_from_flow(self, i: int, places: list[tuple[int, int]]) -> None:
        """One of several parts, and a comma."""
        start, end = places[i]
        if i + 1 < len(places):
            comma = self._comma(end)
            stop = comma + 1 + (self.tree.text[comma + 1 : comma + 2] == " ")
            self._splice(start, end, "") if comma != end else None
            self._splice(*((start, stop) if comma == end else (comma, stop)), "")
        elif i:
            comma = self._comma(places[i - 1][1])
            if self.tree.text[comma + 1 : start].strip():
                self._splice(comma, comma + 1, "")
                self._splice(start, end, "")
            else:
                self._splice(comma, end, "")
        else:
            self._splice(start, end, "")

    def _comma(self, at: int) -> int:
        """The next one, behind comments."""
        text = self.tree.text
        while text[at] != ",":
            at = self.tree.line_end(at + 1) if text[at] == "#" else at + 1
        return at
