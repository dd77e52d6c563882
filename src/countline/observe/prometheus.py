"""The table of metrics as Prometheus reads it: a collector for ``prometheus_client``, which is read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder

from countline.observe.histogram import Distribution
from countline.observe.measured import Measured
from countline.observe.metrics import FAMILIES, Family
from countline.redaction import redact

__all__ = ["MeasuredCollector", "exposition", "registry"]


class MeasuredCollector:
    """Gives what was measured, as of now, each time that it is asked. Register it with any registry.

    Parameters
    ----------
    measure: measures; None: there is nothing to measure (yet).
    """

    def __init__(self, measure: Callable[[], Measured | None]) -> None:
        self._measure = measure

    def describe(self) -> Iterable[Metric]:
        """Nothing: so that registering it measures nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families that have values."""
        measured = self._measure()
        if measured is None:
            return
        clean: dict[str, str] = {}  # the same names come again and again
        for family in FAMILIES:
            points = [
                (tuple(clean.get(text) or clean.setdefault(text, _label(text)) for text in labels), value)
                for labels, value in family.read(measured)
            ]
            if points:
                yield _metric(family, dict(points))


def _label(text: str) -> str:
    """A label's value: no secret, and text that can be written."""
    return redact(text).encode("utf-8", "backslashreplace").decode()


def _metric(family: Family, points: dict[tuple[str, ...], Any]) -> Any:
    name, text, labels = family.base, family.help, family.labels
    made: Any
    if family.kind == "counter":
        made = CounterMetricFamily(name, text, labels=labels)
    elif family.kind == "gauge":
        made = GaugeMetricFamily(name, text, labels=labels)
    elif family.kind == "info":
        made = InfoMetricFamily(name, text)
        for values in points:
            made.add_metric([], dict(zip(family.labels, values)))
        return made
    elif family.kind == "state":
        made = StateSetMetricFamily(name, text, labels=labels)
        for values in points:
            made.add_metric(values[:-1], {state: state == values[-1] for state in family.states})
        return made
    else:
        made = HistogramMetricFamily(name, text, labels=labels)
        for values, distribution in points.items():
            made.add_metric(values, _buckets(distribution), distribution.total)
        return made
    for values, value in points.items():
        made.add_metric(values, value)
    return made


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    bounds = [*(_bound(bound) for bound in distribution.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(distribution.counts))))


def _bound(bound: float) -> str:
    return repr(float(bound))


def registry(measure: Callable[[], Measured | None]) -> CollectorRegistry:
    """A registry with all of countline's metrics, and those of the process that every exporter has (memory, CPU, open files)."""
    made = CollectorRegistry()
    made.register(MeasuredCollector(measure))
    ProcessCollector(registry=made)
    return made


def exposition(source: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
    """What is scraped, and its content type: OpenMetrics where ``accept`` (the request's header) takes that, else plain text."""
    encode, content_type = choose_encoder(accept)
    return encode(source), content_type
