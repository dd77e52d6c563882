"""An OTLP receiver over HTTP: takes what is sent as the protocol's own messages, or refuses it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What came, and how it is answered."""

    def __init__(self) -> None:
        self.metrics: list[Any] = []
        """Requests."""
        self.spans: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.came = threading.Event()
        self.address = ""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.headers.append(headers)
        if self.status == 200:
            if path == "/v1/metrics":
                self.metrics.append(ExportMetricsServiceRequest.FromString(body))
            elif path == "/v1/traces":
                request = ExportTraceServiceRequest.FromString(body)
                self.spans += [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
            else:
                return 404
        self.came.set()
        return self.status

    def families(self) -> dict[str, Any]:
        """Of the last request, by name."""
        found = {}
        for resource in self.metrics[-1].resource_metrics:
            for scope in resource.scope_metrics:
                found.update({metric.name: metric for metric in scope.metrics})
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self.send_response(made.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def attributes(item: Any) -> dict[str, Any]:
    """Of a span, point or resource, as plain values."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in item.attributes}
