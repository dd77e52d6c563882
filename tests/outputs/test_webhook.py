"""Webhook: the contract against a real web server in a process of its own, and what only HTTP does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

import pytest
from servers import Certificates, ProcessServer

from countline.protocols import Entry
from countline.testing import OutputContract, Read, Received, Sender, entries, free_port
from countline.types import Message

PASSWORD = "s3cret-of-webhook"
STANDARD = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type"}
STANDARD |= {"authorization", "idempotency-key", "countline-key", "countline-signature"}


class WebServer(ProcessServer):
    def __init__(self, folder: Path, *certificate: str) -> None:
        port = free_port()
        script = Path(__file__).with_name("http_receiver.py")
        super().__init__([sys.executable, str(script), str(port), str(folder), *certificate], folder, port)

    def requests(self, name: str = "received") -> list[dict[str, Any]]:
        file = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def bodies(self) -> list[bytes]:
        return [base64.b64decode(r["body"]) for r in self.requests()]

    def script(self, *lines: str) -> None:
        (self.folder / "script").write_text("\n".join(lines))


def started(server: WebServer) -> Iterator[WebServer]:
    server.start()
    yield server
    server.stop()


class WebhookContract(OutputContract):
    kind = "webhook"
    survives_kill = True
    freezes = True
    restart_count = 200
    bad_options = (
        ({"url": "ftp://host/x"}, "url"),
        ({"url": "just-a-host"}, "url"),
        ({"batch": 0}, "batch"),
        ({"headers": {"na me": "x"}}, "headers"),
        ({"retry_status": [200]}, "retry_status"),
        ({"password": "x", "username": None}, "password"),
    )

    def options(self, server: WebServer) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{server.port}/hook"}

    def address(self, host: str, port: int) -> dict[str, Any]:
        return {"url": f"http://{host}:{port}/hook"}

    @contextmanager
    def refusals(self, server: WebServer) -> Iterator[tuple[dict[str, Any], Read]]:
        """A server that is busy now and then."""
        server.script(*["200", "200", "503", "200", "429"] * 4)
        yield {"batch": 7, "content": "message"}, partial(self._rows, server)

    @staticmethod
    def _rows(server: WebServer, count: int) -> list[Received]:
        rows = [json.loads(row) for body in server.bodies() for row in body.splitlines()]
        return [Received(json.dumps(row["value"], separators=(",", ":")).encode()) for row in rows]

    def read_back(self, server: WebServer, count: int) -> list[Received]:
        found = []
        for request in server.requests():
            headers = {k.lower(): v for k, v in request["headers"].items()}
            key = headers.get("countline-key")
            rest = tuple((k, unquote_to_bytes(v)) for k, v in headers.items() if k not in STANDARD)
            body = base64.b64decode(request["body"])
            key_bytes = unquote_to_bytes(key) if key is not None else None
            found.append(Received(body, headers["idempotency-key"], key_bytes, rest))
        assert len(found) >= count
        return found


class TestWebhook(WebhookContract):
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[WebServer]:
        yield from started(WebServer(tmp_path))


class TestWebhookTlsWithPassword(WebhookContract):
    secret = PASSWORD
    wrong_secret: ClassVar = {"password": "wrong-pa55word"}

    @pytest.fixture
    def server(self, tmp_path: Path, certificates: Certificates) -> Iterator[WebServer]:
        self.certificates = certificates
        (tmp_path / "password").write_text(PASSWORD)
        yield from started(WebServer(tmp_path, str(certificates.cert), str(certificates.key)))

    def options(self, server: WebServer) -> dict[str, Any]:
        login = {"username": "counter", "password": PASSWORD}
        url = f"https://127.0.0.1:{server.port}/hook"
        return {"url": url, **login, "tls": {"ca": str(self.certificates.ca)}}

    def address(self, host: str, port: int) -> dict[str, Any]:
        return {"url": f"https://{host}:{port}/hook"}

    def test_an_unknown_authority_is_said_in_words(self, server: WebServer) -> None:
        lines = self.check(self.make_output(server, tls={"ca": str(self.certificates.other_ca)}))
        assert any("not trusted" in line.detail and "tls.ca" in line.fix for line in lines if not line.ok), lines


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    yield from started(WebServer(tmp_path))


def deliver(server: WebServer, todo: list[Entry], **options: Any) -> Sender:
    output = TestWebhook().make_output(server, **options)
    output.open()
    run = Sender(output, todo).run()
    output.close(5)
    return run


def test_503_and_429_are_tried_again_in_order(server: WebServer) -> None:
    server.script("503", "429 Retry-After=1", "500")
    run = deliver(server, entries(10))
    assert run.acknowledged == list(range(1, 11))
    assert [r["status"] for r in server.requests("refused")] == [503, 429, 500]
    assert server.bodies() == [e.message.value for e in entries(10)]


def test_400_is_a_dead_letter_and_the_rest_flows(server: WebServer) -> None:
    server.script("400")
    run = deliver(server, entries(5))
    assert run.acknowledged == [2, 3, 4, 5]
    assert "400 Bad Request" in run.dead[1]


@pytest.mark.parametrize("form", ["json-lines", "json-array"])
def test_batches_arrive_whole_and_in_order(server: WebServer, form: str) -> None:
    run = deliver(server, entries(95), batch=20, format=form)
    assert sorted(run.acknowledged) == list(range(1, 96))
    bodies = server.bodies()
    assert len(bodies) < 20
    rows = [row for b in bodies for row in (json.loads(b) if form == "json-array" else map(json.loads, b.splitlines()))]
    assert [row["n"] for row in rows] == list(range(1, 96))
    assert len({r["headers"]["Idempotency-Key"] for r in server.requests()}) == len(bodies)


def test_one_bad_message_in_a_batch_does_not_take_the_others_with_it(server: WebServer) -> None:
    server.script("400 if-contains poison")
    todo = entries(20)
    todo[7] = Entry(8, Message(id="bad", value=b'{"poison":1}'))
    run = deliver(server, todo, batch=10)
    assert sorted(run.dead) == [8]
    assert sorted(run.acknowledged) == [n for n in range(1, 21) if n != 8]
    seen = [json.loads(row)["n"] for body in server.bodies() for row in body.splitlines()]
    assert seen == [n for n in range(1, 21) if n != 8]


def test_whole_messages_can_be_posted(server: WebServer) -> None:
    deliver(
        server, [Entry(1, Message("a", b'{"x":1}', key=b"k", time=1_500_000_000, source="door"))], content="message"
    )
    found = json.loads(server.bodies()[0])
    assert found == {
        "id": "a",
        "time": "1970-01-01T00:00:01.500Z",
        "source": "door",
        "definition": "",
        "key": "k",
        "value": {"x": 1},
    }


def test_the_signature_can_be_verified_by_the_receiver(server: WebServer) -> None:
    deliver(server, entries(1), secret="signing-key")
    (request,) = server.requests()
    parts = dict(p.split("=") for p in request["headers"]["Countline-Signature"].split(","))
    signed = parts["t"].encode() + b"." + base64.b64decode(request["body"])
    assert parts["v1"] == hmac.new(b"signing-key", signed, hashlib.sha256).hexdigest()


def test_headers_and_topic_reach_the_server(server: WebServer) -> None:
    url = TestWebhook().options(server)["url"] + "/{topic}"
    todo = [Entry(1, Message("a", b"{}", topic="a b")), Entry(2, Message("b", b"{}"))]
    deliver(server, todo, url=url, topic="counts", headers={"Authorization": "Bearer abc"})
    assert [r["path"] for r in server.requests()] == ["/hook/a%20b", "/hook/counts"]
    assert {r["headers"]["Authorization"] for r in server.requests()} == {"Bearer abc"}


def test_the_address_of_a_webhook_is_never_shown(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script("400")
    url = f"http://u:pass-in-url@127.0.0.1:{server.port}/services/T0K3N?key=qu3ry"
    output = TestWebhook().make_output(server, url=url)
    output.open()
    run = Sender(output, entries(2)).run()
    shown = f"{output!r} {output.status} {run.dead} {list(output.check())} {caplog.text} {output.__dict__['config']}"
    output.close(5)
    assert "HTTP Request" in caplog.text
    assert not [word for word in ("pass-in-url", "T0K3N", "qu3ry") if word in shown]
