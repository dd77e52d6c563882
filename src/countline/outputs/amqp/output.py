"""Publishes to RabbitMQ with asynchronous publisher confirms."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from countline.errors import MissingExtra
from countline.outputs.amqp.client import connection_parameters, port
from countline.outputs.amqp.config import Config
from countline.outputs.base.async_output import AsyncOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.errors import PERMISSION, OutputFault, describe, explain
from countline.outputs.base.options import get_secret
from countline.outputs.base.text import shown
from countline.protocols import Check
from countline.types import Message

__all__ = ["AmqpOutput", "make"]

_MOST_AROUND = 120_000
"""Bytes of key and headers: they must fit into one frame, of which RabbitMQ allows 131,072."""
_TOO_LARGE = re.compile(r"message size \d+ is larger than configured max size (\d+)")
_NO_QUEUE = "no queue takes the routing key '{}' at exchange '{}'"


def make(config: Config) -> AmqpOutput:
    """An output for this configuration; nothing is connected yet."""
    return AmqpOutput(config)


class _Link:
    """A connection and a channel in confirm mode. ``broken`` gets the reason when either ends."""

    def __init__(self, parameters: Any) -> None:
        from pika.adapters.asyncio_connection import AsyncioConnection

        loop = asyncio.get_running_loop()
        self.broken: asyncio.Future[BaseException] = loop.create_future()
        self._opened: asyncio.Future[None] = loop.create_future()
        self.connection: Any = AsyncioConnection(
            parameters,
            on_open_callback=lambda _: _settle(self._opened, None),
            on_open_error_callback=lambda _, error: self.end(error),
            on_close_callback=lambda _, error: self.end(error),
            custom_ioloop=loop,
        )
        self.channel: Any = None

    def end(self, error: BaseException) -> None:
        """Both ends know it from now on."""
        if not self.broken.done():
            self.broken.set_result(error)

    async def wait(self, future: asyncio.Future[Any]) -> Any:
        """Result of ``future``; raises what broke the link."""
        both: list[asyncio.Future[Any]] = [future, self.broken]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if future.done():
            return future.result()
        raise self.broken.result()

    async def call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """A method of the channel that answers through ``callback``."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        method(*args, callback=lambda frame: _settle(answer, frame), **options)
        return await self.wait(answer)

    async def open(self, on_confirm: Callable[[Any], None], on_return: Callable[..., None]) -> None:
        """Connects and opens the channel."""
        await self.wait(self._opened)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.connection.channel(on_open_callback=lambda channel: _settle(answer, channel))
        self.channel = await self.wait(answer)
        self.channel.add_on_close_callback(lambda _, error: self.end(error))
        self.channel.add_on_return_callback(on_return)
        await self.call(self.channel.confirm_delivery, on_confirm)

    async def close(self) -> None:
        """Says goodbye, for at most 2 s."""
        import pika.exceptions

        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.connection.is_closed:
            return
        self.connection.add_on_close_callback(lambda *_: _settle(gone, None))
        try:
            self.connection.close()
        except pika.exceptions.ConnectionWrongStateError:
            return
        await asyncio.wait([gone], timeout=2.0)


class AmqpOutput(AsyncOutput):
    """Acknowledged = the broker has confirmed it: every queue that it was routed to has it, on disk if queue and message
    are durable."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.host, port(config), by_key=config.ordered)
        self.config = config
        self.secrets = (get_secret(config.password),) if config.username != "guest" else ()
        self._parameters: Any = None
        self._tags: OrderedDict[int, tuple[int, str]] = OrderedDict()
        self._tag = 0
        self._returned: dict[str, str] = {}
        self._largest: int | None = None
        """Bytes of the largest value that the broker takes, once it has said so."""

    def prepare(self) -> None:
        try:
            import pika  # noqa: F401
        except ImportError:
            raise MissingExtra("pika", "amqp", what_for=f"output '{self.name}' (AMQP)") from None
        self._parameters = connection_parameters(self.config)

    async def session(self) -> None:
        link = _Link(self._parameters)
        self._tags.clear()
        self._returned.clear()
        self._tag = 0
        try:
            await self._open(link)
            self.mark_connected()
            while True:
                batch = asyncio.ensure_future(self.next_batch(200))
                try:
                    found = await link.wait(batch)
                finally:
                    batch.cancel()
                for entry in found:
                    with self.fitting(entry):
                        self._publish(link.channel, entry.message)
                        self._tag += 1  # nothing is read meanwhile, so no confirmation comes before its tag is known
                        self._tags[self._tag] = (entry.position, entry.message.id)
                await asyncio.sleep(0)  # lets the sockets have their turn between batches
        except Exception as error:
            raise self._fault(error) from error
        finally:
            await link.close()

    async def _open(self, link: _Link) -> None:
        await link.open(self._on_confirm, self._on_return)
        link.connection.add_on_connection_blocked_callback(self._on_blocked)
        link.connection.add_on_connection_unblocked_callback(lambda *_: self.mark_connected())
        await self._declare(link)

    async def _declare(self, link: _Link) -> None:
        config, channel = self.config, link.channel
        if config.exchange:
            options = {"exchange_type": config.exchange_type or "topic", "passive": config.exchange_type is None}
            await link.call(channel.exchange_declare, config.exchange, durable=True, **options)
        if config.queue:
            await link.call(channel.queue_declare, config.queue, durable=True)
            if config.exchange:
                await link.call(channel.queue_bind, config.queue, config.exchange, routing_key=config.binding)

    def _routing_key(self, message: Message) -> str:
        if self.config.routing_key == "key" and message.key is not None:
            return message.key.decode("utf-8", "backslashreplace")
        return message.topic or self.config.topic

    def why_unfit(self, message: Message) -> str:
        short = [
            ("routing key", self._routing_key(message)),
            ("id", message.id),
            ("content type", message.content_type),
        ]
        short += [("name of a header", name) for name, _ in message.headers]
        for what, text in short:
            if len(text.encode()) > 255:
                return f"the {what} is longer than AMQP allows (255 bytes): {shown(text, 80)}"
        around = sum(len(name) * 4 + len(value) for name, value in message.headers) + len(message.key or b"")
        if around > _MOST_AROUND:
            return f"key and headers of {around} bytes are more than AMQP's {_MOST_AROUND}"
        if self._largest is not None and len(message.value) > self._largest:
            return f"{len(message.value)} bytes are more than the broker takes ({self._largest})"
        return ""

    def _publish(self, channel: Any, message: Message) -> None:
        import pika

        headers: dict[str, str | bytes] = {name: _text(value) for name, value in message.headers}
        if message.key is not None:
            headers["countline-key"] = _text(message.key)
        properties = pika.BasicProperties(
            message_id=message.id,
            content_type=message.content_type,
            headers=headers,
            delivery_mode=2 if self.config.persistent else 1,
            timestamp=max(0, message.time // 1_000_000_000),  # AMQP has no time before 1970
            app_id="countline",
        )
        exchange, key = self.config.exchange, self._routing_key(message)
        channel.basic_publish(exchange, key, message.value, properties, mandatory=self.config.mandatory)

    def _on_return(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        # The confirmation of a message that was returned follows directly.
        self._returned[properties.message_id] = _NO_QUEUE.format(method.routing_key, method.exchange)

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        if method.multiple:
            tags = [tag for tag in self._tags if tag <= method.delivery_tag]
        else:
            tags = [method.delivery_tag]
        good = []
        for tag in tags:
            if tag not in self._tags:
                continue
            position, message_id = self._tags.pop(tag)
            why = self._returned.pop(message_id, "")
            if method.NAME == "Basic.Nack":
                why = f"{self.where} has refused it (negative confirmation): a queue is full or broken"
            if why:
                self.refuse(position, why, retry=True)
            else:
                good.append(position)
        self.acknowledge(*good)

    def _on_blocked(self, _connection: Any, frame: Any) -> None:
        self.ready = False
        reason = frame.method.reason or "short of memory or disk"
        self.status.error = describe(f"{self.where} takes no messages: {reason}", self.secrets)

    def _fault(self, error: BaseException) -> OutputFault:
        text = str(error) or repr(error)
        names = {type(e).__name__ for e in (error, *getattr(error, "exceptions", ()))}
        if names & {"ProbableAuthenticationError", "AuthenticationError"} or "Login was refused" in text:
            return OutputFault(f"authentication at {self.where} failed", "check username and password")
        code, reason = getattr(error, "reply_code", 0), getattr(error, "reply_text", "")
        if names & {"ProbableAccessDeniedError"} or code in (403, 530):
            what = reason or f"no access to the virtual host {self.config.vhost}"
            return OutputFault(f"{self.where} refuses: {what}", PERMISSION)
        if code == 404:
            return OutputFault(
                f"{self.where}: {reason}", "declare it, or set exchange_type (or queue) so that it is made"
            )
        too_large = _TOO_LARGE.search(reason)
        if (
            too_large is not None
        ):  # and so the channel is closed; the message itself is a dead letter when it comes again
            self._largest = int(too_large[1])
        if code:
            return OutputFault(f"{self.where}: {reason}", "look at the broker's log")
        if names & {"IncompatibleProtocolError", "StreamLostError", "AMQPHeartbeatTimeout"}:
            inner = explain(error, self.where)
            if "TLS" in inner.what or "certificate" in inner.what:
                return inner
            return OutputFault(
                f"{self.where} closed the connection", "check that the port speaks AMQP, and the tls options"
            )
        return explain(error, self.where)

    async def probe(self, lines: list[Check], send: bool) -> None:
        confirmed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        link = _Link(self._parameters)
        returned: list[str] = []
        try:
            await link.open(
                lambda frame: _settle(confirmed, frame.method.NAME),
                lambda _c, method, *_: returned.append(_NO_QUEUE.format(method.routing_key, method.exchange)),
            )
            lines.append(Check("login", True, f"{self.config.vhost} as {self.config.username}"))
            await self._declare(link)
            lines.append(Check(f"exchange {self.config.exchange or '(default)'}", True, "there"))
            if send:
                self._publish(link.channel, check_message())
                answer = await link.wait(confirmed)
                if returned:
                    raise OutputFault(returned[0], "bind a queue to the exchange, or name one under queue")
                if answer != "Basic.Ack":
                    raise OutputFault("the test message was refused", "look at the queue: is it full?")
                lines.append(Check("test message", True, "confirmed"))
        except Exception as error:
            raise self._fault(error) from error
        finally:
            await link.close()


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _text(value: bytes) -> str | bytes:
    """Text where it is text: exchanges of type 'headers' compare strings."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value
