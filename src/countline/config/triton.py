"""A model on an inference server: Triton, KServe, and whatever else speaks version 2 of the open inference protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from countline.config.base import FileName, Model
from countline.config.faults import ConfigFault
from countline.config.secret_places import PUBLIC_NAMES

__all__ = ["RemoteModel", "TensorConfig", "TritonConfig", "TritonTls", "given_triton"]

_PORTS = {"grpc": 8001, "http": 8000, "grpcs": 443, "https": 443}
"""Where nothing is written: Triton's own ports, and that of TLS."""
_HOW = "write grpc://host:8001/model or http://host:8000/model (grpcs:// and https:// with TLS)"
_HEADER = re.compile(r"[0-9A-Za-z_.-]+")


@dataclass(frozen=True)
class RemoteModel:
    """What an address names."""

    scheme: str
    """grpc, grpcs, http or https."""
    host: str
    port: int
    prefix: str
    """Path before ``/v2``, of a server behind a gateway; empty or with a slash before it."""
    model: str
    version: str
    """Empty: the one that the server chooses."""

    @property
    def encrypted(self) -> bool:
        """Whether the connection has TLS."""
        return self.scheme in ("grpcs", "https")

    @property
    def grpc(self) -> bool:
        """Whether it is spoken by gRPC, else by HTTP."""
        return self.scheme.startswith("grpc")

    @property
    def target(self) -> str:
        """host:port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        version = f":{self.version}" if self.version else ""
        return f"{self.scheme}://{self.target}{self.prefix}/{quote(self.model, safe='')}{version}"


def parse(url: str, version: str = "") -> RemoteModel:
    """The model that an address names.

    >>> parse("grpc://gpu-1:8001/people:3")
    RemoteModel(scheme='grpc', host='gpu-1', port=8001, prefix='', model='people', version='3')
    >>> str(parse("https://gateway/vision/v2/models/people/versions/2"))
    'https://gateway:443/vision/people:2'

    Raises ConfigFault where it names none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigFault("is no address", fix=_HOW) from None
    if parts.scheme not in _PORTS or not host:
        raise ConfigFault("is not the address of a model on an inference server", fix=_HOW)
    if parts.username is not None or parts.password is not None:
        raise ConfigFault("holds a user or password", fix='write `headers: {authorization: "Basic ${CREDENTIALS}"}`')
    path = [part for part in parts.path.split("/") if part]
    asked = _query(parts.query) or version
    if len(path) > 1 and path[-2] == "versions":
        asked, path = unquote(path[-1]), path[:-2]
    if len(path) > 2 and path[-3:-1] == ["v2", "models"]:
        path = [*path[:-3], path[-1]]
    if not path:
        raise ConfigFault("names no model", fix=_HOW)
    if len(path) > 1 and parts.scheme.startswith("grpc"):
        raise ConfigFault("has more than the name of a model behind the host; gRPC knows no paths", fix=_HOW)
    model, colon, behind = path[-1].rpartition(":")
    if not colon:
        model, behind = path[-1], ""
    model, behind = unquote(model), unquote(behind)
    if version and behind and behind != version:
        raise ConfigFault(f"names version {behind}, and `version` {version}", fix="write it in one place")
    prefix = "".join("/" + part for part in path[:-1])
    return RemoteModel(
        parts.scheme, host, _PORTS[parts.scheme] if port is None else port, prefix, model, behind or asked
    )


def _query(text: str) -> str:
    found = dict(parse_qsl(text))
    version = found.pop("version", "")
    if found:
        raise ConfigFault(f"asks for '{next(iter(found))}'", fix="only ?version= is known there")
    return version


class TritonTls(Model):
    """Certificates of a connection to an inference server."""

    ca: FileName | None = None
    """PEM file of the certificate authorities to trust; those of the package certifi (https) or gRPC's own (grpcs) unless set."""
    cert: FileName | None = None
    """PEM file of the client's own certificate (mutual TLS), with intermediate certificates behind it."""
    key: FileName | None = None
    """PEM file of the client's private key, without a password."""

    @model_validator(mode="after")
    def _pair(self) -> TritonTls:
        if (self.key is None) != (self.cert is None):
            raise ConfigFault("cert and key go together", fix="give both, or neither")
        return self


class TensorConfig(Model):
    """An input that the server does not tell of."""

    name: str = Field(min_length=1)
    datatype: Literal["UINT8", "FP16", "FP32", "FP64", "INT32", "INT64"] = "FP32"
    shape: list[Annotated[int, Field(ge=-1)]] = Field(min_length=2)
    """With the dimension for the frames of a batch; -1 for what may vary."""


def _versions(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class TritonConfig(Model):
    """A model on an inference server that speaks the open inference protocol, version 2: Triton, KServe, OpenVINO Model Server,
    MLServer. Needs countline[triton]."""

    url: str
    """grpc://host:8001/model or http://host:8000/model; grpcs and https with TLS; `model:3` or `?version=3` for one version."""
    version: Annotated[str, BeforeValidator(_versions)] = ""
    """Version of the model; the server's choice unless set."""
    headers: dict[str, SecretStr] = {}
    """Sent with each request, e.g. {authorization: "Bearer ${TOKEN}"}. Never shown."""
    tls: TritonTls = TritonTls()
    """Certificates for grpcs and https."""
    timeout: float = Field(default=10.0, gt=0, le=100)
    """Seconds without an answer after which a request is given up, and the server counts as away. At start it is waited for as long."""
    requests: int = Field(default=2, ge=1, le=32)
    """Requests that may be under way at once."""
    inputs: list[TensorConfig] = []
    """The model's inputs, where the server does not tell them."""

    @property
    def model(self) -> RemoteModel:
        """What the address names."""
        return parse(self.url, self.version)

    @model_validator(mode="after")
    def _sound(self) -> TritonConfig:
        try:
            model = self.model
        except ConfigFault as fault:
            raise ConfigFault(fault.what, fix=fault.fix, loc=("url",)) from None
        if "tls" in self.model_fields_set and not model.encrypted:
            fix = f"write {model.scheme}s:// under url, or leave tls out"
            raise ConfigFault("tls with an address that has none", fix=fix, loc=("tls",))
        for name, value in self.headers.items():
            _header(name, value.get_secret_value())
        return self


def _header(name: str, value: str) -> None:
    loc = ("headers", name)
    if not _HEADER.fullmatch(name):
        raise ConfigFault("cannot be the name of a header", fix="letters, digits and hyphens", loc=loc)
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ConfigFault(
            "holds a line break, a blank at its end or a character that no header may have",
            fix="a file with a token must hold nothing else" if name.lower() not in PUBLIC_NAMES else "remove it",
            loc=loc,
        )


def given_triton(value: Any) -> Any:
    """``triton: grpc://host/model``."""
    return {"url": value} if isinstance(value, str) else value
