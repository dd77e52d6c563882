"""What the page does when its server goes, and when it is back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browsing import looking, scenes, seen, sign_in, wait_for
from wire import Wire


def test_a_lost_connection_is_told_and_made_again_and_all_is_as_new(tmp_path: Path, browser: Any) -> None:
    with scenes(tmp_path) as run, looking(browser, f"{run.url}#/camera/gate", quiet=False) as page:
        seen(page)
        page.locator(".rule .big.in b").filter(has_not_text="0").wait_for()
        run.kill()
        banner = page.get_by_role("alert").filter(has_text="Connection lost")
        banner.wait_for()
        banner.get_by_text("Trying again").wait_for()
        banner.get_by_role("button", name="Try now").click()
        banner.get_by_text("what you see is old").wait_for()
        text = run.file.read_text()
        run.file.write_text(text.replace("'door'", "'entrance'"))
        run.start()
        banner.wait_for(state="hidden")
        page.locator(".rule", has_text="entrance").wait_for()  # what changed meanwhile is known
        old = page.evaluate("document.querySelector('.picture canvas').toDataURL()")
        page.wait_for_function(  # pictures move again
            "(old) => document.querySelector('.picture canvas').toDataURL() !== old", arg=old, polling=300
        )
        page.get_by_role("tab", name="Events").click()
        page.locator(".events li", has_text="entrance").first.wait_for()


def test_where_looking_takes_a_password_it_is_asked_for_first(tmp_path: Path, browser: Any) -> None:
    with scenes(tmp_path, web=", behind_proxy: true") as run, looking(browser, run.url, quiet=False) as page:
        page.get_by_role("dialog", name="Sign in").wait_for()
        assert page.locator(".tile").count() == 0
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
        page.get_by_text("the password is not right").wait_for()
        sign_in(page)
        page.locator(".tile .picture.seen").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("dialog", name="Sign in").wait_for()


def test_events_that_happened_meanwhile_come_after_all(tmp_path: Path, browser: Any) -> None:
    with (
        scenes(tmp_path) as run,
        Wire(run.proxy, run.port) as wire,
        looking(browser, f"http://127.0.0.1:{run.proxy}/#/events", quiet=False) as page,
    ):
        page.locator(".events li").first.wait_for()
        wire.cut()
        page.get_by_role("alert").filter(has_text="Connection lost").wait_for()
        known = {event["id"] for event in run.read("events", limit=500)["events"]}
        missed = wait_for(lambda: [e for e in run.read("events", limit=500)["events"] if e["id"] not in known])
        wire.mend()
        page.get_by_role("alert").filter(has_text="Connection lost").wait_for(state="hidden")
        page.wait_for_function(
            "async (ids) => { const { store } = await import('./static/js/store.js');"
            " return ids.every((id) => store.events.some((e) => e.id === id)); }",
            arg=[event["id"] for event in missed],
        )
