"""Metrics and traces to an OpenTelemetry collector: OTLP over HTTP, on a thread of its own that nobody waits for."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

from countline.errors import MissingExtra
from countline.observe.histogram import Distribution
from countline.observe.measured import Measured, build
from countline.observe.metrics import FAMILIES, Family, Point
from countline.observe.traces import Span, Traces
from countline.observe.trouble import Trouble
from countline.redaction import redact

if TYPE_CHECKING:
    from countline.config.observe import OtelConfig

__all__ = ["OtelExport"]

log = logging.getLogger("countline.otel")

TIMEOUT = 5.0
"""Seconds for which one sending may take, with all that is tried again."""
SPANS_EVERY = 1.0
"""Seconds between two sendings of spans."""
BATCH = 512
"""Spans in one request."""


class OtelExport:
    """Sends what ``measure`` gives, and the spans of ``traces``, until :meth:`close`.

    Raises MissingExtra when made, if the packages are not there.
    """

    def __init__(
        self, config: OtelConfig, measure: Callable[[], Measured | None], traces: Traces | None, started: int
    ) -> None:
        self._config, self._measure, self._traces = config, measure, traces
        self._started = started
        self._make(config)
        self._trouble = Trouble(
            log, f"OpenTelemetry collector at {redact(config.endpoint)}", "takes what is sent again"
        )
        self._lost = 0
        """Spans that could not be sent."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="countline-otel", daemon=True)
        self._thread.start()

    def _make(self, config: OtelConfig) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        except ImportError:
            raise MissingExtra("opentelemetry-sdk", "otel", what_for="`otel`") from None
        # What goes wrong is logged here, once, and without the addresses that its own lines have.
        logging.getLogger("opentelemetry.exporter.otlp.proto.http").setLevel(logging.CRITICAL)
        logging.getLogger("opentelemetry.exporter.http").setLevel(logging.CRITICAL)
        headers = {name: secret.get_secret_value() for name, secret in config.headers.items()}
        options: dict[str, Any] = {"headers": headers, "timeout": TIMEOUT, "certificate_file": config.ca}
        self._metrics = OTLPMetricExporter(endpoint=f"{config.endpoint}/v1/metrics", **options)
        self._spans = OTLPSpanExporter(endpoint=f"{config.endpoint}/v1/traces", **options)
        version = build().version
        self._scope = InstrumentationScope("countline", version)
        self._resource = Resource.create(
            {
                "service.name": config.service,
                "service.version": version,
                "service.instance.id": str(uuid.uuid4()),
                **config.attributes,
            }
        )

    def close(self) -> None:
        """Send what there is, for a few seconds at the most, and end."""
        self._ending.set()
        if threading.current_thread() is not self._thread:  # it may hold a run last, and so end this
            self._thread.join(2 * TIMEOUT)
        for exporter in (self._metrics, self._spans):
            with suppress(Exception):
                exporter.shutdown()

    # -- on its own thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        due = time.monotonic() + min(1.0, self._config.interval)
        last = False
        while not last:
            wait = max(0.0, due - time.monotonic()) if self._config.metrics else SPANS_EVERY
            last = self._ending.wait(min(wait, SPANS_EVERY))
            try:
                if self._config.metrics and (last or time.monotonic() >= due):
                    due = time.monotonic() + self._config.interval
                    self._send_metrics()
                self._send_spans()
            except Exception as error:  # nothing that goes wrong here may end it, or anything else
                self._failed(repr(error))
        lost = self._lost + (self._traces.dropped if self._traces is not None else 0)
        if lost:
            log.warning("%d spans could not be sent to the OpenTelemetry collector", lost)
        self._trouble.close()

    def _failed(self, why: str) -> None:
        self._trouble.begin(redact(why))

    def _succeeded(self, result: Any, what: str) -> bool:
        if result.name == "SUCCESS":
            self._trouble.end()
            return True
        self._failed(f"{what} cannot be sent; countline goes on without")
        return False

    def _send_metrics(self) -> None:
        measured = self._measure()
        if measured is not None:
            self._succeeded(self._metrics.export(self._metrics_data(measured)), "metrics")

    def _send_spans(self) -> None:
        if self._traces is None:
            return
        while spans := self._traces.take(BATCH):
            sent = self._succeeded(self._spans.export([self._readable(span) for span in spans]), "traces")
            if not sent:
                self._lost += len(spans)
                return

    def _metrics_data(self, measured: Measured) -> Any:
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics

        now = time.time_ns()
        metrics = [
            _metric(family, points, self._started, now)
            for family in FAMILIES
            if (points := list(family.read(measured)))
        ]
        scope = ScopeMetrics(self._scope, metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _readable(self, span: Span) -> Any:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        flags = TraceFlags(TraceFlags.SAMPLED)
        parent = SpanContext(span.trace, span.parent, is_remote=False, trace_flags=flags) if span.parent else None
        return ReadableSpan(
            span.name,
            SpanContext(span.trace, span.id, is_remote=False, trace_flags=flags),
            parent,
            self._resource,
            {name: redact(value) if isinstance(value, str) else value for name, value in span.attributes.items()},
            kind=SpanKind.PRODUCER if span.kind == "producer" else SpanKind.INTERNAL,
            instrumentation_scope=self._scope,
            status=Status(StatusCode.ERROR, redact(span.error)) if span.error else Status(StatusCode.UNSET),
            start_time=span.start,
            end_time=max(span.start, span.end),
        )


def _metric(family: Family, points: Sequence[Point], started: int, now: int) -> Any:
    """One family as OpenTelemetry has it; a state is a gauge for each that there is, as its conventions have them."""
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Metric, Sum

    cumulative = AggregationTemporality.CUMULATIVE
    data: Any
    if family.kind == "histogram":
        data = Histogram([_distribution(family, point, started, now) for point in points], cumulative)
    elif family.kind == "counter":
        numbers = [_number(_attributes(family, p.labels), p.value, started, now) for p in points]
        data = Sum(numbers, cumulative, is_monotonic=True)
    elif family.kind == "state":
        data = Gauge(list(chain.from_iterable(_states(family, point, now) for point in points)))
    else:
        data = Gauge([_number(_attributes(family, p.labels), p.value, None, now) for p in points])
    return Metric(family.name, family.help, family.unit, data)


def _attributes(family: Family, labels: Sequence[str]) -> dict[str, str]:
    return {f"countline.{name}": redact(value) for name, value in zip(family.labels, labels)}


def _states(family: Family, point: Point, now: int) -> list[Any]:
    attributes = _attributes(family, point.labels[:-1])
    return [
        _number({**attributes, family.name: state}, int(state == point.labels[-1]), None, now)
        for state in family.states
    ]


def _number(attributes: dict[str, str], value: Any, started: int | None, now: int) -> Any:
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    return NumberDataPoint(attributes, started or 0, now, value)


def _distribution(family: Family, point: Point, started: int, now: int) -> Any:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    found = point.value
    assert isinstance(found, Distribution)
    # Least and greatest value are not kept, and so not sent.
    unknown: Any = None
    return HistogramDataPoint(
        _attributes(family, point.labels), started, now, found.number, found.total, found.counts, found.bounds,
        min=unknown, max=unknown,
    )  # fmt: skip
