"""What SECURITY.md promises of the page: each is tried."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from certificates import authority_and_certificate
from pages import API, PASSWORD, Browser, file_with_page, frames, showing, stream, with_page
from walking import Walker, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import countline as cl
from countline.addresses import split_address
from countline.view.web import connections

CHANGES = ("/edits/preview", "/edits/apply", "/edits/undo", "/outputs/file/retry", "/logout")
READS = (
    "/state",
    "/rules",
    "/counts",
    "/history",
    "/events",
    "/objects?source=gate",
    "/explain?source=gate&id=1",
    "/outputs/file/dead",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Run]:
    folder = tmp_path_factory.mktemp("page")
    with showing(file_with_page(folder)) as made:
        yield made


@pytest.fixture
def browser(run: cl.Run) -> Iterator[Browser]:
    with Browser(run) as made:
        yield made


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Run]:
    """One behind a proxy: others than this machine reach it."""
    folder = tmp_path_factory.mktemp("closed")
    with showing(with_page(folder, {"behind_proxy": True, "hosts": ["site.example", "other.example:8443"]})) as made:
        yield made


def raw(run: cl.Run, request: bytes) -> bytes:
    """What comes back for these bytes, up to the end."""
    assert run.page is not None
    with socket.create_connection(split_address(run.page.server.address), timeout=30) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(65536), b""))


# -- names and origins ---------------------------------------------------------------------------------------------------


def test_a_page_under_another_name_is_refused(run: cl.Run, browser: Browser) -> None:
    port = browser.address.rpartition(":")[2]
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "localhost",
        "127.0.0.1:1",
        f"localhost.evil.example:{port}",
        f"10.0.0.1:{port}",
    ):
        for path in ("/", "/static/x.js", f"{API}/state", f"{API}/session"):
            answer = browser.get(path, headers={"Host": host})
            assert answer.status_code == 403, (host, path)
    for host in (f"localhost:{port}", f"LOCALHOST:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert browser.get(f"{API}/state", headers={"Host": host}).status_code == 200
    for head in (b"", b"Host: localhost:%s\r\nHost: evil.example\r\n" % port.encode()):
        assert b" 40" in raw(run, b"GET /api/v1/state HTTP/1.1\r\n" + head + b"Connection: close\r\n\r\n")[:16]


def test_pages_of_other_servers_read_and_change_nothing(browser: Browser) -> None:
    browser.sign_in()
    for origin in (
        "https://evil.example",
        "null",
        "http://localhost:1",
        f"https://{browser.address}",
        f"http://{browser.address}/x",
    ):
        headers = {"Origin": origin, "X-CSRF-Token": browser.csrf}
        assert browser.get(f"{API}/state", headers=headers).status_code == 403
        assert browser.post(f"{API}/login", json={"password": PASSWORD}, headers=headers).status_code == 403
        for path in CHANGES:
            assert browser.post(API + path, json={}, headers=headers).status_code == 403
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{browser.address}{API}/frames", additional_headers={"Origin": origin})
        assert refused.value.response.status_code == 403
    for site in ("cross-site", "same-site"):
        for path in ("/state", "/stream"):
            assert browser.get(API + path, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert browser.read("/session")["signed_in"], "nothing of that has ended the session"


def test_a_link_on_another_page_may_lead_here(browser: Browser) -> None:
    assert browser.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code in (
        200,
        404,
    )


# -- who may change ------------------------------------------------------------------------------------------------------


def test_reading_is_open_on_this_machine_and_changing_is_not(browser: Browser) -> None:
    for path in READS:
        assert browser.get(API + path).status_code in (200, 404), path
    for path in CHANGES:
        answer = browser.change(path, base="x", edits=[], ids="all")
        assert answer.status_code == 401, path
        assert "not signed in" in answer.json()["error"]["what"]


def test_a_change_takes_the_token_of_the_page_besides_the_cookie(browser: Browser) -> None:
    assert browser.sign_in().status_code == 200
    csrf = browser.csrf
    for wrong in ("", "x", csrf[:-1], csrf + "x"):
        browser.csrf = wrong
        assert browser.change("/edits/undo", base="x").status_code == 403
    browser.csrf = csrf
    assert browser.change("/edits/undo", base="x").status_code in (409, 422)


def test_the_cookie_is_for_the_server_alone(browser: Browser) -> None:
    cookie = browser.sign_in().headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == "countline-" + browser.address.rpartition(":")[2]
    assert {part.strip() for part in rest.split(";")[1:]} == {"Path=/", "HttpOnly", "SameSite=Strict"}
    assert browser.csrf not in cookie


def test_whoever_signs_out_is_out(browser: Browser) -> None:
    browser.sign_in()
    kept = dict(browser.cookies)
    assert browser.change("/logout").json()["signed_in"] is False
    for name, value in kept.items():
        browser.cookies.set(name, value)
    assert browser.read("/session")["signed_in"] is False, "the token is worth nothing any more"
    assert browser.change("/edits/undo", base="x").status_code == 401


def test_invented_tokens_open_nothing(browser: Browser) -> None:
    port = browser.address.rpartition(":")[2]
    for token in ("x", "", "a" * 5000, "%00", '"', "é"):
        answer = browser.get(f"{API}/session", headers={"Cookie": f"countline-{port}={token}".encode()})
        assert answer.status_code != 200 or not answer.json()["signed_in"]


def test_a_program_brings_the_password_itself(browser: Browser) -> None:
    head = {"Authorization": f"Bearer {PASSWORD}", "Content-Type": "application/json"}
    assert browser.post(f"{API}/edits/undo", content=b'{"base":"x"}', headers=head).status_code in (409, 422)
    head["Authorization"] = "Bearer wrong password"
    assert browser.post(f"{API}/edits/undo", content=b'{"base":"x"}', headers=head).status_code == 401
    assert "set-cookie" not in browser.get(f"{API}/session", headers=head).headers


def test_passwords_are_not_tried_out(tmp_path: Path) -> None:
    with showing(with_page(tmp_path)) as run, Browser(run) as browser:
        tried = [browser.sign_in(f"wrong-{i}") for i in range(8)]
        assert [a.status_code for a in tried] == [401] * 5 + [429] * 3
        assert 1 <= int(tried[-1].headers["retry-after"]) <= 20
        assert browser.sign_in(PASSWORD).status_code == 429, "nor is the right one taken meanwhile"
        head = {"Authorization": f"Bearer {PASSWORD}"}
        assert browser.get(f"{API}/session", headers=head).status_code == 429, "nor by another way"
        assert browser.read("/state"), "reading goes on"


def test_many_attempts_at_once_are_no_way_round(tmp_path: Path) -> None:
    with showing(with_page(tmp_path)) as run:
        found: list[int] = []

        def attempt(i: int) -> None:
            with Browser(run) as browser:
                found.append(browser.sign_in(f"wrong-{i}").status_code)

        threads = [threading.Thread(target=attempt, args=(i,)) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [401] * 5 + [429] * 7


# -- elsewhere than on this machine --------------------------------------------------------------------------------------


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


# -- what leaves, and what comes in --------------------------------------------------------------------------------------


def test_every_answer_carries_the_headers(run: cl.Run, browser: Browser) -> None:
    for path in ("/", "/nowhere", f"{API}/state", f"{API}/nowhere", f"{API}/openapi.json", "/static/none.js"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
    assert browser.get(f"{API}/state").headers["cache-control"] == "no-store"
    refused = browser.get(f"{API}/state", headers={"Host": "evil.example"})
    assert "content-security-policy" in refused.headers


def test_there_is_nothing_beside_the_files_of_the_page(run: cl.Run, browser: Browser) -> None:
    for path in (
        "/static/../site.py",
        "/static/%2e%2e/site.py",
        "/static//etc/passwd",
        "/static/..%2f..%2fserver.py",
        "/static/.",
        "/static/",
    ):
        answer = raw(run, f"GET {path} HTTP/1.1\r\nHost: {browser.address}\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 404"), path


def test_no_secret_leaves(tmp_path: Path) -> None:
    secret, token = "s3cret-of-camera", "t0ken-of-broker"
    walker = Walker("gate")
    outputs = [
        {"file": {"path": str(tmp_path / "out.jsonl")}},
        {"redis": {"host": "127.0.0.1", "port": 1, "topic": "s", "password": token}},
    ]
    path = tmp_path / "site.yaml"
    import yaml

    data = with_page(tmp_path, outputs=outputs)
    data["sources"] = [{"name": "gate", "uri": f"rtsp://admin:{secret}@127.0.0.1/1?token={token}x"}]
    path.write_text(yaml.safe_dump({"rules": data.pop("rules"), **data}, sort_keys=False))
    with showing(path, walker, after=60) as run, Browser(run) as browser:
        browser.sign_in()
        digest = browser.read("/rules")["digest"]
        edits = [{"op": "put", "kind": "line", "name": "door", "points": [[0.1, 0.4], [0.9, 0.4]]}]
        preview = browser.change("/edits/preview", base=digest, edits=edits)
        assert "door" in preview.json()["diff"]
        path.write_text(path.read_text().replace("0.95", "0.94"))
        conflict = browser.change("/edits/apply", base=digest, edits=edits)
        assert conflict.status_code == 409
        assert conflict.json()["disk"]
        said = [preview.text, conflict.text]
        said += [browser.get(API + p).text for p in READS]
        with stream(browser) as events:
            said += [json.dumps(data) for _, (_, _, data) in zip(range(4), events)]
        with frames(browser) as socket:
            socket.send(json.dumps({"watch": [{"source": f"rtsp://admin:{secret}@h/"}]}))
            answer = socket.recv(timeout=30)
            assert isinstance(answer, str)
            said.append(answer)
    for text in said:
        assert secret not in text
        assert token not in text
        assert PASSWORD not in text
    assert "rtsp://" in said[2], "the address is shown without them"


def test_bodies_are_bounded(browser: Browser, run: cl.Run) -> None:
    head = {"Authorization": f"Bearer {PASSWORD}", "Content-Type": "application/json"}
    answer = browser.post(f"{API}/edits/preview", content=b'{"base":"' + b"x" * 300_000 + b'"}', headers=head)
    assert answer.status_code == 413
    answer = browser.post(
        f"{API}/login", content=b'{"password":"' + b"x" * 9000 + b'"}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 8000

    try:
        assert browser.post(f"{API}/edits/preview", content=parts(), headers=head).status_code == 413
    except httpx.TransportError:
        pass  # it was cut off while it still sent
    for body, status in ((b"[1]", 400), (b"{", 400), (b"", 400), (b"\xff", 400), (b"[" * 5000, 400)):
        assert browser.post(f"{API}/edits/preview", content=body, headers=head).status_code == status
    head["Content-Type"] = "text/plain"
    assert browser.post(f"{API}/edits/preview", content=b"{}", headers=head).status_code == 415


def test_long_heads_are_refused(run: cl.Run, browser: Browser) -> None:
    head = f"GET /api/v1/state HTTP/1.1\r\nHost: {browser.address}\r\nX: ".encode()
    assert raw(run, head + b"x" * 40_000 + b"\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 431")


def test_silent_connections_are_closed_and_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.5)
    with showing(with_page(tmp_path)) as run, Browser(run) as browser:
        assert run.page is not None
        address = split_address(run.page.server.address)
        idle = [socket.create_connection(address, timeout=30) for _ in range(connections.OF_ONE + 20)]
        try:
            assert browser.read("/state"), "those that do nothing make room"
            for wire in idle:
                wire.settimeout(30)
                try:
                    assert wire.recv(10) == b""
                except ConnectionError:
                    pass
        finally:
            for wire in idle:
                wire.close()


def test_whoever_does_not_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SLOW", 0.5)
    with showing(with_page(tmp_path), *[Walker(f"camera-{i}", i) for i in range(8)]) as run, Browser(run) as browser:
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        wire.connect(split_address(browser.address))
        with wire:
            # Many requests one behind the other, none of whose answers is read.
            request = f"GET {API}/openapi.json HTTP/1.1\r\nHost: {browser.address}\r\n\r\n".encode()
            wire.settimeout(30)
            try:
                for _ in range(400):
                    wire.sendall(request)
            except OSError:
                pass
            wait_for(lambda: browser.read("/state")["page"]["clients_too_slow"] >= 1)


def test_streams_are_bounded(run: cl.Run, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from countline.view.web import frames as over_sockets
    from countline.view.web import stream as streams

    monkeypatch.setattr(streams, "MOST", 1)
    monkeypatch.setattr(over_sockets, "MOST", 1)
    with stream(browser) as events:
        next(events)
        with Browser(run) as other:
            answer = other.get(f"{API}/stream")
            assert answer.status_code == 503
            assert "retry-after" in answer.headers
    with frames(browser), pytest.raises((InvalidStatus, ConnectionClosed)), frames(browser) as second:
        second.recv(timeout=30)


def test_wrong_attempts_are_in_the_log_and_what_was_tried_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("countline").propagate = True
    with (
        showing(with_page(tmp_path)) as run,
        Browser(run) as browser,
        caplog.at_level(logging.WARNING, "countline.web"),
    ):
        browser.sign_in("tried-this-one")
    assert "a wrong password, from 127.0.0.1" in caplog.text
    assert "tried-this-one" not in caplog.text
