"""What a run, or a DeepStream probe, shows on its page: follows :class:`countline.view.web.site.Site`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countline.config import Config
from countline.errors import OutboxError
from countline.messages.time import rfc3339
from countline.observe.health import Health
from countline.observe.measured import build
from countline.outbox import letters
from countline.pipeline import measuring
from countline.pipeline.control import Control
from countline.pipeline.engine import Engine
from countline.pipeline.stats import OutputStats
from countline.secret_forms import hide_uri
from countline.source_status import SourceStats
from countline.types import ConfigChange, RuleInfo, SourceInfo
from countline.view.desk.changes import described

if TYPE_CHECKING:
    from countline.view.web.site import Desk

__all__ = ["RunSite"]

Data = dict[str, Any]

DEAD_EVERY = 2.0
"""Seconds for which the numbers of dead letters are taken for true: they are counted in the outbox's file."""
NO_DESK = "this run keeps nothing that could be edited"
OF_FILE = "rules of a DeepStream file are edited there"


class RunSite:
    """A run as its page shows it. From any thread.

    Parameters
    ----------
    engine, control: of the run.
    sources: gives the sources that there are now, and the stats of those that are read here.
    health: of the run.
    file: of the configuration; None: it came from elsewhere.
    desk: edits and explains; None: nobody does.
    """

    def __init__(
        self,
        engine: Engine,
        control: Control,
        sources: Callable[[], Sequence[tuple[SourceInfo, SourceStats | None]]],
        health: Callable[[], Health],
        file: Path | None,
        desk: Desk | None,
    ) -> None:
        self._engine, self._control, self._sources, self._health = engine, control, sources, health
        self._file, self.desk = file, desk
        self._dead: dict[str, int] = {}
        self._dead_at = 0.0

    @property
    def _config(self) -> Config:
        return self._control.current().config

    def names(self) -> list[str]:
        """Of the sources."""
        return [info.name for info, _ in self._sources()]

    def on_change(self, callback: Callable[[ConfigChange], None]) -> None:
        """Call ``callback`` with every change that was applied or refused."""
        self._control.on_told.append(callback)

    # -- state ----------------------------------------------------------------------------------------------------

    def state(self) -> Data:
        """Everything that is not counted."""
        current = self._control.current()
        writable, why_not = self._writable()
        stats = self._engine.delivery.stats()
        return {
            "time": rfc3339(time.time_ns()),
            "version": build().version,
            "config": {
                "digest": current.digest,
                "since": rfc3339(current.since),
                "by": current.by,
                "file": None if self._file is None else os.fsencode(self._file).decode("utf-8", "replace"),
                "writable": writable,
                "why_not": why_not,
            },
            "sources": [self._source(info, stats) for info, stats in self._sources()],
            "outputs": self._outputs(stats),
            "outbox": self._outbox(stats),
            "health": self._healthy(),
        }

    def _writable(self) -> tuple[bool, str]:
        desk = self.desk
        return (False, NO_DESK) if desk is None else (desk.writable, desk.why_not)

    def _source(self, info: SourceInfo, stats: SourceStats | None) -> Data:
        notes, summary = self._engine.notes.of(info.name), self._engine.summary.sources.get(info.name)
        processed = 0 if summary is None else summary.frames
        if stats is None:  # it is read elsewhere, and what came of it is all that is known
            stats = SourceStats(frames=processed)
            stats.last_frame = notes.last
            stats.state = measuring.state_of(notes)  # type: ignore[assignment]
        config = next((s for s in self._config.sources if s.name == info.name), None)
        uri = config.uri if config is not None and config.uri else info.uri
        web = self._config.web
        return {
            "name": info.name,
            "index": info.index,
            "device_id": info.device_id or info.name,
            "live": info.live,
            "width": None,
            "height": None,
            "uri_shown": hide_uri(uri).encode("utf-8", "replace").decode(),
            **stats.as_dict(),
            "overload": stats.overload,
            "processed": processed,
            "link": None if web is None else web.links.get(info.name),
        }

    def _outputs(self, stats: Mapping[str, OutputStats]) -> list[Data]:
        senders = self._engine.delivery.senders
        dead = self._dead_letters()
        kinds = {o.name: type(o).__module__.split(".")[-2] for o in self._config.outputs}
        return [
            {
                "name": name,
                "kind": kinds.get(name, ""),
                "connected": output.connected,
                "waiting": output.pending,
                "oldest_age": round(output.oldest_age, 3),
                "sent": senders[name].sent if name in senders else output.acknowledged,
                "acknowledged": output.acknowledged,
                "retried": output.retried,
                "dead": dead.get(name, 0),
                "dropped": output.dropped,
                "dropped_by": dict(output.dropped_by),
                "last_error": output.error,
            }
            for name, output in stats.items()
        ]

    def _dead_letters(self) -> dict[str, int]:
        delivery = self._engine.delivery
        if time.monotonic() - self._dead_at > DEAD_EVERY and not delivery.stopped:
            self._dead_at = time.monotonic()
            with suppress(OutboxError):  # what it says of itself stands beside this
                self._dead = letters.counts(delivery.outbox)
        return self._dead

    def _outbox(self, stats: Mapping[str, OutputStats]) -> Data:
        delivery = self._engine.delivery
        found = measuring.outbox(delivery)
        return {
            "durable": delivery.outbox.durable,
            "waiting": max((output.pending for output in stats.values()), default=0),
            "bytes": found.bytes,
            "max_bytes": found.max_bytes,
            "oldest_age": round(max((output.oldest_age for output in stats.values()), default=0.0), 3),
            "writable": found.writable,
        }

    def _healthy(self) -> Data:
        health = self._health()
        reasons = [f"{check.subject}: {check.detail}" for check in (*health.alive, *health.ready) if not check.ok]
        return {"alive": health.is_alive, "ready": health.is_ready, "reasons": reasons}

    # -- rules ----------------------------------------------------------------------------------------------------

    def rules(self) -> Data:
        """All of them, points as fractions of the picture."""
        current = self._control.current()
        config = current.config
        writable, why_not = self._writable()
        if config.rules.file is not None:
            found = [_of_file(info) for info in self._engine.stages.rules.rules]
        else:
            found = [
                {"labels": {}, **described(config.rules, rule), "editable": writable, "why_not": why_not}
                for _, _, rule in config.rules.each()
            ]
        undo = self.desk is not None and self.desk.undoable
        return {"digest": current.digest, "rules": found, "undo": undo}

    # -- dead letters ---------------------------------------------------------------------------------------------

    def dead(self, output: str, limit: int) -> Data:
        """The newest dead letters of an output. Raises KeyError."""
        self._known(output)
        box = self._engine.delivery.outbox
        total = letters.counts(box).get(output, 0)
        return {
            "letters": [
                {"id": str(found.number), "time": rfc3339(found.at), "reason": found.reason, "size": found.size}
                for found in letters.newest(box, output, limit)
            ],
            "total": total,
        }

    def retry(self, output: str, numbers: Sequence[int] | None) -> int:
        """Send dead letters again. Raises KeyError, OutboxError."""
        sender = self._known(output)
        done = letters.put_back(self._engine.delivery.outbox, output, None if numbers is None else set(numbers))
        self._dead_at = 0.0
        sender.wake()
        return done

    def _known(self, output: str) -> Any:
        return self._engine.delivery.senders[output]


def _of_file(info: RuleInfo) -> Data:
    return {
        "kind": info.kind,
        "name": info.name,
        "sources": [] if info.source is None else [info.source],
        "shape": info.shape,
        "points": [list(point) for point in info.points],
        "labels": dict(zip(("in", "out"), info.directions)) if len(info.directions) == 2 else {},
        "options": {},
        "editable": False,
        "why_not": OF_FILE,
    }
