"""Nothing on the page jumps when an answer comes late: later than the half second that a browser excuses after a key or a click."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from browsing import PHONE, Scenes, looking, scenes, seen
from held import OtherClient, answers_held

EXCUSED = 600
"""ms after which a shift of the layout is not put down to what the user did (the standard says 500)."""
SIZES = {"desktop": {}, "tablet": {"viewport": {"width": 820, "height": 1180}, "has_touch": True}, "phone": PHONE}
STEADY = {
    ".stage": "the picture",
    ".edit-button": "Edit rules",
    ".camera-head h1": "the name",
    ".camera-head .chip": "state",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes(tmp_path_factory.mktemp("stillness")) as made:
        yield made


def places(page: Any) -> dict[str, Any]:
    """Where on the page that is which has to stay there; of the picture its size, too."""
    script = (
        "node => { const { x, y, width, height } = node.getBoundingClientRect();"
        " return [x, y + scrollY, ...(node.matches('.stage') ? [width, height] : [])]; }"
    )
    return {what: page.locator(selector).evaluate(script) for selector, what in STEADY.items()}


@contextmanager
def late(page: Any, path: str) -> Iterator[None]:
    """What is asked for within it is answered when a browser does not excuse any more what moves then."""
    with answers_held(page, f"edits/{path}") as held:
        yield
        held.wait()
        page.wait_for_timeout(EXCUSED)


@pytest.mark.parametrize("size", SIZES)
def test_the_picture_stays_in_place_when_answers_come_late(run: Scenes, browser: Any, size: str) -> None:
    state = {"cookies": OtherClient(run).cookies, "origins": []}
    with looking(browser, f"{run.url}#/camera/gate", quiet=False, storage_state=state, **SIZES[size]) as page:
        seen(page)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(EXCUSED)
        page.evaluate("shifts.length = 0")
        before = places(page)
        page.keyboard.press("e")
        page.keyboard.press("l")
        page.keyboard.press("Enter")
        name = page.get_by_label("Line: its name")
        name.fill("")
        page.get_by_text("it needs a name").wait_for()
        assert places(page) == before, "the editor is open"

        name.fill("west ${X}")
        with late(page, "preview"):
            page.get_by_role("button", name="Preview").click()
        page.get_by_text("It cannot be applied so").wait_for()  # an answer that says no
        assert places(page) == before
        page.get_by_role("button", name="Go on editing").last.click()

        name.fill(f"west of a {size}")
        with late(page, "preview"):
            page.get_by_role("button", name="Preview").click()
        page.locator(".preview").get_by_role("button", name="Apply").wait_for()
        assert places(page) == before
        with late(page, "apply"):
            page.locator(".preview").get_by_role("button", name="Apply").click()
        page.locator(".rules-list .rule", has_text=f"west of a {size}").wait_for()
        assert places(page) == before, "the editor is closed"
        undo = page.get_by_role("button", name="Undo", exact=True)
        with late(page, "undo"):
            undo.click()  # what was told of the change does not lie over it
        page.get_by_text("Undone").wait_for()
        assert places(page) == before

        page.keyboard.press("e")
        page.keyboard.press("g")
        page.keyboard.press("Enter")
        page.evaluate(
            "(async () => (await import('./static/js/toast.js')).toast('Words', { tone: 'bad', detail: 'and more' }))()"
        )
        page.get_by_role("button", name="Preview").click(trial=True)  # nor do words that stay
        page.get_by_role("button", name="Edit rules").click()
        page.get_by_role("button", name="Drop them").click()
        page.locator(".rules-list").wait_for()
        assert places(page) == before, "the editor was left"
        page.wait_for_timeout(100)
        shifts = page.evaluate("shifts")
        assert sum(shift[0] for shift in shifts) < 0.01, shifts
