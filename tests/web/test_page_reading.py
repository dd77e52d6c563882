"""What the page reads of a run is what the run knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import API, Browser, showing, stream, with_page
from walking import PERIOD, Walker, wait_for

import countline as cl


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Run]:
    folder = tmp_path_factory.mktemp("page")
    outputs = [
        {"file": {"path": str(folder / "out.jsonl")}},
        {"redis": {"host": "127.0.0.1", "port": 1, "stream": "s", "name": "away"}},
    ]
    config = with_page(folder, {"links": {"gate": "https://video.example/gate"}}, outputs=outputs)
    with showing(config, Walker("gate"), Walker("yard", 1), after=6 * PERIOD) as made:
        yield made


@pytest.fixture
def browser(run: cl.Run) -> Iterator[Browser]:
    with Browser(run) as made:
        yield made


def test_the_state_is_that_of_the_run(run: cl.Run, browser: Browser) -> None:
    state = browser.read("/state")
    assert [s["name"] for s in state["sources"]] == ["gate", "yard"]
    gate = state["sources"][0]
    assert (gate["state"], gate["width"], gate["height"], gate["objects"]) == ("live", 160, 120, 1)
    assert 0 < gate["processed"] <= run.sources[0].stats.frames
    assert gate["link"] == "https://video.example/gate"
    assert state["sources"][1]["link"] is None
    assert state["config"]["digest"] == run.control.current().digest
    assert state["health"] == {"alive": True, "ready": True, "reasons": []}
    by = {output["name"]: output for output in state["outputs"]}
    assert by["file"]["connected"] is True
    assert by["file"]["acknowledged"] > 0
    assert by["away"]["connected"] is False
    assert by["away"]["waiting"] >= by["file"]["acknowledged"]
    assert by["away"]["last_error"]
    assert by["away"]["kind"] == "redis"
    assert state["outbox"]["waiting"] == by["away"]["waiting"]


def test_the_age_of_a_live_source_is_told(run: cl.Run, browser: Browser, tmp_path: Path) -> None:
    live = Walker("live")
    live.info = type(live.info)("live", 0, "live", "", True)
    with showing(with_page(tmp_path), live, after=3) as other, Browser(other) as looking:
        age = looking.read("/state")["sources"][0]["age"]
        assert age is not None
        assert 0 <= age < 60
    assert browser.read("/state")["sources"][0]["age"] is None, "files have no age"


def test_rules_stand_where_they_are_drawn(browser: Browser) -> None:
    rules = {rule["name"]: rule for rule in browser.read("/rules")["rules"]}
    assert rules["door"]["kind"] == "line"
    assert rules["door"]["points"] == [[0.1, 0.5], [0.9, 0.5]]
    assert rules["door"]["labels"] == {"in": "in", "out": "out"}
    assert rules["hall"]["kind"] == "region"
    assert rules["door"]["editable"] is False
    assert "came from options" in rules["door"]["why_not"]


def test_counts_events_and_history_are_of_one_mind(run: cl.Run, browser: Browser) -> None:
    def together() -> bool:
        before = browser.read("/counts")
        events = browser.read("/events", limit=2000)["events"]
        history = browser.read("/history", minutes=1440)
        counted = {
            (c["source"], c["rule"], c["direction"]): c["value"]
            for c in before["counts"]
            if c["class"] is None and c["value"]
        }
        told: dict[tuple[str, str, str], int] = {}
        for event in events:
            key = (event["source"], event["rule"], event["direction"] or event["kind"])
            told[key] = told.get(key, 0) + 1
        drawn = {(s["source"], s["rule"], s["direction"]): sum(s["values"]) for s in history["series"]}
        return bool(counted) and counted == told == drawn

    wait_for(together)  # between two requests somebody may cross the line
    event = browser.read("/events", limit=1)["events"][0]
    assert event["object"]["label"] == "person"
    assert event["text"].startswith(f"person {event['object']['id']} ")


def test_classes_are_counted_apart(browser: Browser) -> None:
    rows = [c for c in browser.read("/counts")["counts"] if c["rule"] == "door" and c["source"] == "gate"]
    apart = sum(c["value"] for c in rows if c["class"] is None)
    assert [c["class"] for c in rows if c["class"] is not None] == ["person"]
    assert next(c["value"] for c in rows if c["class"]) == apart


def test_occupancy_is_told(browser: Browser) -> None:
    found = {(o["source"], o["rule"]): o["value"] for o in browser.read("/counts")["occupancy"]}
    assert set(found) == {("gate", "hall"), ("yard", "hall")}
    assert all(value in (0, 1) for value in found.values())


def test_a_stream_tells_state_counts_and_events(browser: Browser) -> None:
    kinds: dict[str, int] = {}
    with stream(browser) as events:
        for kind, ident, data in events:
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind == "event":
                assert ident == data["id"]
            else:
                assert not ident
            if kinds.get("event", 0) >= 2 and kinds.get("state", 0) >= 2 and kinds.get("counts", 0) >= 2:
                break
    assert set(kinds) == {"state", "counts", "event"}


def test_a_client_that_comes_again_is_told_all_that_it_missed(browser: Browser) -> None:
    with stream(browser) as events:
        last = next(ident for kind, ident, _ in events if kind == "event")
    wait_for(lambda: browser.read("/events", limit=5)["events"][4]["id"] != last and _behind(browser, last) >= 3)
    missed = [e["id"] for e in browser.read("/events", limit=2000)["events"]]
    missed = missed[: missed.index(last)][::-1]
    with stream(browser, **{"Last-Event-ID": last}) as events:
        told = []
        for kind, ident, _ in events:
            assert kind != "missed"
            if kind == "event":
                told.append(ident)
            if len(told) >= len(missed):
                break
    assert told[: len(missed)] == missed


def _behind(browser: Browser, ident: str) -> int:
    return [e["id"] for e in browser.read("/events", limit=2000)["events"]].index(ident)


def test_the_head_of_a_stream_ends(browser: Browser) -> None:
    answer = browser.head(f"{API}/stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_client_of_another_run_is_told_that_it_missed_something(browser: Browser) -> None:
    with stream(browser, **{"Last-Event-ID": "0badcafe-17"}) as events:
        kind, ident, data = next(events)
    assert (kind, ident, data) == ("missed", "", {"missed": None})


@pytest.mark.parametrize(
    ("path", "status", "what"),
    [
        ("/history?minutes=0", 400, "minutes"),
        ("/history?source=nowhere", 404, "nowhere"),
        ("/events?limit=x", 400, "limit"),
        ("/objects", 400, "source"),
        ("/objects?source=nowhere", 404, "nowhere"),
        ("/explain?source=gate&id=-1", 400, "id"),
        ("/explain?source=gate&id=99999999", 404, "99999999"),
        ("/outputs/nowhere/dead", 404, "nowhere"),
        ("/nowhere", 404, "no such path"),
    ],
)
def test_what_is_not_there_is_said(browser: Browser, path: str, status: int, what: str) -> None:
    answer = browser.get(API + path)
    assert answer.status_code == status
    assert what in answer.json()["error"]["what"]


def test_who_was_seen_lately_can_be_asked_why(browser: Browser) -> None:
    (found,) = browser.read("/objects", source="gate")["objects"]
    assert found["label"] == "person"
    assert len(found["path"]) > 10
    said = browser.read("/explain", source="gate", id=found["id"])
    assert said["object"]["id"] == found["id"]
    assert {(rule["name"], rule["verdict"]) for rule in said["rules"]} >= {("door", "counted")}
