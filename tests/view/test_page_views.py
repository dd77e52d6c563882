"""What the page shows of a run: the wall, one camera, events, outputs; dark and light, phone and wall."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import PHONE, Scenes, looking, scenes, seen, sign_in, wait_for

from ports import free_port

EVIL = '<img src=x onerror="violations.push(1)"><script>violations.push(2)</script>'
REGION = """\
  regions:
    - {name: "platform <b>2</b>", points: [[0.55, 0.4], [0.95, 0.4], [0.95, 0.97], [0.55, 0.97]], dwell: 1}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes(tmp_path_factory.mktemp("views"), "gate", EVIL, "Überführung 入口", more=REGION) as made:
        wait_for(lambda: sum(c["value"] for c in made.read("counts")["counts"]) > 6)
        yield made


def test_what_comes_from_outside_is_shown_as_text(run: Scenes, browser: Any) -> None:
    with looking(browser, run.url) as page:
        page.locator(".tile", has_text=EVIL).wait_for()
        page.locator(".tile", has_text="Überführung 入口").click()
        seen(page)
        page.locator(".rule", has_text="platform <b>2</b>").wait_for()
        page.goto(f"{run.url}#/events")
        page.locator(".events .what", has_text="platform <b>2</b>").first.wait_for()
        page.locator(".events .from", has_text=EVIL).first.wait_for()


def test_the_overlay_is_in_the_coordinates_that_are_stored(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        assert page.locator(".camera .overlay").get_attribute("viewBox") == "0 0 1 1"
        drawn = page.locator(".camera .shape.kind-line .stroke").bounding_box()
        picture = page.locator(".camera .picture").bounding_box()
        x = (drawn["x"] + drawn["width"] / 2 - picture["x"]) / picture["width"]
        assert x == pytest.approx(0.5, abs=0.005)
        assert (drawn["y"] - picture["y"]) / picture["height"] == pytest.approx(0.3, abs=0.01)
        page.locator(".side.in", has_text="in").wait_for()  # its sides are named
        page.locator(".side.out", has_text="out").wait_for()


def test_why_an_object_was_counted_is_told_with_its_path(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        seen(page)
        page.keyboard.press("w")
        page.locator(".objects button", has_text="person").last.click()
        page.locator(".verdict", has_text="door").get_by_text("Counted", exact=True).wait_for()
        page.locator(".verdict", has_text="platform").wait_for()
        assert page.locator(".overlay path.trail").count() == 2, "its path is drawn"
        page.get_by_role("button", name="Other objects").click()
        assert page.locator(".overlay path.trail").count() == 0
        wait_for(lambda: held_with_objects(page))
        page.locator(".box:visible").last.click(force=True)
        page.locator(".verdict").first.wait_for()


def held_with_objects(page: Any) -> bool:
    """Hold the picture, so that a box stands still to be clicked; if there is one in it."""
    page.keyboard.press(" ")
    if page.locator(".tag:visible").count():
        return True
    page.keyboard.press(" ")
    return False


def test_events_come_as_they_happen_and_are_filtered(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/events") as page:
        rows = page.locator(".events li")
        rows.first.wait_for()
        page.locator(".events li.fresh").first.wait_for()
        page.get_by_label("All kinds").select_option("dwell")
        wait_for(lambda: rows.count() and all("stayed" in text for text in rows.all_inner_texts()))
        page.get_by_label("Filter events by their words").fill("no such thing")
        page.get_by_text("No event fits.").wait_for()


def test_what_was_counted_is_told_as_a_chart_and_as_a_table(run: Scenes, browser: Any) -> None:
    with looking(browser, f"{run.url}#/camera/gate") as page:
        page.locator(".chart .u-wrap canvas").wait_for()
        page.get_by_text("As a table").click()
        total = page.locator(".chart tfoot td").first
        assert int(total.inner_text()) > 0
        page.get_by_role("button", name="15 min").click()
        assert page.get_by_role("button", name="15 min").get_attribute("aria-pressed") == "true"


VIEWS = {"wall": ".tile .chip", "camera/gate": ".rule", "events": ".events li", "outputs": ".cards .card"}
"""Addresses of views, and what is in each of them once it is there."""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_words_can_be_read_and_controls_have_names(run: Scenes, browser: Any, scheme: str) -> None:
    with looking(browser, run.url, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        for view, there in VIEWS.items():
            page.goto(f"{run.url}#/{view}")
            page.locator(there).first.wait_for()
            assert page.evaluate(FAINT) == [], view
            assert page.evaluate(NAMELESS) == [], view
        page.goto(f"{run.url}#/camera/gate")
        page.keyboard.press("e")
        page.locator(".drafts button").first.click()
        assert page.evaluate(FAINT) == [], "editing"
        assert page.evaluate(NAMELESS) == [], "editing"


def test_the_choice_of_colours_stays(run: Scenes, browser: Any) -> None:
    with looking(browser, run.url, color_scheme="dark") as page:
        page.locator(".tile").first.wait_for()
        page.keyboard.press("t")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        page.reload()
        assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_a_phone_shows_all_in_one_column(run: Scenes, browser: Any) -> None:
    with looking(browser, run.url, **PHONE) as page:
        for view, there in VIEWS.items():
            page.goto(f"{run.url}#/{view}")
            page.locator(there).first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
            nav = page.get_by_role("navigation").bounding_box()
            assert nav["y"] + nav["height"] == pytest.approx(844, abs=1), "where the thumb is"
        page.get_by_role("link", name="Outputs").tap()
        page.get_by_role("heading", name="Outbox").wait_for()


def test_pictures_are_fetched_for_tiles_in_view_only(tmp_path: Path, browser: Any) -> None:
    names = [f"camera {n:02}" for n in range(50)]
    with scenes(tmp_path, *names) as run:
        watched: list[str] = []
        with looking(browser, run.url, viewport={"width": 1280, "height": 800}) as page:
            page.locator(".tile").nth(49).wait_for(state="attached")
            page.get_by_label("Order").select_option("given")
            page.get_by_label("Medium").click()
            page.on("websocket", lambda socket: socket.on("framesent", lambda data: watched.append(str(data))))
            page.reload()
            page.locator(".tile .picture.seen").first.wait_for()
            page.wait_for_function("() => document.querySelectorAll('.tile .picture.seen').length >= 4")
            first = [text for text in watched if "watch" in text][-1]
            assert "camera 00" in first
            assert "camera 49" not in first
            page.mouse.wheel(0, 100_000)
            page.locator(".tile", has_text="camera 49").locator(".picture.seen").wait_for()
            last = [text for text in watched if "watch" in text][-1]
            assert "camera 00" not in last
            page.get_by_label("Filter cameras").fill("camera 17")
            wait_for(lambda: page.locator(".tile").count() == 1)


def test_dead_letters_are_shown_with_their_reason_and_sent_again(tmp_path: Path, browser: Any) -> None:
    receiver = Path(__file__).parent.parent / "outputs" / "http_receiver.py"
    port, folder = free_port(), tmp_path / "receiver"
    folder.mkdir()
    (folder / "script").write_text("413 if-contains door\n")
    hooks = f"  - webhook: {{name: hooks, url: 'http://127.0.0.1:{port}/'}}"
    with subprocess.Popen([sys.executable, str(receiver), str(port), str(folder)]) as process:
        try:
            with scenes(tmp_path, outputs=hooks) as run, looking(browser, f"{run.url}#/outputs") as page:
                card = page.locator(".card", has_text="hooks")
                card.get_by_role("button", name="Show").click()
                card.locator("td.why", has_text="413").first.wait_for()
                (folder / "script").unlink()
                card.get_by_role("button", name="Retry all").click()
                sign_in(page)
                page.get_by_text("They will be sent again.").wait_for()
                wait_for((folder / "received.jsonl").exists)
        finally:
            process.kill()


FAINT = """
(() => {
  // contrast of words against what is behind them, as WCAG 2 has it: 4.5, or 3 for large ones
  const light = (c) => { const v = c / 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const lum = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const behind = (node) => { const layers = [];
    for (let n = node; n; n = n.parentElement) { const c = read(getComputedStyle(n).backgroundColor);
      if (c[3] > 0) layers.push(c); if (c[3] > 0.99) break; }
    return layers.reverse().reduce((under, [r, g, b, a]) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a)), [0, 0, 0]); };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest(".picture, .reason, .skip, noscript, :disabled, option")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [lum(read(style.color)), lum(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 600 || parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim()}`);
  }
  return found;
})()
"""
NAMELESS = """
[...document.querySelectorAll("button, a[href], input, select")].filter((node) => node.checkVisibility() && !(
  node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length || node.getAttribute("aria-labelledby")
)).map((node) => node.outerHTML)
"""
