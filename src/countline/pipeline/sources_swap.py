"""The change of a run over video: its sources, and with them what an engine has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, Protocol

from countline import video
from countline.config import Config
from countline.errors import ConfigError
from countline.pipeline import recordings
from countline.pipeline.build import Stages
from countline.pipeline.changes import Changes
from countline.pipeline.engine import Engine
from countline.pipeline.program_sources import ProgramSources
from countline.pipeline.swap import Swap
from countline.protocols import Source
from countline.types import ConfigChange, SourceInfo

__all__ = ["SourcesSwap"]


class _Run(Protocol):
    """What of a run is needed."""

    config: Config
    sources: list[Source]
    engine: Engine

    def stages_for(self, config: Config, infos: Sequence[SourceInfo]) -> Stages: ...

    def use_sources(self, sources: Sequence[Source], opened: Sequence[Source]) -> None: ...

    def end_sources(self, names: Sequence[str]) -> None: ...

    def held(self) -> AbstractContextManager[object]: ...

    def wake(self) -> None: ...

    def gpu_for(self, index: int) -> int | None: ...


class SourcesSwap:
    """Made ready when made: new sources are made, and outputs opened. Raises as a start with the configuration does."""

    def __init__(
        self, run: _Run, config: Config, plan: Changes, program_sources: ProgramSources, messages: Sequence[Any]
    ) -> None:
        self._run, self._config, self._plan = run, config, plan
        self._opened: list[Source] = []
        before = {source.info.name: source for source in run.sources}
        anew = {*plan.added, *plan.restarted}
        self._sources: list[Source] = []
        infos: list[SourceInfo] = []
        try:
            for index, source in enumerate(config.sources):
                if source.name not in anew:
                    kept = before[source.name]
                    device = source.device_id or (
                        kept.info.device_id if program_sources.has(source.name) else source.name
                    )
                    infos.append(replace(kept.info, index=index, device_id=device))
                    self._sources.append(kept)
                    continue
                if program_sources.has(source.name):
                    raise ConfigError(
                        f"the source '{source.name}' is an object of the program, which cannot be opened anew",
                        where="sources",
                        fix="give its address as `uri`, or start anew",
                    )
                made = video.open_source(source, index, gpu=run.gpu_for(index))
                self._opened.append(made)
                self._sources.append(made)
                infos.append(made.info)
            stages = run.stages_for(config, infos)
            self._swap = Swap(run.engine, stages, plan, run.wake)
        except BaseException:
            self.undo()
            raise

    def commit(self, change: ConfigChange) -> list[str]:
        """Frames of sources that are gone come no more, then rules, messages and outputs change, then frames of new ones come."""
        run = self._run
        with run.held():
            run.end_sources(self._plan.removed)
            notes = self._swap.commit(change)
            recordings.resume(self._opened, run.engine.delivery)
            run.use_sources(self._sources, self._opened)
        run.config = self._config
        return notes

    def undo(self) -> None:
        """Let go of what was made."""
        for source in self._opened:
            with suppress(Exception):
                source.close()
        swap = getattr(self, "_swap", None)
        if swap is not None:
            swap.undo()
