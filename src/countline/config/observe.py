"""What a run shows of itself: metrics and health over HTTP, metrics and traces to OpenTelemetry."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from countline.addresses import address_text
from countline.config.base import FileName, Model

__all__ = ["MetricsConfig", "OtelConfig", "given_metrics"]


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as http://127.0.0.1:4318 (OTLP over HTTP)")
    return value.rstrip("/")


class MetricsConfig(Model):
    """`/metrics` for Prometheus, `/healthz` and `/readyz`, served over HTTP while countline runs."""

    listen: Annotated[str, BeforeValidator(_number_as_text), AfterValidator(address_text)] = "127.0.0.1:9464"
    """HOST:PORT. Only this machine reaches it unless another address is given; `:9464` is all addresses. There is no password:
    whoever reaches it may read. Port 0 takes a free one, which the log tells."""


class OtelConfig(Model):
    """Metrics and traces to a collector, by OTLP over HTTP. Needs countline[otel]."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] = "http://127.0.0.1:4318"
    """Address of the collector; `/v1/metrics` and `/v1/traces` are added to it."""
    headers: dict[str, SecretStr] = {}
    """Sent with each request, e.g. {authorization: "${file:/run/secrets/otel}"}."""
    ca: FileName | None = None
    """PEM file of the certificate authorities to trust for https; those of the package certifi unless set."""
    metrics: bool = True
    """Whether metrics are sent."""
    traces: bool = True
    """Whether traces are sent: one for each message, from its frame to the acknowledgement of each output."""
    sample: float = Field(default=1.0, ge=0, le=1)
    """Part of the messages that are traced. Which ones follows from their ids: the same in every process that sees them."""
    interval: float = Field(default=15.0, ge=0.1)
    """Seconds between two sendings of metrics."""
    service: str = Field(default="countline", min_length=1)
    """`service.name` of what is sent."""
    attributes: dict[str, str] = {}
    """Further attributes of the resource, e.g. {deployment.environment.name: site-7}."""


def given_metrics(value: Any) -> Any:
    """``metrics: true``, and ``metrics: HOST:PORT``."""
    if isinstance(value, bool):
        return {} if value else None
    return {"listen": value} if isinstance(value, (str, int)) else value
