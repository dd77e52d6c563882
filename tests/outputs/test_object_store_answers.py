"""What an object store may answer, and what becomes of the object. No server gives all of these answers when it is asked to, so a web
server gives them as the documentation of S3, Azure and Google has them; the client, its exceptions and the output are the real ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from countline.config.outputs import config_class
from countline.outputs.object_store.output import ObjectStoreOutput, make
from countline.testing import Deadline, Sender, entries

pytest.importorskip("obstore")


class Answering(ThreadingHTTPServer):
    """Answers each PUT with the first of ``answers`` that is left, then with 200; each GET with ``listing``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, str, dict[str, str]]] = []
        self.listing: tuple[int, str] = (200, "<ListBucketResult></ListBucketResult>")
        self.stored: list[str] = []
        self.outputs: list[ObjectStoreOutput] = []
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answering

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            status, body, headers = self.server.answers.pop(0) if self.server.answers else (200, "", {})
            if status == 200:
                self.server.stored.append(self.path)
        self.answer(status, body, {"ETag": '"x"', **headers})

    def do_GET(self) -> None:
        self.answer(*self.server.listing, {"Content-Type": "application/xml"})

    def answer(self, status: int, body: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def error(code: str, message: str = "Something is wrong.") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        for one in server.outputs:
            one.close(2)
        server.shutdown()
        thread.join(10)


def output(server: Answering, **more: Any) -> ObjectStoreOutput:
    login = {"access_key": "AKIA", "secret_key": "s3cret-of-store", "region": "us-east-1"}
    address = {"url": "s3://bucket/p", "endpoint": f"http://127.0.0.1:{server.server_port}"}
    made = make(config_class("object_store").model_validate({"name": "out", **address, **login, **more}))  # type: ignore[arg-type]
    server.outputs.append(made)
    made.open()
    return made


LATER = [
    (500, "InternalError", "answers 500"),
    (503, "SlowDown", "answers 503 (SlowDown"),
    (429, "TooManyRequests", "answers 429"),
    (409, "OperationAborted", "answers 409"),
    (403, "AccessDenied", "no right to write to the bucket 'bucket'"),
    (403, "RequestTimeTooSkewed", "RequestTimeTooSkewed"),
    (403, "InvalidAccessKeyId", "authentication failed"),
    (400, "ExpiredToken", "authentication failed"),
    (401, "NoAuthenticationInformation", "authentication failed"),
    (404, "NoSuchBucket", "the bucket 'bucket' does not exist"),
    (301, "PermanentRedirect", "sends us on without saying where to"),
    (400, "AuthorizationHeaderMalformed", "the bucket 'bucket' is elsewhere"),
    (400, "KMS.DisabledException", "KMS.DisabledException"),
    (400, "RequestTimeout", "RequestTimeout"),
]
NEVER = [
    (400, "EntityTooLarge"),
    (400, "KeyTooLongError"),
    (413, "RequestBodyTooLarge"),
    (400, "InvalidResourceName"),
    (400, "InvalidURI"),
]


@pytest.mark.parametrize(("status", "code", "words"), LATER, ids=[f"{s}-{c}" for s, c, _ in LATER])
def test_what_can_be_put_right_is_waited_for(server: Answering, status: int, code: str, words: str) -> None:
    server.answers = [(status, error(code), {})] * 2
    one = output(server)
    run, pumped = Sender(one, entries(4)), Deadline(one)
    while not one.status.error:
        pumped.tick(run)
        run.step()
    assert words in one.status.error
    assert f"127.0.0.1:{server.server_port}" in one.status.error
    run.run()
    assert (sorted(run.acknowledged), run.dead) == ([1, 2, 3, 4], {})
    assert (one.status.error, one.status.connected) == ("", True)
    one.close(2)
    assert len(set(server.stored)) == 4


@pytest.mark.parametrize(("status", "code"), NEVER, ids=[f"{s}-{c}" for s, c in NEVER])
def test_what_can_never_be_taken_is_a_dead_letter_with_the_answer(server: Answering, status: int, code: str) -> None:
    server.answers = [(status, error(code, "It cannot be."), {})]
    one = output(server)
    run = Sender(one, entries(4)).run()
    one.close(2)
    assert len(run.acknowledged) == 3
    (reason,) = run.dead.values()
    assert f"answers {status} ({code}: It cannot be.)" in reason


def test_an_answer_that_is_no_xml_is_understood_by_its_status(server: Answering) -> None:
    server.answers = [(502, "<html>Bad gateway</html>", {}), (403, "", {})]
    one = output(server)
    run = Sender(one, entries(2)).run()
    one.close(2)
    assert sorted(run.acknowledged) == [1, 2]
    assert any("answers 502" in r.error or "no right" in r.error for r in run.retried)


def test_who_may_write_but_not_list_passes_the_check(server: Answering) -> None:
    server.listing = (403, error("AccessDenied", "Access Denied"))
    one = output(server)
    lines = list(one.check(send=True, timeout=5))
    one.close(0)
    assert [line for line in lines if not line.ok] == []
    assert any("may not list" in line.detail for line in lines)
    assert server.stored == ["/bucket/p/1970-01-01/countline-check.json"]


def test_who_may_not_write_fails_the_check_that_sends(server: Answering) -> None:
    server.answers = [(403, error("AccessDenied", "Access Denied"), {})]
    one = output(server)
    bad = [line for line in one.check(send=True, timeout=5) if not line.ok]
    one.close(0)
    assert ["no right to write to the bucket 'bucket'" in line.detail for line in bad] == [True]
    assert "right to write" in bad[0].fix


def test_a_proxy_is_asked_and_its_password_not_shown(server: Answering) -> None:
    proxy = f"http://counter:pa55-of-proxy@127.0.0.1:{server.server_port}"
    one = output(server, endpoint="http://store.invalid:9000", proxy=proxy)
    assert Sender(one, entries(1)).run().acknowledged == [1]
    assert server.stored == ["http://store.invalid:9000/bucket/p/2023-11-14/id-000001.json"]
    lines = list(one.check(timeout=5))
    assert [line for line in lines if not line.ok] == []
    assert "pa55-of-proxy" not in f"{one!r} {one.config!r} {one.status} {lines}"
