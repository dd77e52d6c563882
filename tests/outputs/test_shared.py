"""What the outputs share: secrets, TLS options, header text, envelopes, the in-flight tracker, errors in words."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import socket
import ssl
import subprocess
import sys
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Certificates

from countline.config import load
from countline.config.outputs import config_class
from countline.errors import ConfigError, OutputError
from countline.outputs.base.backoff import Backoff
from countline.outputs.base.envelopes import envelope
from countline.outputs.base.errors import OutputFault, explain
from countline.outputs.base.in_flight import InFlight
from countline.outputs.base.options import TlsConfig
from countline.outputs.base.text import header_safe, headers_json, readable
from countline.outputs.base.tls import make_ssl_context
from countline.protocols import OutputStatus, Receipt
from countline.redaction import redact
from countline.testing import entries
from countline.types import Message

quick = settings(max_examples=200)


@quick
@given(st.binary())
def test_header_text_is_printable_and_gives_the_bytes_back(value: bytes) -> None:
    text = header_safe(value)
    assert text.isascii()
    assert text == text.strip()
    assert text.isprintable()
    assert unquote_to_bytes(text) == value


@quick
@given(st.binary())
def test_readable_text_has_no_nul_and_keeps_utf8(value: bytes) -> None:
    assert "\x00" not in readable(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    assert readable(value) == text.replace("\x00", "\\x00")


@quick
@given(st.binary(), st.one_of(st.none(), st.text()), st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_an_envelope_is_one_line_of_json_that_gives_the_value_back(
    value: bytes, key: str | None, number: str, headers: list[tuple[str, str]]
) -> None:
    encoded = None if key is None else key.encode("utf-8", "replace")
    pairs = tuple((n.encode("utf-8", "replace").decode(), v.encode("utf-8", "replace")) for n, v in headers)
    message = Message(number.encode("utf-8", "replace").decode(), value, encoded, pairs, time=1)
    line = envelope(message)
    assert b"\n" not in line
    data = json.loads(line)
    assert data["id"] == message.id
    if "value" in data:
        assert line.endswith(b'"value":' + value + b"}")
    elif "value_text" in data:
        assert data["value_text"].encode() == value
    else:
        assert base64.b64decode(data["value_base64"]) == value


def test_headers_of_one_name_become_a_list() -> None:
    assert json.loads(headers_json([("a", b"1"), ("b", b"2"), ("a", b"3")])) == {"a": ["1", "3"], "b": "2"}


@pytest.mark.parametrize(
    ("options", "secret"),
    [
        ("mqtt: {password: 87654321}", "87654321"),
        ("redis: {password: [hunter22]}", "hunter22"),
        ("amqp: {passwort: hunter22}", "hunter22"),
        ("nats: {token: {x: hunter22}}", "hunter22"),
        ("webhook: {url: 'gopher://hunter22'}", "hunter22"),
        ("webhook: {url: 'http://x', headers: {Authorization: 87654321}}", "87654321"),
        ("sql: {url: 'mysql://u:hunter22@h/d'}", "hunter22"),
        ("sql: {url: 87654321}", "87654321"),
        ("redis: {tls: {key_password: 87654321}}", "87654321"),
    ],
)
def test_a_bad_secret_is_named_by_its_key_and_not_shown(options: str, secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("countline.yaml", f"sources: [{{name: a, uri: a.mp4}}]\noutputs:\n  - {options}\n")
    assert secret not in str(caught.value)
    assert "countline.yaml:3" in str(caught.value)


def test_a_secret_from_a_file_reaches_the_output_and_nobody_else(tmp_path: object) -> None:
    file = f"{tmp_path}/secret"
    with open(file, "w") as f:
        f.write("hunter22\n")
    text = f"sources: [{{name: a, uri: a.mp4}}]\noutputs:\n  - redis: {{password: '${{file:{file}}}'}}\n"
    config = load("countline.yaml", text)
    assert config.outputs[0].password.get_secret_value() == "hunter22"  # type: ignore[attr-defined]
    assert "hunter22" not in f"{config!r}{config}{config.model_dump_json()}{config.model_dump(mode='json')}"


def test_certificates_make_a_context_that_verifies(certificates: Certificates) -> None:
    tls = TlsConfig(ca=str(certificates.ca), cert=str(certificates.client_cert), key=str(certificates.client_key))
    context = make_ssl_context(tls, where="output 'x'")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    loose = make_ssl_context(TlsConfig(verify=False), where="output 'x'")
    assert (loose.verify_mode, loose.check_hostname) == (ssl.CERT_NONE, False)


def test_certificate_files_that_cannot_be_used_are_named(certificates: Certificates, tmp_path: object) -> None:
    cert, other_key = str(certificates.client_cert), str(certificates.key)
    for tls, word in (
        (TlsConfig(ca=f"{tmp_path}/none.pem"), "none.pem"),
        (TlsConfig(ca=str(certificates.key)), "tls.ca"),
        (TlsConfig(cert=f"{tmp_path}/none.pem"), "none.pem"),
        (TlsConfig(cert=cert, key=f"{tmp_path}/none.key"), "none.key"),
        (TlsConfig(cert=cert, key=other_key), "tls.cert"),
    ):
        with pytest.raises(OutputError) as caught:
            make_ssl_context(tls, where="output 'x'")
        assert word in str(caught.value)
        assert "output 'x'" in str(caught.value)
        assert caught.value.fix


@quick
@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["accept", "ack", "fail", "all", "take"])), max_size=60))
def test_the_ledger_gives_one_receipt_for_each_acceptance(steps: list[tuple[int, str]]) -> None:
    status = OutputStatus()
    tracker, todo = InFlight(status), {e.position: e for e in entries(9)}
    in_flight: set[int] = set()
    accepted = received = 0
    for position, what in steps:
        if what == "accept" and position not in in_flight:
            tracker.accept(todo[position])
            in_flight.add(position)
            accepted += 1
        elif what == "ack":
            tracker.acknowledge([position])
            in_flight.discard(position)
        elif what == "fail":
            tracker.fail(position, "why", retry=True)
            in_flight.discard(position)
        elif what == "all":
            tracker.fail_all("gone")
            in_flight.clear()
        else:
            received += len(tracker.take())
        assert len(tracker) == status.in_flight == len(in_flight)
        assert tracker.bytes == sum(len(todo[p].message.value) for p in in_flight)
    assert received + len(tracker.take()) + len(in_flight) == accepted
    assert tracker.take() == []


def test_a_receipt_to_retry_holds_the_door_until_it_is_taken() -> None:
    tracker = InFlight(OutputStatus())
    tracker.accept(entries(1)[0])
    tracker.fail(1, "busy", retry=True)
    assert tracker.retry_pending
    assert tracker.take() == [Receipt(1, "busy", True)]
    assert not tracker.retry_pending


def test_pauses_double_up_to_a_bound() -> None:
    backoff = Backoff(first=0.1, most=1.0)
    pauses = [backoff.next() for _ in range(8)]
    for pause, whole in zip(pauses, [0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1]):
        assert whole / 2 <= pause <= whole
    backoff.reset()
    assert backoff.next() <= 0.1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "nobody listens at host:1"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed"), "nobody listens"),
        (socket.gaierror(-2, "x"), "cannot be resolved"),
        (asyncio.TimeoutError(), "no answer from host:1"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "no answer from host:1"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "closed the connection"),
        (EOFError(), "closed the connection"),
        (OSError(errno.ENETUNREACH, "x"), "Network is unreachable"),
        (RuntimeError(ConnectionRefusedError(errno.ECONNREFUSED, "x")), "nobody listens"),
        (OutputFault("known already"), "known already"),
        (RuntimeError("[Errno 5] odd  thing\n happened"), "odd thing happened"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_errors_are_said_in_words(error: BaseException, words: str) -> None:
    assert words in explain(error, "host:1").what
    assert "Errno" not in explain(error, "host:1").what


def test_scrubbing_takes_the_longest_secret_first() -> None:
    assert redact("a secret-long b secret", "secret", "secret-long", None, "") == "a *** b ***"


@pytest.mark.parametrize("kind", ["mqtt", "amqp", "redis", "nats", "webhook", "file", "stdout", "sql"])
def test_every_output_has_a_json_schema_without_defaults_that_are_secret(kind: str) -> None:
    schema = json.dumps(config_class(kind).model_json_schema())
    assert '"additionalProperties": false' in schema
    assert "guest" not in schema.replace('"default": "guest", "title": "Username"', "")


def test_loading_a_configuration_needs_no_client_library() -> None:
    code = (
        "import sys, countline.config.outputs as o\n"
        "for kind in o.BUILT_IN: o.config_class(kind)\n"
        "print([m for m in ('paho', 'pika', 'redis', 'nats', 'httpx', 'pyarrow', 'psycopg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("kind", "options", "package", "extra"),
    [
        ("mqtt", {}, "paho", "mqtt"),
        ("amqp", {}, "pika", "amqp"),
        ("redis", {}, "redis", "redis"),
        ("nats", {}, "nats", "nats"),
        ("webhook", {"url": "http://localhost/"}, "httpx", "webhook"),
        ("sql", {"url": "postgresql://localhost/x"}, "psycopg", "postgres"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    kind: str, options: dict[str, str], package: str, extra: str
) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from importlib import import_module\nfrom countline.errors import MissingExtra\n"
        f"config = import_module('countline.outputs.{kind}.config').Config(name='out', **{options!r})\n"
        f"output = import_module('countline.outputs.{kind}.output').make(config)\n"
        "try: output.open()\nexcept MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install 'countline[{extra}]'" in done.stdout
    assert "output 'out'" in done.stdout
