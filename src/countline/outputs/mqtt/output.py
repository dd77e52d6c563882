"""Publishes to an MQTT broker; paho-mqtt is driven from this output's event loop, without a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from countline.errors import MissingExtra
from countline.outputs.base.async_output import AsyncOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.errors import PERMISSION, OutputFault
from countline.outputs.base.options import get_secret
from countline.outputs.base.text import readable, shown
from countline.outputs.mqtt.client import make_client
from countline.outputs.mqtt.config import Config, is_topic, without_control
from countline.outputs.mqtt.connection import port, secure, tls_context
from countline.protocols import Check, Entry
from countline.types import Message

__all__ = ["MqttOutput", "make"]

_NEVER = {0x90: "topic name invalid", 0x95: "packet too large", 0x99: "payload format invalid"}
"""Reason codes of MQTT 5 (section 2.4) after which sending again cannot help."""
_LARGEST = 268_435_455
"""Bytes of the largest packet that MQTT knows."""


def make(config: Config) -> MqttOutput:
    """An output for this configuration; nothing is connected yet."""
    return MqttOutput(config)


class _Link:
    """One connection of one paho client. All callbacks run inside the event loop."""

    def __init__(self, output: MqttOutput, where: str) -> None:
        loop = asyncio.get_running_loop()
        self.where = where
        self.broken: asyncio.Future[Exception] = loop.create_future()
        self.welcome: asyncio.Future[Any] = loop.create_future()
        self.client = output.client()
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_socket_close = lambda *_: self._let_go()  # before paho closes it on an error
        self._socket: Any = None
        self._writing = False

    async def open(self, host: str, number: int, keepalive: int) -> Any:
        """Connects, returns the properties of the broker's welcome. Raises what the network says, or OutputFault."""
        loop = asyncio.get_running_loop()
        # paho connects and shakes hands in blocking calls; nothing else uses the client meanwhile.
        await loop.run_in_executor(None, self.client.connect, host, number, keepalive)
        self._socket = self.client.socket()
        if self._socket is None:
            raise OutputFault(f"{self.where} closed the connection")
        loop.add_reader(self._socket, self._readable)
        self.flush()
        both: list[asyncio.Future[Any]] = [self.welcome, self.broken]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not self.welcome.done():
            raise self.broken.result()
        reason, properties = self.welcome.result()
        if reason.is_failure:
            raise _refusal(reason, self.where)
        return properties

    def flush(self) -> None:
        """Writes what the socket takes now, and the rest when it takes more."""
        if self._socket is None:
            return
        loop = asyncio.get_running_loop()
        if self.client.want_write() and not self._writing:
            loop.add_writer(self._socket, self._writable)
            self._writing = True
        elif self._writing and not self.client.want_write():
            loop.remove_writer(self._socket)
            self._writing = False

    async def breathe(self) -> None:
        """Signs of life, for ever. Raises when the connection is broken."""
        while not self.broken.done():
            self.client.loop_misc()
            self.flush()
            await asyncio.wait([self.broken], timeout=1.0)
        raise self.broken.result()

    def close(self, *, politely: bool) -> None:
        """Says goodbye (so that the broker does not publish the will) and lets go of the socket."""
        if politely and self._socket is not None and not self.broken.done():
            self.client.disconnect()
            self.client.loop_write()
        sock = self._socket
        self._let_go()
        if sock is not None:
            sock.close()

    def _readable(self) -> None:
        # With TLS, data can be decrypted already and no longer show at the socket.
        while True:
            self.client.loop_read()
            pending = getattr(self.client.socket(), "pending", None)
            if self.broken.done() or pending is None or not pending():
                break
        self.flush()

    def _writable(self) -> None:
        self.client.loop_write()
        self.flush()

    def _let_go(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None and sock.fileno() >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(sock)
            loop.remove_writer(sock)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if not self.welcome.done():
            self.welcome.set_result((reason, properties))

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not self.broken.done():
            if self.welcome.done() and self.welcome.result()[0].is_failure:
                reason = self.welcome.result()[0]
            self.broken.set_result(_refusal(reason, self.where))


class MqttOutput(AsyncOutput):
    """Acknowledged = PUBACK (QoS 1) or PUBCOMP (QoS 2) from the broker; with QoS 0, written to the connection.

    Each connection begins a new session: the identifiers of an old one would let the broker take new messages for
    repetitions. What was not acknowledged is sent again, in order, with the same id.
    """

    def __init__(self, config: Config) -> None:
        # A broker that speaks 3.1.1 cannot refuse one message: it takes them in order, or breaks the connection.
        single = config.ordered and config.version == "5" and config.qos > 0
        super().__init__(config, config.host, port(config), by_key=single)
        self.config = config
        self.secrets = (get_secret(config.password),)
        self._tls: ssl.SSLContext | None = None
        self._positions: dict[int, int] = {}
        self._early: dict[int, Any] = {}
        self._room: asyncio.Event
        self._largest: int | None = None
        """Bytes of the largest packet that the broker takes, as it said in its welcome."""

    def prepare(self) -> None:
        try:
            import paho.mqtt.client  # noqa: F401
        except ImportError:
            raise MissingExtra("paho-mqtt", "mqtt", what_for=f"output '{self.name}' (MQTT)") from None
        self._tls = tls_context(self.config)

    def client(self) -> Any:
        """A new paho client with all options, not connected."""
        config = self.config
        client = make_client(config.client_id, version5=config.version == "5")
        client.connect_timeout = config.connect_timeout
        client.max_inflight_messages_set(0)  # the window is kept here
        client.max_queued_messages_set(0)
        if config.will is not None:
            client.will_set(config.will.topic, config.will.payload, config.will.qos, config.will.retain)
        secure(client, config, self._tls)
        return client

    async def session(self) -> None:
        self._positions.clear()
        self._early.clear()
        self._room = asyncio.Event()
        link = _Link(self, self.where)
        link.client.on_publish = self._on_publish
        try:
            properties = await link.open(self.config.host, self.port, self.config.keepalive)
            window = min(self.config.max_in_flight, getattr(properties, "ReceiveMaximum", 65535))
            self._largest = getattr(properties, "MaximumPacketSize", None)
            self.mark_connected()
            publisher: asyncio.Future[Any] = asyncio.ensure_future(self._publish(link, window))
            breath: asyncio.Future[Any] = asyncio.ensure_future(link.breathe())
            try:
                await asyncio.wait([publisher, breath], return_when=asyncio.FIRST_COMPLETED)
            finally:
                publisher.cancel()
                breath.cancel()
            (breath if breath.done() else publisher).result()
        finally:
            link.close(politely=True)

    async def _publish(self, link: _Link, window: int) -> None:
        while True:
            for entry in await self.next_batch(100):
                while len(self._positions) >= window:
                    self._room.clear()
                    await self._room.wait()
                self.mark_published([entry])
                with self.fitting(entry):
                    self._publish_one(link, entry)
            link.flush()
            await asyncio.sleep(0)  # lets the socket have its turn between batches

    def _publish_one(self, link: _Link, entry: Entry) -> None:
        config, message = self.config, entry.message
        topic = message.topic or config.topic
        info = link.client.publish(topic, message.value, config.qos, config.retain, self._properties(message))
        self._positions[info.mid] = entry.position
        if info.mid in self._early:  # QoS 0: written before the number was known here
            self._settle(info.mid, self._early.pop(info.mid))
        link.flush()

    def why_unfit(self, message: Message) -> str:
        topic = message.topic or self.config.topic
        if not is_topic(topic):
            return f"the topic '{shown(topic, 100)}' is not one that MQTT can publish to"
        most = min(self._largest or _LARGEST, _LARGEST)
        size = len(message.value) + len(topic.encode()) + 7
        if self.config.version == "5":
            texts = [text for pair in self._user_properties(message) for text in pair] + [
                without_control(message.content_type)
            ]
            for text in texts:
                if len(text.encode()) > 65535:
                    return f"a text of {len(text.encode())} bytes among id, key and headers is longer than MQTT's 65535"
            size += sum(len(text.encode()) + 3 for text in texts) + 4
        if size > most:
            return f"{size} bytes, with topic, key and headers, are more than the broker takes ({most})"
        return ""

    def _user_properties(self, message: Message) -> list[tuple[str, str]]:
        """Brokers close the connection over control characters in a text: they are written out."""
        user = [("countline-id", without_control(message.id))]
        if message.key is not None:
            user.append(("countline-key", without_control(readable(message.key))))
        return user + [(without_control(name), without_control(readable(value))) for name, value in message.headers]

    def _properties(self, message: Message) -> Any:
        if self.config.version != "5":
            return None
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = self._user_properties(message)
        properties.ContentType = without_control(message.content_type)
        return properties

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        if mid in self._positions:
            self._settle(mid, reason)
        else:
            self._early[mid] = reason

    def _settle(self, mid: int, reason: Any) -> None:
        position = self._positions.pop(mid)
        self._room.set()
        if not reason.is_failure:
            self.acknowledge(position)
        else:
            self.refuse(position, _refusal(reason, self.where), retry=reason.value not in _NEVER)

    async def probe(self, lines: list[Check], send: bool) -> None:
        link = _Link(self, self.where)
        confirmed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        link.client.on_publish = lambda *args: None if confirmed.done() else confirmed.set_result(args[3])
        try:
            await link.open(self.config.host, self.port, self.config.keepalive)
            lines.append(Check("login", True, f"MQTT {self.config.version}"))
            if send:
                message = check_message()
                link.client.publish(
                    self.config.topic, message.value, self.config.qos, properties=self._properties(message)
                )
                link.flush()
                both: list[asyncio.Future[Any]] = [confirmed, link.broken]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if not confirmed.done():
                    raise link.broken.result()
                if confirmed.result().is_failure:
                    raise _refusal(confirmed.result(), self.where)
                lines.append(Check("test message", True, f"acknowledged with QoS {self.config.qos}"))
        finally:
            link.close(politely=True)


def _refusal(reason: Any, where: str) -> OutputFault:
    """Words for a reason code of MQTT 5; paho translates those of 3.1.1."""
    name = str(reason)
    if "user name or password" in name.lower():
        return OutputFault(f"authentication at {where} failed: {name}", "check username and password")
    if "not authorized" in name.lower():
        return OutputFault(f"{where} refuses: {name} (authorization)", "check username and password; " + PERMISSION)
    if "protocol version" in name.lower():
        return OutputFault(f"{where} refuses: {name}", "set version to the one that the broker speaks: '3.1.1' or '5'")
    if name.lower() in ("unspecified error", "success", "normal disconnection"):
        return OutputFault(f"{where} closed the connection", "look at the broker's log; does the port speak TLS?")
    return OutputFault(f"{where} refuses: {name}", "look at the broker's log")
