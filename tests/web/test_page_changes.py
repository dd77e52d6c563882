"""What is changed on the page is changed in the run and in the file; what an output refused is sent again."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pages import Browser, file_with_page, showing, stream, with_page
from walking import PERIOD, Walker, wait_for

import countline as cl


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[cl.Run, Browser, Path]]:
    path = file_with_page(tmp_path)
    with showing(path, Walker(pause=0.01), after=2 * PERIOD) as run, Browser(run) as browser:
        browser.sign_in()
        yield run, browser, path


def line(name: str, y: float, **more: Any) -> dict[str, Any]:
    return {"op": "put", "kind": "line", "name": name, "points": [[0.1, y], [0.9, y]], **more}


def test_a_line_that_is_drawn_counts_and_stands_in_the_file(site: tuple[cl.Run, Browser, Path]) -> None:
    _, browser, path = site
    assert browser.read("/session")["can_write"] is True
    base = browser.read("/rules")["digest"]
    preview = browser.change("/edits/preview", base=base, edits=[line("new", 0.45)]).json()
    assert preview["changes"] == ["line 'new' added"]
    assert sum(row["would"] for row in preview["counted"] if row["rule"] == "new") >= 1
    assert browser.read("/rules")["digest"] == base, "nothing was changed by that"
    with stream(browser) as events:
        next(events)
        applied = browser.change("/edits/apply", base=base, edits=[line("new", 0.45)])
        assert applied.status_code == 200, applied.text
        told: dict[str, Any] = {}
        for kind, _, data in events:
            told[kind] = data
            if {"config", "rules"} <= set(told):
                break
    assert told["config"]["applied"] is True
    assert told["config"]["changes"] == ["line 'new' added"]
    assert told["config"]["digest"] == told["rules"]["digest"] == applied.json()["digest"]
    assert "new" in {rule["name"] for rule in told["rules"]["rules"]}
    assert path.read_text().startswith("# the north site\n")
    assert "name: new" in path.read_text()
    wait_for(lambda: any(c["rule"] == "new" and c["value"] for c in browser.read("/counts")["counts"]))
    before = browser.read("/rules")
    assert before["undo"] is True
    undone = browser.change("/edits/undo", base=before["digest"])
    assert undone.json()["digest"] == base
    assert "name: new" not in path.read_text()


def test_what_is_refused_is_said_in_the_words_of_check(site: tuple[cl.Run, Browser, Path]) -> None:
    _, browser, path = site
    before = path.read_bytes()
    base = browser.read("/rules")["digest"]
    answer = browser.change("/edits/apply", base=base, edits=[line("bad", 0.5, points=[[0.5, 0.5], [0.5, 0.5]])])
    assert answer.status_code == 422
    assert "are equal" in answer.json()["error"]["what"]
    assert answer.json()["error"]["fix"]
    assert path.read_bytes() == before
    assert browser.read("/rules")["digest"] == base


def test_what_somebody_else_changed_is_shown_and_not_overwritten(site: tuple[cl.Run, Browser, Path]) -> None:
    _, browser, path = site
    base = browser.read("/rules")["digest"]
    other = path.read_text().replace("0.95", "0.94")
    path.write_text(other)
    answer = browser.change("/edits/apply", base=base, edits=[line("new", 0.45)])
    assert answer.status_code == 409
    assert "+" in answer.json()["disk"]
    assert path.read_text() == other
    answer = browser.change("/edits/apply", base="another", edits=[line("new", 0.45)])
    assert answer.status_code == 409


def test_what_is_no_edit_is_no_edit(site: tuple[cl.Run, Browser, Path]) -> None:
    for edits in ({}, [], ["y"], [{}] * 201, None, 7):
        answer = site[1].change("/edits/apply", base="x", edits=edits)
        assert answer.status_code == 400
        assert "edit" in answer.json()["error"]["what"]
    for base in (7, None, []):
        assert site[1].change("/edits/preview", base=base, edits=[{}]).status_code == 400


def test_a_configuration_from_options_is_not_edited(tmp_path: Path) -> None:
    with showing(with_page(tmp_path)) as run, Browser(run) as browser:
        browser.sign_in()
        assert browser.read("/session")["can_write"] is False
        answer = browser.change("/edits/apply", base="x", edits=[line("new", 0.45)])
        assert answer.status_code == 501
        assert "came from options" in answer.json()["error"]["what"]
        assert "came from options" in browser.read("/state")["config"]["why_not"]


def test_the_page_itself_is_not_changed_while_it_runs(site: tuple[cl.Run, Browser, Path]) -> None:
    run, browser, path = site
    with stream(browser) as events:
        next(events)
        path.write_text(path.read_text().replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:1"))
        assert run.control.reload("signal") is None
        told = next(data for kind, _, data in events if kind == "config")
    assert told["applied"] is False
    assert "`web`" in told["error"]
    assert told["by"] == "signal"


# -- dead letters --------------------------------------------------------------------------------------------------------


class Receiver(ThreadingHTTPServer):
    """A web server that refuses for good what it is posted, until it changes its mind."""

    def __init__(self) -> None:
        self.refuses, self.bodies = True, list[bytes]()
        super().__init__(("127.0.0.1", 0), _Post)
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _Post(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.refuses:
            self.server.bodies.append(body)
        self.send_response(400 if self.server.refuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made
        made.shutdown()


def test_what_an_output_refused_is_seen_and_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/"
    config = with_page(tmp_path, outputs=[{"webhook": {"url": url, "name": "hook"}}])
    with showing(config, Walker(pause=0.004), after=6 * PERIOD) as run, Browser(run) as browser:
        browser.sign_in()
        wait_for(lambda: browser.read("/outputs/hook/dead")["total"] >= 4)
        found = browser.read("/outputs/hook/dead", limit=2)
        assert len(found["letters"]) == 2
        newest = found["letters"][0]
        assert int(newest["id"]) > int(found["letters"][1]["id"]), "newest first"
        assert "400" in newest["reason"]
        assert newest["size"] > 0
        wait_for(lambda: browser.read("/state")["outputs"][0]["dead"] >= 4)
        receiver.refuses = False
        assert browser.change("/outputs/hook/retry", ids=[newest["id"], "999999"]).json() == {"retried": 1}
        wait_for(lambda: receiver.bodies)
        assert newest["id"] not in [letter["id"] for letter in browser.read("/outputs/hook/dead")["letters"]]
        left = browser.read("/outputs/hook/dead")["total"]
        assert browser.change("/outputs/hook/retry", ids="all").json()["retried"] == left > 0
        wait_for(lambda: browser.read("/outputs/hook/dead")["total"] == 0)
        wait_for(lambda: browser.read("/state")["outputs"][0]["waiting"] == 0)
        assert browser.read("/state")["outputs"][0]["dead"] == 0
        made = run.engine.refresh().messages
        wait_for(lambda: len(set(receiver.bodies)) >= made - 1)


def test_only_outputs_that_are_there_are_asked(tmp_path: Path) -> None:
    with showing(with_page(tmp_path)) as run, Browser(run) as browser:
        browser.sign_in()
        assert browser.change("/outputs/nowhere/retry", ids="all").status_code == 404
        for ids in (None, "x", [7], ["x"], ["-1"], {}):
            assert browser.change("/outputs/file/retry", ids=ids).status_code == 400
        assert browser.change("/outputs/file/retry", ids=[]).json() == {"retried": 0}


def test_letters_go_back_while_the_run_writes(tmp_path: Path) -> None:
    """Positions in the outbox are given one after the other, whoever writes."""
    from countline.config import OutboxConfig
    from countline.outbox import Commit, letters
    from countline.outbox import open as open_outbox
    from countline.protocols import Entry
    from countline.types import Message

    box = open_outbox(OutboxConfig(synchronous="off"), tmp_path / "o.outbox", ["a"])
    with box:
        box.write([Commit("s", "t", i, [Message(f"dead-{i}", b"{}")]) for i in range(600)])
        entries, _ = box.read("a", limit=10_000)
        box.dead_letter("a", [(Entry(e.position, e.message), "refused") for e in entries])
        box.settle()
        assert letters.counts(box) == {"a": 600}
        writers = [
            Thread(
                target=lambda n=n: [
                    box.write([Commit("s", "t", 600 + i, [Message(f"{n}-{i}", b"{}")])]) for i in range(100)
                ]
            )
            for n in range(2)
        ]
        for writer in writers:
            writer.start()
        assert letters.put_back(box, "a") == 600
        for writer in writers:
            writer.join()
        found, _ = box.read("a", limit=10_000)
        assert len({e.position for e in found}) == len({e.message.id for e in found}) == 800
        assert letters.counts(box) == {}
