"""Ids of schemas: looked up or registered at start, then remembered on disk.

A registry never changes what an id stands for, so an id that was learned once needs no registry at the next start.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from countline.errors import MessageError, MissingExtra, OutputError

__all__ = ["SchemaIds", "subject_of"]

log = logging.getLogger("countline.registry")


def subject_of(request: Any, default_topic: str | None, topics: Mapping[str, str] = MappingProxyType({})) -> str:
    """The subject of a schema by the naming strategy: ``topic`` -> ``<topic>-value``, ``record`` -> the record's full
    name, ``topic-record`` -> ``<topic>-<record>``, anything else is the subject itself. The topic is the message's own, else
    that of the outputs it goes to (``topics``, by output), else ``default_topic``.

    Raises MessageError where the strategy needs a topic and none is fixed, or there are several."""
    strategy = request.options.subject
    if strategy == "record":
        return str(request.record)
    if strategy not in ("topic", "topic-record"):
        return str(strategy)
    found = {topic for name, topic in topics.items() if not request.outputs or name in request.outputs}
    if request.topic is None and len(found) > 1:
        raise MessageError(
            f"the subject of its schema is named after the topic, but the message '{request.definition}' goes to several: "
            + ", ".join(sorted(found)),
            where=f"message '{request.definition}'",
            fix="set schema: {subject: record}, name the subject, or make a message for each of the outputs",
        )
    topic = request.topic or next(iter(found), default_topic)
    if topic is None:
        raise MessageError(
            f"the subject of its schema is named after the topic, but the message '{request.definition}' has no fixed one",
            where=f"message '{request.definition}'",
            fix="set schema: {subject: record}, name the subject, or give the message a topic without fields",
        )
    return f"{topic}-value" if strategy == "topic" else f"{topic}-{request.record}"


class SchemaIds:
    """Answers ``countline.messages.make``'s question for schema ids.

    Parameters
    ----------
    default_topic: topic of messages that name none, where their outputs are not known.
    topics: topic by output.
    cache: file in which ids are remembered; None: nowhere.
    timeout: seconds to wait for the registry.
    """

    def __init__(
        self,
        default_topic: str | None = None,
        *,
        topics: Mapping[str, str] = MappingProxyType({}),
        cache: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.default_topic = default_topic
        self.topics = topics
        self.cache = cache
        self.timeout = timeout
        self._clients: dict[str, Any] = {}

    def __call__(self, request: Any) -> int:
        """Id of the schema. Raises OutputError: registry away or it refuses; MessageError: no subject, schema absent and
        not to be registered, or incompatible with what is there; MissingExtra."""
        subject = subject_of(request, self.default_topic, self.topics)
        options = request.options
        mark = sha256("\0".join((options.registry, subject, request.kind, request.text)).encode()).hexdigest()
        known = None if _mock(options.registry) else self._remembered().get(mark)
        if known is not None:
            return int(known)
        found = int(self._guarded(options.registry, lambda: self._ask(request, subject)))
        self._remember(mark, found, mock=_mock(options.registry))
        log.info("message '%s': schema %d of subject %s", request.definition, found, subject)
        return found

    def _ask(self, request: Any, subject: str) -> int:
        client, schema, options = self._client(request.options), self._schema(request), request.options
        if options.compatibility is not None and not _mock(options.registry):  # the mock has no levels
            client.set_compatibility(subject, options.compatibility)
        try:  # what is registered already needs no check: a deployment may go back to an older version
            return int(client.lookup_schema(subject, schema).schema_id)
        except Exception as error:
            if getattr(error, "http_status_code", None) != 404 or not options.auto_register:
                raise
        if not _mock(options.registry) and not _compatible(client, subject, schema):
            raise MessageError(
                f"its schema is not compatible with the one that the subject '{subject}' has in the registry",
                where=f"message '{request.definition}'",
                fix="new fields must be optional, and none may change its type; `countline schema --check OLD NEW` says what "
                "differs; or choose another subject",
            )
        return int(client.register_schema(subject, schema))

    def _schema(self, request: Any) -> Any:
        from confluent_kafka.schema_registry import Schema

        return Schema(request.text, request.kind)

    def _client(self, options: Any) -> Any:
        url = options.registry
        if url not in self._clients:
            try:
                from confluent_kafka.schema_registry import SchemaRegistryClient
            except ImportError:
                raise MissingExtra(
                    "confluent-kafka[schemaregistry]", "registry", what_for="a schema registry"
                ) from None
            settings: dict[str, Any] = {"url": url, **options.options}
            if not _mock(url):
                settings = {"timeout": self.timeout, "max.retries": 1, **settings}
            try:
                self._clients[url] = SchemaRegistryClient.new_client(settings)
            except (ValueError, TypeError) as error:
                raise OutputError(f"{error}", where=_bare(url), fix="see schema.options in docs/messages.md") from None
        return self._clients[url]

    def _guarded(self, url: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (MessageError, OutputError, MissingExtra):
            raise
        except Exception as error:  # the client's transport errors are those of whatever HTTP library it has
            status = getattr(error, "http_status_code", None)
            if status == 404:
                raise MessageError(
                    "the schema is not in the registry, and auto_register is off",
                    where=_bare(url),
                    fix="register the output of `countline schema --message NAME`, or set auto_register: true",
                ) from None
            fix = (
                "check user and password in schema.options"
                if status in (401, 403)
                else "check the address, and that it is up"
            )
            if status in (409, 422):
                fix = "the registry refuses the schema: `countline schema --check OLD NEW` says what differs"
            raise OutputError(f"the schema registry answered: {error}", where=_bare(url), fix=fix) from None

    def _remembered(self) -> dict[str, int]:
        if self.cache is None:
            return {}
        try:
            found = json.loads(self.cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # absent or damaged: the registry knows
            return {}
        return found if isinstance(found, dict) else {}

    def _remember(self, mark: str, found: int, *, mock: bool) -> None:
        if self.cache is None or mock:
            return
        known = {**self._remembered(), mark: found}
        part = self.cache.with_name(self.cache.name + ".part")
        try:
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(known, indent=1), encoding="utf-8")
            os.replace(part, self.cache)
        except OSError as error:
            log.warning("%s cannot be written (%s): the next start needs the schema registry again", self.cache, error)


def _mock(url: str) -> bool:
    return url.startswith("mock://")


def _compatible(client: Any, subject: str, schema: Any) -> bool:
    """True also for a subject that has no version yet."""
    try:
        return bool(client.test_compatibility(subject, schema))
    except Exception as error:
        if getattr(error, "http_status_code", None) == 404:
            return True
        raise


def _bare(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
