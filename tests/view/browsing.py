"""A browser that looks at the page of a run, and tells of everything that it did not like."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import starting
from ports import free_port

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")

PASSWORD = "open sesame 77"
WAIT = float(os.environ.get("COUNTLINE_PAGE_WAIT", 60))
"""Seconds after which a test gives up."""
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
SITE = """\
# the north site
sources:
{sources}
rules:
  lines:
    # where they come in
    - name: 'door'       # named by the guard
      points: [[0.50, 0.3], [0.5, 0.95]]
{more}messages:
  - {{name: m, on: crossing, value: {{rule: "{{rule}}", to: "{{direction}}"}}}}   # short
outputs:
{outputs}
outbox: {{path: {folder}/o.outbox}}
web: {{listen: "127.0.0.1:{port}", password: "{password}", fps: 3, hosts: ["127.0.0.1:{proxy}", "127.0.0.1:{port}"]{web}}}
"""


def chromium() -> str:
    """The path of Debian's Chromium; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium (or `make system`)")
    return found


class Scenes:
    """A process that runs live scenes with a page (``scene_run.py``), and can be killed and started again at its port."""

    def __init__(
        self, folder: Path, names: Sequence[str] = ("gate",), *, more: str = "", outputs: str = "", web: str = ""
    ) -> None:
        self.folder, self.port, self.proxy = folder, free_port(), free_port()
        self.file = folder / "site.yaml"
        quoted = ['"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names]
        text = SITE.format(
            sources="\n".join(f"  - {{name: {name}, uri: scene.mp4}}" for name in quoted),
            more=more,
            outputs=outputs or f"  - file: {{path: {folder}/out.jsonl}}",
            folder=folder,
            port=self.port,
            proxy=self.proxy,
            password=PASSWORD,
            web=web,
        )
        self.file.write_text(text, encoding="utf-8")
        self.url = f"http://127.0.0.1:{self.port}/"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until its page is served."""
        command = [sys.executable, str(Path(__file__).with_name("scene_run.py")), str(self.file)]
        with open(self.folder / "run.log", "ab") as log:
            self._process = starting.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        wait_for(self._served, lambda: (self.folder / "run.log").read_text())

    def _served(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "run.log").read_text()
        try:
            return httpx.get(f"{self.url}api/v1/state", timeout=5).status_code in (200, 401)
        except httpx.HTTPError:
            return False

    def read(self, path: str, **query: Any) -> Any:
        """GET of the API."""
        answer = httpx.get(f"{self.url}api/v1/{path}", params=query, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def kill(self) -> None:
        """As a machine that fails does it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(WAIT)
            self._process = None


@contextmanager
def scenes(folder: Path, *names: str, **more: Any) -> Iterator[Scenes]:
    """Such a process, at work."""
    made = Scenes(folder, names or ("gate",), **more)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def wait_for(done: Callable[[], Any], tell: Callable[[], Any] = lambda: "") -> Any:
    """Until ``done()`` is true; what it gave. ``tell``: what to say where it never is."""
    deadline = time.monotonic() + WAIT
    while not (found := done()):
        assert time.monotonic() < deadline, tell()
        time.sleep(0.05)
    return found


@contextmanager
def looking(browser: Any, url: str, *, quiet: bool = True, script: str = "", **options: Any) -> Iterator[Any]:
    """A page of its own context, at ``url``. When it is done, nothing may have gone wrong in the browser: no error or warning in
    its console (unless not ``quiet``: a server that is killed makes some), no violation of the policy, no request to elsewhere,
    and nothing may have jumped about. ``script``: what runs before the page's own."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(WAIT * 1000)
    page = context.new_page()
    origin = re.match(r"(https?://[^/]+)", url)
    assert origin is not None
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda m: wrong.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
    elsewhere: list[str] = []
    page.on("request", lambda r: None if _of(r.url, origin[1]) else elsewhere.append(r.url))
    page.on("websocket", lambda s: None if _of(s.url, origin[1]) else elsewhere.append(s.url))
    page.add_init_script(
        "globalThis.violations = []; globalThis.shifts = [];"
        "document.addEventListener('securitypolicyviolation', (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));"
        "new PerformanceObserver((all) => { for (const e of all.getEntries()) {"
        # new events push older ones down, and are meant to
        "  const moved = e.sources.map((s) => s.node).filter((n) => n && !n.parentElement?.closest('.events'));"
        "  if (!e.hadRecentInput && moved.length) shifts.push([e.value, ...moved.map((n) => n.outerHTML?.slice(0, 200))]);"
        "} }).observe({ type: 'layout-shift', buffered: true });"
    )
    page.add_init_script(script)
    try:
        page.goto(url)
        yield page
        assert page.evaluate("violations") == []
        shifts = page.evaluate("shifts")
        assert sum(shift[0] for shift in shifts) < 0.05, shifts
        assert elsewhere == []
        told = [w for w in wrong if quiet or (w.startswith("error: ") and "net::" not in w and "status of" not in w)]
        assert told == [], told
    finally:
        if folder := os.environ.get("COUNTLINE_SCREENSHOTS"):
            name = os.environ.get("PYTEST_CURRENT_TEST", "page").split("::")[-1].split(" ")[0]
            page.screenshot(path=f"{folder}/{name}.png")
        context.close()


def _of(url: str, origin: str) -> bool:
    own = origin.split("://", 1)[1]
    return url.startswith((f"{origin}/", f"ws://{own}/", f"blob:{origin}/", "data:"))


def sign_in(page: Any) -> None:
    """In the dialog that is open."""
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("dialog").get_by_role("button", name="Sign in").click()


def point_of(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a point of the large picture, given in fractions of it, is on the screen."""
    box = page.locator(".camera .picture").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def seen(page: Any) -> None:
    """Wait until the large picture is live."""
    page.locator(".camera .picture.seen").wait_for()
