"""Shapes are drawn and bent with the pointer: click by click, by dragging, by their points and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import Scenes, looking, point_of, scenes, seen

Point = tuple[float, float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes(tmp_path_factory.mktemp("pointer")) as made:
        yield made


def drag(page: Any, a: Point, b: Point, key: str = "") -> None:
    page.mouse.move(*point_of(page, *a))
    page.mouse.down()
    if key:
        page.keyboard.down(key)
    page.mouse.move(*point_of(page, *b), steps=3)
    page.mouse.up()
    if key:
        page.keyboard.up(key)


def points(page: Any) -> list[list[float]]:
    """Of the chosen shape, as fractions of the picture, by where its handles are."""
    found = page.locator(".handle.points").evaluate_all(
        "all => all.map(n => [n.style.left, n.style.top].map(parseFloat))"
    )
    return [[round(x / 100, 2), round(y / 100, 2)] for x, y in found]


def near(expected: list[list[float]]) -> Any:
    return [pytest.approx(point, abs=0.011) for point in expected]


def test_a_line_with_bends_is_drawn_click_by_click(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.keyboard.press("e")
        page.keyboard.press("l")
        page.mouse.click(*point_of(page, 0.2, 0.2))
        page.mouse.click(*point_of(page, 0.3, 0.5))
        page.mouse.dblclick(*point_of(page, 0.2, 0.8))
        assert points(page) == near([[0.2, 0.2], [0.3, 0.5], [0.2, 0.8]])
        drag(page, (0.25, 0.35), (0.1, 0.4))  # the small point in the middle of the first part
        assert points(page) == near([[0.2, 0.2], [0.1, 0.4], [0.3, 0.5], [0.2, 0.8]])
        page.get_by_label("Back one step").click()
        assert len(points(page)) == 3
        page.get_by_label("Forth again").click()
        assert len(points(page)) == 4
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Drop them").click()
        page.get_by_role("tab", name="Rules").wait_for()


def test_an_area_is_closed_at_its_first_corner_and_moved_as_a_whole(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.keyboard.press("e")
        page.keyboard.press("g")
        corners = [(0.6, 0.3), (0.8, 0.3), (0.75, 0.6)]
        for corner in [*corners, corners[0]]:
            page.mouse.click(*point_of(page, *corner))
        assert points(page) == near([list(corner) for corner in corners])
        drag(page, (0.74, 0.36), (0.64, 0.46))
        assert points(page) == near([[x - 0.1, y + 0.1] for x, y in corners])
        page.keyboard.press("q")
        drag(page, (0.1, 0.5), (0.3, 0.9))
        assert points(page) == near([[0.1, 0.5], [0.3, 0.5], [0.3, 0.9], [0.1, 0.9]])
        page.get_by_text("2 changes").wait_for()


def test_points_snap_to_others_and_shift_keeps_lines_level(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.keyboard.press("e")
        page.keyboard.press("l")
        drag(page, (0.2, 0.6), (0.496, 0.305))  # door begins at 0.5, 0.3
        assert page.locator(".handle.points").last.evaluate("n => [n.style.left, n.style.top]") == ["50%", "30%"]
        drag(page, (0.2, 0.6), (0.25, 0.32), "Shift")
        first = page.locator(".handle.points").first.evaluate("n => parseFloat(n.style.top)")
        assert first == pytest.approx(30, abs=0.02), "level with the other end"


def test_what_was_drawn_is_still_there_after_a_look_elsewhere(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.keyboard.press("e")
        page.keyboard.press("l")
        drag(page, (0.2, 0.2), (0.2, 0.7))
        page.get_by_role("link", name="Events").click()
        page.locator(".events-view").wait_for()
        page.go_back()
        seen(page)
        page.keyboard.press("e")
        page.get_by_text("1 change").wait_for()
        page.locator(".drafts button", has_text="new").click()
        assert points(page) == near([[0.2, 0.2], [0.2, 0.7]])
