"""The HTTP API: reading and changing a run. Its OpenAPI description is in ``openapi``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countline.errors import CountlineError
from countline.observe.measured import build
from countline.view.web.answers import Refusal, body_of, json_answer, of_error
from countline.view.web.gate import Gate, Requester
from countline.view.web.hub import Hub, encode
from countline.view.web.openapi import description
from countline.view.web.site import Desk

__all__ = ["Api"]

T = TypeVar("T")
PREFIX = "/api/v1"
LOGIN = 8192
"""Bytes of a request to sign in, at most."""
WAITING = 8
"""Most questions, and most changes, that wait or run at a time."""
EDITS = 200
"""Edits of one request, at most."""


class Api:
    """The routes.

    Parameters
    ----------
    questions, changes: executors of one thread each, for work that may take long.
    """

    def __init__(self, hub: Hub, gate: Gate, questions: Executor, changes: Executor) -> None:
        self._hub, self._gate, self._questions, self._changes = hub, gate, questions, changes
        self._waiting = {questions: 0, changes: 0}

    def routes(self) -> list[Route]:
        """All but streams and pictures."""
        get: Mapping[str, Any] = {
            "/openapi.json": self.openapi,
            "/session": self.session,
            "/state": self.state,
            "/rules": self.rules,
            "/counts": self.counts,
            "/history": self.history,
            "/events": self.events,
            "/objects": self.objects,
            "/explain": self.explain,
            "/outputs/{name}/dead": self.dead,
        }
        post: Mapping[str, Any] = {
            "/login": self.login,
            "/logout": self.logout,
            "/edits/preview": self.preview,
            "/edits/apply": self.apply,
            "/edits/undo": self.undo,
            "/outputs/{name}/retry": self.retry,
        }
        return [
            *(Route(PREFIX + path, _answering(work), methods=["GET"]) for path, work in get.items()),
            *(Route(PREFIX + path, _answering(work), methods=["POST"]) for path, work in post.items()),
        ]

    async def _in_executor(self, executor: Executor, work: Callable[..., T], *arguments: Any) -> T:
        """Run ``work`` on the one thread of ``executor``. Raises Refusal (503) when too much is waiting already."""
        if self._waiting[executor] >= WAITING:
            raise Refusal(503, "too much is asked for at the same time", fix="ask again", headers={"Retry-After": "1"})
        self._waiting[executor] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work, *arguments)
        finally:
            self._waiting[executor] -= 1

    # -- sign-in ------------------------------------------------------------------------------------------------------

    async def openapi(self, request: Request) -> Response:
        return json_answer(encode(description(build().version)))

    async def session(self, request: Request) -> Response:
        return self._session(request.state.who)

    def _session(self, who: Requester, headers: Mapping[str, str] | None = None) -> Response:
        desk = self._hub.site.desk
        return json_answer(
            encode(
                {
                    "signed_in": who.signed_in,
                    "can_write": who.signed_in and desk is not None and desk.writable,
                    "read_needs_sign_in": not self._gate.openly,
                    "version": build().version,
                }
            )[:-1]
            + b',"csrf":"' + who.csrf.encode() + b'"}',  # not redacted: it is a secret
            headers=headers,
        )  # fmt: skip

    async def login(self, request: Request) -> Response:
        password = (await body_of(request, LOGIN)).get("password")
        if not isinstance(password, str) or not password:
            raise Refusal(400, "there is no password", where="password", fix='send {"password": "..."}')
        generation = await self._gate.check(password, self._gate.address(request.scope))
        if request.state.who.token:
            self._gate.sessions.end(request.state.who.token)
        token, session = self._gate.sessions.begin(generation)
        return self._session(Requester(True, token, session.csrf), {"Set-Cookie": self._gate.set_cookie(token)})

    async def logout(self, request: Request) -> Response:
        self._gate.sessions.end(request.state.who.token)
        return self._session(Requester(), {"Set-Cookie": self._gate.set_cookie("")})

    # -- reading --------------------------------------------------------------------------------------------------

    async def state(self, request: Request) -> Response:
        return json_answer(await self._hub.state())

    async def rules(self, request: Request) -> Response:
        return json_answer(await self._hub.rules())

    async def counts(self, request: Request) -> Response:
        return json_answer(self._hub.counts())

    async def history(self, request: Request) -> Response:
        minutes = _number(request, "minutes", 60, 1, 1440)
        source = self._source(request, needed=False)
        rule = request.query_params.get("rule") or None
        return json_answer(encode(self._hub.history.read(source, rule, minutes, time.time_ns())))

    async def events(self, request: Request) -> Response:
        limit = _number(request, "limit", 100, 1, 2000)
        return json_answer(encode({"events": self._hub.ring.newest("event", limit)}))

    async def objects(self, request: Request) -> Response:
        source, seconds = self._source(request), _number(request, "seconds", 120, 1, 86_400)
        found = await self._in_executor(self._questions, self._desk().objects, source, float(seconds))
        return json_answer(encode(_ids_as_texts(found)))

    async def explain(self, request: Request) -> Response:
        source, text = self._source(request), request.query_params.get("id", "")
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            raise Refusal(400, "`id` is no id of an object", where="id", fix="take one of /objects")
        try:
            found = await self._in_executor(self._questions, self._desk().explain, source, int(text))
        except KeyError:
            raise Refusal(404, f"nothing is known of object {text} at '{source}' any more", where="id") from None
        return json_answer(encode(_ids_as_texts(found)))

    def _source(self, request: Request, *, needed: bool = True) -> str:
        name = request.query_params.get("source", "")
        if not name and not needed:
            return None  # type: ignore[return-value]
        known = self._hub.site.names()
        if name not in known:
            raise Refusal(404 if name else 400, f"there is no source '{name}'", where="source", fix=_known(known))
        return name

    def _desk(self) -> Desk:
        desk = self._hub.site.desk
        if desk is None:
            raise Refusal(501, "this run keeps nothing that could be explained or edited")
        return desk

    # -- changing -------------------------------------------------------------------------------------------------

    async def preview(self, request: Request) -> Response:
        base, edits = _edits(await body_of(request))
        return json_answer(encode(await self._in_executor(self._changes, self._desk().preview, base, edits)))

    async def apply(self, request: Request) -> Response:
        base, edits = _edits(await body_of(request))
        return json_answer(encode(await self._in_executor(self._changes, self._writable().apply, base, edits)))

    async def undo(self, request: Request) -> Response:
        base = _base(await body_of(request))
        return json_answer(encode(await self._in_executor(self._changes, self._writable().undo, base)))

    def _writable(self) -> Desk:
        desk = self._desk()
        if not desk.writable:
            raise Refusal(501, f"the configuration cannot be edited here: {desk.why_not}")
        return desk

    async def dead(self, request: Request) -> Response:
        limit = _number(request, "limit", 50, 1, 1000)
        return await self._of_output(request, self._hub.site.dead, limit)

    async def retry(self, request: Request) -> Response:
        ids = (await body_of(request)).get("ids")
        answer = await self._of_output(request, self._retry, None if ids == "all" else _numbers(ids))
        self._hub.stale()
        return answer

    def _retry(self, output: str, numbers: Sequence[int] | None) -> dict[str, Any]:
        return {"retried": self._hub.site.retry(output, numbers)}

    async def _of_output(self, request: Request, work: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
        name = request.path_params["name"]
        try:
            return json_answer(encode(await self._in_executor(self._questions, work, name, *arguments)))
        except KeyError:
            raise Refusal(404, f"there is no output '{name}'", where="name") from None


def _answering(work: Any) -> Any:
    async def answer(request: Request) -> Response:
        try:
            made: Response = await work(request)
            return made
        except Refusal as refusal:
            return refusal.answer()
        except CountlineError as error:
            return of_error(error)

    return answer


def _numbers(ids: Any) -> list[int]:
    if not isinstance(ids, list) or not all(isinstance(i, str) and _plain_number(i) for i in ids):
        raise Refusal(400, "`ids` is no list of ids", where="ids", fix='send {"ids": ["17"]} or {"ids": "all"}')
    return [int(i) for i in ids]


def _plain_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _number(request: Request, name: str, usual: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not _plain_number(text) or not least <= int(text) <= most:
        raise Refusal(400, f"`{name}` is no whole number from {least} to {most}", where=name)
    return int(text)


def _base(body: Mapping[str, Any]) -> str:
    base = body.get("base")
    if not isinstance(base, str):
        raise Refusal(400, "`base` is no digest of a configuration", where="base", fix="take that of /rules")
    return base


def _edits(body: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    edits = body.get("edits")
    if not isinstance(edits, list) or not all(isinstance(edit, dict) for edit in edits):
        raise Refusal(400, "`edits` is no list of edits", where="edits")
    if not 1 <= len(edits) <= EDITS:
        raise Refusal(400, f"there must be 1 to {EDITS} edits", where="edits")
    return _base(body), edits


def _known(names: Sequence[str]) -> str:
    return "known are: " + ", ".join(names[:20]) + (" …" if len(names) > 20 else "")


def _ids_as_texts(found: Mapping[str, Any]) -> dict[str, Any]:
    """Ids of objects as texts: JavaScript's numbers do not hold those of 64 bits."""
    made = dict(found)
    for key in ("objects", "object"):
        items = made.get(key)
        if isinstance(items, list):
            made[key] = [{**item, "id": str(item["id"])} for item in items]
        elif isinstance(items, Mapping) and "id" in items:
            made[key] = {**items, "id": str(items["id"])}
    return made
