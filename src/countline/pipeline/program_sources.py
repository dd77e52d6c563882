"""Sources that are objects of the program that runs countline, beside those that a configuration describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from countline.config import Config, SourceConfig
from countline.errors import ConfigError
from countline.protocols import Source

__all__ = ["ProgramSources"]


class ProgramSources:
    """Objects that follow :class:`countline.protocols.Source`, by the names in their ``info``.

    Raises ConfigError: one is no source, or two have one name.
    """

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._by_name: dict[str, Source] = {}
        for source in sources:
            if not isinstance(source, Source):
                raise ConfigError(
                    f"{source!r} is no source: it needs info, stats, __iter__ and close",
                    where="sources",
                    fix="see countline.protocols.Source",
                )
            if source.info.name in self._by_name:
                raise ConfigError(
                    f"two sources are named '{source.info.name}'", where="sources", fix="give each a name of its own"
                )
            self._by_name[source.info.name] = source

    def amend(self, data: dict[str, Any]) -> Mapping[str, Any]:
        """Configuration data in which each of these sources has a ``uri``; where no sources are configured, these are."""
        if not self._by_name:
            return data
        listed = data.get("sources")
        if listed is None:
            listed = [{"name": name} for name in self._by_name]
        if not isinstance(listed, list):
            return data
        return {**data, "sources": [self._with_uri(source) for source in listed]}

    def _with_uri(self, source: Any) -> Any:
        if not isinstance(source, dict) or source.get("name") not in self._by_name:
            return source
        info = self._by_name[source["name"]].info
        own = {"device_id": info.device_id} if info.device_id else {}
        return {"uri": info.uri or f"object:{info.name}", **own, **source}

    def open(self, config: Config, make: Callable[[SourceConfig, int], Source]) -> list[Source]:
        """The sources in the order of the configuration: those given, and for all others what ``make`` gives. Raises ConfigError
        where one that is given has no place in the configuration, or tells another one."""
        names = [source.name for source in config.sources]
        for name, source in self._by_name.items():
            if name not in names:
                raise ConfigError(
                    f"there is no source '{name}' in the configuration",
                    where="sources",
                    fix=f"name it under `sources`, or give the object one of its names: {', '.join(names)}",
                )
            if source.info.index != names.index(name):
                raise ConfigError(
                    f"source '{name}' says that its index is {source.info.index}, and is number {names.index(name)}",
                    where="sources",
                    fix=f"make its info with index={names.index(name)}",
                )
        return [self._by_name[s.name] if s.name in self._by_name else make(s, i) for i, s in enumerate(config.sources)]

    def has(self, name: str) -> bool:
        """Whether a source of this name is one of the user's objects."""
        return name in self._by_name
