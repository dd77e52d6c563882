"""NATS JetStream: the contract against a real nats-server, and what only NATS does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

import pytest
from contract import Deliverer, OutputContract, Received, entries, free_port
from servers import Certificates, ProcessServer, need

from countline.errors import OutputError
from countline.protocols import Entry
from countline.types import Message

PASSWORD = "s3cret-of-nats"


class NatsServer(ProcessServer):
    def __init__(self, folder: Path, settings: str = "", **client: Any) -> None:
        port = free_port()
        (folder / "nats.conf").write_text(settings)
        binary = need("nats-server", "nats-server")
        store = ["-js", "-sd", str(folder / "store"), "-c", str(folder / "nats.conf")]
        super().__init__([binary, "-a", "127.0.0.1", "-p", str(port), *store], folder, port)
        self.client_options = client

    def messages(self, subject: str, count: int) -> list[Any]:
        async def read() -> list[Any]:
            import nats

            client = await nats.connect(f"nats://127.0.0.1:{self.port}", **self.client_options)
            stream = client.jetstream()
            subscription = await stream.subscribe(subject, ordered_consumer=True)
            found = []
            while len(found) < count or await _pending(subscription):
                found.append(await subscription.next_msg(timeout=20))
            await client.close()
            return found

        return asyncio.run(read())


async def _pending(subscription: Any) -> bool:
    return bool((await subscription.consumer_info()).num_pending or subscription.pending_msgs)


class NatsContract(OutputContract):
    kind = "nats"
    survives_kill = True
    bad_options = (
        ({"topic": "counts.*"}, "topic"),
        ({"port": 70000}, "port"),
        ({"stream": "a.b"}, "stream"),
        ({"password": "x", "username": None}, "password"),
        ({"username": "u", "token": "t"}, "token"),
        ({"token": 123}, "token"),
    )

    def options(self, server: NatsServer) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": server.port, "topic": "counts", "stream": "COUNTS"}

    def read_back(self, server: NatsServer, count: int) -> list[Received]:
        found = []
        for message in server.messages("counts", count):
            headers = dict(message.headers or {})
            key = headers.pop("Countline-Key", None)
            number = headers.pop("Nats-Msg-Id")
            rest = tuple((k, unquote_to_bytes(v)) for k, v in headers.items())
            found.append(Received(message.data, number, unquote_to_bytes(key) if key is not None else None, rest))
        return found


class TestNats(NatsContract):
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[NatsServer]:
        yield from started(NatsServer(tmp_path))


class TestNatsTlsWithPassword(NatsContract):
    secret = PASSWORD
    wrong_secret: ClassVar = {"password": "wrong-pa55word"}

    @pytest.fixture
    def server(self, tmp_path: Path, certificates: Certificates) -> Iterator[NatsServer]:
        import ssl

        self.certificates = certificates
        settings = f'tls {{ cert_file: "{certificates.cert}", key_file: "{certificates.key}" }}\n'
        settings += f'authorization {{ user: counter, password: "{PASSWORD}" }}\n'
        context = ssl.create_default_context(cafile=certificates.ca)
        yield from started(NatsServer(tmp_path, settings, tls=context, user="counter", password=PASSWORD))

    def options(self, server: NatsServer) -> dict[str, Any]:
        login = {"username": "counter", "password": PASSWORD}
        return {**super().options(server), **login, "tls": {"ca": str(self.certificates.ca)}}

    def test_an_unknown_authority_is_said_in_words(self, server: NatsServer) -> None:
        lines = self.check(self.make_output(server, tls={"ca": str(self.certificates.other_ca)}))
        assert any("not trusted" in line.detail and "tls.ca" in line.fix for line in lines if not line.ok), lines


class TestNatsNkey:
    """Login with an nkey, and with a token."""

    @pytest.mark.parametrize("way", ["nkey", "token"])
    def test_messages_arrive(self, tmp_path: Path, way: str) -> None:
        import nkeys

        seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
        public = nkeys.from_seed(seed).public_key.decode()
        settings = {
            "nkey": f"authorization {{ users: [ {{ nkey: {public} }} ] }}",
            "token": f"authorization {{ token: {PASSWORD} }}",
        }
        options = {"nkey": {"nkey": seed.decode()}, "token": {"token": PASSWORD}}[way]
        client = {"nkey": {"nkeys_seed_str": seed.decode()}, "token": {"token": PASSWORD}}[way]
        for server in started(NatsServer(tmp_path, settings[way], **client)):
            output = TestNats().make_output(server, **options)
            output.open()
            assert Deliverer(output, entries(10)).run().acknowledged == list(range(1, 11))
            output.close(5)
            assert len(server.messages("counts", 10)) == 10
            assert str(next(iter(options.values()))) not in repr(output.__dict__["config"])  # type: ignore[attr-defined]

    def test_a_seed_that_is_none_is_refused_at_open(self, server: NatsServer) -> None:
        with pytest.raises(OutputError, match="nkey is not a seed"):
            TestNats().make_output(server, nkey="hello").open()


def started(server: NatsServer) -> Iterator[NatsServer]:
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    yield from started(NatsServer(tmp_path))


def test_a_message_sent_twice_is_stored_once(server: NatsServer) -> None:
    for _ in range(2):
        output = TestNats().make_output(server)
        output.open()
        assert len(Deliverer(output, entries(30)).run().acknowledged) == 30
        output.close(5)
    assert output.status.extra["duplicates"] == 30
    assert len(server.messages("counts", 30)) == 30


def test_what_nats_can_never_take_is_a_dead_letter_and_the_rest_flows(server: NatsServer) -> None:
    output = TestNats().make_output(server)
    output.open()
    bad = [
        Message(id="a", value=b"x" * 1_200_000),
        Message(id="b", value=b"{}", topic="not a subject"),
        Message(id="c", value=b"{}", headers=(("na me", b"x"),)),
        Message(id="d", value=b"{}"),
    ]
    run = Deliverer(output, [Entry(n + 1, m) for n, m in enumerate(bad)]).run()
    output.close(5)
    assert run.acknowledged == [4]
    assert ("max_payload" in run.dead[1], "subject" in run.dead[2], "na me" in run.dead[3]) == (True, True, True)


def test_a_missing_stream_is_a_state_until_it_is_made(server: NatsServer) -> None:
    output = TestNats().make_output(server, stream=None)
    output.open()
    run = Deliverer(output, entries(5))
    while not output.status.error:
        run.step()
    assert "no stream" in output.status.error
    other = TestNats().make_output(server)
    list(other.check(timeout=5))  # makes the stream
    assert len(run.run().acknowledged) == 5
    output.close(5)


def test_tls_is_not_given_up_silently(server: NatsServer, certificates: Certificates) -> None:
    output = TestNats().make_output(server, tls={"ca": str(certificates.ca)}, username="u", password="p")
    output.open()
    run = Deliverer(output, entries(1))
    while not output.status.error:
        run.step()
    assert "does not require TLS" in output.status.error
    output.close(1)
