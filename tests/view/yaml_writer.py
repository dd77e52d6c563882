"""YAML as people write it: any style, with comments."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st


class Writer:
    """Writes data as somebody might: in any style, with comments that are numbered."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.comments = draw, 0
        self.ending = draw(st.sampled_from(["\n", "\r\n"]))

    def chance(self) -> bool:
        return self.draw(st.integers(0, 3)) == 0

    def comment(self) -> str:
        self.comments += 1
        return f"# c{self.comments}: [é, {{'\""

    def lone(self, indent: int) -> list[str]:
        """Lines between others."""
        if not self.chance():
            return []
        return [""] if self.chance() else [" " * self.draw(st.sampled_from([indent, 0, indent + 3])) + self.comment()]

    def scalar(self, value: Any) -> str:
        if isinstance(value, bool) or value is None:
            return {True: "true", False: "false", None: "null"}[value]
        if isinstance(value, float):
            return (
                self.draw(st.sampled_from([f"{value:.6f}", f"{value:.25f}"])) if abs(value) < 1e15 else f"{value:.1f}"
            )
        if isinstance(value, int):
            return self.draw(st.sampled_from([str(value), f"{value:+d}"]))
        if re.fullmatch(r"[a-z]{2,}", value) and value not in ("yes", "no", "null") and self.chance():
            return value
        if re.fullmatch(r"[ -~é]*", value) and self.chance():
            return "'" + value.replace("'", "''") + "'"
        return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value) + '"'

    def flow(self, value: Any) -> str:
        space = self.draw(st.sampled_from(["", " ", "  "]))
        if isinstance(value, dict):
            inner = ", ".join(f"{self.scalar(k)}: {self.flow(v)}" for k, v in value.items())
            return f"{{{space}{inner}{space}}}"
        if isinstance(value, list):
            return f"[{space}{(', ' + space).join(self.flow(v) for v in value)}{space}]"
        return self.scalar(value)

    def block(self, value: Any, indent: int) -> list[str]:
        pad = " " * indent
        found: list[str] = []
        parts = value.items() if isinstance(value, dict) else ((None, v) for v in value)
        for key, item in parts:
            found += self.lone(indent)
            head = pad + (f"{self.scalar(key)}:" if key is not None else "-")
            tail = "  " + self.comment() if self.chance() else ""
            if not (isinstance(item, (dict, list)) and item) or self.chance():
                found.append(f"{head} {self.flow(item)}{tail}")
            elif key is None and isinstance(item, dict) and not self.chance():
                lines = self.block(item, indent + 2)
                first = next(i for i, line in enumerate(lines) if line.strip() and not line.strip().startswith("#"))
                found += [*lines[:first], f"{pad}- {lines[first].lstrip(' ')}", *lines[first + 1 :]]
            else:
                deeper = 0 if isinstance(item, list) and key is not None and self.chance() else 2
                found += [head + tail, *self.block(item, indent + deeper)]
        return found + self.lone(indent)

    def whole(self, value: dict[str, Any]) -> str:
        lines = self.block(value, 0)
        return self.ending.join(lines) + self.draw(st.sampled_from(["", self.ending]))
