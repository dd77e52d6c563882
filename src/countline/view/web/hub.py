"""The hub of a page's server: takes frames from the feed, keeps events, history, state and counts, and wakes streams."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import orjson

from countline.messages.time import rfc3339
from countline.observe.repeated import DueCounts
from countline.redaction import redact, redacted
from countline.types import Analytics, ConfigChange
from countline.view.web.counts import counts
from countline.view.web.event_rows import event_row
from countline.view.web.feed import Feed
from countline.view.web.history import History
from countline.view.web.ring import Ring
from countline.view.web.site import Data, Site

__all__ = ["Hub", "encode"]

log = logging.getLogger("countline.web")

EVERY = 0.1
"""Seconds between two reads of the feed."""
FRESH = 0.9
"""Seconds for which a state is reused."""
MOMENT = 0.2
"""Seconds for which counts are reused."""
LATELY = 512
"""Most objects of a source that are remembered as counted."""


def encode(data: Any) -> bytes:
    """JSON without any secret in it."""
    return orjson.dumps(redacted(data))


class Hub:
    """All methods on the loop's thread, unless their docstring names another.

    Parameters
    ----------
    site: the run.
    executor: runs what may block.
    extra: returns the server's own part of the state.
    """

    def __init__(self, site: Site, feed: Feed, executor: Executor, extra: Callable[[], Data]) -> None:
        self.site, self.feed, self.executor, self._extra = site, feed, executor, extra
        self.ring = Ring()
        self.history = History()
        self.closing = asyncio.Event()
        """Set when the server ends: streams stop."""
        self.listeners: set[asyncio.Event] = set()
        """Events of the streams, set when there are new items."""
        self._counted: dict[str, OrderedDict[int, None]] = {}
        self._lost = 0
        self._state: bytes = b""
        self._state_at = 0.0
        self._counts = b""
        self._counts_at = 0.0
        self._stating: asyncio.Future[bytes] | None = None
        self.rules_changed = 0
        """Number of configuration changes."""
        self._errors = DueCounts()
        self._loop = asyncio.get_running_loop()
        site.on_change(self._on_change)

    async def work(self) -> None:
        """Read the feed until the server ends."""
        while not self.closing.is_set():
            try:
                self.look()
            except ReferenceError:  # nobody holds the run any more
                break
            except Exception:
                if count := self._errors.add("", 1):
                    log.exception(
                        "unforeseen error while the page was brought up to date (%d since the last line)", count
                    )
            try:
                await asyncio.wait_for(self.closing.wait(), EVERY)
            except (asyncio.TimeoutError, TimeoutError):
                pass
        self.wake()

    def look(self) -> None:
        """Read the feed once: add its events, and pass frames to the editor's memory."""
        before = self.ring.last
        lost, self._lost = self.feed.lost - self._lost, self.feed.lost
        if lost:
            self.ring.skip(lost)
        for analytics in self.feed.with_events():
            self._add_events(analytics)
        desk = self.site.desk
        if desk is not None:
            for analytics in self.feed.take():
                desk.see(analytics)
        names = set(self.site.names())
        for name in [name for name in self.feed.newest if name not in names]:
            self.feed.newest.pop(name, None)  # the source was taken away
        if self.ring.last != before:
            self.wake()

    def _add_events(self, analytics: Analytics) -> None:
        counted = self._counted.setdefault(analytics.frame.source.name, OrderedDict())
        for event in analytics.events:
            ident = self.ring.ident(self.ring.last + 1)
            self.ring.add("event", event_row(event, ident))
            self.history.see(event)
            if event.track_id is not None:
                counted[event.track_id] = None
                counted.move_to_end(event.track_id)
        while len(counted) > LATELY:
            counted.popitem(last=False)

    def counted(self, source: str, ident: int) -> bool:
        """Whether this object was counted lately."""
        return ident in self._counted.get(source, ())

    def wake(self) -> None:
        """Wake all streams."""
        for listener in self.listeners:
            listener.set()

    def _on_change(self, change: ConfigChange) -> None:
        """On any thread."""
        try:
            self._loop.call_soon_threadsafe(self._changed, change)
        except RuntimeError:  # the server has ended
            return

    def _changed(self, change: ConfigChange) -> None:
        self.rules_changed += 1
        self.stale()
        data = {
            "applied": change.applied,
            "changes": list(change.changes),
            "by": change.by,
            "digest": change.digest,
            "time": rfc3339(change.time),
            "error": redact(change.error),
        }
        self.ring.add("config", data)
        self.wake()

    # -- data for pages ---------------------------------------------------------------------------------------

    def stale(self) -> None:
        """Do not reuse the state: it has changed."""
        self._state_at = 0.0

    async def state(self) -> bytes:
        """The state as JSON, reused for FRESH seconds."""
        if time.monotonic() - self._state_at < FRESH:
            return self._state
        if self._stating is None:
            self._stating = asyncio.ensure_future(self._make_state())
            self._stating.add_done_callback(self._stated)
        return await asyncio.shield(self._stating)

    async def _make_state(self) -> bytes:
        since = time.monotonic()
        made = await self._loop.run_in_executor(self.executor, self._read_state)
        self._state, self._state_at = made, since
        return made

    def _stated(self, _: object) -> None:
        self._stating = None

    def _read_state(self) -> bytes:
        """On the executor's thread."""
        state = self.site.state()
        for source in state["sources"]:
            found = self.feed.newest.get(source["name"])
            source["objects"] = 0 if found is None else len(found.analytics.tracks)
            source["age"] = None
            if found is not None:
                info = found.analytics.frame
                source["width"], source["height"] = info.width, info.height
                if info.source.live:
                    source["age"] = round((found.at - info.time) / 1e9, 3)
        return encode({**state, **self._extra()})

    def counts(self) -> bytes:
        """Counts as JSON, reused for MOMENT seconds."""
        now = time.monotonic()
        if now - self._counts_at >= MOMENT:
            self._counts_at = now
            self._counts = encode(counts(newest.analytics for _, newest in sorted(self.feed.newest.items())))
        return self._counts

    async def rules(self) -> bytes:
        """Rules as JSON."""
        return encode(await self._loop.run_in_executor(self.executor, self.site.rules))
