"""Vectors: recorded inputs with the results of NVIDIA's own code."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def vector_folders() -> list[Path]:
    """The cases shipped here, and those in $COUNTLINE_VECTORS (DIR/analytics/<case> or DIR/<case>)."""
    folders = sorted(path for path in (HERE / "vectors").iterdir() if path.is_dir())
    extra = os.environ.get("COUNTLINE_VECTORS")
    if extra:
        root = Path(extra) / "analytics" if (Path(extra) / "analytics").is_dir() else Path(extra)
        found = sorted(
            path for path in root.iterdir() if list(path.glob("frames.jsonl*")) and list(path.glob("config.*"))
        )
        if not found:
            raise FileNotFoundError(
                f"COUNTLINE_VECTORS={extra} holds no cases (<case>/config.*, frames.jsonl.gz, expected.jsonl.gz)"
            )
        folders += found
    return folders


def load_lines(path: Path) -> list[dict[str, Any]]:
    """A JSON Lines file, plain or gzip, by its folder and stem."""
    for name in (path.with_name(path.name + ".gz"), path):
        if name.exists():
            opener = gzip.open if name.suffix == ".gz" else open
            with opener(name, "rt", encoding="utf-8") as stream:
                return [json.loads(line) for line in stream]
    raise FileNotFoundError(path)


def config_of(folder: Path) -> Path:
    """The case's configuration file."""
    return next(iter(sorted(folder.glob("config.*"))))
