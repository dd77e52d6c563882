"""The page of a run or a probe: listens from the beginning, and shows it once all is made."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from countline.config import Config

if TYPE_CHECKING:
    from countline.observe.health import Health
    from countline.pipeline.control import Control
    from countline.pipeline.engine import Engine
    from countline.pipeline.site import RunSite
    from countline.source_status import SourceStats
    from countline.types import SourceInfo
    from countline.view.web.server import Server

__all__ = ["Page"]


class Page:
    """Raises ConfigError where the address or the certificate cannot be used, MissingExtra."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.site: RunSite | None = None

    @classmethod
    def of(cls, config: Config, outbox: Path | None) -> Page | None:
        """None where the configuration wants none. ``outbox``: its file; None: in memory."""
        if config.web is None:
            return None
        from countline.view.web.password import password_file
        from countline.view.web.server import Server

        return cls(Server(config.web, None if outbox is None else password_file(outbox)))

    @property
    def url(self) -> str:
        """What is typed into a browser."""
        return self.server.url

    def show(
        self,
        engine: Engine,
        control: Control,
        sources: Callable[[], Sequence[tuple[SourceInfo, SourceStats | None]]],
        health: Callable[[], Health],
        file: Path | None,
        read: Callable[[str], Config] | None,
    ) -> None:
        """Serve it, before the first frame. Parameters as of :class:`countline.pipeline.site.RunSite` and
        :class:`countline.view.desk.Desk`."""
        from countline.pipeline.site import RunSite
        from countline.view.desk import Desk, TrackMemory
        from countline.view.web.feed import Feed

        desk = Desk(control, TrackMemory(self.server.config.memory), file, read)
        feed = Feed(passing=True)
        engine.add_consumer(feed)
        self.site = RunSite(engine, control, sources, health, file, desk)
        # The server's thread must not keep a run alive that nobody holds any more.
        self.server.show(weakref.proxy(self.site), feed)

    @property
    def close(self) -> Callable[[], None]:
        """Serve it no more. Harmless the second time; holds nothing of the run."""
        return self.server.close
