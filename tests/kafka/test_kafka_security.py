"""TLS, client certificates, SASL, tokens, options: what is right works, what is wrong is said in words."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import kafka4
import pytest
from feed import kafka, message
from kafka_tools import consume, deny_writing, new_topic

from countline.demo.broker import EmbeddedBroker
from countline.errors import ConfigError, OutputError
from countline.outputs.kafka import properties
from countline.outputs.kafka.output import KafkaOutput
from countline.protocols import Entry, Receipt

needs_kafka4 = pytest.mark.kafka4


def deliver(output: KafkaOutput, entries: list[Entry], timeout: float = 20.0) -> list[Receipt]:
    """Receipts of all entries, or whatever came until the output said what is wrong."""
    receipts: list[Receipt] = []
    output.open()
    deadline = time.monotonic() + timeout
    sent = 0
    while len(receipts) < len(entries) and not output.status.error:
        sent += output.send(entries[sent:])
        receipts += output.poll(0.1)
        assert time.monotonic() < deadline, output.status
    receipts += output.close(0.5)
    return receipts


def some(count: int = 3) -> list[Entry]:
    return [Entry(n + 1, message(n)) for n in range(count)]


def token(subject: str = "alice", *, issued: float = 0.0, lasts: float = 3600.0) -> str:
    """An unsigned token (RFC 7515, alg none)."""
    parts = (
        {"alg": "none"},
        {"sub": subject, "iat": int(time.time() + issued), "exp": int(time.time() + issued + lasts)},
    )
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


def _securities(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    tls = {"ca": str(folder / "ca.crt")}
    client = {"cert": str(folder / "client.crt"), "key": str(folder / "client.key")}
    locked = {"cert": client["cert"], "key": str(folder / "client.locked.key"), "key_password": "key-pa55word"}
    alice = {"username": "alice", "password": kafka4.PASSWORD}
    return {
        "TLS": ("TLS", {"tls": tls}),
        "TLS without verification": ("TLS", {"tls": {"verify": False}}),
        "mTLS": ("MTLS", {"tls": {**tls, **client}}),
        "mTLS with a locked key": ("MTLS", {"tls": {**tls, **locked}}),
        "SCRAM-SHA-256": ("SASL", {"tls": tls, "sasl": {"mechanism": "SCRAM-SHA-256", **alice}}),
        "SCRAM-SHA-512": ("SASL", {"tls": tls, "sasl": {"mechanism": "SCRAM-SHA-512", **alice}}),
        "PLAIN": ("SASL", {"tls": tls, "sasl": {"mechanism": "PLAIN", **alice}}),
        "OAUTHBEARER": ("OAUTH", {"tls": tls, "sasl": {"mechanism": "OAUTHBEARER", "token": {"file": "token"}}}),
    }


@needs_kafka4
@pytest.mark.parametrize("name", list(_securities(Path())))
def test_every_kind_of_security_delivers_and_checks(apache: kafka4.Kafka4, name: str) -> None:
    listener, security = _securities(apache.folder)[name]
    Path("token").write_text(token())  # each test works in a folder of its own
    topic = new_topic(apache.bootstrap())
    output = kafka(apache.bootstrap(listener), topic, **security)
    assert [r.error for r in deliver(output, some())] == ["", "", ""]
    assert len(consume(apache.bootstrap(), topic, 3)) == 3
    lines = list(output.check(timeout=8.0))
    assert [line for line in lines if not line.ok] == []
    assert any("may write" in line.detail for line in lines)


@needs_kafka4
@pytest.mark.parametrize(
    ("listener", "security", "word"),
    [
        ("TLS", {"tls": {"ca": "other-ca.crt"}}, "not trusted"),
        ("TLS", {"tls": True}, "not trusted"),
        ("MTLS", {"tls": {"ca": "ca.crt"}}, "TLS"),
        ("SASL", {"tls": {"ca": "ca.crt"}, "sasl": {"username": "nobody", "password": "x"}}, "authentication failed"),
        ("TLS", {}, ""),
    ],
)
def test_wrong_security_is_said_by_the_run_and_by_check(
    apache: kafka4.Kafka4, listener: str, security: dict[str, Any], word: str
) -> None:
    security = json.loads(json.dumps(security).replace("other-ca.crt", str(apache.folder / "other-ca.crt")))
    tls = security.get("tls")
    if isinstance(tls, dict) and tls["ca"] == "ca.crt":
        tls["ca"] = str(apache.folder / "ca.crt")
    output = kafka(apache.bootstrap(listener), "t", **security)
    receipts = deliver(output, some(), 40.0)
    assert [r for r in receipts if not r.retry] == [], "nothing is given up for that"
    assert word in output.status.error
    bad = [line for line in output.check(timeout=3.0) if not line.ok]
    assert bad
    assert word in bad[-1].detail
    assert bad[-1].fix


@needs_kafka4
def test_check_says_when_the_right_to_write_is_missing(apache: kafka4.Kafka4) -> None:
    topic = new_topic(apache.bootstrap())
    security = _securities(apache.folder)["SCRAM-SHA-512"][1]
    output = kafka(apache.bootstrap("SASL"), topic, **security)
    deny_writing(apache.bootstrap(), topic, deny=True)
    try:
        bad = [line for line in output.check(send=True, timeout=8.0) if not line.ok]
    finally:
        deny_writing(apache.bootstrap(), topic, deny=False)
    assert any("no right to write" in line.detail for line in bad)
    assert all(line.fix for line in bad)


@needs_kafka4
def test_a_token_that_the_broker_does_not_take_is_said_and_a_new_one_in_the_file_is_taken(
    apache: kafka4.Kafka4,
) -> None:
    """The first token is not valid yet for the broker; its own short life makes the output read the file again."""
    topic = new_topic(apache.bootstrap())
    file = Path("token").resolve()
    sasl = {"mechanism": "OAUTHBEARER", "token": {"file": str(file)}}
    file.write_text(token(issued=600.0, lasts=-595.0))
    output = kafka(apache.bootstrap("OAUTH"), topic, tls={"ca": str(apache.folder / "ca.crt")}, sasl=sasl)
    output.open()
    receipts: list[Receipt] = []
    sent = output.send(some())
    deadline = time.monotonic() + 40
    while not output.status.error:
        receipts += output.poll(0.1)
        assert time.monotonic() < deadline
    assert "authentication failed" in output.status.error
    file.write_text(token())
    while len(receipts) < 3:
        sent += output.send(some()[sent:])
        receipts += output.poll(0.1)
        assert time.monotonic() < deadline, output.status
    assert [r.error for r in receipts] == ["", "", ""]
    assert output.status.error == ""
    output.close(1.0)
    assert len(consume(apache.bootstrap(), topic, 3)) == 3


@needs_kafka4
def test_rights_of_who_comes_by_token_are_those_of_its_subject(apache: kafka4.Kafka4) -> None:
    topic = new_topic(apache.bootstrap())
    listener, security = _securities(apache.folder)["OAUTHBEARER"]
    deny_writing(apache.bootstrap(), topic, deny=True)
    try:
        for subject, error in (("alice", "no right to write"), ("operator", "")):
            Path("token").write_text(token(subject))
            receipts = deliver(kafka(apache.bootstrap(listener), topic, **security), some(1))
            assert all(error in r.error for r in receipts)
            assert bool(receipts[0].error) is bool(error)
    finally:
        deny_writing(apache.bootstrap(), topic, deny=False)


def test_a_token_file_is_read_and_its_own_expiry_believed(tmp_path: Path) -> None:
    from countline.outputs.kafka.settings import _from_file

    claims = base64.urlsafe_b64encode(json.dumps({"exp": 4_000_000_000}).encode()).decode().rstrip("=")
    file = tmp_path / "token"
    file.write_text(f"head.{claims}.signature\n")
    assert _from_file(str(file)) == (f"head.{claims}.signature", 4_000_000_000.0)
    file.write_text("opaque")
    token, expires = _from_file(str(file))
    assert token == "opaque"
    assert 200 < expires - time.time() < 400


@pytest.mark.parametrize(
    "token",
    [
        {"file": "token"},
        {"url": "https://id.example/token", "client_id": "c", "client_secret": "s3cret-0f-oauth", "scope": "kafka"},
    ],
)
def test_oauthbearer_settings_are_taken_by_librdkafka_and_hide_the_secret(
    token: dict[str, Any], tmp_path: Path
) -> None:
    if "file" in token:
        (tmp_path / "token").write_text("opaque")
        token = {"file": str(tmp_path / "token")}
    output = kafka("127.0.0.1:9", "t", tls=True, sasl={"mechanism": "OAUTHBEARER", "token": token})
    output.open()
    output.close(0.0)
    assert "s3cret-0f-oauth" not in repr(output._config) + str(output._config.model_dump())


@pytest.mark.parametrize(
    ("options", "where", "fix"),
    [
        ({"linger.mss": 5}, "linger.mss", "linger.ms"),
        ({"group.id": "x"}, "group.id", ""),
        ({"acks": "most"}, "acks", ""),
        ({"compression.type": "zip"}, "compression.type", ""),
        ({"linger.ms": -5}, "linger.ms", "CONFIGURATION.md"),
        ({"transactional.id": "x"}, "transactional.id", "remove"),
        ({"delivery.report.only.error": True}, "delivery.report.only.error", "remove"),
        ({"debug": "everything"}, "debug", ""),
    ],
)
def test_unknown_options_and_impossible_values_are_errors_that_name_the_option(
    options: dict[str, Any], where: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        kafka("127.0.0.1:9", "t", options=options).open()
    assert where in str(caught.value.where)
    assert fix in caught.value.fix
    assert "output 'kafka'" in str(caught.value)


def test_options_go_before_what_countline_sets_also_by_their_other_name() -> None:
    from countline.outputs.kafka.settings import build

    output = kafka(
        "127.0.0.1:9",
        "t",
        options={"queue.buffering.max.ms": 77, "request.required.acks": 1, "enable.idempotence": False},
    )
    built = build(output._config, {})
    assert (built["linger.ms"], built["acks"]) == (77, 1)
    output.open()
    output.close(0.0)


def test_librdkafka_itself_is_asked_for_the_names_of_its_options() -> None:
    assert {"linger.ms", "ssl.ca.pem", "sasl.oauthbearer.scope", "message.max.bytes"} <= properties.names()
    assert "group.id" not in properties.names()


def test_secret_options_are_hidden() -> None:
    output = kafka("127.0.0.1:9", "t", options={"ssl.key.password": "hide-me-please", "client.rack": "r1"})
    shown = (
        repr(output._config)
        + str(output._config.model_dump(mode="json"))
        + output._config.model_dump_json()
        + repr(output)
    )
    assert "hide-me-please" not in shown
    assert "r1" in shown


def test_a_token_file_that_is_not_there_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    sasl = {"mechanism": "OAUTHBEARER", "token": {"file": str(tmp_path / "none")}}
    with pytest.raises(OutputError, match="token file") as caught:
        kafka("127.0.0.1:9", "t", tls=True, sasl=sasl).open()
    assert caught.value.fix


@pytest.mark.parametrize("tls", [{"ca": "/no/such/ca.pem"}, {"cert": "/no/such.crt", "key": "/no/such.key"}])
def test_an_unreadable_certificate_is_an_error_before_anything_starts(tls: dict[str, str]) -> None:
    with pytest.raises((OutputError, ConfigError)) as caught:
        kafka("127.0.0.1:9", "t", tls=tls).open()
    assert caught.value.fix
    assert "ssl." in str(caught.value) or "TLS" in str(caught.value)


def test_old_event_times_do_not_become_record_times(tansu: EmbeddedBroker) -> None:
    from dataclasses import replace

    topic = new_topic(tansu.bootstrap)
    now = time.time_ns()
    times = [now - 3600 * 10**9, 1_000_000_000_000_000_000, now + 30 * 86400 * 10**9]
    entries = [Entry(n + 1, replace(message(n), time=t)) for n, t in enumerate(times)]
    assert all(not r.error for r in deliver(kafka(tansu.bootstrap, topic, headers={"site": "gate 7"}), entries))
    records = consume(tansu.bootstrap, topic, 3)
    assert records[0].time == times[0] // 1_000_000
    assert all(abs(r.time - now // 1_000_000) < 60_000 for r in records[1:])
    assert all(dict(r.headers)["site"] == b"gate 7" for r in records)


def test_the_private_key_may_stand_in_the_file_of_the_certificate(tmp_path: Path) -> None:
    kafka4.certificates(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "client.crt").read_bytes() + (tmp_path / "client.key").read_bytes())
    output = kafka("127.0.0.1:9", "t", tls={"cert": str(both)})
    output.open()
    output.close(0.0)
    with pytest.raises(OutputError, match="TLS"):
        kafka("127.0.0.1:9", "t", tls={"cert": str(tmp_path / "client.crt")}).open()
