"""The two topics as a worker holds them in memory, whole: who defines which source, and what is known of each."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import orjson

from countline.cluster import records
from countline.cluster.protocol import Claim, Slot, SourceState

__all__ = ["Definition", "Tables"]

log = logging.getLogger("countline.cluster")


@dataclass(frozen=True, slots=True)
class Definition:
    """A source as it stands in the sources topic."""

    name: str
    data: bytes
    """JSON: what would stand under ``sources`` in a configuration."""
    partition: int
    offset: int
    """A definition that is put again has another one, also where it says the same."""


class Tables:
    """Definitions and states by the names of sources. Records may come in from one thread while others look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._definitions: dict[str, Definition] = {}
        self._states: dict[str, SourceState] = {}
        self._versions: dict[str, dict[int, int]] = {}
        """By source and generation: how often a slot has brought news."""
        self.unread = 0
        """Records that are no records of countline's."""

    # -- from the topics ------------------------------------------------------------------------------------------

    def defined(self, partition: int, offset: int, key: bytes | None, value: bytes | None) -> None:
        """A record of the sources topic; without a value the source is removed."""
        try:
            name = (key or b"").decode()
            if not name:
                raise ValueError("no key")
            if value is not None and not isinstance(orjson.loads(value), dict):
                raise ValueError("no object")
        except ValueError as error:
            self._unreadable("sources", partition, offset, error)
            return
        with self._lock:
            if value is None:
                self._definitions.pop(name, None)
            else:
                self._definitions[name] = Definition(name, value, partition, offset)

    def stated(self, partition: int, offset: int, key: bytes | None, value: bytes | None) -> None:
        """A record of the state topic."""
        try:
            source, generation = records.read_key(key or b"")
            if not source:
                raise ValueError("no key")
            if value is None:
                return  # whoever deletes what was counted says so by hand
            found = records.read_claim(source, offset, value) if generation is None else records.read_slot(value)
        except (ValueError, KeyError, TypeError) as error:
            self._unreadable("state", partition, offset, error)
            return
        with self._lock:
            state = self._states.setdefault(source, SourceState(source))
            news = state.take(found) if isinstance(found, Claim) else state.learn(found)
            if news and isinstance(found, Slot):
                news_of = self._versions.setdefault(source, {})
                news_of[found.generation] = news_of.get(found.generation, 0) + 1

    def _unreadable(self, what: str, partition: int, offset: int, error: Exception) -> None:
        self.unread += 1
        log.warning(
            "%s topic, partition %d, offset %d: not a record of countline's (%s)", what, partition, offset, error
        )

    # -- for those who look ---------------------------------------------------------------------------------------

    def definitions(self) -> dict[str, Definition]:
        """All there are now."""
        with self._lock:
            return dict(self._definitions)

    def version(self, source: str, without: int) -> int:
        """Grows with each slot of the source that brings news, but for those of the generation ``without``."""
        with self._lock:
            news_of = self._versions.get(source, {})
            return sum(news_of.values()) - news_of.get(without, 0)

    def claim(self, source: str) -> Claim | None:
        """The latest claim of a source."""
        with self._lock:
            state = self._states.get(source)
            return state.claim if state is not None else None

    def state(self, source: str) -> SourceState:
        """A copy of what is known of a source, that nobody else changes."""
        with self._lock:
            copy = SourceState(source)
            known = self._states.get(source)
            if known is not None:
                copy.claim, copy.slots = known.claim, dict(known.slots)
            return copy
