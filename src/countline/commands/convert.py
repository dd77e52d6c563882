"""What ``countline convert`` does: a configuration from a file of DeepStream's."""

from __future__ import annotations

from collections.abc import Sequence

from countline.compat.deepstream.migrate.convert import convert_file, source_names

__all__ = ["converted"]


def converted(file: str, sources: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The configuration's text, and warnings of what has no equal. ``sources``: ``N=NAME`` each. Raises ConfigError,
    RuleError."""
    return convert_file(file, source_names(sources))
