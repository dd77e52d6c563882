"""A page that is served: a run at work, and those who look at it."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from walking import Walker, configuration, people
from websockets.sync.client import ClientConnection, connect

import countline as cl
from countline.addresses import split_address

PASSWORD = "correct horse of tests"
API = "/api/v1"
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
"""All that is read."""


class Browser(httpx.Client):
    """As a browser on this machine: sends its origin with what it changes, keeps cookies."""

    def __init__(self, run: cl.Run, **options: Any) -> None:
        assert run.page is not None
        self.run_, self.address = run, run.page.server.address
        super().__init__(base_url=f"http://{self.address}", timeout=30, **options)
        self.csrf = ""

    def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        answer = self.post(f"{API}/login", json={"password": password}, headers=self.origin)
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf"]
        return answer

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": f"http://{self.address}"}

    def read(self, path: str, **query: Any) -> Any:
        answer = self.get(API + path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def change(self, path: str, **body: Any) -> httpx.Response:
        return self.post(API + path, json=body, headers={**self.origin, "X-CSRF-Token": self.csrf})


@contextmanager
def showing(given: Any, *sources: Walker, after: int = 1, **options: Any) -> Iterator[cl.Run]:
    """A run with a page, at work, from its frame number ``after`` on."""
    seen, enough = [0], threading.Event()

    def see(*_: object) -> None:
        seen[0] += 1
        if seen[0] >= after:
            enough.set()

    run = cl.Run(given, sources=list(sources) or [Walker()], detector=people, consumers=[see], **options)
    thread = threading.Thread(target=run.execute, kwargs={"drain_timeout": 0.5})
    thread.start()
    try:
        assert enough.wait(60)
        yield run
    finally:
        run.stop()
        thread.join(30)
        assert not thread.is_alive()


def with_page(folder: Path, web: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A configuration whose page has a password that tests know."""
    return configuration(folder, web={"listen": "127.0.0.1:0", "password": PASSWORD, **(web or {})}, **more)


def file_with_page(folder: Path, web: dict[str, Any] | None = None, **more: Any) -> Path:
    """The same as a file."""
    path = folder / "site.yaml"
    data = {"sources": [{"name": "gate", "uri": "gate.mp4"}], **with_page(folder, web, **more)}
    path.write_text("# the north site\n" + yaml.safe_dump(data, sort_keys=False))
    return path


@contextmanager
def stream(browser: Browser, **headers: str) -> Iterator[Iterator[tuple[str, str, Any]]]:
    """Server-sent events: kind, id and data of each."""
    with browser.stream("GET", f"{API}/stream", headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    kind = ident = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "id":
            ident = value
        elif name == "data":
            yield kind, ident, json.loads(value)
            kind = ident = ""


def frames(browser: Browser, **headers: str) -> ClientConnection:
    """A WebSocket for pictures."""
    return connect(
        f"ws://{browser.address}{API}/frames", additional_headers={**browser.origin, **headers}, max_size=1 << 24
    )


def picture(message: str | bytes) -> tuple[dict[str, Any], bytes]:
    """What one message of it says: facts and JPEG."""
    assert isinstance(message, bytes), message
    (length,) = struct.unpack(">I", message[:4])
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def raw(run: cl.Run, request: bytes) -> bytes:
    """What comes back for these bytes, up to the end."""
    assert run.page is not None
    with socket.create_connection(split_address(run.page.server.address), timeout=30) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(65536), b""))
