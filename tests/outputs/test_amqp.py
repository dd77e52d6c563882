"""AMQP: the contract against a real RabbitMQ, and what only AMQP does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from between import toggled
from servers import Certificates, ProcessServer, listens, need, wait_until

from countline.protocols import Entry, Output
from countline.testing import OutputContract, Read, Received, Sender, entries, free_port
from countline.types import Message

PASSWORD = "s3cret-of-rabbit"


def erl_call() -> str:
    """Erlang's program that calls a function of a running machine; Debian has it beside the machine itself."""
    return str(max(Path("/usr/lib/erlang").glob("erts-*/bin/erl_call")))


class RabbitServer(ProcessServer):
    """RabbitMQ with its own port mapper, which Erlang would otherwise leave behind.

    ``stop`` ends the broker within Erlang's machine, as ``rabbitmqctl stop_app`` does: the machine takes seconds to start.
    """

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        need("rabbitmq-server", "rabbitmq-server")
        binary = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the one in /usr/sbin changes the user
        if not Path(binary).exists():
            pytest.skip("rabbitmq-server is not where Debian has it: apt-get install rabbitmq-server")
        self.tls_port, self.mapper_port = free_port(), free_port()
        port, dist_port = free_port(), free_port()
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{port}\nlisteners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.cacertfile = {certificates.ca}\nssl_options.certfile = {certificates.cert}\n"
            f"ssl_options.keyfile = {certificates.key}\nssl_options.verify = verify_none\n"
            f"default_user = counter\ndefault_pass = {PASSWORD}\nloopback_users = none\n"
            "max_message_size = 1000000\nvm_memory_high_watermark.relative = 0.6\ndisk_free_limit.absolute = 1MB\n"
        )
        (folder / "enabled_plugins").write_text("[].\n")
        env = {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.mapper_port),
            "RABBITMQ_NODENAME": f"countline{port}@localhost",
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 1:1 +A 8",
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the server instead of its parent
            "NOTIFY_SOCKET": "",
        }
        super().__init__([binary], folder, port, env)
        self.mapper: subprocess.Popen[bytes] | None = None
        self.rests = False

    def start_mapper(self) -> None:
        command = [need("epmd", "erlang-base"), "-port", str(self.mapper_port), "-address", "127.0.0.1"]
        self.mapper = subprocess.Popen(command, env={**os.environ, **self.env}, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(self.mapper_port), "epmd listens")

    def answers(self) -> bool:
        return super().answers() and listens(self.tls_port) and self._login()

    def _login(self) -> bool:
        import pika

        try:
            self.connect().close()
        except pika.exceptions.AMQPError:
            return False
        return True

    def connect(self) -> Any:
        import pika

        login = pika.PlainCredentials("counter", PASSWORD)
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, credentials=login))

    def start(self) -> None:
        if not self.rests:
            super().start()
            return
        self._tell("rabbit start []")
        self.rests = False
        wait_until(self.answers, "RabbitMQ answers")

    def stop(self) -> None:
        self._tell("rabbit stop []")
        self.rests = True

    def stop_machine(self) -> None:
        self.rests = False
        super().stop()

    def _tell(self, what: str) -> None:
        cookie = (self.folder / ".erlang.cookie").read_text().strip()
        command = [erl_call(), "-c", cookie, "-n", self.env["RABBITMQ_NODENAME"], "-a", what]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, "ok"), done.stdout + done.stderr

    def end(self) -> None:
        self.stop_machine()
        if self.mapper is not None:
            self.mapper.terminate()
            self.mapper.wait(10)


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[RabbitServer]:
    """One for all tests: it takes seconds to start."""
    server = RabbitServer(tmp_path_factory.mktemp("rabbit"), certificates)
    server.start_mapper()
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture
def server(rabbit: RabbitServer) -> RabbitServer:
    """The server, up, with an empty queue 'counts'."""
    if rabbit.process is None or rabbit.rests:
        rabbit.start()
    with rabbit.connect() as connection:
        connection.channel().queue_delete("counts")
    return rabbit


class AmqpContract(OutputContract):
    kind = "amqp"
    secret = PASSWORD
    wrong_secret: ClassVar = {"password": "wrong-pa55word"}
    bad_options = (
        ({"port": -1}, "port"),
        ({"host": "amqp://x"}, "host"),
        ({"exchange_type": "round"}, "exchange_type"),
        ({"heartbeat": -1}, "heartbeat"),
        ({"password": 5}, "password"),
        ({"tls": {"ca": 5}}, "tls.ca"),
    )

    def options(self, server: RabbitServer) -> dict[str, Any]:
        login = {"username": "counter", "password": PASSWORD}
        return {"host": "127.0.0.1", "port": server.port, "queue": "counts", **login}

    @contextmanager
    def refusals(self, server: RabbitServer) -> Iterator[tuple[dict[str, Any], Read]]:
        """A queue that refuses what is more than ten, and a consumer that takes them away."""
        with server.connect() as connection:
            channel = connection.channel()
            channel.queue_declare("narrow", arguments={"x-max-length": 10, "x-overflow": "reject-publish"})
            found: list[Received] = []

            def take() -> None:
                _, _, body = channel.basic_get("narrow", auto_ack=True)
                if body is not None:
                    found.append(Received(body))

            def read(count: int) -> list[Received]:
                wait_until(lambda: len(found) >= count, f"{count} messages were taken")
                return found

            with contextmanager(toggled)(take):
                yield {"queue": None, "exchange": "", "topic": "narrow"}, read
            channel.queue_delete("narrow")

    def read_back(self, server: RabbitServer, count: int) -> list[Received]:
        found = []
        with server.connect() as connection:
            channel = connection.channel()

            def more() -> bool:
                while True:
                    method, properties, body = channel.basic_get("counts", auto_ack=True)
                    if method is None:
                        return len(found) >= count
                    headers = {
                        k: v.encode() if isinstance(v, str) else v for k, v in (properties.headers or {}).items()
                    }
                    key = headers.pop("countline-key", None)
                    found.append(Received(body, properties.message_id, key, tuple(headers.items())))

            wait_until(more, f"{count} messages in the queue")
        return found


class TestAmqp(AmqpContract):
    @pytest.fixture
    def server(self, server: RabbitServer) -> RabbitServer:
        return server

    def test_server_restart_in_the_middle_loses_nothing(self, server: RabbitServer, output: Output) -> None:
        self._outage(server, output, server.stop_machine)


class TestAmqpTls(AmqpContract):
    restart_count = 100
    # As without TLS, and the server takes seconds to start.
    test_server_down_at_start_is_a_state_and_not_an_exception = None
    test_close_while_the_server_is_away_accounts_for_everything = None

    @pytest.fixture
    def server(self, server: RabbitServer, certificates: Certificates) -> RabbitServer:
        self.certificates = certificates
        return server

    def options(self, server: RabbitServer) -> dict[str, Any]:
        return {**super().options(server), "port": server.tls_port, "tls": {"ca": str(self.certificates.ca)}}

    def test_an_unknown_authority_is_said_in_words(self, server: RabbitServer) -> None:
        lines = self.check(self.make_output(server, tls={"ca": str(self.certificates.other_ca)}))
        assert any("not trusted" in line.detail and "tls.ca" in line.fix for line in lines if not line.ok), lines


def test_a_message_that_no_queue_takes_is_kept_until_one_does(server: RabbitServer) -> None:
    output = TestAmqp().make_output(server, queue=None, topic="orphan")
    output.open()
    run = Sender(output, entries(3))
    while not run.retried:
        run.step()
    assert "no queue takes the routing key 'orphan'" in output.status.error
    with server.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("counts", durable=True)
        channel.queue_bind("counts", "amq.topic", "orphan")
    assert run.run().acknowledged == [1, 2, 3]
    output.close(5)


def test_a_full_queue_is_retried_until_it_has_room(server: RabbitServer) -> None:
    with server.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("small", arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
        output = TestAmqp().make_output(server, queue=None, exchange="", topic="small")
        output.open()
        run = Sender(output, entries(4))
        while not run.retried:
            run.step()
        assert "refused" in output.status.error
        while not run.done:
            channel.basic_get("small", auto_ack=True)
            run.step()
        channel.queue_delete("small")
    assert sorted(run.acknowledged) == [1, 2, 3, 4]
    output.close(5)


def test_the_key_can_be_the_routing_key_and_a_topic_its_own(server: RabbitServer) -> None:
    with server.connect() as connection:
        channel = connection.channel()
        for name, binding in (("by-key", "key.1"), ("by-topic", "lines")):
            channel.queue_declare(name, durable=True)
            channel.queue_bind(name, "amq.topic", binding)
        output = TestAmqp().make_output(server, queue=None, routing_key="key")
        output.open()
        todo = [Entry(1, Message("a", b"1", key=b"key.1")), Entry(2, Message("b", b"2", topic="lines"))]
        assert sorted(Sender(output, todo).run().acknowledged) == [1, 2]
        output.close(5)
        got = [channel.basic_get(name, auto_ack=True) for name in ("by-key", "by-topic")]
        for name in ("by-key", "by-topic"):
            channel.queue_delete(name)
    assert [body for _, _, body in got] == [b"1", b"2"]
    assert got[0][1].delivery_mode == 2


def test_a_missing_exchange_is_said_with_the_way_out(server: RabbitServer) -> None:
    options = {"queue": None, "exchange": "nobody-made-it"}
    bad = [line for line in TestAmqp().check(TestAmqp().make_output(server, **options)) if not line.ok]
    assert "nobody-made-it" in bad[0].detail
    assert "exchange_type" in bad[0].fix
    good = TestAmqp().check(TestAmqp().make_output(server, **options, exchange_type="fanout"))
    assert all(line.ok for line in good)
    with server.connect() as connection:
        connection.channel().exchange_delete("nobody-made-it")


def test_a_message_above_the_brokers_limit_is_a_dead_letter_and_the_rest_flows(server: RabbitServer) -> None:
    output = TestAmqp().make_output(server)
    output.open()
    todo = [Entry(1, Message("a", b"1")), Entry(2, Message("b", b"x" * 1_200_000)), *entries(3, first=3)]
    run = Sender(output, todo).run()
    output.close(5)
    assert sorted(run.acknowledged) == [1, 3, 4, 5]
    assert "more than the broker takes (1000000)" in run.dead[2]


def test_a_routing_key_that_is_too_long_is_a_dead_letter(server: RabbitServer) -> None:
    output = TestAmqp().make_output(server)
    output.open()
    run = Sender(output, [Entry(1, Message("a", b"1", topic="x" * 300)), Entry(2, Message("b", b"2"))]).run()
    output.close(5)
    assert run.acknowledged == [2]
    assert "255" in run.dead[1]


def test_certificates_that_cannot_be_used_are_refused_at_open(server: RabbitServer, tmp_path: Path) -> None:
    from countline.errors import OutputError

    (tmp_path / "broken.pem").write_text("not a certificate")
    for tls, word in (({"ca": "/no/such.pem"}, "/no/such.pem"), ({"cert": str(tmp_path / "broken.pem")}, "broken.pem")):
        with pytest.raises(OutputError, match=word):
            TestAmqp().make_output(server, tls=tls).open()
