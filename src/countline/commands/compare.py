"""What ``countline compare`` does: both engines over recorded tracks."""

from __future__ import annotations

from collections.abc import Iterator

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.migrate.compare import compare
from countline.record.tracks import read_tracks

__all__ = ["compared"]


def compared(rules_file: str, tracks: str) -> tuple[list[str], Iterator[str]]:
    """Warnings of the rule file, and the lines of the comparison, which is made as they are read. Raises RuleError, DataError."""
    config = nvdsanalytics.read(rules_file)
    return config.warnings, (line for line in compare(config, read_tracks(tracks)).text())
