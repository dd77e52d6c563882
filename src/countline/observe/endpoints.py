"""What is answered to whoever looks at a run over HTTP: pure, so that any server can serve it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from countline.observe.health import Health

__all__ = ["PATHS", "Answer", "Endpoints"]

PATHS = ("/metrics", "/healthz", "/readyz")


class Answer(NamedTuple):
    """Status, content type and body."""

    status: int
    content_type: str
    body: bytes


class Endpoints:
    """Answers GET for the paths of :data:`PATHS`. A web server of any kind asks this.

    Parameters
    ----------
    exposition: all metrics by the header ``Accept``: body and content type.
    health: how it goes.
    """

    def __init__(self, exposition: Callable[[str], tuple[bytes, str]], health: Callable[[], Health]) -> None:
        self._exposition, self._health = exposition, health

    def answer(self, target: str, accept: str = "") -> Answer:
        """What is answered to a request for ``target`` (a path, with a query that says nothing here)."""
        path = urlsplit(target).path.rstrip("/")
        if path == "/metrics":
            body, content_type = self._exposition(accept)
            return Answer(200, content_type, body)
        if path in ("/healthz", "/readyz"):
            return self._of_health(ready=path == "/readyz")
        if not path:
            return Answer(200, "text/plain; charset=utf-8", ("\n".join(PATHS) + "\n").encode())
        return Answer(404, "text/plain; charset=utf-8", b"there are /metrics, /healthz and /readyz\n")

    def _of_health(self, *, ready: bool) -> Answer:
        answer: dict[str, Any] = self._health().as_dict(ready=ready)
        return Answer(200 if answer["ok"] else 503, "application/json", orjson.dumps(answer) + b"\n")
