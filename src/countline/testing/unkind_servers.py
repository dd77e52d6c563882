"""What an output promises when its server, or somebody in between, is unkind: part of the contract of every output."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import pytest

from countline.protocols import Entry
from countline.testing.sender import Deadline, Received, Sender, entries
from countline.testing.servers import ClearTextProxy
from countline.types import Message

Read = Callable[[int], Sequence[Received]]

LONG = "x" * 70_000
NASTY = {
    "topic": ("a\x00b", "a\nb", "a\x1b[2Jb", "\ud800", LONG),
    "key": (b"\x00", b"k\r\nX: y\x1b[2J", b"\xff\xfe", LONG.encode()),
    "headers": tuple(
        ((name, value),)
        for name, value in (
            ("na\x00me", b"v"),
            ("na\r\nme", b"v"),
            ("\udc80", b"v"),
            (LONG, b"v"),
            ("", b"v"),
            ("Content-Length", b"3"),
            ("Transfer-Encoding", b"chunked"),
            ("fine", b"\x00\r\n\x1b[2J"),
            ("fine", b"\xff"),
            ("fine", LONG.encode()),
        )
    ),
    "id": ("\ud800", "i\x00d", "i\r\nd", LONG),
    "source": ("\udfff", "s\x00", "../../s", LONG),
    "definition": ("\ud800", "d\x00", LONG),
    "content_type": ("text/plain\r\nX: y", "\ud800", LONG),
    "time": (10**21, -(10**21), -1),
}


def nasty_entries() -> list[Entry]:
    """Messages each of which is odd in one way, with a good one behind each."""
    found: list[Entry] = []
    for field, values in NASTY.items():
        for value in values:
            n = len(found) + 1
            odd: dict[str, Any] = {"id": f"odd-{n}", "value": b'{"odd":1}', field: value}
            found += [Entry(n, Message(**odd)), Entry(n + 1, Message(f"good-{n}", b'{"good":1}'))]
    return found


class UnkindServers:
    """Mixed into the contract."""

    ordered: ClassVar[bool] = True
    has_server: ClassVar[bool] = True
    secret: ClassVar[str] = ""
    clear_greeting: ClassVar[bytes] = b""
    """What a server without TLS says first."""
    freezes: ClassVar[bool] = False
    """True: its server is one process, which a signal can stop."""

    options: Any
    make_output: Any
    prepare: Any
    address: Any

    def refusals(self, server: Any) -> AbstractContextManager[tuple[dict[str, Any], Read]] | None:
        """Makes the real server refuse single messages now and then. Gives changes to the options, and how to read what has
        arrived, in its order. None: it takes what comes, in order, or breaks the connection."""
        return None

    def tls_port(self, server: Any) -> int:
        return int(self.options(server).get("port", server.port))

    def test_a_key_keeps_its_order_while_single_messages_are_refused(self, server: Any) -> None:
        context = self.refusals(server)
        if context is None:
            pytest.skip("this server refuses no single messages for a while")
        todo = entries(240, keys=8)
        with context as (changes, read):
            output = self.make_output(server, **changes)
            output.open()
            run, pumped = Sender(output, todo, batch=120), Deadline(output)
            while not run.done:
                pumped.tick(run)
                run.step(0.01)
            output.close(2.0)
            received = list(read(len(todo)))
        assert run.retried, "nothing was refused: this has tried nothing"
        assert run.dead == {}
        seen = list(dict.fromkeys(r.value for r in received))  # the first of each counts: later ones are duplicates
        for key in {e.message.key for e in todo}:
            sent = [e.message.value for e in todo if e.message.key == key]
            assert [value for value in seen if value in set(sent)] == sent

    def test_tls_is_never_given_up_at_a_reconnect(self, server: Any) -> None:
        if not self.has_server or "tls" not in self.options(server):
            pytest.skip("no TLS in this variant")
        self.prepare(server)
        with ClearTextProxy(self.tls_port(server), self.clear_greeting) as proxy:
            output = self.make_output(server, **self.address("127.0.0.1", proxy.port))
            output.open()
            run = Sender(output, entries(100)).run(acknowledged=5)
            proxy.turn()
            pumped = Deadline(output)
            while len(proxy.heard) < 3:
                pumped.tick(run)
                run.step()
            run.take(output.close(1.0))
        assert run.dead == {}
        for heard in proxy.heard:
            begins = heard.removeprefix(
                b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
            )  # PostgreSQL's question whether TLS is spoken
            assert begins[:2] in (b"", b"\x16\x03"), f"not the beginning of TLS: {heard[:80]!r}"
            assert not self.secret or self.secret.encode() not in heard
            assert b'"pad"' not in heard

    def test_what_can_never_be_sent_is_a_dead_letter_and_the_rest_flows(self, server: Any, output: Any) -> None:
        todo = nasty_entries()
        run = Sender(output, todo)
        pumped = Deadline(output)
        while not run.done:
            pumped.tick(run)
            run.step()
        good = {e.position for e in todo if e.message.id.startswith("good")}
        assert good <= set(run.acknowledged)
        assert [r for r in run.retried if "waits for" not in r.error] == [], "no connection may break over a message"
        for position, reason in run.dead.items():
            assert position not in good
            assert reason.isprintable(), reason
            assert len(reason) <= 600

    def test_a_server_that_falls_silent_is_noticed_and_loses_nothing(self, server: Any) -> None:
        if not self.freezes:
            pytest.skip("not one process that could be stopped")
        output = self.make_output(server, timeout=1.0, connect_timeout=2.0)
        self.prepare(server)
        output.open()
        todo = entries(60)
        run, pumped = Sender(output, todo, batch=5).run(acknowledged=5), Deadline(output)
        server.process.send_signal(signal.SIGSTOP)
        try:
            while not run.retried:
                pumped.tick(run)
                run.step()
            words = output.status.error
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert words
        assert output.status.connected is False
        assert sorted(run.run().acknowledged) == [e.position for e in todo]
        output.close(2.0)
