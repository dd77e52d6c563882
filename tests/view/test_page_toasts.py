"""Short words at the edge of the page stay for as long as somebody can read them, and are told to those who listen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import Scenes, looking, scenes

SAY = "async ([text, more]) => (await import('./static/js/toast.js')).toast(text, more)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes(tmp_path_factory.mktemp("toasts")) as made:
        yield made


@pytest.fixture(scope="module")
def page(run: Scenes, browser: Any) -> Iterator[Any]:
    """The list of events, whose time goes on when a test says so."""
    with looking(browser, f"{run.url}#/events", quiet=False) as page:
        page.route("**/api/v1/stream", lambda route: route.abort())  # or the page would tell of a stream without time
        page.clock.install()
        page.reload()
        page.locator(".events-view").wait_for()
        page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
        yield page


def say(page: Any, text: str, **more: Any) -> Any:
    """Its words, as an element."""
    page.evaluate(SAY, [text, more])
    return page.locator(".toast", has_text=text)


def test_words_stay_for_their_time_and_no_longer(page: Any) -> None:
    short, long, bad = say(page, "short"), say(page, "long", detail="words " * 40), say(page, "bad", tone="bad")
    page.clock.run_for(5_500)
    assert [short.count(), long.count(), bad.count()] == [1, 1, 1]
    page.clock.run_for(1_500)
    assert [short.count(), long.count(), bad.count()] == [0, 1, 1], "what is longer to read stays longer"
    page.clock.run_for(20_000)
    assert [long.count(), bad.count()] == [0, 1], "bad news stays until it is closed"
    bad.get_by_role("button", name="Close").click()
    assert bad.count() == 0


def test_time_in_which_nothing_could_be_drawn_does_not_count(page: Any) -> None:
    said = say(page, "behind a page that is busy")
    page.clock.fast_forward(60_000)  # all that was due meanwhile comes once, as where a page was kept from working
    page.clock.fast_forward(60_000)
    page.clock.run_for(4_000)
    assert said.count() == 1
    page.clock.run_for(3_000)
    assert said.count() == 0


def test_words_wait_for_who_points_at_them_or_has_the_focus_in_them_or_looks_elsewhere(page: Any) -> None:
    said = say(page, "read me")
    page.clock.run_for(1_000)
    page.mouse.move(900, 300)
    said.hover()
    page.clock.run_for(30_000)
    assert said.count() == 1, "pointed at"
    said.get_by_role("button", name="Close").focus()
    page.mouse.move(900, 300)
    page.clock.run_for(30_000)
    assert said.count() == 1, "with the focus in it"
    page.evaluate("document.activeElement.blur()")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.clock.run_for(30_000)
    assert said.count() == 1, "on a page that is not seen"
    page.evaluate("delete document.hidden")
    page.clock.run_for(4_000)
    assert said.count() == 1, "the rest of its time"
    page.clock.run_for(3_000)
    assert said.count() == 0


def test_words_that_appear_where_the_pointer_rests_are_not_pointed_at(page: Any) -> None:
    said = say(page, "where is it")
    page.clock.run_for(500)
    box = said.bounding_box()
    page.clock.run_for(10_000)
    assert said.count() == 0
    page.evaluate(
        "globalThis.moved = new Promise((done) => addEventListener('pointermove', done, { once: true })), null"
    )
    page.mouse.move(box["x"] + 50, box["y"] + 10)
    page.evaluate("moved.then(() => null)")
    said = say(page, "where it was")
    page.clock.run_for(10_000)
    assert said.count() == 0


def test_words_are_told_by_how_bad_they_are_and_closed_with_a_key(page: Any) -> None:
    say(page, "as it should be")
    say(page, "not as it should be", tone="bad")
    page.get_by_role("status").locator(".toast", has_text="as it should be").wait_for()
    alert = page.get_by_role("alert").locator(".toast", has_text="not as it should be")
    alert.get_by_role("button", name="Close").focus()
    page.keyboard.press("Escape")
    assert alert.count() == 0
    assert page.url.endswith("#/events"), "the key has closed the words alone"
    assert page.evaluate("document.activeElement.id") == "main"
