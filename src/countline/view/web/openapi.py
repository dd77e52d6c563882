"""The OpenAPI 3.1 description of the API. The schemas of bodies are in ``schemas``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from countline.view.web.schemas import SCHEMAS, json_object, listed, ref

__all__ = ["description"]

Doc = dict[str, Any]

_PROBLEMS: Mapping[int, str] = {
    400: "The request is not understood.",
    401: "Nobody has signed in, or the password is wrong.",
    403: "The request is for another server, or comes from a page of another one, or without the page's token.",
    404: "There is no such thing.",
    408: "The body took too long.",
    409: "The configuration, or its file, was changed meanwhile.",
    413: "The body is too long.",
    415: "The body is not called JSON.",
    422: "The configuration that would come of it is refused.",
    429: "Too many attempts; `Retry-After` says in how many seconds there is one.",
    501: "This run cannot do that, for the reason that is given.",
    503: "Too much is asked for at the same time, or too many streams are open; `Retry-After` says when to ask again.",
}


def description(version: str) -> Doc:
    """The OpenAPI document."""
    paths: dict[str, Doc] = {}
    for path, method, operation in (*_reading(), *_signing_in(), *_changing(), *_streaming()):
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "countline",
            "version": version,
            "description": "A run: what it sees and counts, and how its rules are changed. Times are RFC 3339 in UTC, points are "
            "fractions of the picture's width and height, from the upper left corner. Whoever changes something signs in with the "
            "password of the page, or sends it as `Authorization: Bearer PASSWORD`.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The password of the page."},
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRF-Token",
                    "description": "`csrf` of GET /api/v1/session, beside the cookie of the one who signed in.",
                },
            },
        },
    }


def _answers(schema: Doc, problems: Sequence[int], **more: Any) -> Doc:
    made: Doc = {"200": {"description": "As asked.", "content": {"application/json": {"schema": schema}}, **more}}
    for status in sorted({403, *problems}):
        made[str(status)] = {
            "description": _PROBLEMS[status],
            "content": {"application/json": {"schema": ref("Conflict" if status == 409 else "Problem")}},
        }
    return made


def _operation(
    name: str, summary: str, schema: Doc, *, problems: Sequence[int] = (), parameters: Sequence[Doc] = (), **more: Any
) -> Doc:
    made: Doc = {"operationId": name, "summary": summary, "responses": _answers(schema, problems)}
    if parameters:
        made["parameters"] = list(parameters)
    return {**made, **more}


def _get(name: str, summary: str, schema: Doc, *parameters: Doc, problems: Sequence[int] = ()) -> Doc:
    return _operation(name, summary, schema, problems=(401, *problems), parameters=parameters)


def _query(name: str, schema: Doc, text: str, *, required: bool = False) -> Doc:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


def _number(name: str, usual: int, most: int, text: str) -> Doc:
    return _query(name, {"type": "integer", "minimum": 1, "maximum": most, "default": usual}, text)


_SOURCE = _query("source", {"type": "string", "minLength": 1}, "Name of a source.", required=True)
_ONE = _query("source", {"type": "string"}, "Name of a source; all unless given.")
_OUTPUT: Doc = {
    "name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
    "description": "Name of an output.",
}  # fmt: skip


def _reading() -> list[tuple[str, str, Doc]]:
    named = {"type": "string", "pattern": "^[0-9]{1,20}$"}
    found = {
        "openapi.json": _operation("openapi", "This description.", {"type": "object"}),
        "session": _operation("session", "Who asks, and what they may.", ref("Session")),
        "state": _get("state", "Sources, outputs, outbox, health, configuration.", ref("State")),
        "rules": _get("rules", "All rules with their geometry.", ref("Rules")),
        "counts": _get("counts", "Cumulative counts, and how many are in areas now.", ref("Counts")),
        "history": _get(
            "history", "What was counted minute by minute, in memory, since the run began.", ref("History"), _ONE,
            _query("rule", {"type": "string"}, "Name of a rule; all unless given."),
            _number("minutes", 60, 1440, "How far back."), problems=(400, 404),
        ),
        "events": _get(
            "events", "The newest events first.", json_object(events=listed(ref("Event"))),
            _number("limit", 100, 2000, "How many at most."), problems=(400,),
        ),
        "objects": _get(
            "objects", "Objects that were seen lately, with their paths.", ref("Objects"), _SOURCE,
            _number("seconds", 120, 86_400, "How far back."), problems=(400, 404, 422, 501, 503),
        ),
        "explain": _get(
            "explain", "Why an object was, or was not, counted by each rule.", ref("Explanation"), _SOURCE,
            _query("id", named, "Of an object.", required=True), problems=(400, 404, 422, 501, 503),
        ),
        "outputs/{name}/dead": _get(
            "dead", "The newest messages that an output refused for good.", ref("Dead"), _OUTPUT,
            _number("limit", 50, 1000, "How many at most."), problems=(400, 404, 422, 503),
        ),
    }  # fmt: skip
    return [(f"/api/v1/{path}", "get", operation) for path, operation in found.items()]


def _body(schema: Doc) -> Doc:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


_BODY_PROBLEMS = (400, 408, 413, 415)


def _signing_in() -> list[tuple[str, str, Doc]]:
    password = {"type": "string", "minLength": 1, "maxLength": 1024}
    login = _operation(
        "login", "Sign in: a cookie is set, and the token for changes given.", ref("Session"),
        problems=(401, 429, *_BODY_PROBLEMS), requestBody=_body(json_object(password=password)),
    )  # fmt: skip
    logout = _change("logout", "Sign out.", ref("Session"), None)
    return [("/api/v1/login", "post", login), ("/api/v1/logout", "post", logout)]


def _change(name: str, summary: str, schema: Doc, body: Doc | None, *problems: int, **more: Any) -> Doc:
    problems = (401, 429, *problems, *(_BODY_PROBLEMS if body is not None else ()))
    made = _operation(name, summary, schema, problems=problems, security=[{"bearer": []}, {"token": []}], **more)
    return made if body is None else {**made, "requestBody": _body(body)}


def _changing() -> list[tuple[str, str, Doc]]:
    edits = json_object(base=ref("Digest"), edits={**listed(ref("Edit")), "minItems": 1, "maxItems": 200})
    ids = {"oneOf": [{"const": "all"}, listed({"type": "string", "pattern": "^[0-9]{1,18}$"})]}
    refused = (409, 422, 501, 503)
    found = {
        "edits/preview": _change(
            "preview", "What edits would change, and what the rules would have counted lately.", ref("Preview"), edits, *refused
        ),
        "edits/apply": _change("apply", "Make edits in the file and in the run.", ref("Applied"), edits, *refused),
        "edits/undo": _change(
            "undo", "Take the last edits back.", ref("Applied"), json_object(base=ref("Digest")), *refused
        ),
        "outputs/{name}/retry": _change(
            "retry", "Send messages again that an output refused.", json_object(retried={"type": "integer", "minimum": 0}),
            json_object(ids=ids), 404, 422, 503, parameters=[_OUTPUT],
        ),
    }  # fmt: skip
    return [(f"/api/v1/{path}", "post", operation) for path, operation in found.items()]


def _streaming() -> list[tuple[str, str, Doc]]:
    stream = _get(
        "stream",
        "Server-sent events: `state` once a second, `counts` and `rules` as they change, `event` and `config` as they happen (these "
        "have ids), `missed` where some of those can no longer be told.",
        {"type": "string"},
        _query("after", {"type": "string"}, "Id of the last that was seen, as the header `Last-Event-ID`."),
        problems=(503,),
    )
    stream["responses"]["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    frames = {
        "operationId": "frames",
        "summary": "A WebSocket: pictures of the sources that are asked for.",
        "description": 'The client sends {"watch": [{"source": NAME, "width": 640, "fps": 5}]}, which replaces what it sent before, '
        'and {"ack": NAME} for each picture; then the next one comes. A picture is a binary message: a big-endian 32-bit length, so '
        "many bytes of JSON (FrameFacts), and a JPEG, or nothing where the run has no pixels. What is not understood is answered "
        "with a text message: a Problem.",
        "responses": {
            "101": {"description": "A WebSocket."},
            **{
                str(status): {
                    "description": _PROBLEMS[status],
                    "content": {"application/json": {"schema": ref("Problem")}},
                }
                for status in (401, 403, 404)
            },
        },
    }
    return [("/api/v1/stream", "get", stream), ("/api/v1/frames", "get", frames)]
