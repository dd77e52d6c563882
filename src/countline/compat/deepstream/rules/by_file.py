"""The exact engine with the rules of a file: what ``rules: {file: config_nvdsanalytics.txt}`` makes."""

from __future__ import annotations

from collections.abc import Sequence

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.rules.engine import DeepStreamRules
from countline.config.rules import RulesConfig
from countline.types import SourceInfo

__all__ = ["make"]


def make(
    config: RulesConfig, sources: Sequence[SourceInfo], labels: Sequence[str]
) -> tuple[DeepStreamRules, Sequence[str]]:
    """The engine, and warnings of what the file says in vain. Raises RuleError with file, line and key."""
    parsed = nvdsanalytics.read(str(config.file))
    rules = DeepStreamRules(parsed, sources, labels, ignore_untracked=config.exact.ignore_untracked)
    return rules, [*parsed.warnings, *_unmatched(parsed, sources)]


def _unmatched(parsed: nvdsanalytics.NvdsAnalyticsConfig, sources: Sequence[SourceInfo]) -> list[str]:
    """Sources without rules, and rules without a source: streams are numbered in the order of the sources."""
    known = {source.index: source.name for source in sources}
    found = [
        f"source '{name}' is stream {index}, for which it has no rules: nothing of it is counted"
        for index, name in known.items()
        if index not in parsed.streams
    ]
    return found + [f"its rules of stream {n} belong to no source" for n in sorted(parsed.streams) if n not in known]
