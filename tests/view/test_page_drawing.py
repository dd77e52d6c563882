"""Rules are drawn on the page with pointer and keys, tried, applied, and taken back; in a real browser, on a real run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import PASSWORD, PHONE, Scenes, looking, point_of, scenes, seen, sign_in, wait_for

from countline.config.rules import RULE_KEYS

Point = tuple[float, float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes(tmp_path_factory.mktemp("drawing")) as made:
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


def rule(run: Scenes, name: str) -> dict[str, Any]:
    return next((r for r in run.read("rules")["rules"] if r["name"] == name), {})


def counted(run: Scenes, name: str) -> int:
    return sum(c["value"] for c in run.read("counts")["counts"] if c["rule"] == name and c["class"] is None)


def test_a_line_drawn_with_the_mouse_counts_and_stands_in_the_file(run: Scenes, browser: Any) -> None:
    before = run.file.read_text()
    wait_for(lambda: counted(run, "door"))
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.get_by_role("button", name="Edit rules").click()
        page.get_by_role("button", name="Line", exact=True).click()
        page.mouse.move(*point_of(page, 0.3, 0.2))
        page.mouse.down()
        page.mouse.move(*point_of(page, 0.3, 0.9), steps=4)
        page.mouse.up()
        page.get_by_label("Line: its name").fill("west")
        page.get_by_label("In, to the left").fill("eastward")
        page.get_by_role("button", name="Preview").click()
        sign_in(page)
        told = page.locator(".preview")
        told.get_by_text("line 'west'").wait_for()
        would = told.locator(".would-have tr", has_text="eastward").locator(".would")
        assert int(would.inner_text()) > 0, "who walked to the east in the last minutes would have been counted"
        assert "west" in told.locator(".diff .added").first.inner_text() or told.locator(".diff .added").count() > 0
        told.get_by_role("button", name="Apply").click()
        page.get_by_text("Applied").wait_for()
        row = page.locator(".rule", has_text="west")
        row.locator(".big.in b").filter(has_text="1").wait_for()
        page.reload()
        page.locator(".rule", has_text="west").wait_for()
        seen(page)
    made = rule(run, "west")
    assert made["points"] == [pytest.approx([0.3, 0.2], abs=0.01), pytest.approx([0.3, 0.9], abs=0.01)]
    assert made["labels"]["in"] == "eastward"
    after = run.file.read_text()
    assert all(line in after for line in before.splitlines()), (
        "what the user wrote stands as it stood, comments and all"
    )
    assert "west" in after


def test_what_was_applied_is_taken_back_to_the_byte(run: Scenes, browser: Any) -> None:
    before = run.file.read_bytes()
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.get_by_role("button", name="Sign in").click()
        sign_in(page)
        page.get_by_role("button", name="Edit door").click()
        page.get_by_role("button", name="Swap in and out (s)").click()
        page.get_by_role("button", name="Preview").click()
        page.locator(".preview").get_by_role("button", name="Apply").click()
        wait_for(lambda: rule(run, "door")["points"] == [[0.5, 0.95], [0.5, 0.3]])
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Undone").wait_for()
    assert run.file.read_bytes() == before
    assert rule(run, "door")["points"] == [[0.5, 0.3], [0.5, 0.95]]


def test_a_point_that_was_not_moved_stays_as_it_is_written(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.get_by_role("button", name="Edit door").click()
        page.locator(".handle.points").last.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("p")
        sign_in(page)
        page.locator(".diff .added", has_text="[[0.50, 0.3], [0.502, 0.95]]").wait_for()


def test_everything_is_done_with_the_keyboard_alone(run: Scenes, browser: Any) -> None:
    with looking(browser, run.url) as page:
        page.locator(".tile").wait_for()
        page.keyboard.press("ArrowRight")  # the first camera
        assert page.evaluate("document.activeElement.className") == "tile"
        page.keyboard.press("Enter")
        seen(page)
        page.keyboard.press("e")
        page.keyboard.press("g")
        page.keyboard.press("Enter")  # a region in the middle
        handle = page.locator(".handle.points").first
        assert handle.evaluate("node => node === document.activeElement")
        label = handle.get_attribute("aria-label")
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("ArrowUp")
        assert handle.get_attribute("aria-label") != label, "arrow keys move the point"
        page.keyboard.press("Tab")
        page.keyboard.press("+")
        assert page.locator(".handle.points").count() == 5, "one point more"
        page.keyboard.press("Delete")
        assert page.locator(".handle.points").count() == 4
        page.keyboard.press("p")
        page.get_by_label("Password").wait_for()
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_text("region 'region' added").wait_for()
        page.keyboard.press("Enter")  # Apply has the focus
        page.get_by_text("Applied").wait_for()
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.locator(".wall").wait_for()
    first = rule(run, "region")["points"][0]
    assert first == pytest.approx([0.3 - 0.02, 0.4 - 0.002 * 16 / 9], abs=2e-4)


def test_rules_of_every_kind_are_drawn_and_applied_at_once(run: Scenes, browser: Any) -> None:
    keys = {"l": "line", "g": "region", "d": "direction", "k": "speed", "q": "queue", "y": "wrong-way"}
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.keyboard.press("e")
        for key, kind in keys.items():
            page.keyboard.press(key)
            page.keyboard.press("Enter")
            page.locator(".rule-form input").first.fill(f"a {kind}")
            page.locator(".rule-form input").first.press("Escape")  # lets go of the rule, so that keys draw again
            if kind == "speed":
                page.get_by_text("a speed needs").wait_for()
                page.locator(".drafts button", has_text="a speed").click()
                page.get_by_label("Point 1 to 2").fill("7")
                page.get_by_label("Point 2 to 3").fill("20.5")
                page.get_by_label("Point 2 to 3").press("Escape")
        page.get_by_text("6 changes").wait_for()
        page.keyboard.press("p")
        sign_in(page)
        page.locator(".preview").get_by_role("button", name="Apply").click()
        page.get_by_text("Applied").wait_for()
    made = {r["name"]: r for r in run.read("rules")["rules"]}
    assert {f"a {kind}": kind for kind in keys.values()}.items() <= {
        name: r["kind"] for name, r in made.items()
    }.items()
    assert made["a speed"]["options"] == {"width": 7, "length": 20.5}
    assert len(made["a wrong-way"]["arrow"]) == 2
    assert len(made["a direction"]["points"]) == 2


def test_the_form_offers_what_the_configuration_takes(run: Scenes, browser: Any) -> None:
    with looking(browser, run.url) as page:
        kinds = page.evaluate("async () => (await import('./static/js/kinds.js')).KINDS")
    models = {model.kind: model for model in RULE_KEYS.values()}
    assert kinds.keys() == models.keys() - {"journey"}
    for kind, said in kinds.items():
        assert said["shape"] == models[kind].shape
        schema = models[kind].model_json_schema()
        for option in said["options"]:
            first, _, second = option["key"].partition(".")
            fields = schema["$defs"]["CrowdingConfig"]["properties"] if second else schema["properties"]
            field = fields[second or first]
            forms = [field, *field.get("anyOf", [])]
            if option["type"] == "choice":
                assert option["choices"] == field["enum"], option
            if "standard" in option:
                assert option["standard"] == field["default"], option
            if "max" in option:
                assert option["max"] <= next(f["maximum"] for f in forms if "maximum" in f), option
            if option["type"] == "number":
                assert {"number", "integer"} & {f.get("type") for f in forms}, option


def test_a_point_is_moved_with_a_finger(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate", **PHONE) as page:
        seen(page)
        page.get_by_role("button", name="Edit door").tap()
        handle = page.locator(".handle.points").last
        box = handle.bounding_box()
        assert min(box["width"], box["height"]) >= 44, "large enough for a finger"
        touch = page.context.new_cdp_session(page)
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        to = dict(zip("xy", point_of(page, 0.8, 0.8)))
        for kind, points in (("touchStart", [at]), ("touchMove", [to]), ("touchEnd", [])):
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert "80." in handle.get_attribute("aria-label")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone"


def test_an_edit_on_disk_is_shown_and_not_overwritten(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate", quiet=False) as page:
        seen(page)
        page.get_by_role("button", name="Sign in").click()
        sign_in(page)
        page.get_by_role("button", name="Edit door").click()
        page.get_by_role("button", name="Swap in and out (s)").click()
        before = run.file.read_text()
        edited = before.replace("0.95", "0.85")
        run.file.write_text(edited)
        page.get_by_role("button", name="Preview").click()
        page.get_by_text("Changed elsewhere").wait_for()
        page.locator(".diff .added", has_text="0.85").wait_for()
        assert run.file.read_text() == edited
        page.get_by_role("button", name="Drop mine").click()
        page.get_by_role("tab", name="Rules").wait_for()
    assert run.file.read_text() == edited
    run.file.write_text(before)


def test_what_check_would_refuse_is_told_in_its_words(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate", quiet=False) as page:
        seen(page)
        page.keyboard.press("e")
        page.keyboard.press("l")
        page.keyboard.press("Enter")
        page.get_by_label("Line: its name").fill("door")
        page.get_by_text("two rules are named 'door'").wait_for()
        assert page.get_by_role("button", name="Preview").is_disabled()
        page.get_by_label("Line: its name").fill("line")
        page.get_by_label("In, to the left").fill("same")
        page.get_by_label("Out, to the right").fill("same")
        page.get_by_role("button", name="Preview").click()
        sign_in(page)
        page.get_by_text("both directions have one name").wait_for()
        page.get_by_text("give them different names").wait_for()
        page.get_by_role("button", name="Go on editing").last.click()
        page.get_by_label("Line: its name").wait_for()
    assert rule(run, "line") == {}
