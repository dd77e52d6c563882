"""What leaves a page, and what it lets in: headers, secrets, files, bounds."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pages import API, PASSWORD, READS, Browser, frames, raw, showing, stream, with_page
from walking import Walker, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus

import countline as cl
from countline.addresses import split_address
from countline.view.web import connections


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


def test_questions_that_would_pile_up_are_turned_away(run: cl.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from countline.view.desk import Desk

    going = threading.Event()
    monkeypatch.setattr(Desk, "objects", lambda *_: (going.wait(60), {"objects": []})[1])
    found: list[int] = []

    def ask() -> None:
        with Browser(run) as browser:
            found.append(browser.get(f"{API}/objects", params={"source": "gate"}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(found) >= 4)
    assert found == [503] * 4
    with Browser(run) as browser:
        assert browser.read("/state"), "others are answered"
    going.set()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] * 8 + [503] * 4


def test_clients_that_go_away_leave_nothing_in_the_log(
    run: cl.Run, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("countline").propagate = True
    head = f"POST {API}/login HTTP/1.1\r\nHost: {browser.address}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
    with caplog.at_level(logging.WARNING):
        for request in (
            head,
            head[:40],
            f"GET {API}/stream HTTP/1.1\r\nHost: {browser.address}\r\n\r\n",
            "nonsense\r\n\r\n",
            "\x16\x03\x01",
        ):
            with socket.create_connection(split_address(browser.address), timeout=30) as wire:
                wire.sendall(request.encode())
        with frames(browser) as wire_:
            wire_.send(json.dumps({"watch": [{"source": "gate"}]}))
        assert browser.read("/state")
        wait_for(lambda: browser.read("/state")["page"]["streams"] == 0)
    assert not [r for r in caplog.records if r.name.startswith(("countline.web", "uvicorn", "websockets", "asyncio"))]


def test_strangers_do_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("countline").propagate = True
    with (
        showing(with_page(tmp_path)) as other,
        Browser(other) as browser,
        caplog.at_level(logging.WARNING, "countline.web"),
    ):
        for i in range(40):
            browser.sign_in(f"wrong-{i}")
    assert 5 < len(caplog.records) <= 8
