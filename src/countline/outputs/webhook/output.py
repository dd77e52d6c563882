"""Posts messages to a web server, in order, one request at a time."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from countline.errors import MissingExtra
from countline.outputs.base.async_output import AsyncOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.envelopes import envelope
from countline.outputs.base.errors import OutputFault
from countline.outputs.base.fitness import UNFIT
from countline.outputs.base.options import get_secret
from countline.outputs.base.text import header_safe, shown
from countline.outputs.webhook.client import client_options, secrets_of, sign
from countline.outputs.webhook.config import Config
from countline.protocols import Check, Entry
from countline.types import Message

__all__ = ["WebhookOutput", "make"]

_MOST_OF_AN_ANSWER = 2000
"""Bytes of an answer's body that are read."""
_FOR_AN_ANSWER = 2.0
"""Seconds for its body."""
_OF_THE_CONNECTION = {
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
}
_OF_THE_CONNECTION |= {"transfer-encoding", "upgrade"}
"""Headers that say where a request ends or goes to."""
_LONGEST_PAUSE = 3600.0
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def make(config: Config) -> WebhookOutput:
    """An output for this configuration; nothing is connected yet."""
    return WebhookOutput(config)


class Answer(NamedTuple):
    """What a web server has said."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    """Its beginning."""


class WebhookOutput(AsyncOutput):
    """Acknowledged = the server has answered 2xx."""

    def __init__(self, config: Config) -> None:
        url = urlsplit(config.url.get_secret_value())
        port = url.port or (443 if url.scheme == "https" else 80)
        super().__init__(config, url.hostname or "", port)
        self.config = config
        self.secrets = secrets_of(config)
        self._options: dict[str, Any] = {}

    def prepare(self) -> None:
        try:
            import httpx  # noqa: F401
        except ImportError:
            raise MissingExtra("httpx", "webhook", what_for=f"output '{self.name}' (webhook)") from None
        self._options = client_options(self.config)

    def _client(self) -> Any:
        import httpx

        limits = httpx.Timeout(self.config.timeout, connect=self.config.connect_timeout)
        return httpx.AsyncClient(timeout=limits, **self._options)

    async def session(self) -> None:
        async with self._client() as client:
            self.mark_ready()  # there is no connection that could be made beforehand
            waiting: list[Entry] = []
            while True:
                waiting = waiting or await self.next_batch(self.config.max_in_flight)
                batch = self._together(waiting)
                waiting = waiting[len(batch) :]
                if not await self._post(client, batch):
                    self.hold_back(waiting)
                    waiting = []
                self.mark_published(waiting)  # requests go one at a time: only now has theirs begun

    def _together(self, waiting: Sequence[Entry]) -> list[Entry]:
        """Those from the front that fit into one request."""
        first = waiting[0].message
        size = 0
        for size, entry in enumerate(waiting[: self.config.batch]):
            message = entry.message
            if size and not (message.topic == first.topic and self._can_join(message) and self._can_join(first)):
                return list(waiting[:size])
        return list(waiting[: size + 1])

    def _can_join(self, message: Message) -> bool:
        if self.config.content == "message":
            return True
        return message.content_type == "application/json" and b"\n" not in message.value

    async def _post(self, client: Any, batch: Sequence[Entry]) -> bool:
        """Sends and settles them. False: something has to be sent again, so nothing may follow."""
        messages = [e.message for e in batch]
        body = self._body(messages)
        topic = messages[0].topic or self.config.topic
        url = self.config.url.get_secret_value().replace("{topic}", quote(topic, safe=""))
        headers = self._headers(messages, body)
        try:
            answer = await self._answer(client, "POST", url, content=body, headers=headers)
        except UNFIT as error:
            for entry in batch:
                self.refuse(entry.position, f"it cannot be posted to {self.where}: {error}", retry=False)
            return True
        self.status.connected = True
        if 200 <= answer.status < 300:
            self.acknowledge(*(e.position for e in batch))
            return True
        fault = self._refusal(answer)
        if answer.status >= 500 or answer.status in self.config.retry_status:
            for entry in batch:
                self.refuse(entry.position, fault, retry=True)
            self.pause(_retry_after(answer.headers.get("Retry-After", "")))
            return False
        if len(batch) == 1:
            self.refuse(batch[0].position, fault, retry=False)
            return True
        for number, entry in enumerate(batch):  # one of them is at fault: the others must not suffer
            if not await self._post(client, [entry]):
                for later in batch[number + 1 :]:
                    self.in_flight.fail(later.position, "waits for an earlier message", retry=True)
                return False
        return True

    def why_unfit(self, message: Message) -> str:
        if self.config.batch > 1:
            return ""  # headers are not carried
        for name, _ in message.headers:
            if not _TOKEN.fullmatch(name):
                return f"'{shown(name, 100)}' cannot be the name of an HTTP header"
            if name.lower() in _OF_THE_CONNECTION:
                return f"the header '{name}' belongs to the connection, not to a message"
        kind = message.content_type
        if len(kind) > 255 or not (kind.isascii() and kind.isprintable()):
            return f"the content type '{shown(kind, 100)}' cannot be in an HTTP header"
        return ""

    @staticmethod
    async def _answer(client: Any, method: str, url: str, **request: Any) -> Answer:
        """The answer to a request, with no more of its body than what is shown of it: a server may send without end."""
        import httpx

        parts: list[bytes] = []

        async def read() -> None:
            async for part in answer.aiter_raw(4096):
                parts.append(part)
                if sum(map(len, parts)) >= _MOST_OF_AN_ANSWER:
                    return

        async with client.stream(method, url, **request) as answer:
            with suppress(asyncio.TimeoutError, httpx.HTTPError):  # what counts has been answered before the body
                await asyncio.wait_for(read(), _FOR_AN_ANSWER)
            return Answer(answer.status_code, answer.reason_phrase, answer.headers, b"".join(parts))

    def _body(self, messages: Sequence[Message]) -> bytes:
        parts = [envelope(m) if self.config.content == "message" else m.value for m in messages]
        if self.config.batch == 1:
            return parts[0]
        if self.config.format == "json-array":
            return b"[" + b",".join(parts) + b"]"
        return b"".join(part + b"\n" for part in parts)

    def _headers(self, messages: Sequence[Message], body: bytes) -> dict[str, str]:
        config, first = self.config, messages[0]
        headers = {name: header_safe(value) for name, value in first.headers} if len(messages) == 1 else {}
        if config.batch == 1:
            kind = first.content_type if config.content == "value" else "application/json"
            headers["Idempotency-Key"] = header_safe(first.id.encode())
            if first.key is not None:
                headers["Countline-Key"] = header_safe(first.key)
        else:
            kind = "application/json" if config.format == "json-array" else "application/x-ndjson"
            ids = "\n".join(m.id for m in messages)
            headers["Idempotency-Key"] = hashlib.sha256(ids.encode()).hexdigest()
        headers["Content-Type"] = kind
        topic = first.topic or config.topic
        if topic:
            headers["Countline-Topic"] = header_safe(topic.encode())
        secret = get_secret(config.secret)
        if secret is not None:
            headers["Countline-Signature"] = sign(secret, int(time.time()), body)
        return headers

    def _refusal(self, answer: Answer) -> OutputFault:
        text = shown(answer.body.decode("utf-8", "replace"), 200)
        what = f"{self.where} answers {answer.status} {shown(answer.reason, 80)}" + (f": {text}" if text else "")
        if answer.status in (401, 403, 407):
            return OutputFault(f"authentication failed: {what}", "check username and password, headers or secret")
        if 300 <= answer.status < 400:
            return OutputFault(f"{what}; it sends us elsewhere", "give the final address under url")
        return OutputFault(what, "look at the server's log")

    async def probe(self, lines: list[Check], send: bool) -> None:
        async with self._client() as client:
            url = self.config.url.get_secret_value().replace("{topic}", quote(self.config.topic, safe=""))
            if not send:
                answer = await self._answer(client, "OPTIONS", url)
                if answer.status in (401, 403, 407):
                    raise self._refusal(answer)
                lines.append(Check("web server", True, f"answers {answer.status} to OPTIONS; nothing was posted"))
                return
            message = check_message()
            body = self._body([message])
            answer = await self._answer(client, "POST", url, content=body, headers=self._headers([message], body))
            if not 200 <= answer.status < 300:
                raise self._refusal(answer)
            lines.append(Check("web server", True, "answers"))
            lines.append(Check("test message", True, f"answered {answer.status}"))


def _retry_after(value: str) -> float:
    """Seconds to wait by the header Retry-After, RFC 9110 section 10.2.3: a number of seconds or a date."""
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, IndexError):
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_PAUSE)
