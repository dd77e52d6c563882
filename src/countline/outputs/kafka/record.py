"""What a record may look like: legal topics and headers, and time stamps that its topic takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from countline.outputs.base.text import torn
from countline.outputs.kafka.flight import size_of
from countline.outputs.kafka.record_time import GuardWindow, record_timestamp
from countline.types import Message

__all__ = ["OwnHeaders", "RecordClock", "Suspects", "illegal"]

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def illegal(topic: str, headers: Sequence[tuple[str, bytes]]) -> str:
    """Why no broker takes a record with this topic and these headers (the client would crash or answer in riddles); empty if
    one does."""
    wrong = _illegal_topic(topic)
    if wrong or not headers:
        return wrong
    for name, _ in headers:
        if not name or "\0" in name or torn(name):
            return f"{name!r} is no name of a header: it must be text without NUL"
    return ""


@lru_cache(1024)
def _illegal_topic(topic: str) -> str:
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        return f"{topic!r} is no name of a topic: 1 to 249 letters, digits, dots, dashes and underscores"
    return ""


class OwnHeaders:
    """The headers of records: the message's own, those of the configuration, and the message's id under ``id_name`` if that is given."""

    def __init__(self, configured: Mapping[str, str], id_name: str | None) -> None:
        self._headers = [(name, value.encode()) for name, value in configured.items()]
        self._size = size_of(self._headers)
        self._id_name = id_name
        self._size_with_id = self._size + len(id_name or "") + 4

    def of(self, message: Message) -> tuple[list[tuple[str, bytes]], int]:
        """A list that the caller may change, and how many bytes it takes of a record."""
        own, name = message.headers, self._id_name
        if not name or (own and any(n == name for n, _ in own)):
            return [*own, *self._headers], self._size + size_of(own)
        try:
            ident = message.id.encode()
        except UnicodeEncodeError:
            ident = message.id.encode("utf-8", "replace")
        size = self._size_with_id + len(ident)
        if own:
            return [*own, *self._headers, (name, ident)], size + size_of(own)
        return [*self._headers, (name, ident)], size


class RecordClock:
    """Chooses the time stamps of records: the event time where the window around the send time allows it, else the send time.

    A topic may have a narrower window than ours (``message.timestamp.before.max.ms`` and ``after.max.ms``), and the broker
    another clock. What it refuses is sent again with the time of sending, and so is all that is more than half as far off; what
    it refuses even then waits: this machine's clock or the broker's is wrong, and that is no fault of the message.
    """

    def __init__(self, window: GuardWindow) -> None:
        self._window = window
        self._narrow: dict[str, GuardWindow] = {}
        """By topic, as its refusals have taught."""
        self._stamped: dict[int, int] = {}
        """Position -> by how much the event time lay ahead of the send time (ns), of those whose event time was taken."""
        self.count = 0

    def stamp(self, topic: str, position: int, event: int, now: int) -> int | None:
        """Time stamp in ms since the Unix epoch for an event time (ns); None: the time of sending."""
        stamped = self._stamped
        found = record_timestamp(event, now, self._narrow.get(topic, self._window) if self._narrow else self._window)
        if found is None:
            stamped.pop(position, None)
        else:
            if len(stamped) > 100_000:  # acknowledged long ago: a stamp is only asked for what comes back at once
                stamped.clear()
            stamped[position] = event - now
        return found

    def refused(self, topic: str, position: int, text: str) -> str:
        """The broker refused a record for its time stamp; the error in errors."""
        self.count += 1
        lead = self._stamped.pop(position, None)
        if lead is None:
            return (
                f"topic '{topic}' refuses the present time as a time stamp: the clock of this machine or of the broker is wrong, or "
                f"message.timestamp.after.max.ms is too small; messages wait until that is mended ({text})"
            )
        window = self._narrow.get(topic, self._window)
        past, future = window.past, window.future
        if lead <= 0:
            past = min(past, -lead // 2)
        else:
            future = min(future, lead // 2)
        self._narrow[topic] = GuardWindow(past, future)
        return f"topic '{topic}' refuses the event time as a time stamp, and gets the time of sending instead ({text})"


class Suspects:
    """Which records a topic is likely to refuse, as its refusals have taught: they go apart from the start, so that no batch comes
    back because of them. What a topic takes after all clears it of the suspicion."""

    def __init__(self) -> None:
        self._keyless: set[str] = set()
        """Topics that refused a record without a key."""
        self._sizes: dict[str, int] = {}
        """Topic -> bytes of the smallest record that was refused as too large."""

    def __bool__(self) -> bool:
        return bool(self._keyless or self._sizes)

    def suspect(self, topic: str, key: bytes | None, size: int) -> bool:
        """Whether a record with this key and ``size`` (bytes of key and value) should go apart."""
        return (topic in self._keyless and not key) or size >= self._sizes.get(topic, size + 1)

    def refused(self, topic: str, *, keyless: bool, size: int, too_large: bool) -> None:
        """A record that went apart was refused."""
        if too_large:
            self._sizes[topic] = min(size, self._sizes.get(topic, size))
        elif keyless:
            self._keyless.add(topic)

    def taken(self, topic: str, *, keyless: bool, size: int) -> None:
        """A record that went apart was acknowledged."""
        if keyless:
            self._keyless.discard(topic)
        if size >= self._sizes.get(topic, size + 1):
            del self._sizes[topic]
