"""What web servers may answer with ill will, or by mistake, and what becomes of it in an output."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from servers import Certificates

from countline.config.outputs import config_class
from countline.outputs.webhook.output import make
from countline.testing import Deadline, Sender, entries

ESCAPES = b"\x1b]0;owned\x07\x1b[2J\xc2\x9b31m\xe2\x80\xae" + b"long " * 200


class Answers:
    """A web server on a port of its own that gives the same bytes to each request, and then the end of the connection, unless
    they are to go on for ever."""

    def __init__(self, answer: bytes, certificates: Certificates | None = None, again: bytes = b"") -> None:
        self.answer, self.again = answer, again
        self.heard: list[bytes] = []
        self.context: ssl.SSLContext | None = None
        if certificates is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificates.cert, certificates.key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])

    def __enter__(self) -> Answers:
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            client.settimeout(10)
            stream = self.context.wrap_socket(client, server_side=True) if self.context else client
            heard = b""
            while b"\r\n\r\n" not in heard or not heard.rstrip().endswith(b"}"):
                data = stream.recv(65536)
                if not data:
                    break
                heard += data
            self.heard.append(heard)
            stream.sendall(self.answer)
            while self.again:
                stream.sendall(self.again)
            if self.context:
                stream.close()


@contextmanager
def posting(server: Answers, scheme: str = "http", **options: Any) -> Iterator[Any]:
    given = {"name": "out", "url": f"{scheme}://127.0.0.1:{server.port}/hook", **options}
    output = make(config_class("webhook").model_validate(given))  # type: ignore[arg-type]
    output.open()
    yield output
    output.close(2.0)


def test_what_a_web_server_answers_is_shown_and_never_obeyed() -> None:
    head = b"HTTP/1.1 400 Bad \x1b[31m\xffRequest\r\nContent-Length: %d\r\n\r\n" % len(ESCAPES)
    with Answers(head + ESCAPES) as server, posting(server) as output:
        run = Sender(output, entries(1)).run()
    assert "400" in run.dead[1]
    assert "\\x1b]0;owned\\x07" in run.dead[1]
    assert "\\u202e" in run.dead[1]
    assert run.dead[1].isprintable()
    assert len(run.dead[1]) < 500


def test_an_object_store_s_answer_is_shown_and_never_obeyed() -> None:
    body = b"<Error><Code>EntityTooLarge</Code><Message>" + ESCAPES + b"</Message></Error>"
    from countline.outputs.object_store.output import make as make_store

    with Answers(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as server:
        login = {"access_key": "AKIA", "secret_key": "s3cret-of-store", "region": "us-east-1"}
        options = {"name": "out", "url": "s3://bucket", "endpoint": f"http://127.0.0.1:{server.port}", **login}
        output = make_store(config_class("object_store").model_validate(options))  # type: ignore[arg-type]
        output.open()
        run = Sender(output, entries(1)).run()
        output.close(1)
    assert "EntityTooLarge" in run.dead[1]
    assert run.dead[1].isprintable()


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request"])
def test_an_answer_without_end_is_left_where_it_is_understood(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    with Answers(answer, again=b"and so on " * 1000) as server, posting(server) as output:
        run = Sender(output, entries(1)).run()
    assert (run.acknowledged, list(run.dead)) == (([1], []) if status.startswith(b"200") else ([], [1]))


def test_a_body_that_never_comes_does_not_undo_the_answer() -> None:
    with Answers(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n") as server, posting(server) as output:
        assert Sender(output, entries(1)).run().acknowledged == [1]


@pytest.mark.parametrize("kind", ["webhook", "object_store"])
def test_no_secret_and_no_message_follows_a_redirect_out_of_tls(kind: str, certificates: Certificates) -> None:
    with Answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as clear:
        answer = (
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:%d/x\r\nContent-Length: 0\r\n\r\n"
            % clear.port
        )
        with Answers(answer, certificates) as server:
            address = f"https://127.0.0.1:{server.port}"
            options: dict[str, Any] = {
                "webhook": {"url": address, "headers": {"Authorization": "Bearer t0ken"}},
                "object_store": {"url": "s3://b", "endpoint": address, "access_key": "AK", "secret_key": "s3cret-key"},
            }[kind]
            given = {"name": "out", "tls": {"ca": str(certificates.ca)}, **options}
            config = config_class(kind).model_validate(given)
            from importlib import import_module

            output = import_module(f"countline.outputs.{kind}.output").make(config)
            output.open()
            run, pumped = Sender(output, entries(1)), Deadline(output)
            while not (run.dead or run.retried):
                pumped.tick(run)
                run.step()
            output.close(1)
        assert server.heard
        assert clear.heard == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("webhook", {"url": "http://host/x"}),
        ("object_store", {"url": "s3://b", "endpoint": "http://host:1"}),
        ("sql", {"url": "sqlite:x.db"}),
    ],
)
def test_tls_with_an_address_that_has_none_is_found_at_load(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    from countline.config import load
    from countline.errors import ConfigError

    document = {"sources": [{"name": "a", "uri": "a.mp4"}], "outputs": [{kind: {**options, "tls": {"verify": True}}}]}
    with pytest.raises(ConfigError, match="tls"):
        load("countline.yaml", json.dumps(document))
