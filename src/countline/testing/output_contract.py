"""What every output promises, as tests. An output's own test module subclasses :class:`OutputContract`, says how its
real server is started and read back, and inherits the whole suite.

Nothing here knows a broker; nothing here imitates one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import yaml

from countline.config import load
from countline.config.outputs import config_class
from countline.errors import ConfigError
from countline.protocols import Check, Entry, Output
from countline.registry.kinds import OUTPUTS
from countline.testing.ports import free_port
from countline.testing.sender import Deadline, Received, Sender, Server, entries
from countline.testing.servers import SilentServer
from countline.testing.unkind_servers import Read, UnkindServers
from countline.types import Message

__all__ = ["OutputContract", "Read"]


def first_seen(received: Sequence[Received]) -> list[Received]:
    """Without the later ones of equal value: what a consumer that drops duplicates keeps."""
    found: dict[object, Received] = {}
    for one in received:
        found.setdefault(one.id or one.value, one)
    return list(found.values())


def _missing(contract: object, what: str) -> str:
    return f"{type(contract).__qualname__} has no {what}: see countline.testing.OutputContract"


class OutputContract(UnkindServers):
    """Subclass, name it ``Test…``, give ``kind``, the fixture ``server``, ``options`` and ``read_back``. Where one of these is
    missing, the tests fail with its name (the class is not abstract: pytest would silently collect no test of one that is)."""

    kind: ClassVar[str]
    has_server: ClassVar[bool] = True
    """False: no process that can be away (file, stdout, SQLite)."""
    carries_key: ClassVar[bool] = True
    carries_headers: ClassVar[bool] = True
    carries_id: ClassVar[bool] = True
    carries_binary: ClassVar[bool] = True
    """False: values are lines of text."""
    ordered: ClassVar[bool] = True
    can_lose: ClassVar[bool] = False
    """True: an acknowledgement does not promise that the server kept it (MQTT QoS 0)."""
    survives_kill: ClassVar[bool] = False
    """True: what the server has acknowledged outlives its kill -9, and the server has a method ``kill``."""
    secret: ClassVar[str] = ""
    """A password that ``options`` uses; '' where there is none."""
    wrong_secret: ClassVar[Mapping[str, Any]] = {}
    """Changes to the options that make the password a wrong one, which must contain 'wrong-pa55word'."""
    bad_options: ClassVar[Sequence[tuple[Mapping[str, Any], str]]] = ()
    """(changes to the options, key that the error must name)."""
    restart_count: ClassVar[int] = 400

    # -- what a subclass gives ------------------------------------------------------------------------------------

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        """The real server, started before a test and stopped after it."""
        raise NotImplementedError(_missing(self, "fixture `server`, which yields its real server"))

    def options(self, server: Any) -> dict[str, Any]:
        """Options of the output as they would stand in YAML."""
        raise NotImplementedError(_missing(self, "method `options(server)`"))

    def read_back(self, server: Any, count: int) -> list[Received]:
        """All messages that the server holds, in its order, once there are at least ``count``. Raises if they do not
        come within reasonable time."""
        raise NotImplementedError(_missing(self, "method `read_back(server, count)`"))

    def address(self, host: str, port: int) -> dict[str, Any]:
        """Changes to the options that point the output to another address."""
        return {"host": host, "port": port}

    def prepare(self, server: Any) -> None:
        """Called before messages are sent, e.g. to subscribe or to declare a queue."""

    # -- helpers --------------------------------------------------------------------------------------------------

    def make_output(self, server: Any, **changes: Any) -> Output:
        config = config_class(self.kind).model_validate({"name": "out", **self.options(server), **changes})
        output: Output = OUTPUTS.get(self.kind, "output", "make")(config)
        return output

    @pytest.fixture
    def output(self, server: Any) -> Iterator[Output]:
        output = self.make_output(server)
        self.prepare(server)
        output.open()
        yield output
        output.close(2.0)

    def needs_server(self) -> None:
        if not self.has_server:
            pytest.skip("there is no server that could be away")

    # -- delivery -------------------------------------------------------------------------------------------------

    def test_every_message_arrives_once_and_in_order_of_its_key(self, server: Any, output: Output) -> None:
        todo = entries(200)
        run = Sender(output, todo).run()
        assert sorted(run.acknowledged) == [e.position for e in todo]
        received = self.read_back(server, len(todo))
        assert sorted(r.value for r in received) == sorted(e.message.value for e in todo)
        for key in {e.message.key for e in todo} if self.ordered else ():
            sent = [e.message.value for e in todo if e.message.key == key]
            assert [r.value for r in received if r.value in set(sent)] == sent

    def test_every_accepted_entry_gets_exactly_one_receipt(self, server: Any, output: Output) -> None:
        run = Sender(output, entries(120), batch=7).run()
        for _ in range(5):
            assert output.poll(0.02) == []
        assert output.close(5.0) == []
        assert len(run.acknowledged) == len(set(run.acknowledged)) == 120
        assert output.status.in_flight == 0
        assert output.status.acknowledged == 120

    @pytest.mark.parametrize("what", ["json", "unicode", "empty", "binary", "200kB"])
    def test_bytes_arrive_unchanged(self, server: Any, output: Output, what: str) -> None:
        value = {
            "json": b'{"b": 1.50, "a":[ true,null ]}',
            "unicode": '{"ort":"Größenwahn 東京 🚲"}'.encode(),
            "empty": b"",
            "binary": bytes(range(256)) * 3 + b"\r\n\x00\xff",
            "200kB": b'"' + b"countline " * 20_000 + b'"',
        }[what]
        if what == "binary" and not self.carries_binary:
            pytest.skip("values are lines of text here")
        run = Sender(output, [Entry(1, Message(id="one", value=value, key=b"k"))]).run()
        assert run.acknowledged == [1], run.dead
        assert [r.value for r in self.read_back(server, 1)] == [value]

    def test_key_and_headers_are_carried(self, server: Any, output: Output) -> None:
        if not (self.carries_key or self.carries_headers):
            pytest.skip("the protocol has neither keys nor headers")
        headers = (("kind", b"crossing"), ("place", "Straße 7 %".encode()))
        message = Message(id="one", value=b"{}", key="schlüssel:1".encode(), headers=headers)
        Sender(output, [Entry(1, message)]).run()
        (received,) = self.read_back(server, 1)
        if self.carries_key:
            assert received.key == message.key
        if self.carries_headers:
            assert received.headers is not None
            assert dict(received.headers).items() >= dict(headers).items()

    def test_a_message_without_key_and_headers_arrives(self, server: Any, output: Output) -> None:
        run = Sender(output, [Entry(1, Message(id="bare", value=b"{}"))]).run()
        assert run.acknowledged == [1], run.dead
        (received,) = self.read_back(server, 1)
        assert (received.value, received.key or None) == (b"{}", None)

    def test_the_message_id_is_there_to_drop_duplicates_by(self, server: Any, output: Output) -> None:
        if not self.carries_id:
            pytest.skip("the protocol has no place for an id; it is in the value if the message definition says so")
        todo = entries(5)
        Sender(output, todo).run()
        assert [r.id for r in self.read_back(server, 5)] == [e.message.id for e in todo]

    def test_close_flushes_and_returns_the_receipts(self, server: Any, output: Output) -> None:
        todo = entries(40)
        run = Sender(output, todo[:1]).run()  # the connection stands now
        accepted = output.send(todo[1:])
        assert accepted > 0
        receipts = output.close(20.0)
        assert sorted(r.position for r in receipts) == [e.position for e in todo[1 : 1 + accepted]]
        assert [r.error for r in receipts if r.error] == []
        assert len(self.read_back(server, len(run.acknowledged) + accepted)) == 1 + accepted

    def test_an_output_can_be_opened_again_after_close(self, server: Any, output: Output) -> None:
        order = list if self.ordered else sorted  # several at a time are confirmed as they come
        assert order(Sender(output, entries(3)).run().acknowledged) == [1, 2, 3]
        assert output.close(5.0) == []
        output.open()
        assert order(Sender(output, entries(3, first=4)).run().acknowledged) == [4, 5, 6]
        assert len(self.read_back(server, 6)) == 6

    # -- servers come and go --------------------------------------------------------------------------------------

    def test_server_down_at_start_is_a_state_and_not_an_exception(self, server: Any) -> None:
        self.needs_server()
        self.prepare(server)
        server.stop()
        output = self.make_output(server)
        output.open()
        todo = entries(20)
        run, pumped = Sender(output, todo), Deadline(output)
        while not output.status.error:
            pumped.tick(run)
            run.step()
        assert run.acknowledged == []
        assert run.dead == {}
        assert (output.status.connected, output.status.acknowledged) == (False, 0)
        assert any(c.isalpha() for c in output.status.error)
        assert "Errno" not in output.status.error
        server.start()
        assert len(run.run().acknowledged) == 20
        assert (output.status.connected, output.status.error) == (True, "")
        output.close(2.0)
        if not self.can_lose:
            assert {r.value for r in self.read_back(server, 20)} == {e.message.value for e in todo}

    def test_server_restart_in_the_middle_loses_nothing(self, server: Any, output: Output) -> None:
        self.needs_server()
        self._outage(server, output, server.stop)

    def test_server_killed_in_the_middle_loses_nothing(self, server: Any, output: Output) -> None:
        if not self.survives_kill:
            pytest.skip("this server promises nothing for a kill -9, or is slow to come back")
        self._outage(server, output, server.kill)

    def _outage(self, server: Any, output: Output, end: Callable[[], None]) -> None:
        todo = entries(self.restart_count, pad=100)
        run = Sender(output, todo).run(acknowledged=self.restart_count // 4)
        end()
        for _ in range(10):
            run.step()
        server.start()
        run.run()
        assert sorted(run.acknowledged) == [e.position for e in todo], run.dead
        if self.can_lose:
            return
        received = first_seen(self.read_back(server, len(todo)))
        assert {r.value for r in received} == {e.message.value for e in todo}
        for key in {e.message.key for e in todo} if self.ordered else ():
            sent = [e.message.value for e in todo if e.message.key == key]
            assert [r.value for r in received if r.value in set(sent)] == sent

    def test_close_while_the_server_is_away_accounts_for_everything(self, server: Any, output: Output) -> None:
        self.needs_server()
        run = Sender(output, entries(300)).run(acknowledged=1)
        server.stop()
        for _ in range(3):
            run.step(0.01)
        run.take(output.close(1.0))
        assert run.outstanding == set()
        assert run.dead == {}
        server.start()  # the fixture ends what it started

    def test_a_server_that_never_answers_does_not_hold_up_the_caller(self, server: Any) -> None:
        self.needs_server()
        with SilentServer() as port:
            output = self.make_output(server, **self.address("127.0.0.1", port))
            output.open()
            run = Sender(output, entries(10))
            for _ in range(5):
                run.step(0.05)
            run.take(output.close(0.5))
            assert run.outstanding == set()
            assert (run.acknowledged, run.dead) == ([], {})

    # -- secrets --------------------------------------------------------------------------------------------------

    def test_secrets_never_appear(self, server: Any, caplog: pytest.LogCaptureFixture) -> None:
        if not self.secret:
            pytest.skip("no secret in this variant")
        caplog.set_level(logging.DEBUG)
        seen: list[str] = []
        for changes, word in ((dict[str, Any](), self.secret), (dict(self.wrong_secret), "wrong-pa55word")):
            options = {"name": "out", **self.options(server), **changes}
            assert word in str(options), "the test must use the secret"
            config = config_class(self.kind).model_validate(options)
            output = self.make_output(server, **changes)
            self.prepare(server)
            output.open()
            run = Sender(output, entries(3))
            for _ in range(40):
                if run.done or output.status.error:
                    break
                run.step()
            seen += [repr(config), str(config), config.model_dump_json(), str(config.model_dump(mode="json"))]
            seen += [repr(output), str(output), str(output.status), str(run.retried), str(run.dead)]
            seen += [str(c) for c in output.check(send=True, timeout=3.0)]
            seen += [str(r) for r in output.close(2.0)]
        text = "\n".join(seen) + caplog.text
        assert self.secret not in text
        assert "wrong-pa55word" not in text

    def test_wrong_password_is_said_in_words_and_loses_nothing(self, server: Any) -> None:
        if not self.wrong_secret:
            pytest.skip("no password in this variant")
        output = self.make_output(server, **self.wrong_secret)
        output.open()
        run, pumped = Sender(output, entries(3)), Deadline(output)
        while not output.status.error:
            pumped.tick(run)
            run.step()
        run.take(output.close(2.0))
        assert (run.acknowledged, run.dead, run.outstanding) == ([], {}, set())
        assert any(word in output.status.error.lower() for word in ("password", "credential", "authenti", "authoriz"))

    # -- check ----------------------------------------------------------------------------------------------------

    def check(self, output: Output, *, send: bool = False) -> list[Check]:
        output.open()
        try:
            lines = list(output.check(send=send, timeout=8.0))
        finally:
            output.close(1.0)
        assert lines
        assert all(line.fix for line in lines if not line.ok), lines
        return lines

    @pytest.mark.parametrize("send", [False, True])
    def test_check_is_content_with_a_server_that_is_up(self, server: Any, send: bool) -> None:
        self.prepare(server)
        lines = self.check(self.make_output(server), send=send)
        assert [line for line in lines if not line.ok] == []
        if send:
            assert len(lines) > len(self.check(self.make_output(server)))

    def test_check_names_a_host_that_does_not_exist(self, server: Any) -> None:
        self.needs_server()
        lines = self.check(self.make_output(server, **self.address("no-such-host.invalid", 9)))
        assert [line for line in lines if not line.ok and "no-such-host.invalid" in line.detail + line.subject]

    def test_check_names_a_port_that_nobody_listens_on(self, server: Any) -> None:
        self.needs_server()
        port = free_port()
        lines = self.check(self.make_output(server, **self.address("127.0.0.1", port)))
        assert [line for line in lines if not line.ok and str(port) in line.detail + line.subject]

    def test_check_names_a_wrong_password(self, server: Any) -> None:
        if not self.wrong_secret:
            pytest.skip("no password in this variant")
        bad = [line for line in self.check(self.make_output(server, **self.wrong_secret)) if not line.ok]
        words = ("password", "credential", "authenti", "authoriz")
        assert any(word in (line.detail + line.fix).lower() for line in bad for word in words), bad

    # -- configuration --------------------------------------------------------------------------------------------

    def test_bad_options_are_found_at_load_with_their_key(self, server: Any) -> None:
        good = self.options(server)
        self._load(good)
        for changes, key in ({"no_such_option": 1}, "no_such_option"), *self.bad_options:
            with pytest.raises(ConfigError) as caught:
                self._load({**good, **changes})
            assert key in str(caught.value), f"{changes}: {caught.value}"
            assert "countline.yaml:" in str(caught.value)

    def _load(self, options: Mapping[str, Any]) -> None:
        document = {"sources": [{"name": "a", "uri": "a.mp4"}], "outputs": [{self.kind: dict(options)}]}
        load("countline.yaml", yaml.safe_dump(document))
