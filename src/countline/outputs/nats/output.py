"""Publishes to NATS JetStream, asynchronously, with a window of unconfirmed messages."""

from __future__ import annotations

import asyncio
import functools
import re
from contextlib import suppress
from typing import Any

from countline.errors import MissingExtra
from countline.outputs.base.async_output import AsyncOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.errors import PERMISSION, OutputFault, explain
from countline.outputs.base.options import get_secret
from countline.outputs.base.text import header_safe, shown
from countline.outputs.nats.client import connection_options, secure_client
from countline.outputs.nats.config import SUBJECT, Config
from countline.protocols import Check, Entry
from countline.types import Message

__all__ = ["NatsOutput", "make"]

_LONGEST_SUBJECT = 3000
"""Bytes: the whole line of a command may have 4096 (max_control_line), else the server closes the connection."""
_MOST_HEADERS = 65_535
_NEVER = (10054,)
"""JetStream's error codes of a message that the stream can never take: larger than its max_msg_size."""
_HEADER_NAME = re.compile(r"[!-9;-~]+")


def make(config: Config) -> NatsOutput:
    """An output for this configuration; nothing is connected yet."""
    return NatsOutput(config)


class NatsOutput(AsyncOutput):
    """Acknowledged = the stream has stored it (on file or in memory, on as many replicas as the stream says)."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.host, config.port, by_key=config.ordered)
        self.config = config
        self.secrets = (get_secret(config.password), get_secret(config.token), get_secret(config.nkey))
        self._options: dict[str, Any] = {}
        self._broken: asyncio.Future[Exception] | None = None
        self._largest: int | None = None
        self.status.extra["duplicates"] = 0

    def prepare(self) -> None:
        try:
            import nats.js  # noqa: F401
        except ImportError:
            raise MissingExtra("nats-py", "nats", what_for=f"output '{self.name}' (NATS)") from None
        self._options = connection_options(self.config)

    async def _connect(self) -> Any:
        broken: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._broken = broken

        async def on_error(error: Exception) -> None:
            if not broken.done() and "slow consumer" not in str(error):
                broken.set_result(error)

        async def on_closed() -> None:
            if not broken.done():
                broken.set_result(client.last_error or OutputFault(f"{self.where} closed the connection"))

        client = secure_client(self.config)
        timeout = max(1, int(self.config.connect_timeout))
        connecting = asyncio.ensure_future(
            client.connect(
                **self._options,
                allow_reconnect=False,
                connect_timeout=timeout,
                max_reconnect_attempts=1,
                error_cb=on_error,
                closed_cb=on_closed,
            )
        )
        try:
            await asyncio.wait([connecting, broken], return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done() or connecting.exception() is not None:
                error = connecting.exception() if connecting.done() else broken.result()
                await self._let_go(client)
                raise self._fault(error or OutputFault(f"{self.where} closed the connection")) from error
        finally:
            if not connecting.done():
                connecting.cancel()
                await asyncio.wait([connecting], timeout=1.0)
        self._largest = client.max_payload
        return client

    async def session(self) -> None:
        client = await self._connect()
        try:
            stream = client.jetstream(publish_async_max_pending=self.config.max_in_flight + 1)
            await self._find_stream(stream)
            self.mark_connected()
            assert self._broken is not None
            publisher: asyncio.Future[Any] = asyncio.ensure_future(self._publish(stream))
            both: list[asyncio.Future[Any]] = [publisher, self._broken]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                publisher.cancel()
            error = self._broken.result() if self._broken.done() else publisher.exception()
            raise self._fault(error or OutputFault(f"{self.where} closed the connection")) from error
        finally:
            await self._let_go(client)

    @staticmethod
    async def _let_go(client: Any) -> None:
        with suppress(Exception):  # it is broken, or being closed already; the reason is known
            await asyncio.wait_for(client.close(), 2.0)

    async def _publish(self, stream: Any) -> None:
        while True:
            for entry in await self.next_batch(256):
                with self.fitting(entry):
                    await self._publish_one(stream, entry)

    async def _publish_one(self, stream: Any, entry: Entry) -> None:
        message = entry.message
        subject = message.topic or self.config.topic
        future = await stream.publish_async(subject, message.value, headers=_headers(message))
        future.add_done_callback(functools.partial(self._confirmed, entry.position, subject))

    def _confirmed(self, position: int, subject: str, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self.status.extra["duplicates"] += bool(future.result().duplicate)
            self.acknowledge(position)
        else:
            # A full stream, one that is missing or has no leader: all of that can be put right on the server.
            never = getattr(error, "err_code", None) in _NEVER
            self.refuse(position, self._fault(error, subject), retry=not never)

    async def _find_stream(self, stream: Any) -> str:
        from nats.js.api import StreamConfig
        from nats.js.errors import NotFoundError

        config = self.config
        try:
            return str(await stream.find_stream_name_by_subject(config.topic))
        except NotFoundError:
            if config.stream is None:
                raise OutputFault(
                    f"no stream of {self.where} takes the subject {config.topic}",
                    "make one (nats stream add), or name one under stream and it is made",
                ) from None
        wanted = StreamConfig(name=config.stream, subjects=[config.topic], duplicate_window=config.duplicate_window)
        await stream.add_stream(wanted)
        return config.stream

    def why_unfit(self, message: Message) -> str:
        if message.topic is not None and not SUBJECT.fullmatch(message.topic):
            return f"the topic '{shown(message.topic, 100)}' is not a NATS subject"
        if len((message.topic or "").encode()) > _LONGEST_SUBJECT:
            return f"the topic '{shown(message.topic or '', 80)}' is longer than NATS takes ({_LONGEST_SUBJECT} bytes)"
        bad = [name for name, _ in message.headers if not _HEADER_NAME.fullmatch(name)]
        if bad:
            return f"NATS allows no header named '{shown(bad[0], 100)}'"
        # The server counts the headers, the client library does not; and the server closes the connection over it.
        around = 14 + sum(len(name) + len(text) + 4 for name, text in _headers(message).items())
        if around > _MOST_HEADERS:
            return f"id, key and headers of {around} bytes are more than JetStream takes ({_MOST_HEADERS})"
        size = len(message.value) + around
        if self._largest is not None and size > self._largest:
            return f"{size} bytes with the headers are more than the server takes (max_payload {self._largest})"
        return ""

    def _fault(self, error: BaseException, subject: str = "") -> OutputFault:
        text = str(error).lower()
        if "authorization violation" in text or "authentication" in text:
            return OutputFault(f"authentication at {self.where} failed", "check username and password, token or creds")
        if "permissions violation" in text:
            return OutputFault(f"{self.where} refuses: {error}", PERMISSION)
        name = type(error).__name__
        if "expecting info message" in text or "info message, json" in text:
            return OutputFault(f"{self.where} does not speak NATS", "check the port")
        if name in ("NoStreamResponseError", "NoRespondersError"):
            return OutputFault(
                f"no stream of {self.where} takes the subject {subject or self.config.topic}", "make the stream"
            )
        if name == "ServiceUnavailableError" and "jetstream" in text:
            return OutputFault(f"JetStream is not switched on at {self.where}", "start nats-server with -js")
        description = getattr(error, "description", None)
        if description:
            return OutputFault(f"{self.where} refuses: {description}", "look at the stream's limits")
        return explain(error, self.where)

    async def probe(self, lines: list[Check], send: bool) -> None:
        client = await self._connect()
        try:
            lines.append(Check("login", True, f"nats-server {client.connected_server_version}"))
            stream = client.jetstream()
            try:
                name = await self._find_stream(stream)
            except OutputFault:
                raise
            except Exception as error:
                raise self._fault(error) from error
            lines.append(Check(f"subject {self.config.topic}", True, f"stream {name}"))
            if send:
                message = check_message()
                await stream.publish(self.config.topic, message.value, headers=_headers(message))
                lines.append(Check("test message", True, "confirmed"))
        finally:
            await self._let_go(client)


def _headers(message: Message) -> dict[str, str]:
    headers = {"Nats-Msg-Id": header_safe(message.id.encode())}
    if message.key is not None:
        headers["Countline-Key"] = header_safe(message.key)
    for name, value in message.headers:
        text = header_safe(value)
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers
