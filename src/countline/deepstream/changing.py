"""Another configuration for a probe that is at work."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from countline.config import Config
from countline.config.loader import Document
from countline.deepstream import settings
from countline.deepstream.payload import Payloads
from countline.deepstream.streams import Streams
from countline.errors import ConfigError
from countline.pipeline import build
from countline.pipeline.changes import Changes
from countline.pipeline.control import Applied, Change, Control
from countline.pipeline.engine import Engine
from countline.pipeline.reloader import watching
from countline.pipeline.swap import Swap
from countline.types import ConfigChange, SourceInfo

__all__ = ["Changing"]


class Changing(ABC):
    """The part of an attachment that follows :class:`countline.pipeline.control.Changeable`."""

    config: Config
    control: Control
    sources: Sequence[SourceInfo]
    labels: Sequence[str]
    _engine: Engine
    _streams: Streams
    _payloads: Payloads | None
    _origin: Config | Mapping[str, Any] | str | Path
    _messages: Sequence[Any]
    _live: bool
    _watching: threading.Event | None = None

    def reload(self, config: Config | Mapping[str, Any] | str | Path | None = None) -> Applied:
        """Go on with another configuration, or with what the file says now, between two frames; see
        :class:`countline.pipeline.control.Control`, which :attr:`control` is. Raises ConfigError and others as :func:`attach`, when
        all is as it was. Not from the pipeline's streaming thread."""
        if config is None and not isinstance(self._origin, (str, Path)):
            raise ConfigError("the configuration came from no file", where="reload", fix="give the configuration")
        return self.control.apply(self._origin if config is None else config)

    def parse(self, origin: Config | Mapping[str, Any] | str | Path | Document) -> Config:
        """As :func:`attach` reads it. Raises ConfigError."""
        return settings.as_config(origin)

    def ready(self, config: Config, plan: Changes) -> Change:
        """All that is new, made and opened; see :class:`countline.pipeline.swap.Swap`."""
        sources = build.source_infos(config, live=self._live)
        stages = build.stages(
            config,
            sources,
            self.labels,
            messages=self._messages,
            origin=self._origin,
            state=self._engine.stages.state,
            deliver=self._payloads is None,
        )

        def beside() -> None:
            self.sources, self.config = sources, config
            self._streams.use(sources)
            if config.watch:
                self._watch_file()

        return Swap(self._engine, stages, plan, self._wake, beside)

    def tell(self, change: ConfigChange) -> None:
        """Publish that something was applied or refused."""
        self._engine.at_boundary(lambda: self._engine.worker.tell(change))
        self._wake()

    def _watch_file(self) -> None:
        """Apply edits of the configuration's file from now on."""
        if self._watching is None and isinstance(self._origin, (str, Path)):
            self._watching = watching(self.control, Path(self._origin))

    @abstractmethod
    def _wake(self) -> None:
        """Have the engine come to a boundary, also where no buffers come."""
