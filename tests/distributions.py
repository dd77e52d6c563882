"""Distributions as pip installs them: a folder of modules, and metadata with entry points beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["install"]


def install(
    folder: Path, name: str, version: str, entries: Mapping[str, Mapping[str, str]], files: Mapping[str, str]
) -> Path:
    """Lay a distribution into ``folder``. ``entries``: group -> kind -> module; ``files``: path -> content."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, kinds in entries.items():
        lines += [f"[{group}]", *(f"{kind} = {module}" for kind, module in kinds.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder
