"""MQTT: the contract against a real Mosquitto, and what only MQTT does."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from between import mqtt_quota
from servers import Certificates, ProcessServer, need

from countline.outputs.mqtt.output import MqttOutput
from countline.protocols import Entry
from countline.testing import OutputContract, Read, Received, Sender, entries, free_port
from countline.types import Message

PASSWORD = "s3cret-of-mqtt"


class Mosquitto(ProcessServer):
    def __init__(self, folder: Path, settings: str = "allow_anonymous true\n", **login: Any) -> None:
        port = free_port()
        (folder / "mosquitto.conf").write_text(
            f"listener {port} 127.0.0.1\npersistence true\npersistence_location {folder}/\n"
            f"max_queued_messages 0\nqueue_qos0_messages true\nuser root\nset_tcp_nodelay true\nlog_dest stderr\n{settings}"
        )
        super().__init__([need("mosquitto", "mosquitto"), "-c", str(folder / "mosquitto.conf")], folder, port)
        self.login = login

    def subscriber(self, topic: str = "counts/#", number: str = "reader") -> Subscriber:
        return Subscriber(self, topic, number)


class Subscriber:
    """A reader with a session that the broker keeps while it is away."""

    def __init__(self, server: Mosquitto, topic: str, number: str) -> None:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        self.found: list[Any] = []
        self.subscribed = False
        self.client = paho.Client(CallbackAPIVersion.VERSION2, number, protocol=paho.MQTTv5)
        if server.login:
            self.client.username_pw_set("counter", PASSWORD)
            self.client.tls_set(ca_certs=server.login["ca"])
        self.client.on_message = lambda _c, _d, message: self.found.append(message)
        self.client.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        keep = Properties(PacketTypes.CONNECT)
        keep.SessionExpiryInterval = 3600
        self.client.connect("127.0.0.1", server.port, clean_start=False, properties=keep)
        self.client.subscribe(topic, qos=2)
        self.pump(lambda: self.subscribed)

    def pump(self, until: Any) -> None:
        end = time.monotonic() + 20
        while not until():
            if time.monotonic() > end:
                pytest.fail(f"the subscriber has {len(self.found)} messages after 20 s")
            self.client.loop(0.01)

    def read(self, count: int) -> list[Any]:
        self.pump(lambda: len(self.found) >= count)
        quiet = time.monotonic() + 0.2  # a duplicate would come at once
        self.pump(lambda: time.monotonic() > quiet)
        self.leave()
        return self.found

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop(0.05)


class MqttContract(OutputContract):
    kind = "mqtt"
    bad_options = (
        ({"topic": "counts/#"}, "topic"),
        ({"qos": 3}, "qos"),
        ({"version": "4"}, "version"),
        ({"will": {"payload": "gone"}}, "topic"),
        ({"keepalive": 0}, "keepalive"),
        ({"password": 1}, "password"),
    )

    def options(self, server: Mosquitto) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": server.port, "topic": "counts/lines"}

    def prepare(self, server: Mosquitto) -> None:
        server.subscriber().leave()

    def read_back(self, server: Mosquitto, count: int) -> list[Received]:
        found = []
        for message in server.subscriber().read(count):
            user = dict(getattr(message.properties, "UserProperty", ()))
            number, key = user.pop("countline-id", None), user.pop("countline-key", None)
            rest = tuple((k, v.encode()) for k, v in user.items())
            found.append(Received(message.payload, number, key.encode() if key is not None else None, rest))
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mosquitto]:
    yield from started(Mosquitto(tmp_path))


def started(server: Mosquitto) -> Iterator[Mosquitto]:
    server.start()
    yield server
    server.stop()


class TestMqtt5Qos1(MqttContract):
    freezes = True

    @pytest.fixture
    def server(self, server: Mosquitto) -> Mosquitto:
        return server

    @contextmanager
    def refusals(self, server: Mosquitto) -> Iterator[tuple[dict[str, Any], Read]]:
        """A broker with a quota."""
        self.prepare(server)
        with mqtt_quota(server.port) as port:
            yield {"port": port}, partial(self.read_back, server)


class TestMqtt5Qos2(TestMqtt5Qos1):
    def options(self, server: Mosquitto) -> dict[str, Any]:
        return {**super().options(server), "qos": 2}


class TestMqtt311Qos1(TestMqtt5Qos1):
    test_a_key_keeps_its_order_while_single_messages_are_refused = None  # brokers of 3.1.1 refuse no single message
    carries_key = carries_headers = carries_id = False

    def options(self, server: Mosquitto) -> dict[str, Any]:
        return {**super().options(server), "version": "3.1.1"}


class TestMqtt5Qos0(TestMqtt5Qos1):
    test_a_key_keeps_its_order_while_single_messages_are_refused = None  # nothing is confirmed, so nothing refused
    test_a_server_that_falls_silent_is_noticed_and_loses_nothing = None
    can_lose = True

    def options(self, server: Mosquitto) -> dict[str, Any]:
        return {**super().options(server), "qos": 0}


class TestMqttTlsWithPassword(MqttContract):
    secret = PASSWORD
    wrong_secret: ClassVar = {"password": "wrong-pa55word"}

    @pytest.fixture
    def server(self, tmp_path: Path, certificates: Certificates) -> Iterator[Mosquitto]:
        self.certificates = certificates
        need("mosquitto", "mosquitto")
        users = tmp_path / "users"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "counter", PASSWORD], check=True)
        os.chmod(users, 0o600)
        tls = f"certfile {certificates.cert}\nkeyfile {certificates.key}\n"
        yield from started(Mosquitto(tmp_path, f"{tls}password_file {users}\n", ca=str(certificates.ca)))

    def options(self, server: Mosquitto) -> dict[str, Any]:
        login = {"username": "counter", "password": PASSWORD}
        return {**super().options(server), **login, "tls": {"ca": str(self.certificates.ca)}}

    def test_an_unknown_authority_is_said_in_words(self, server: Mosquitto) -> None:
        lines = self.check(self.make_output(server, tls={"ca": str(self.certificates.other_ca)}))
        assert any("not trusted" in line.detail and "tls.ca" in line.fix for line in lines if not line.ok), lines


def make(server: Mosquitto, **options: Any) -> MqttOutput:
    output = TestMqtt5Qos1().make_output(server, **options)
    assert isinstance(output, MqttOutput)
    output.open()
    return output


def test_a_retained_message_reaches_those_who_come_later(server: Mosquitto) -> None:
    output = make(server, retain=True)
    Sender(output, entries(3)).run()
    output.close(5)
    (message,) = server.subscriber().read(1)
    assert (message.retain, message.payload) == (True, entries(3)[-1].message.value)


def test_the_will_is_published_when_the_connection_breaks_and_only_then(server: Mosquitto) -> None:
    server.subscriber("state").leave()
    will = {"topic": "state", "payload": "gone", "qos": 1}
    for end in ("close", "break"):
        output = make(server, will=will, client_id=f"counter-{end}")
        Sender(output, entries(1)).run()
        if end == "close":
            output.close(5)
    other = make(server, client_id="counter-break")  # the broker throws the first of that name out
    Sender(other, entries(1)).run()
    found = server.subscriber("state").read(1)
    assert [m.payload for m in found] == [b"gone"]
    other.close(1)
    output.close(1)


def test_a_topic_of_the_message_is_used_and_a_bad_one_is_a_dead_letter(server: Mosquitto) -> None:
    server.subscriber("lines").leave()
    output = make(server)
    todo = [
        Entry(1, Message("a", b"1", topic="lines")),
        Entry(2, Message("b", b"2", topic="li+nes")),
        Entry(3, Message("c", b"3")),
    ]
    run = Sender(output, todo).run()
    output.close(5)
    assert run.acknowledged == [1, 3]
    assert "li+nes" in run.dead[2]
    assert [m.payload for m in server.subscriber("lines").read(1)] == [b"1"]


def test_a_message_above_the_brokers_limit_is_a_dead_letter_and_the_rest_flows(tmp_path: Path) -> None:
    for server in started(Mosquitto(tmp_path, "allow_anonymous true\nmax_packet_size 2000\n")):
        output = make(server)
        run = Sender(output, [Entry(1, Message("a", b"x" * 5000)), Entry(2, Message("b", b"{}"))]).run()
        output.close(5)
        assert run.acknowledged == [2]
        assert "more than the broker takes (2000)" in run.dead[1]


def test_a_topic_without_rights_is_retried_until_they_are_given(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read counts/#\n")
    os.chmod(rights, 0o600)
    for server in started(Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {rights}\n")):
        output = make(server)
        run = Sender(output, entries(2))
        while not run.retried:
            run.step()
        assert "Not authorized" in output.status.error
        rights.write_text("topic readwrite counts/#\n")
        assert server.process is not None
        server.process.send_signal(1)  # SIGHUP: read the file again
        assert run.run().acknowledged == [1, 2]
        output.close(5)
