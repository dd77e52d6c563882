"""The password of a page: told once, kept as a hash, renewed at will."""

from __future__ import annotations

import json
import re
import socket
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pages import API, PASSWORD, Browser, showing, with_page
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import starting
from countline.addresses import split_address
from countline.errors import ConfigError
from countline.view.web.password import Password, read, renew


def test_the_first_start_tells_it_once_and_keeps_a_hash(tmp_path: Path) -> None:
    file = tmp_path / "o.outbox.web"
    first = Password(None, file)
    assert len(first.fresh) == 24
    kept = file.read_text()
    assert first.fresh not in kept
    assert json.loads(kept)["kind"] == "scrypt"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = Password(None, file)
    assert again.fresh == ""
    assert again.check(first.fresh) == 0
    assert again.check(first.fresh + "x") is None


def test_without_a_place_it_is_of_this_run_alone() -> None:
    one, other = Password(None, None), Password(None, None)
    assert one.fresh != other.fresh
    assert one.check(one.fresh) is not None
    assert one.check(other.fresh) is None


def test_that_of_the_configuration_goes_before(tmp_path: Path) -> None:
    file = tmp_path / "o.outbox.web"
    made = Password(PASSWORD, file)
    assert not file.exists()
    assert made.fresh == ""
    assert made.check(PASSWORD) == 0
    assert made.check("") is None
    assert made.check("x" * 10_000) is None


def test_a_renewed_one_is_taken_at_once_and_the_old_one_is_worth_nothing(tmp_path: Path) -> None:
    file = tmp_path / "o.outbox.web"
    made = Password(None, file)
    new = renew(file)
    assert made.look() == 1
    assert made.check(made.fresh) is None
    assert made.check(new) == 1
    file.unlink()
    assert made.check(new) is None, "nobody can sign in until there is one"


def test_nobody_waits_while_a_password_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Password(None, tmp_path / "o.outbox.web")
    looked: list[int] = []
    monkeypatch.setattr("countline.view.web.password._hash", lambda *_: looked.append(_elsewhere(made.look)) or b"")
    assert made.check("x") is None
    assert looked == [0]


def _elsewhere(work: Callable[[], int]) -> int:
    """On another thread, which waits for no lock that this one holds."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(30)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b"[]", b'{"kind": "scrypt", "n": 1e9, "r": 8, "p": 1, "salt": "00", "hash": "00"}']
)
def test_a_file_that_is_no_hash_is_an_error_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "o.outbox.web"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="is no hash of a password") as error:
        Password(None, file)
    assert "countline web-password" in error.value.fix


def test_hashes_that_would_take_too_long_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "o.outbox.web"
    renew(file)
    kept = json.loads(file.read_bytes())
    for change in ({"n": 2**20}, {"p": 10**6}, {"r": 4096}, {"n": 0}):
        file.write_text(json.dumps({**kept, **change}))
        with pytest.raises(ConfigError):
            read(file)


def test_the_command_makes_a_new_one_for_the_run_that_is_at_work(tmp_path: Path) -> None:
    config = with_page(tmp_path, {"behind_proxy": True, "hosts": ["site.example"]})
    del config["web"]["password"]
    with showing(config) as run:
        assert run.page is not None
        first = run.page.server.terms.password.fresh
        client = httpx.Client(
            base_url=f"http://{run.page.server.address}",
            headers={"Host": "site.example", "Origin": "https://site.example"},
            timeout=30,
        )
        answer = client.post(f"{API}/login", json={"password": first})
        assert answer.status_code == 200
        cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert client.get(f"{API}/state", headers=cookie).status_code == 200
        open_socket = connect(
            f"ws://site.example{API}/frames",
            sock=socket.create_connection(split_address(run.page.server.address)),
            additional_headers={**cookie, "Origin": "https://site.example"},
        )
        with client.stream("GET", f"{API}/stream", headers=cookie) as streaming:
            lines = streaming.iter_lines()
            next(lines)
            command = [sys.executable, "-m", "countline", "web-password", str(tmp_path / "o.outbox")]
            done = starting.run(command, capture_output=True, text=True, check=True)
            new = done.stdout.strip()
            assert re.fullmatch(r"[\w-]{24}", new)
            for _ in lines:  # whoever streams with the old one is no longer given anything
                pass
        with open_socket, pytest.raises(ConnectionClosed) as closed:
            open_socket.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert client.get(f"{API}/state", headers=cookie).status_code == 401
        assert client.post(f"{API}/login", json={"password": first}).status_code == 401
        assert client.post(f"{API}/login", json={"password": new}).status_code == 200


def test_the_command_does_not_shadow_one_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("sources: [{name: a, uri: a.mp4}]\nweb: {password: of-the-file}\n")
    done = starting.run(
        [sys.executable, "-m", "countline", "web-password", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "in the configuration" in done.stderr
    assert "of-the-file" not in done.stderr


def test_a_password_from_a_file_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-secret\n")
    web = f"web: {{listen: 0, password: '${{file:{tmp_path}/secret}}'}}"
    (tmp_path / "c.yaml").write_text("sources: [{name: gate, uri: a}]\n" + web)
    with showing(tmp_path / "c.yaml") as run, Browser(run) as browser:
        assert browser.sign_in("from-a-secret").status_code == 200
