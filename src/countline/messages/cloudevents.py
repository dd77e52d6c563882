"""CloudEvents 1.0 around a value (JSON event format, Kafka protocol binding)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from countline.messages.compact import dumps
from countline.messages.filters import text_of
from countline.messages.scope import Scope
from countline.messages.time import rfc3339

__all__ = ["Envelope"]

Get = Callable[[Scope], Any]


@dataclass(frozen=True)
class Envelope:
    """Attributes that come from the event: id (the message's), source, type, subject, time, dataschema, and the extension
    partitionkey where the message has a key."""

    structured: bool
    type: Get
    source: Get | None
    subject: Get | None
    dataschema: str

    def attributes(self, s: Scope, content_type: str, key: Any) -> dict[str, str]:
        """The context attributes, in the order of the specification."""
        source = text_of(self.source(s)) if self.source else "/countline/" + quote(s.source.name, safe="")
        made = {"specversion": "1.0", "id": s.id, "source": source, "type": text_of(self.type(s))}
        made["datacontenttype"] = content_type
        made["dataschema"] = self.dataschema
        subject = self.subject(s) if self.subject else getattr(s.event, "rule", None)
        if subject:  # the specification forbids an empty one
            made["subject"] = text_of(subject)
        made["time"] = rfc3339(s.info.time)
        if key is not None:
            made["partitionkey"] = key.decode("utf-8", "replace") if isinstance(key, bytes) else text_of(key)
        return made

    def wrap(self, s: Scope, body: bytes, encoder: Any, key: Any) -> tuple[bytes, tuple[tuple[str, bytes], ...], str]:
        """Value, further headers and content type of the record."""
        content_type = encoder.content_type
        lines = content_type == "application/x-ndjson"
        inner = "application/json" if lines else content_type
        attributes: dict[str, Any] = self.attributes(s, inner, key)
        if not self.structured:
            headers = [
                ("content-type" if name == "datacontenttype" else f"ce_{name}", value.encode())
                for name, value in attributes.items()
            ]
            return body, tuple(headers), content_type
        if inner == "application/json" and body[:1] != b"\0":  # a zero byte begins the Confluent wire format
            attributes["data"] = orjson.Fragment(body.rstrip(b"\n"))
        else:
            from base64 import b64encode

            attributes["data_base64"] = b64encode(body).decode()
        made = dumps(attributes, option=orjson.OPT_APPEND_NEWLINE if lines else None)
        kind = "application/cloudevents+json"
        return made, (("content-type", kind.encode()),), kind
