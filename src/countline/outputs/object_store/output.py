"""Puts objects into an object store, several at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from countline.outputs.base.async_output import AsyncOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.envelopes import envelope
from countline.outputs.base.errors import describe
from countline.outputs.base.text import shown
from countline.outputs.object_store.client import address, open_store, secrets_of
from countline.outputs.object_store.config import Config
from countline.outputs.object_store.errors import refusal
from countline.outputs.object_store.keys import content_type_of, wrapped
from countline.protocols import Check, Entry
from countline.types import Message

__all__ = ["ObjectStoreOutput", "make"]

_LONGEST_NAME = 240
"""Bytes: file systems take 255, and the library writes under a longer name first."""
_LONGEST_KEY = 8000


def make(config: Config) -> ObjectStoreOutput:
    """An output for this configuration; nothing is connected yet."""
    return ObjectStoreOutput(config)


class ObjectStoreOutput(AsyncOutput):
    """Acknowledged = the store has answered that it has the object (a folder: the file is there under its name). A message
    that is sent twice becomes one object, since its name is made of its id."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, *address(config), by_key=config.ordered)
        self.config = config
        self.secrets = secrets_of(config)
        self._store: Any = None
        self._failures = 0
        """How often something went wrong; objects that were on their way together fail as one."""

    @property
    def where(self) -> str:
        """Address of the server, or the folder."""
        return super().where if self.port else self.host

    @property
    def _place(self) -> str:
        parts = urlsplit(self.config.url)
        kinds = {"az": f"the container '{parts.netloc}'", "file": f"the folder {self.host}"}
        return kinds.get(parts.scheme, f"the bucket '{parts.netloc}'")

    def prepare(self) -> None:
        self._store = open_store(self.config)

    async def session(self) -> None:
        self.mark_ready()  # there is no connection that could be made beforehand
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                # Never more than max_in_flight: no more are accepted.
                for entry in await self.next_batch(self.config.max_in_flight):
                    task = asyncio.ensure_future(self._settle(entry))
                    running.add(task)
                    task.add_done_callback(running.discard)
        finally:
            for unfinished in running:
                unfinished.cancel()

    async def _settle(self, entry: Entry) -> None:
        before = self._failures
        try:
            await self._put(entry.message)
        except Exception as error:  # the library has a class for each kind of fault, and Python's own come through
            found = refusal(error, self.where, self._place)
            if found.away:
                self.status.connected = False
            if found.retry and before != self._failures:
                # An outage breaks all that is on its way, one after another: that must not make the pause longer each time.
                self.send_again(entry.position, describe(found.fault.what, self.secrets))
                return
            self._failures += found.retry
            self.refuse(entry.position, found.fault, retry=found.retry)
        else:
            self.status.connected = True
            self.acknowledge(entry.position)

    def why_unfit(self, message: Message) -> str:
        kind = content_type_of(message, self.config.content)
        if len(kind) > 255 or not (kind.isascii() and kind.isprintable()):
            return f"the content type '{shown(kind, 100)}' cannot be in an HTTP header"
        key = self.config.key_of(message)
        if self.config.scheme == "file":
            long, most = max(len(part.encode()) for part in key.split("/")), _LONGEST_NAME
        else:
            # Stores take 1024 bytes and say so themselves, by their own measure; over 64 kB the library breaks down.
            long, most = len(quote(key)), _LONGEST_KEY
        return f"its name '{shown(key, 80)}' is too long: {long} bytes of {most}" if long > most else ""

    async def _put(self, message: Message) -> str:
        """Returns the object's key."""
        import obstore

        content, key = self.config.content, self.config.key_of(message)
        body = envelope(message) if wrapped(message, content) else message.value
        kind = {"Content-Type": content_type_of(message, content)}
        attributes: Any = None if self.config.scheme == "file" else kind  # a file has none
        await obstore.put_async(self._store, key, body, attributes=attributes, use_multipart=False)
        return key

    async def probe(self, lines: list[Check], send: bool) -> None:
        import obstore

        try:
            async for _ in obstore.list(self._store, chunk_size=1):
                break
            lines.append(Check(self._place, True, "is there, and the login is good"))
        except Exception as error:
            found = refusal(error, self.where, self._place)
            if not found.right:
                raise found.fault from None
            # Who may only write gets no other answer; and to write is all that is needed.
            lines.append(Check(self._place, True, "the login is good, and may not list what is there; try --send"))
        if not send:
            return
        try:
            key = await self._put(check_message())
        except Exception as error:
            raise refusal(error, self.where, self._place).fault from None
        left = "written; there is no right to remove it"
        with suppress(Exception):
            await obstore.delete_async(self._store, key)
            left = "written and removed"
        lines.append(Check("test object", True, f"{key}: {left}"))
