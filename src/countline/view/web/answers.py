"""Responses and request bodies: JSON, of bounded size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from countline.errors import CountlineError
from countline.redaction import redact
from countline.view.conflict import Conflict

__all__ = ["Refusal", "body_of", "json_answer", "of_error", "problem"]

BODY = 256 * 1024
"""Bytes of a request's body, at most."""
PATIENCE = 10.0
"""Seconds for which a body may take."""


class Refusal(Exception):
    """A request is refused, with an HTTP status and the reason."""

    def __init__(
        self, status: int, what: str, *, where: str = "", fix: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.status, self.what, self.where, self.fix, self.headers = status, what, where, fix, headers

    def answer(self) -> Response:
        """The response that states the reason."""
        return problem(self.status, self.what, where=self.where, fix=self.fix, headers=self.headers)


def json_answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response that is not to be cached."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def problem(
    status: int, what: str, *, where: str = "", fix: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """A response with an error as the command line would print it."""
    error = {"what": redact(what), "where": redact(where), "fix": redact(fix)}
    return json_answer(orjson.dumps({"error": error, **more}), status, headers)


def of_error(error: CountlineError) -> Response:
    """The response for an error of the package: 409 for a conflict, else 422."""
    if isinstance(error, Conflict):
        return problem(409, error.what, where=str(error.where), fix=error.fix, disk=redact(error.disk))
    return problem(422, error.what, where=str(error.where), fix=error.fix)


async def body_of(request: Request, most: int = BODY) -> dict[str, Any]:
    """The JSON object in a request's body. Raises Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "the body is not called JSON", fix="send `Content-Type: application/json`")
    try:
        data = await asyncio.wait_for(_read(request, most), PATIENCE)
    except (asyncio.TimeoutError, TimeoutError):
        raise Refusal(408, "the body took too long", headers={"Connection": "close"}) from None
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {error}", fix="send a JSON object") from None
    if not isinstance(found, dict):
        raise Refusal(400, "the body is no JSON object", fix="send a JSON object")
    return found


async def _read(request: Request, most: int) -> bytes:
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > most:
            raise Refusal(413, f"the body has more than {most} bytes", headers={"Connection": "close"})
    return bytes(found)
