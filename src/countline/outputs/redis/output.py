"""Publishes to Redis streams with pipelined XADD."""

from __future__ import annotations

from typing import Any

from countline.errors import MissingExtra
from countline.outputs.base.async_output import AsyncOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.errors import PERMISSION, OutputFault, explain
from countline.outputs.base.options import get_secret
from countline.outputs.base.text import headers_json
from countline.outputs.redis.client import connection_options
from countline.outputs.redis.config import Config
from countline.protocols import Check
from countline.types import Message

__all__ = ["RedisOutput", "make"]

_RETRY = ("LOADING", "BUSY", "MISCONF", "NOREPLICAS", "UNKILLABLE")
"""Error codes of a server that may take the message later, for which the library has no class."""


def make(config: Config) -> RedisOutput:
    """An output for this configuration; nothing is connected yet."""
    return RedisOutput(config)


class RedisOutput(AsyncOutput):
    """Acknowledged = Redis has executed XADD; whether that survives a power cut is up to its appendfsync."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.host, config.port, by_key=config.ordered)
        self.config = config
        self.secrets = (get_secret(config.password),)
        self._options: dict[str, Any] = {}

    def prepare(self) -> None:
        try:
            import redis.asyncio  # noqa: F401
        except ImportError:
            raise MissingExtra("redis", "redis", what_for=f"output '{self.name}' (Redis)") from None
        self._options = connection_options(self.config)

    def _client(self) -> Any:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # The library must not try again by itself: that would be hidden from the receipts.
        return redis.asyncio.Redis(retry=Retry(NoBackoff(), 0), single_connection_client=True, **self._options)

    async def session(self) -> None:
        client = self._client()
        try:
            try:
                await client.ping()
            except Exception as error:
                raise self._fault(error) from error
            self.mark_connected()
            while True:
                await self._publish(client)
        finally:
            await client.aclose()

    async def _publish(self, client: Any) -> None:
        # No MULTI/EXEC, which would keep order within a batch: Redis 7.0 loses such batches from its append-only file at the
        # next start where the default user is switched off.
        import redis.exceptions

        batch = await self.next_batch(self.config.batch)
        pipe = client.pipeline(transaction=False)
        for entry in batch:
            self._add(pipe, entry.message)
        results = await pipe.execute(raise_on_error=False)
        done = []
        for entry, result in zip(batch, results):
            if not isinstance(result, Exception):
                done.append(entry.position)
            elif isinstance(result, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
                self.acknowledge(*done)
                raise result
            else:
                self.refuse(entry.position, self._fault(result), retry=self._may_retry(result))
        self.acknowledge(*done)

    def _add(self, pipe: Any, message: Message) -> None:
        config = self.config
        fields: dict[str, bytes | str] = {config.value_field: message.value, "id": message.id}
        if message.key is not None:
            fields["key"] = message.key
        if message.headers:
            fields["headers"] = headers_json(message.headers)
        pipe.xadd(message.topic or config.topic, fields, maxlen=config.maxlen, approximate=True)

    @staticmethod
    def _may_retry(error: Exception) -> bool:
        # WRONGTYPE (the stream's name is taken by another kind of key) and the like never get better.
        import redis.exceptions

        lasting = (
            redis.exceptions.OutOfMemoryError,
            redis.exceptions.NoPermissionError,
            redis.exceptions.ReadOnlyError,
            redis.exceptions.AskError,  # and MOVED: the slot is at another node of a cluster
            redis.exceptions.TryAgainError,
            redis.exceptions.ClusterDownError,  # and MASTERDOWN
        )
        text = str(error)
        return isinstance(error, lasting) or text.split(" ", 1)[0] in _RETRY or "unknown command" in text.lower()

    def _fault(self, error: Exception) -> OutputFault:
        import redis.exceptions as e

        if isinstance(error, (e.AuthenticationError, e.AuthenticationWrongNumberOfArgsError)) or "WRONGPASS" in str(
            error
        ):
            return OutputFault(f"authentication at {self.where} failed", "check username and password")
        if "NOAUTH" in str(error) or "Authentication required" in str(error):
            return OutputFault(f"{self.where} wants authentication", "set password (and username)")
        if isinstance(error, e.NoPermissionError):
            return OutputFault(f"{self.where} refuses: {error}", PERMISSION)
        if isinstance(error, e.AskError):
            what = f"{self.where} is a node of a cluster, and the stream belongs to another: {error}"
            return OutputFault(what, "name that node under host, or a stream that belongs to this one")
        if isinstance(error, e.ResponseError):
            return OutputFault(
                f"{self.where} refuses: {error}", "look at the stream's name and the server's memory limits"
            )
        return explain(error, self.where)

    async def probe(self, lines: list[Check], send: bool) -> None:
        client = self._client()
        try:
            try:
                info = await client.info("server")
                lines.append(Check("login", True, f"Redis {info.get('redis_version', '?')}"))
                kind = (await client.type(self.config.topic)).decode()
                if kind not in ("stream", "none"):
                    raise OutputFault(
                        f"the key {self.config.topic} is a {kind}, not a stream", "choose another name under topic"
                    )
                state = "exists" if kind == "stream" else "will be made with the first message"
                lines.append(Check(f"stream {self.config.topic}", True, state))
                if send:
                    pipe = client.pipeline(transaction=False)
                    self._add(pipe, check_message())
                    await pipe.execute()
                    lines.append(Check("test message", True, "confirmed"))
            except Exception as error:
                raise self._fault(error) if not isinstance(error, OutputFault) else error from error
        finally:
            await client.aclose()
