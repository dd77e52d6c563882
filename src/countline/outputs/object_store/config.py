"""Options of the object-store output."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from countline.config.faults import ConfigFault
from countline.outputs.base.options import HttpsTls, OrderedConfig, Secret, TlsConfig, names_in_braces
from countline.outputs.object_store.keys import FIELDS, key_of
from countline.outputs.object_store.options import OPTIONS, OWN_KEYS, SCHEMES
from countline.types import Message

__all__ = ["Config"]

_EXAMPLES = ", ".join(SCHEMES.values())


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (raises ValueError where it is none)
    except ValueError:
        raise ConfigFault("is not a URL", fix=f"write it as {_EXAMPLES}") from None
    if parts.username is not None or parts.query or parts.fragment:
        # Not quoted: it may hold a password.
        raise ConfigFault("may hold no login, ? or #", fix=f"write it as {_EXAMPLES}; logins have keys of their own")
    if parts.scheme not in SCHEMES:
        raise ConfigFault(f"'{value}' is not the URL of an object store", fix=f"write it as {_EXAMPLES}")
    if (parts.scheme == "file") == bool(parts.netloc) or (parts.scheme == "file" and not parts.path.startswith("/")):
        raise ConfigFault(f"'{value}' lacks its place", fix=f"write it as {SCHEMES[parts.scheme]}")
    if any(part in (".", "..") for part in unquote(parts.path).split("/")) or "//" in parts.path:
        raise ConfigFault(f"'{value}' has an empty or dotted folder in it", fix="write the prefix out")
    return value.rstrip("/") if parts.path != "/" or parts.netloc else value


def _path(value: str) -> str:
    if "id" not in names_in_braces(value, FIELDS):
        raise ConfigFault("without {id} one object would replace another", fix="e.g. {date}/{id}.{extension}")
    parts = value.split("/")
    if not all(parts) or any(part.startswith(".") for part in parts):
        raise ConfigFault(
            f"'{value}' begins or ends with /, or has an empty or dotted folder in it", fix="leave it out"
        )
    return value


def _options(value: Any) -> Any:
    """YAML's true and 1 as the library wants them: text."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: str(option).lower()
        if isinstance(option, bool)
        else str(option)
        if isinstance(option, (int, float))
        else option
        for name, option in value.items()
    }


class Config(OrderedConfig):
    """Puts each message into an object store as an object of its own. Also where ``attach: {as: object}`` puts pictures."""

    url: Annotated[str, AfterValidator(_url)]
    """Where: s3://bucket/prefix, gs://bucket/prefix (Google Cloud Storage), az://container/prefix (Azure Blob Storage) or
    file:///folder."""
    path: Annotated[str, AfterValidator(_path)] = "{date}/{id}.{extension}"
    """Name of an object below ``url``. ``{id}`` (which must be in it), ``{extension}`` (by the encoding: json, jpg …),
    ``{date}`` (2026-11-22), ``{hour}`` (08), both of the event time in UTC, ``{source}``, ``{topic}`` and ``{definition}``
    are replaced."""
    takes: Literal["named", "all"] = "named"
    """named: pictures, and messages whose definition names this output under ``outputs``; all: every message that names
    no outputs, too, as other outputs do."""
    content: Literal["value", "message"] = "value"
    """What an object holds: the value alone, or a JSON object with id, time, key, headers and value. A picture is always
    the picture itself."""
    region: str | None = None
    """S3: region of the bucket; AWS_REGION, else us-east-1, unless set."""
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")
    """Address of a server that speaks the same protocol, e.g. https://storage.example:9000; the cloud's own unless set."""
    access_key: Secret | None = None
    """S3: id of the access key. Unless set, the usual variables (AWS_ACCESS_KEY_ID …) and then the credentials of the
    machine, container or pod are used."""
    secret_key: Secret | None = None
    """S3: the secret that belongs to ``access_key``."""
    session_token: Secret | None = None
    """S3: token of temporary credentials."""
    options: Annotated[dict[str, Secret], BeforeValidator(_options)] = {}
    """Further options, by kind of store, e.g. {account_name: acme, account_key: "${KEY}"} for Azure,
    {service_account: key.json} for Google, {server_side_encryption: AES256} for S3. Never shown."""
    tls: HttpsTls = TlsConfig()
    """Certificates for https: ``ca`` (in addition to those of the system) and ``verify``."""
    proxy: Secret | None = None
    """Proxy server, http://user:password@host:port; unless set, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say."""
    max_in_flight: int = Field(default=32, ge=1, le=1000)
    """Most objects that are put at one time."""

    @property
    def scheme(self) -> str:
        """s3, gs, az or file."""
        return urlsplit(self.url).scheme

    @property
    def explicit_only(self) -> bool:
        """Whether messages come only when their definition names this output."""
        return self.takes == "named"

    @property
    def holds_objects(self) -> bool:
        """Pictures may be put here."""
        return True

    def key_of(self, message: Message) -> str:
        """Name of the object that a message becomes, below ``url``."""
        return key_of(self.path, message, self.content)

    def object_url(self, message: Message, prefix: str | None = None) -> str:
        """URL of the object that a message becomes; ``prefix`` stands for ``url`` where people read from elsewhere."""
        base, key = prefix or self.url, self.key_of(message)
        return f"{base.rstrip('/')}/{quote(key) if base.startswith('http') else key}"

    @model_validator(mode="after")
    def fitting(self) -> Config:
        scheme = self.scheme
        for name in ("region", "access_key", "secret_key", "session_token"):
            if getattr(self, name) is not None and scheme != "s3":
                fix = {
                    "az": "write options: {account_name: ..., account_key: ...}",
                    "gs": "write options: {service_account: key.json}",
                    "file": "leave it out",
                }[scheme]
                raise ConfigFault(f"{name} is for s3:// only", fix=fix, loc=(name,))
        if (self.access_key is None) != (self.secret_key is None):
            present = "secret_key" if self.access_key is None else "access_key"
            raise ConfigFault("access_key and secret_key go together", fix="give both, or neither", loc=(present,))
        if self.endpoint is not None and scheme == "file":
            raise ConfigFault("a folder has no endpoint", fix="leave it out", loc=("endpoint",))
        for name in ("cert", "key"):
            if getattr(self.tls, name) is not None:
                raise ConfigFault(
                    "object stores log clients in by keys, not by certificates", fix="leave it out", loc=("tls", name)
                )
        if "tls" in self.model_fields_set and (self.endpoint or "").startswith("http:"):
            fix = "write https:// under endpoint, or leave tls out"
            raise ConfigFault("tls with an http:// address", fix=fix, loc=("tls",))
        for name in self.options:
            self._known_option(name, scheme)
        return self

    def _known_option(self, name: str, scheme: str) -> None:
        if name in OPTIONS[scheme]:
            return
        known = sorted(OPTIONS[scheme])
        if name in OWN_KEYS:
            fix = f"it is called {OWN_KEYS[name]}, beside options"
        else:
            close = difflib.get_close_matches(name, known, 1)
            fix = (f"did you mean {close[0]}? " if close else "") + (
                "known are: " + ", ".join(known) if known else "leave it out"
            )
        raise ConfigFault(f"{scheme}:// has no option '{name}'", fix=fix, loc=("options", name))
