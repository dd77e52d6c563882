"""Metrics and health are for whoever may reach them, and tell no secret; a stranger can neither write nor fill anything."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from walking import Walker, address_of, configuration, get, people, running, wait_for

from countline import redaction
from countline.addresses import is_loopback, split_address
from countline.commands.process import _apart
from countline.config import load
from countline.config.observe import MetricsConfig
from countline.errors import ConfigError
from countline.observe import server as served
from countline.observe.endpoints import Endpoints
from countline.observe.health import Health
from countline.observe.measured import Measured, SourceMeasures
from countline.observe.prometheus import exposition, registry
from countline.observe.server import Server
from countline.protocols import Check


class Keeper:
    """Holds a secret."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server("127.0.0.1:0", Endpoints(lambda accept: (b"m 1\n", "text/plain"), lambda: Health()))
    yield made
    made.close()


def raw(address: str, request: bytes) -> bytes:
    """What comes back for these bytes, up to the end."""
    with socket.create_connection(split_address(address), timeout=30) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def test_there_are_three_paths_and_nothing_else(server: Server) -> None:
    assert get(server.address, "/metrics?x=1") == (200, "text/plain", "m 1\n")
    assert get(server.address, "/healthz")[0] == 200
    assert get(server.address, "/")[2].split() == ["/metrics", "/healthz", "/readyz"]
    for path in ("/metricsx", "/../etc/passwd", "/healthz/x"):
        assert get(server.address, path)[0] == 404


def test_nothing_can_be_written(server: Server) -> None:
    for method in (b"POST", b"PUT", b"DELETE", b"PATCH"):
        assert raw(
            server.address, method + b" /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        ).startswith(b"HTTP/1.1 501")


def test_head_has_no_body(server: Server) -> None:
    answer = raw(server.address, b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 4\r\n" in answer


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9464", 200),
        ("127.0.0.1", 200),
        ("[::1]:9464", 200),
        ("evil.example:9464", 403),
        ("evil.example", 403),
    ],
)
def test_a_page_in_a_browser_of_this_machine_cannot_read_it(server: Server, host: str, status: int) -> None:
    assert get(server.address, "/metrics", Host=host)[0] == status


def test_odd_requests_are_answered_or_closed_and_others_go_on(server: Server) -> None:
    for request in (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(200)) + b"\r\n",
        b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: [[[\r\n\r\n",
    ):
        answer = raw(server.address, request)
        assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert get(server.address, "/metrics")[0] == 200


def test_connections_that_say_nothing_are_bounded_and_make_room(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = threading.active_count()
    silent = [socket.create_connection(split_address(server.address)) for _ in range(served.MOST)]
    try:
        wait_for(lambda: len(server._http._open) >= served.MOST)
        with pytest.raises(OSError):
            get(server.address, "/metrics")
        assert threading.active_count() <= threads + served.MOST
        monkeypatch.setattr(served, "PATIENCE", 0.0)
        with pytest.raises(OSError):  # it makes room for the next
            get(server.address, "/metrics")
        wait_for(lambda: not server._http._open)
        assert get(server.address, "/metrics")[0] == 200
    finally:
        for wire in silent:
            wire.close()


def test_it_listens_to_this_machine_alone_unless_said_otherwise(tmp_path: Path) -> None:
    def listen(text: str) -> str:
        metrics = load("c.yaml", f"sources: [{{name: a, uri: a.mp4}}]\nmetrics: {text}\n").metrics
        assert metrics is not None
        return metrics.listen

    assert is_loopback(split_address(listen("true"))[0])
    assert is_loopback(split_address(listen("{}"))[0])
    assert is_loopback(split_address(listen("9000"))[0])
    assert listen('":9000"') == "0.0.0.0:9000"
    for wrong in ("x", "'a b:1'", "host:99999", "'[::1:5'", "{listen: ''}", "'[localhost]:1'"):
        with pytest.raises(ConfigError, match=r"is no address|does not appear"):
            listen(wrong)


def test_each_of_several_processes_listens_at_a_port_of_its_own() -> None:
    assert _apart(MetricsConfig(listen="127.0.0.1:9464"), 2).listen == "127.0.0.1:9466"
    assert _apart(MetricsConfig(listen="[::1]:9464"), 1).listen == "[::1]:9465"
    assert _apart(MetricsConfig(listen="127.0.0.1:0"), 3).listen == "127.0.0.1:0", "any that is free"
    with pytest.raises(ConfigError, match="cannot listen"):
        Server(_apart(MetricsConfig(listen="127.0.0.1:65535"), 1).listen, Endpoints(lambda accept: (b"", ""), Health))


def test_no_secret_leaves_through_metrics_or_health(tmp_path: Path) -> None:
    secret = "s3cret-of-a-camera"
    keeper = Keeper()
    redaction.remember(keeper, secret)
    camera = Walker(f"gate-{secret}")
    camera.info = camera.info.__class__(camera.info.name, 0, "gate", f"rtsp://user:{secret}@camera/1", live=True)
    config = configuration(tmp_path, metrics="127.0.0.1:0")
    works, asked, looked = threading.Event(), threading.Event(), []

    def held(images: list[Any]) -> Any:
        """A run that failed ends, and with it the endpoints: not before they were asked."""
        looked.append(1)
        if len(looked) > 3:
            works.set()
            assert asked.wait(60)
        return people(images)

    with running(config, camera, detector=held) as run:
        try:
            assert works.wait(60)
            run.engine.fail(RuntimeError(f"rtsp://user:{secret}@camera/1 is broken"))
            said = [get(address_of(run), path)[2] for path in ("/metrics", "/healthz", "/readyz")]
        finally:
            asked.set()
    assert all(secret not in text for text in said)
    assert "broken" in said[1]
    assert 'source="gate-' in said[0]


def test_a_check_holds_no_secret_whoever_made_it() -> None:
    keeper = Keeper()
    redaction.remember(keeper, "s3cret-of-a-broker")
    assert "s3cret" not in str(Health([Check("run", False, "s3cret-of-a-broker")]).as_dict(ready=False))
    text, _ = exposition(registry(lambda: Measured(sources=[SourceMeasures("x s3cret-of-a-broker")])))
    assert b"s3cret" not in text


def test_a_fault_while_metrics_are_read_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: str) -> Any:
        raise RuntimeError("odd")

    made = Server("127.0.0.1:0", Endpoints(broken, lambda: Health()))
    try:
        assert get(made.address, "/metrics")[0] == 500
        assert get(made.address, "/healthz")[0] == 200
    finally:
        made.close()


def test_a_closed_server_leaves_its_port(server: Server) -> None:
    server.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://{server.address}/metrics", timeout=5)
    again = Server(server.address, Endpoints(lambda accept: (b"", ""), lambda: Health()))
    again.close()
