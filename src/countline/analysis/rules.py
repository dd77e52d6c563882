"""Rules for recorded tracks: those of a configuration, with the sources and classes of the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countline.config import Config, checked
from countline.config.loader import read_yaml, validate
from countline.config.rules import RulesConfig
from countline.errors import ConfigError
from countline.protocols import RuleSet
from countline.registry.kinds import RULE_FILES
from countline.types import SourceInfo

__all__ = ["RecordedRules"]

_OTHER_KEYS = {"sources", "detector", "tracker", "messages", "outputs", "outbox", "record", "watch"}


@dataclass(frozen=True)
class RecordedRules:
    """What of a configuration counts."""

    rules: RulesConfig
    sources: Sequence[SourceInfo] = ()
    """Sources that the configuration names, in its order; empty: rules alone, for whatever was recorded."""
    labels: Sequence[str] = ()
    """Classes that the configuration lists; those of the recording go before."""
    where: str = field(default="rules", compare=False)

    @classmethod
    def of(cls, rules: RecordedRules | Config | Mapping[str, Any] | str | Path) -> RecordedRules:
        """From a Config, a mapping, or a YAML file: a whole configuration, ``rules:`` alone, or the content of ``rules``.
        Raises ConfigError."""
        if isinstance(rules, RecordedRules):
            return rules
        if isinstance(rules, Config):
            return cls._of_config(rules, "rules")
        if isinstance(rules, Mapping):
            if "sources" in rules:
                from countline.config.loader import Document

                return cls._of_config(checked(dict(rules), Document(dict(rules), {}, "")), "rules")
            return cls(RulesConfig.model_validate(dict(rules.get("rules", rules))))
        document = read_yaml(rules)
        data = document.data
        if not isinstance(data, dict) or not data:
            raise ConfigError(
                "holds no rules", where=document.place(()), fix="write `rules:` with lines, regions or directions"
            )
        if "sources" in data:
            return cls._of_config(checked(data, document), str(rules))
        if "rules" in data or set(data) <= _OTHER_KEYS:
            return cls(validate(RulesConfig, data.get("rules") or {}, document, ("rules",)), where=str(rules))
        return cls(validate(RulesConfig, data, document), where=str(rules))

    @classmethod
    def _of_config(cls, config: Config, where: str) -> RecordedRules:
        sources = [SourceInfo(s.name, i, s.device_id or s.name) for i, s in enumerate(config.sources)]
        labels = config.detector.labels
        return cls(config.rules, sources, list(labels) if isinstance(labels, list) else (), where)

    def make(self, labels: Sequence[str]) -> RuleSet:
        """The engine. ``labels``: class names of the recording. Raises RuleError, ConfigError."""
        labels = labels or self.labels
        if self.rules.file is not None:
            engine, _ = RULE_FILES.module("nvdsanalytics", "by_file").make(self.rules, self.sources, labels)
            made: RuleSet = engine
            return made
        if self.rules.engine == "deepstream":
            raise ConfigError(
                "the deepstream engine takes its rules from a file",
                where=self.where,
                fix="add `file: config_nvdsanalytics.txt`, or use `engine: native`",
            )
        from countline.analytics.native import NativeRules

        return NativeRules(self.rules, self.sources, labels)

    def source(self, info: SourceInfo) -> SourceInfo | None:
        """A recorded source as the configuration knows it; None for one that it does not name."""
        if not self.sources:
            return info
        named = {source.name: source for source in self.sources}
        if info.name == f"stream-{info.index}" and info.index < len(self.sources):
            return named.get(info.name, self.sources[info.index])
        return named.get(info.name)
