"""Redis streams: the contract against a real redis-server, and what only Redis does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from between import toggled
from servers import Certificates, ProcessServer, need, wait_until

from countline.protocols import Entry
from countline.testing import OutputContract, Read, Received, Sender, entries, free_port
from countline.types import Message

PASSWORD = "s3cret-of-redis"


class RedisServer(ProcessServer):
    def __init__(self, folder: Path, *extra: str, **client: Any) -> None:
        port = free_port()
        command = [
            need("redis-server", "redis-server"),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(folder),
            "--appendonly",
            "yes",
            # Else, while a disk is slow, Redis answers up to two seconds before it writes: a kill -9 would lose what it has taken.
            "--appendfsync",
            "always",
        ]
        if "ssl" not in client:
            command += ["--port", str(port)]
        super().__init__([*command, *[word.format(port=port) for word in extra]], folder, port)
        self.client_options = client

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port, socket_timeout=10, **self.client_options)

    def answers(self) -> bool:
        import redis

        if not super().answers():
            return False
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False


def started(server: RedisServer) -> Iterator[RedisServer]:
    server.start()
    yield server
    server.stop()


class RedisContract(OutputContract):
    kind = "redis"
    survives_kill = True
    freezes = True
    bad_options = (
        ({"port": 0}, "port"),
        ({"host": "redis://localhost"}, "host"),
        ({"maxlen": 0}, "maxlen"),
        ({"value_field": "id"}, "value_field"),
        ({"password": 12345}, "password"),
        ({"tls": {"certificate": "x.pem"}}, "certificate"),
    )

    def options(self, server: RedisServer) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": server.port, "topic": "counts"}

    @contextmanager
    def refusals(self, server: RedisServer) -> Iterator[tuple[dict[str, Any], Read]]:
        """Full, and not full for a while, and full again."""
        client = server.client()
        full, empty = (partial(client.config_set, "maxmemory", most) for most in (1, 0))
        with contextmanager(toggled)(full, empty, empty, empty):
            yield {"batch": 5}, partial(self.read_back, server)

    def read_back(self, server: RedisServer, count: int) -> list[Received]:
        client = server.client()
        wait_until(lambda: client.xlen("counts") >= count, f"{count} entries in the stream")
        found = []
        for _, fields in client.xrange("counts"):
            headers = tuple((k, v.encode()) for k, v in json.loads(fields.get(b"headers", b"{}")).items())
            found.append(Received(fields[b"value"], fields[b"id"].decode(), fields.get(b"key"), headers))
        return found


class TestRedis(RedisContract):
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[RedisServer]:
        yield from started(RedisServer(tmp_path))


class TestRedisTlsWithPassword(RedisContract):
    secret = PASSWORD
    wrong_secret: ClassVar = {"password": "wrong-pa55word"}

    @pytest.fixture
    def server(self, tmp_path: Path, certificates: Certificates) -> Iterator[RedisServer]:
        tls = ("--port", "0", "--tls-port", "{port}", "--tls-cert-file", str(certificates.cert))
        tls += ("--tls-key-file", str(certificates.key), "--tls-ca-cert-file", str(certificates.ca))
        self.certificates = certificates
        (tmp_path / "users.acl").write_text(f"user default off\nuser counter on >{PASSWORD} ~* +@all\n")
        acl = ("--aclfile", str(tmp_path / "users.acl"))
        login = {"username": "counter", "password": PASSWORD}
        mutual = {"ssl_certfile": str(certificates.client_cert), "ssl_keyfile": str(certificates.client_key)}
        yield from started(
            RedisServer(tmp_path, *tls, *acl, ssl=True, ssl_ca_certs=str(certificates.ca), **login, **mutual)
        )

    def options(self, server: RedisServer) -> dict[str, Any]:
        own = {"cert": str(self.certificates.client_cert), "key": str(self.certificates.client_key)}
        tls = {"ca": str(self.certificates.ca), **own}
        return {**super().options(server), "username": "counter", "password": PASSWORD, "tls": tls}

    def test_an_unknown_authority_is_said_in_words(self, server: RedisServer) -> None:
        tls = {**self.options(server)["tls"], "ca": str(self.certificates.other_ca)}
        lines = self.check(self.make_output(server, tls=tls))
        assert any("not trusted" in line.detail and "tls.ca" in line.fix for line in lines if not line.ok), lines


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    yield from started(RedisServer(tmp_path))


def test_check_names_a_certificate_that_is_not_there(server: RedisServer) -> None:
    (line,) = TestRedis().make_output(server, tls={"ca": "/no/such.pem"}).check()
    assert (line.ok, line.detail, bool(line.fix)) == (False, "tls.ca: no such file: /no/such.pem", True)


def test_maxlen_trims_the_stream(server: RedisServer) -> None:
    output = TestRedis().make_output(server, maxlen=100)
    output.open()
    Sender(output, entries(1000)).run()
    output.close(5)
    assert 100 <= server.client().xlen("counts") < 400  # '~': whole nodes of the stream go


def test_a_topic_of_the_message_is_its_stream_and_a_wrong_kind_of_key_is_a_dead_letter(server: RedisServer) -> None:
    server.client().set("taken", "a string")
    output = TestRedis().make_output(server)
    output.open()
    todo = [
        Entry(n, Message(id=str(n), value=b"{}", topic=topic))
        for n, topic in ((1, "lines"), (2, "taken"), (3, "lines"))
    ]
    run = Sender(output, todo).run()
    output.close(5)
    assert run.acknowledged == [1, 3]
    assert "WRONGTYPE" in run.dead[2]
    assert server.client().xlen("lines") == 2


def test_a_full_server_is_retried_until_it_has_room(server: RedisServer) -> None:
    client = server.client()
    client.config_set("maxmemory", 1)
    output = TestRedis().make_output(server)
    output.open()
    run = Sender(output, entries(5))
    while not run.retried:
        run.step()
    assert "memory" in output.status.error
    client.config_set("maxmemory", 0)
    assert run.run().acknowledged == [1, 2, 3, 4, 5]
    output.close(5)
