"""A page whose answers and news are held back, so that a test says in which order they come; and another client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from browsing import PASSWORD, WAIT, Scenes

HOLD_NEWS = """
(() => {
  // what the stream tells of the configuration is kept in `held` while `holding`; states, counts and events come as ever
  const send = globalThis.fetch;
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  Object.assign(globalThis, { holding: false, held: [], letGo: () => { holding = false; for (const go of held.splice(0)) go(); } });
  const split = () => {
    let rest = "";
    return new TransformStream({
      transform(chunk, controller) {
        const all = (rest + decoder.decode(chunk, { stream: true })).split("\\n\\n");
        rest = all.pop();
        for (const text of all) {
          const go = () => controller.enqueue(encoder.encode(`${text}\\n\\n`));
          if (holding && /^event: (config|rules)$/m.test(text)) held.push(go);
          else go();
        }
      },
    });
  };
  globalThis.fetch = async (address, ...rest) => {
    const answer = await send(address, ...rest);
    if (!String(address).endsWith("/stream") || !answer.body) return answer;
    return new Response(answer.body.pipeThrough(split()), { status: answer.status, headers: answer.headers });
  };
})();
"""
"""For ``looking(..., script=HOLD_NEWS)``."""


def hold_news(page: Any) -> None:
    page.evaluate("holding = true")


def news_held(page: Any, least: int = 2) -> None:
    """Wait until the stream has told of a change: it does so twice, as what was done and as the rules."""
    page.wait_for_function("(least) => held.length >= least", arg=least)


def let_news_go(page: Any) -> None:
    page.evaluate("letGo()")


class Held:
    """Answers to a request of the page, which the server has given and the page has not yet."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._answers: list[tuple[Any, Any]] = []
        self.holding = True

    def take(self, route: Any) -> None:
        """A request of the page."""
        if not self.holding:
            return route.continue_()
        self._answers.append((route, route.fetch()))
        return None if self.holding else self.give()

    def wait(self) -> None:
        """Until the server has given one."""
        deadline = time.monotonic() + WAIT
        while not self._answers:
            assert time.monotonic() < deadline, "no such request was made"
            self._page.wait_for_timeout(10)

    def give(self) -> None:
        """To the page, as the server gave them."""
        while self._answers:
            route, answer = self._answers.pop(0)
            route.fulfill(response=answer)

    def lose(self) -> None:
        """As a connection that breaks before the answer is there."""
        while self._answers:
            self._answers.pop(0)[0].abort("connectionreset")


@contextmanager
def answers_held(page: Any, path: str) -> Iterator[Held]:
    """Answers to requests of ``path`` of the API are held within it."""
    held, pattern = Held(page), f"**/api/v1/{path}"
    page.route(pattern, held.take)
    yield held
    held.holding = False
    held.give()
    page.unroute(pattern)


class OtherClient:
    """Somebody else who is signed in and changes rules."""

    def __init__(self, run: Scenes) -> None:
        self._run = run
        self._client = httpx.Client(base_url=f"{run.url}api/v1/", timeout=30)
        session = self._client.post("login", json={"password": PASSWORD})
        self._client.headers["X-CSRF-Token"] = session.json()["csrf"]
        self.cookies = [
            {"name": each.name, "value": str(each.value), "domain": "127.0.0.1", "path": "/", "expires": -1,
             "httpOnly": True, "secure": False, "sameSite": "Strict"}
            for each in self._client.cookies.jar
        ]  # fmt: skip
        """As a browser holds them, for ``storage_state``."""

    def rules(self) -> dict[str, Any]:
        """GET of the rules."""
        found: dict[str, Any] = self._run.read("rules")
        return found

    def post(self, path: str, **data: Any) -> dict[str, Any]:
        """POST with the configuration that holds as base."""
        answer = self._client.post(path, json={"base": self.rules()["digest"], **data})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def put(self, name: str, x: float) -> None:
        """An upright line, new or changed."""
        known = name in {rule["name"] for rule in self.rules()["rules"]}
        edit = {"op": "put", "kind": "line", "name": name, "source": None, "points": [[x, 0.3], [x, 0.9]]}
        self.post("edits/apply", edits=[{**edit, "was": name if known else None}])

    def undo(self) -> None:
        """Take the last edit back."""
        self.post("edits/undo")
