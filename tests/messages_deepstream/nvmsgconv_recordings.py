"""Recorded payloads of nvmsgconv: those in the repository, and more from the folder that COUNTLINE_VECTORS names."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOW = "2024-01-02T03:04:05.678Z"


@dataclass
class Case:
    """One folder: a description file, input lines and what nvmsgconv made of them."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def meta(self) -> dict[str, Any]:
        return json.loads((self.folder / "meta.json").read_text())

    @property
    def config(self) -> Path | None:
        name = self.meta.get("config")
        return self.folder / name if name else None

    def lines(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        made = [
            [json.loads(line) for line in (self.folder / f).read_text(encoding="utf-8").split("\n") if line.strip()]
            for f in ("input.jsonl", "expected.jsonl")
        ]
        assert len(made[0]) == len(made[1])
        return list(zip(*made))


def find_cases() -> list[Case]:
    folders = [Path(__file__).parent / "vectors"]
    more = os.environ.get("COUNTLINE_VECTORS")
    if more:
        folders += [Path(more) / "payloads", Path(more)]
    found: dict[str, Case] = {}
    for folder in folders:
        for meta in sorted(folder.glob("*/meta.json")):
            if (meta.parent / "expected.jsonl").exists():
                found[str(meta.parent.resolve())] = Case(meta.parent)
    return list(found.values())


def counted_ids() -> Iterator[str]:
    """Stand-ins for random UUIDs, as the recordings have them: a counter that begins anew with each line."""
    return (f"00000000-0000-4000-8000-{n:012x}" for n in itertools.count(1))
