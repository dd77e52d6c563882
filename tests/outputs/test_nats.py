"""NATS JetStream: the contract against a real nats-server, and what only NATS does."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

import pytest
from servers import Certificates, ProcessServer, need, wait_until

from countline.config.outputs import config_class
from countline.errors import OutputError
from countline.outputs.nats.output import make
from countline.protocols import Entry
from countline.testing import ClearTextProxy, Deadline, OutputContract, Read, Received, Sender, entries, free_port
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


class Taking:
    """Makes the stream 'NARROW' and consumes from it, in a thread of its own."""

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.found: list[Received] = []
        self.made, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._take()), daemon=True)

    def __enter__(self) -> Taking:
        self.thread.start()
        assert self.made.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(20)

    def read(self, count: int) -> list[Received]:
        wait_until(lambda: len(self.found) >= count, f"{count} messages were taken")
        return self.found

    async def _take(self) -> None:
        import nats
        import nats.errors
        from nats.js import api

        client = await nats.connect(f"nats://127.0.0.1:{self.server.port}", **self.server.client_options)
        stream = client.jetstream()
        options = {"max_msgs": 3, "discard": api.DiscardPolicy.NEW, "retention": api.RetentionPolicy.WORK_QUEUE}
        await stream.add_stream(name="NARROW", subjects=["narrow"], **options)
        subscription = await stream.pull_subscribe("narrow", durable="taker")
        self.made.set()
        while not self.over.is_set():
            try:
                (message,) = await subscription.fetch(1, timeout=0.2)
            except nats.errors.TimeoutError:
                continue
            self.found.append(Received(message.data))
            await message.ack_sync()
        await client.close()


async def _pending(subscription: Any) -> bool:
    return bool((await subscription.consumer_info()).num_pending or subscription.pending_msgs)


class NatsContract(OutputContract):
    kind = "nats"
    survives_kill = True
    freezes = True
    clear_greeting = (
        b'INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576,"jetstream":true,'
        b'"auth_required":true,"tls_required":false}\r\n'
    )
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

    @contextmanager
    def refusals(self, server: NatsServer) -> Iterator[tuple[dict[str, Any], Read]]:
        """A stream that refuses what is more than three (discard: new), and a consumer that takes them away."""
        with Taking(server) as taking:
            yield {"topic": "narrow", "stream": None}, taking.read

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
            assert Sender(output, entries(10)).run().acknowledged == list(range(1, 11))
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
        assert len(Sender(output, entries(30)).run().acknowledged) == 30
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
    run = Sender(output, [Entry(n + 1, m) for n, m in enumerate(bad)]).run()
    output.close(5)
    assert run.acknowledged == [4]
    assert ("max_payload" in run.dead[1], "subject" in run.dead[2], "na me" in run.dead[3]) == (True, True, True)


def test_a_missing_stream_is_a_state_until_it_is_made(server: NatsServer) -> None:
    output = TestNats().make_output(server, stream=None)
    output.open()
    run = Sender(output, entries(5))
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
    run = Sender(output, entries(1))
    while not output.status.error:
        run.step()
    assert "does not require TLS" in output.status.error
    output.close(1)


def test_no_connection_is_used_on_the_strength_of_another(certificates: Certificates) -> None:
    """Somebody in between who asks for TLS on every other connection only."""
    heard: dict[int, bytes] = {}
    info = '{"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576,"auth_required":true,"tls_required":%s}'
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                for number in range(100):
                    client, _ = listener.accept()
                    with client:
                        client.settimeout(1.0)
                        client.sendall(b"INFO " + (info % ("false" if number % 2 else "true")).encode() + b"\r\n")
                        with suppress(OSError):
                            heard[number] = b""
                            heard[number] = client.recv(4096)

        threading.Thread(target=listen, daemon=True).start()
        config = config_class("nats").model_validate(
            {
                "name": "out",
                "host": "127.0.0.1",
                "port": listener.getsockname()[1],
                "username": "alice",
                "password": PASSWORD,
                "tls": {"ca": str(certificates.ca)},
            }
        )
        output = make(config)  # type: ignore[arg-type]
        output.open()
        run, pumped = Sender(output, entries(1)), Deadline(output)
        while len(heard) < 6:
            pumped.tick(run)
            run.step()
        output.close(1)
    assert all(data[:2] in (b"", b"\x16\x03") for data in heard.values()), heard
    assert [heard[number] for number in (1, 3)] == [b"", b""]


def test_what_comes_in_clear_where_tls_should_begin_is_refused(certificates: Certificates) -> None:
    """Words slipped in before the handshake would be taken for words of the server itself."""
    greeting = b'INFO {"server_id":"x","tls_required":true,"headers":true,"max_payload":1000}\r\n+OK\r\nPONG\r\n'
    with ClearTextProxy(1, greeting) as proxy:
        proxy.turn()
        output = TestNats().make_output(proxy, tls={"ca": str(certificates.ca)})
        output.open()
        run, pumped = Sender(output, entries(1)), Deadline(output)
        while "in clear" not in output.status.error:
            pumped.tick(run)
            run.step()
        output.close(1)
