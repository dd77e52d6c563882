"""What SECURITY.md promises of a page that others than this machine reach: each is tried."""

from __future__ import annotations

import json
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from certificates import authority_and_certificate
from pages import API, PASSWORD, READS, showing, with_page
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import countline as cl


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Run]:
    """One behind a proxy: others than this machine reach it."""
    folder = tmp_path_factory.mktemp("closed")
    with showing(with_page(folder, {"behind_proxy": True, "hosts": ["site.example", "other.example:8443"]})) as made:
        yield made


def proxied(run: cl.Run, **headers: str) -> httpx.Client:
    assert run.page is not None
    return httpx.Client(
        base_url=f"http://{run.page.server.address}", headers={"Host": "site.example", **headers}, timeout=30
    )


def test_behind_a_proxy_reading_takes_a_sign_in_too(closed: cl.Run) -> None:
    with proxied(closed) as client:
        assert client.get(f"{API}/session").json() == {
            "signed_in": False, "can_write": False, "read_needs_sign_in": True, "version": client.get(f"{API}/session").json()["version"],
            "csrf": "",
        }  # fmt: skip
        for path in (*READS, "/stream"):
            assert client.get(API + path).status_code == 401, path
        assert client.get(f"{API}/openapi.json").status_code == 200
        assert closed.page is not None
        address = closed.page.server.address
        with pytest.raises(InvalidStatus) as refused:
            connect(
                f"ws://{address}{API}/frames",
                additional_headers={"Origin": "https://site.example"},
                server_hostname=None,
            )
        assert refused.value.response.status_code in (401, 403)
        answer = client.post(f"{API}/login", json={"password": PASSWORD}, headers={"Origin": "https://site.example"})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-countline-")
        assert "; Secure" in cookie
        signed = {"Cookie": cookie.partition(";")[0]}
        assert client.get(f"{API}/state", headers=signed).status_code == 200


def test_behind_a_proxy_only_its_names_are_answered(closed: cl.Run) -> None:
    assert closed.page is not None
    with proxied(closed) as client:
        for host, status in (
            ("site.example", 200), ("SITE.example", 200), ("other.example:8443", 200), ("other.example", 403),
            (closed.page.server.address, 403), ("localhost", 403), ("evil.example", 403),
        ):  # fmt: skip
            assert client.get(f"{API}/session", headers={"Host": host}).status_code == status, host
        for origin, status in (
            ("https://site.example", 200),
            ("http://site.example", 403),
            ("https://evil.example", 403),
        ):
            assert client.get(f"{API}/session", headers={"Origin": origin}).status_code == status


def test_the_port_of_a_container_on_this_machine_needs_no_certificate(tmp_path: Path) -> None:
    with showing(with_page(tmp_path, {"behind_proxy": True, "hosts": ["localhost:9000", "site.example"]})) as run:
        with proxied(run, Host="localhost:9000") as client:
            for origin, status in (
                ("http://localhost:9000", 200), ("https://localhost:9000", 200),
                ("http://localhost:9001", 403), ("http://site.example", 403),
            ):  # fmt: skip
                assert client.get(f"{API}/session", headers={"Origin": origin}).status_code == status, origin
            assert client.get(f"{API}/state").status_code == 401


def test_behind_a_proxy_each_address_has_its_own_attempts(tmp_path: Path) -> None:
    with showing(with_page(tmp_path, {"behind_proxy": True, "hosts": ["site.example"]})) as run:
        with proxied(run) as client:

            def attempt(told: str) -> int:
                body = {"password": "wrong one"}
                return client.post(f"{API}/login", json=body, headers={"X-Forwarded-For": told}).status_code

            assert [attempt(f"198.51.100.{i}, 203.0.113.9") for i in range(7)] == [401] * 5 + [429] * 2, (
                "the last one is what the proxy saw"
            )
            assert attempt("203.0.113.9, 203.0.113.10") == 401
            assert [attempt(f"2001:db8::{i}") for i in range(6)] == [401] * 5 + [429], "of IPv6 a network counts as one"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[cl.Run, ssl.SSLContext]]:
    folder = tmp_path_factory.mktemp("tls")
    authority, cert, key = authority_and_certificate(folder)
    context = ssl.create_default_context(cafile=str(authority))
    page = {"listen": "0.0.0.0:0", "tls": {"cert": str(cert), "key": str(key)}, "hosts": ["localhost"]}
    with showing(with_page(folder, page)) as made:
        yield made, context


def test_with_tls_others_may_reach_it_and_sign_in(encrypted: tuple[cl.Run, ssl.SSLContext]) -> None:
    run, context = encrypted
    assert run.page is not None
    port = run.page.server.terms.port
    assert run.page.url == f"https://localhost:{port}/"
    origin = f"https://localhost:{port}"
    with httpx.Client(base_url=origin, verify=context, timeout=30) as client:
        assert client.get(f"{API}/state").status_code == 401
        answer = client.post(f"{API}/login", json={"password": PASSWORD}, headers={"Origin": origin})
        assert answer.status_code == 200
        assert answer.headers["set-cookie"].startswith("__Host-countline")
        assert client.get(f"{API}/state").status_code == 200
        cookie = answer.headers["set-cookie"].partition(";")[0]
        with connect(
            f"wss://localhost:{port}{API}/frames", ssl=context, additional_headers={"Origin": origin, "Cookie": cookie}
        ) as wire:
            wire.send(json.dumps({"watch": [{"source": "gate"}]}))
            assert wire.recv(timeout=30)


def test_old_tls_and_none_are_refused(encrypted: tuple[cl.Run, ssl.SSLContext]) -> None:
    run, _ = encrypted
    assert run.page is not None
    port = run.page.server.terms.port
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire, pytest.raises(OSError):
        old.wrap_socket(wire, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(b"GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert b"signed_in" not in wire.recv(4096)
        except ConnectionError:
            pass
