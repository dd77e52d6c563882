"""Whose change of the rules it was is told right, in whatever order answers, news and the changes of others come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import Scenes, looking, scenes, seen
from held import HOLD_NEWS, OtherClient, answers_held, hold_news, let_news_go, news_held


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes(tmp_path_factory.mktemp("orders")) as made:
        yield made


@pytest.fixture(scope="module")
def other(run: Scenes) -> OtherClient:
    return OtherClient(run)


@pytest.fixture(scope="module")
def opened(run: Scenes, browser: Any, other: OtherClient) -> Iterator[Any]:
    """A page whose news are under control, signed in."""
    state = {"cookies": other.cookies, "origins": []}
    with looking(browser, f"{run.url}#/camera/gate", quiet=False, script=HOLD_NEWS, storage_state=state) as page:
        yield page


@pytest.fixture
def page(opened: Any) -> Iterator[Any]:
    """That page at the camera, with nothing in hand and nothing said."""
    if opened.locator(".camera:not(.editing)").count() == 0:
        opened.reload()
    seen(opened)
    opened.evaluate("document.querySelectorAll('.toast [aria-label=Close]').forEach((button) => button.click())")
    yield opened
    shifts = opened.evaluate("shifts.splice(0)")
    assert sum(shift[0] for shift in shifts) < 0.05, shifts


def draw(page: Any, name: str) -> None:
    """A line in the middle; opens the editor."""
    page.keyboard.press("e")
    page.keyboard.press("l")
    page.keyboard.press("Enter")
    page.get_by_label("Line: its name").fill(name)


def preview(page: Any) -> None:
    page.get_by_role("button", name="Preview").click()
    page.locator(".preview").get_by_role("button", name="Apply").wait_for()


def apply(page: Any) -> None:
    page.locator(".preview").get_by_role("button", name="Apply").click()


def told(page: Any, text: str) -> Any:
    return page.locator(".toast", has_text=text)


def known(page: Any, digest: str) -> None:
    """Wait until the page has the rules of a configuration."""
    page.wait_for_function(
        "async (digest) => (await import('./static/js/store.js')).store.digest === digest", arg=digest
    )


def shows(page: Any, name: str) -> None:
    """Wait until the editor is closed, and the rule is among those that count."""
    page.locator(".rules-list .who").get_by_text(name, exact=True).wait_for()


def no_conflict(page: Any) -> None:
    assert page.get_by_text("Changed elsewhere").count() == 0
    assert told(page, "The configuration was changed").count() == 0


def x_of(other: OtherClient, name: str) -> float:
    return next(float(rule["points"][0][0]) for rule in other.rules()["rules"] if rule["name"] == name)


def test_news_of_an_own_change_that_come_before_its_answer_are_no_conflict(page: Any, other: OtherClient) -> None:
    with answers_held(page, "edits/apply") as held:
        draw(page, "early")
        preview(page)
        apply(page)
        held.wait()
        known(page, other.rules()["digest"])
        no_conflict(page)
        held.give()
        told(page, "Applied").wait_for()
        shows(page, "early")
        no_conflict(page)


def test_news_of_own_changes_that_come_after_their_answers_are_no_conflict(page: Any, other: OtherClient) -> None:
    hold_news(page)
    draw(page, "late")
    preview(page)
    apply(page)
    shows(page, "late")
    page.get_by_role("button", name="Undo", exact=True).click()
    told(page, "Undone").wait_for()
    draw(page, "later")
    news_held(page, 3)
    let_news_go(page)
    known(page, other.rules()["digest"])
    preview(page)
    no_conflict(page)
    apply(page)
    shows(page, "later")


def test_what_is_drawn_while_an_undo_is_under_way_goes_on_from_what_it_leaves(page: Any, other: OtherClient) -> None:
    other.put("taken back", 0.2)
    shows(page, "taken back")
    with answers_held(page, "edits/undo") as held:
        page.get_by_role("button", name="Undo", exact=True).click()
        held.wait()
        draw(page, "on top")
        known(page, other.rules()["digest"])
        assert page.get_by_text("Changed elsewhere").count() == 0
        held.give()
        told(page, "Undone").wait_for()
        assert page.locator(".drafts", has_text="taken back").count() == 0
        preview(page)
        assert page.get_by_text("Changed elsewhere").count() == 0
        assert told(page, "The configuration was changed").count() <= 1, "that of the other client"
        apply(page)
        shows(page, "on top")


def test_a_change_of_another_before_the_own_is_a_conflict_that_can_be_gone_on_from(
    page: Any, other: OtherClient
) -> None:
    requests: list[Any] = []
    draw(page, "second")
    preview(page)
    page.route("**/api/v1/edits/apply", lambda route: requests.append(route))
    with page.expect_request("**/api/v1/edits/apply"):
        apply(page)
    other.put("first", 0.3)
    known(page, other.rules()["digest"])
    assert page.get_by_text("Changed elsewhere").count() == 0, "whose change it was is not known yet"
    requests.pop().continue_()
    told(page, "line 'first' added").wait_for()
    page.get_by_text("Changed elsewhere").wait_for()
    page.get_by_role("button", name="Go on from there, with mine").click()
    page.unroute("**/api/v1/edits/apply")
    apply(page)
    shows(page, "second")
    shows(page, "first")


def test_a_change_of_another_after_the_own_is_no_conflict(page: Any, other: OtherClient) -> None:
    with answers_held(page, "edits/apply") as held:
        draw(page, "mine")
        preview(page)
        apply(page)
        held.wait()
        other.put("theirs", 0.4)
        known(page, other.rules()["digest"])
        held.give()
        told(page, "line 'theirs' added").wait_for()
        assert told(page, "The configuration was changed").count() <= 1
        assert page.get_by_text("Changed elsewhere").count() == 0
        shows(page, "mine")
        shows(page, "theirs")


def test_a_conflict_goes_when_the_other_change_is_taken_back(page: Any, other: OtherClient) -> None:
    draw(page, "patient")
    other.put("hasty", 0.6)
    page.get_by_text("Changed elsewhere").wait_for()
    other.undo()
    page.get_by_text("Changed elsewhere").wait_for(state="hidden")
    preview(page)
    apply(page)
    shows(page, "patient")


def test_what_is_drawn_before_the_rules_are_known_is_no_conflict(page: Any, other: OtherClient) -> None:
    with answers_held(page, "rules"):
        page.reload()
        page.get_by_role("button", name="Edit rules").wait_for()  # the page does not wait for ever to be shown
        draw(page, "first of all")
        page.get_by_text("The rules are not known yet").wait_for()
        assert page.get_by_role("button", name="Preview").is_disabled()
    page.locator(".drafts", has_text="door").wait_for()
    assert page.get_by_label("Line: its name").evaluate("node => node === document.activeElement")
    preview(page)
    no_conflict(page)
    apply(page)
    shows(page, "first of all")


def test_an_older_answer_does_not_replace_newer_rules(page: Any, other: OtherClient) -> None:
    with answers_held(page, "rules") as held:
        other.put("moving", 0.1)
        held.wait()
        older = other.rules()["digest"]
        other.put("moving", 0.15)
        told(page, "line 'moving' changed").wait_for()
        assert older != other.rules()["digest"]
    known(page, other.rules()["digest"])
    draw(page, "unmoved")
    preview(page)
    assert page.get_by_text("Changed elsewhere").count() == 0


def test_a_change_between_the_first_reading_and_the_stream_is_seen(page: Any, other: OtherClient) -> None:
    streams: list[Any] = []
    page.route("**/api/v1/stream", lambda route: streams.append(route))
    with page.expect_request("**/api/v1/stream"):
        page.reload()
    page.locator(".rules-list .rule", has_text="door").wait_for()
    other.put("between", 0.7)
    streams.pop().continue_()
    shows(page, "between")


def test_rules_that_could_not_be_read_are_read_again(page: Any, other: OtherClient) -> None:
    page.route("**/api/v1/rules", lambda route: route.abort())
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/rules")):
        other.put("again", 0.8)
    page.unroute("**/api/v1/rules")
    shows(page, "again")


def test_what_is_changed_while_an_answer_is_on_its_way_is_still_to_be_applied(page: Any, other: OtherClient) -> None:
    with answers_held(page, "edits/apply") as held:
        draw(page, "drawn on")
        preview(page)
        apply(page)
        held.wait()
        page.locator(".preview").get_by_role("button", name="Go on editing").last.click()
        page.locator(".handle.points").first.focus()
        page.keyboard.press("Shift+ArrowLeft")
        page.get_by_text("What was drawn before is being applied").wait_for()
        assert page.get_by_role("button", name="Preview").is_disabled()
        held.give()
        told(page, "Applied").wait_for()
        page.locator(".drafts button[data-fate=changed]", has_text="drawn on").wait_for()
        assert x_of(other, "drawn on") == pytest.approx(0.25)
        preview(page)
        apply(page)
        held.wait()
        held.give()
        shows(page, "drawn on")
        no_conflict(page)
    assert x_of(other, "drawn on") == pytest.approx(0.23)


def test_an_answer_that_comes_after_a_look_elsewhere_finds_what_it_is_an_answer_to(
    page: Any, other: OtherClient
) -> None:
    with answers_held(page, "edits/apply") as held:
        for name, back in (("seen to the end", True), ("left alone", False)):
            draw(page, name)
            preview(page)
            apply(page)
            held.wait()
            page.get_by_role("link", name="Events").click()
            page.locator(".events-view").wait_for()
            if back:
                page.go_back()
                seen(page)
                page.keyboard.press("e")
                page.get_by_text("What was drawn before is being applied").wait_for()
            held.give()
            told(page, name).wait_for()
            if not back:
                page.go_back()
                seen(page)
            shows(page, name)
            page.keyboard.press("e")
            page.get_by_text("no change yet").wait_for()
            page.keyboard.press("Escape")
        no_conflict(page)


def test_an_answer_that_is_lost_is_found_in_the_rules(page: Any, other: OtherClient) -> None:
    with answers_held(page, "edits/apply") as held:
        draw(page, "found")
        preview(page)
        apply(page)
        held.wait()
        held.lose()
        told(page, "Applied").wait_for()
        shows(page, "found")
        assert page.get_by_text("Changed elsewhere").count() == 0
