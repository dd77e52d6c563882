"""What SECURITY.md promises of the page: each is tried."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pages import API, PASSWORD, READS, Browser, raw, showing, with_page
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import countline as cl

CHANGES = ("/edits/preview", "/edits/apply", "/edits/undo", "/outputs/file/retry", "/logout")


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
