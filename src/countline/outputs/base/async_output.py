"""Base of the outputs whose client library is asynchronous.

The event loop has no thread of its own: it runs inside ``poll`` and ``close``, for as long as they may. What the
library does between two polls (heart-beats, reconnecting) therefore needs a sender that polls every few seconds,
also when there is nothing to send.
"""

from __future__ import annotations

import asyncio
import selectors
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from countline.errors import OutputError
from countline.outputs.base.backoff import Backoff
from countline.outputs.base.checks import check_dns, check_tcp
from countline.outputs.base.errors import OutputFault, describe, explain
from countline.outputs.base.fitness import UNFIT, reason_against
from countline.outputs.base.in_flight import InFlight
from countline.outputs.base.key_order import KeyOrder
from countline.outputs.base.options import NetworkConfig
from countline.protocols import Check, Entry, OutputStatus, Receipt
from countline.types import Message

__all__ = ["AsyncOutput"]

_TICK = 0.25
"""Seconds between two looks of the watchdog."""
_WAITS = "waits for an earlier message"


class AsyncOutput(ABC):
    """Connects, reconnects with growing pauses, and accounts for what is in flight.

    A subclass says how to talk: ``prepare`` imports the client library; ``session`` connects, calls
    :meth:`mark_connected` (or :meth:`mark_ready`) and publishes what :meth:`next_batch` gives until the connection
    breaks, answering for each entry with :meth:`acknowledge` or :meth:`refuse`; ``probe`` is for ``countline check``.
    What it raises is put into words by :func:`~countline.outputs.base.errors.explain`; an
    :class:`~countline.outputs.base.errors.OutputFault` says them itself.
    """

    secrets: Sequence[str | None] = ()
    """Passwords and tokens in use, as text: they are blanked out of errors and log lines."""

    def __init__(self, config: NetworkConfig, host: str, port: int, *, by_key: bool = False) -> None:
        """``host`` and ``port`` stand in errors and are tried by ``check``; a host that begins with ``/`` is a path, and is not
        tried. ``by_key``: what ``next_batch`` gives never holds a message while an earlier one of its key is on its way. For servers
        that may refuse one message and take the next."""
        self.name = config.name
        self.status = OutputStatus()
        self._config = config
        self.host = host
        self.port = port
        self.in_flight = InFlight(self.status)
        """What was accepted and has no receipt yet."""
        self._backoff = Backoff()
        self.queue: deque[Entry] = deque()
        """What was accepted and not given out by ``next_batch`` yet."""
        self._keys = KeyOrder() if by_key else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: asyncio.Task[None] | None = None
        self._work = asyncio.Event()
        self._activity = asyncio.Event()
        self.ready = False
        """Whether ``send`` accepts messages."""
        self._tick = 0
        self._not_before = 0.0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.where}>"

    @property
    def where(self) -> str:
        """Address of the server, without secrets."""
        return f"{self.host}:{self.port}"

    # -- what a subclass gives ------------------------------------------------------------------------------------

    @abstractmethod
    def prepare(self) -> None:
        """Import the library, read certificates. May be called twice. Raises OutputError, MissingExtra."""

    @abstractmethod
    async def session(self) -> None:
        """Connect, call ``mark_connected``, publish what ``next_batch`` gives. Raises when the connection cannot go on; releases
        the connection in any case."""

    @abstractmethod
    async def probe(self, lines: list[Check], send: bool) -> None:
        """Connect, look, add a line for each thing that was looked at. Raises what goes wrong."""

    def why_unfit(self, message: Message) -> str:
        """Why this server can never take the message; '' if nothing speaks against it. What it raises of UNFIT is a reason."""
        return ""

    # -- for subclasses -------------------------------------------------------------------------------------------

    def mark_ready(self) -> None:
        """Messages are accepted from now on. Alone for protocols that connect with each message: whether the server is there,
        the first acknowledgement tells."""
        self.ready = True
        self._activity.set()

    def mark_connected(self) -> None:
        """The connection stands: messages are accepted from now on."""
        self.status.connected = True
        self.status.error = ""
        self.mark_ready()

    async def next_batch(self, most: int) -> list[Entry]:
        """The next entries to publish, at least one. The time in which the server must answer begins now."""
        while not self.queue:
            self._work.clear()
            await self._work.wait()
        batch = [self.queue.popleft() for _ in range(min(most, len(self.queue)))]
        self.mark_published(batch)
        return batch

    def mark_published(self, entries: Sequence[Entry]) -> None:
        """The server is given these now: the time in which it must answer begins (anew)."""
        self.in_flight.published([entry.position for entry in entries], self._tick)

    @contextmanager
    def fitting(self, entry: Entry) -> Iterator[None]:
        """Around the handing over to the client library: what it cannot put into its protocol is a dead letter."""
        try:
            yield
        except UNFIT as error:
            self.refuse(entry.position, f"it cannot be sent to {self.where}: {error}", retry=False)

    def acknowledge(self, *positions: int) -> None:
        """The server has these for good. Positions that are not in flight are left out."""
        if not positions:
            return
        self.in_flight.acknowledge(positions)
        self._next_of(positions)
        if not self.in_flight.retry_pending:  # one that has to be sent again keeps its reason on show
            self._backoff.reset()
            self.status.error = ""
        self._activity.set()

    def _next_of(self, positions: Sequence[int]) -> None:
        """These are settled: those that waited behind them go."""
        if self._keys is None:
            return
        for position in positions:
            entry = self._keys.leave(position)
            if entry is not None:
                self.queue.append(entry)
                self._work.set()

    def refuse(self, position: int, fault: OutputFault | str, *, retry: bool) -> None:
        """The server (or the protocol) does not take this one. ``retry``: it may take it later, so that it is sent again after
        a pause; else it is a dead letter."""
        words = describe(fault.what if isinstance(fault, OutputFault) else fault, self.secrets)
        first = not self.in_flight.retry_pending  # several at once are one failure, so one step of the back-off
        self.status.error = words
        if retry:
            self.send_again(position, words)
        else:
            self.in_flight.fail(position, words, retry=False)
            self._next_of([position])
        if retry and first:
            self.pause(self._backoff.next())
        self._activity.set()

    def send_again(self, position: int, words: str) -> None:
        """This one has to be sent again, and all that waits for it, behind it."""
        self.in_flight.fail(position, words, retry=True)
        behind = self._keys.stop(position) if self._keys is not None else []
        for entry in behind:
            self.in_flight.fail(entry.position, _WAITS, retry=True)
        self._activity.set()

    def hold_back(self, entries: Sequence[Entry], topics: set[str | None] | None = None) -> None:
        """These, and what is accepted and not published yet (of ``topics`` alone, if given), were not tried, so that they do
        not overtake one that has to be sent again."""
        held = [entry for entry in self.queue if topics is None or entry.message.topic in topics]
        for entry in [*entries, *held]:
            self.in_flight.fail(entry.position, _WAITS, retry=True)
        self.queue = deque(entry for entry in self.queue if entry.position in self.in_flight)
        self._activity.set()

    def pause(self, seconds: float) -> None:
        """Accept nothing for that long."""
        if self._loop is not None:
            self._not_before = max(self._not_before, self._loop.time() + seconds)

    # -- Output ---------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make the client; the first ``poll`` begins to connect."""
        self.prepare()
        if self._loop is None:
            self._loop = self._new_loop()
            # Events belong to the loop in which they were first waited for.
            self._work, self._activity = asyncio.Event(), asyncio.Event()
            self._not_before = 0.0

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        try:
            selector = selectors.DefaultSelector()
            try:
                return asyncio.SelectorEventLoop(selector)
            except BaseException:
                selector.close()  # a loop that is made by half keeps it
                raise
        except OSError as error:
            raise OutputError(
                f"cannot be opened: {error.strerror}",
                where=f"output '{self.name}'",
                fix="raise the limit (`ulimit -n`)",
            ) from None

    def send(self, entries: Sequence[Entry]) -> int:
        """Accepts as many as the bounds allow; none while away or while a failed one has to come first."""
        if not self.ready or self._loop is None or self.in_flight.retry_pending or self._loop.time() < self._not_before:
            return 0
        accepted, config = 0, self._config
        cannot = f"it cannot be sent to {self.where}"
        for entry in entries:
            if not self.in_flight.has_room(entry, config.max_in_flight, config.max_in_flight_bytes):
                break
            self.in_flight.accept(entry)
            accepted += 1
            reason = reason_against(entry.message, self.why_unfit, cannot)
            if reason:
                self.in_flight.fail(entry.position, describe(reason, self.secrets), retry=False)
                self._activity.set()
            elif self._keys is None or self._keys.enter(entry):
                self.queue.append(entry)
        if accepted:
            self._work.set()
        return accepted

    def poll(self, timeout: float) -> list[Receipt]:
        """Runs the connection for up to ``timeout`` s."""
        if self._loop is not None:
            self._loop.run_until_complete(self._until_news(timeout))
        return self.in_flight.take()

    def close(self, timeout: float) -> list[Receipt]:
        """Waits for what is in flight while the server is there; what remains is to be sent again."""
        loop = self._loop
        if loop is None:
            return self.in_flight.take()
        end = loop.time() + timeout
        while len(self.in_flight) and self.ready and loop.time() < end:
            loop.run_until_complete(self._until_news(min(0.1, max(0.0, end - loop.time())), any_news=False))
        self.ready = False
        loop.run_until_complete(self._stop(min(2.0, max(0.2, end - loop.time()))))
        loop.close()
        self._loop = self._worker = None
        self._forget()
        self.in_flight.fail_all("the output was closed before the server confirmed it")
        self.status.connected = False
        return self.in_flight.take()

    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        """Name resolution, port, then what the protocol says; each within ``timeout`` s, up to the first fault."""
        try:
            self.prepare()
        except OutputError as error:
            return [Check(f"output {self.name}", False, error.what, error.fix or "correct the options of this output")]
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(self._check(send, timeout))
        finally:
            loop.run_until_complete(_cancel_all(0.5))
            loop.close()

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _until_news(self, timeout: float, *, any_news: bool = True) -> None:
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._run())
        if self.in_flight.has_receipts and any_news:
            await asyncio.sleep(0)
            return
        self._activity.clear()
        if timeout < 0.002:  # a glance: a few turns of the loop, so that connecting and writing get on
            for _ in range(10):
                await asyncio.sleep(0)
                if self._activity.is_set():
                    return
            return
        try:
            await asyncio.wait_for(self._activity.wait(), timeout)
        except (asyncio.TimeoutError, TimeoutError):
            return

    async def _run(self) -> None:
        while True:
            session = asyncio.ensure_future(self.session())
            watchdog = asyncio.ensure_future(self._watchdog())
            try:
                await asyncio.wait({session, watchdog}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                first = watchdog if watchdog.done() and not session.done() else session
                for task in (session, watchdog):
                    task.cancel()
                await asyncio.wait({session, watchdog}, timeout=1.0)
            self.mark_disconnected(first.exception() if first.done() and not first.cancelled() else None)
            await asyncio.sleep(self._backoff.next())

    async def _watchdog(self) -> None:
        """Raises when the server is silent. Counts ticks that this loop has seen, so that a caller who did not poll for
        a while is not taken for a silent server."""
        config, started = self._config, self._tick
        while True:
            await asyncio.sleep(_TICK)
            self._tick += 1
            if not self.ready and (self._tick - started) * _TICK > config.connect_timeout:
                raise OutputFault(
                    f"no answer from {self.where}", "check that the server is up and no firewall stands between"
                )
            oldest = self.in_flight.oldest()
            if oldest is not None and (self._tick - oldest) * _TICK > config.timeout:
                raise OutputFault(
                    f"{self.where} has not confirmed a message for {config.timeout:g} s", "look at the server's health"
                )

    def _forget(self) -> None:
        self.queue.clear()
        if self._keys is not None:
            self._keys.clear()

    def mark_disconnected(self, error: BaseException | None) -> None:
        self.ready = False
        self._forget()
        fault = explain(error, self.where) if error is not None else OutputFault(f"{self.where} closed the connection")
        words = describe(fault.what, self.secrets)
        self.status.connected = False
        self.status.error = words
        self.in_flight.fail_all(words)
        self._activity.set()

    async def _stop(self, timeout: float) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait({self._worker}, timeout=timeout)
        await _cancel_all(timeout)

    async def _check(self, send: bool, timeout: float) -> list[Check]:
        lines: list[Check] = []
        steps: list[Coroutine[Any, Any, Check]] = []
        if not self.host.startswith("/"):  # else a socket in the file system
            steps = [check_dns(self.host), check_tcp(self.host, self.port)]
        subjects = [f"name {self.host}", f"port {self.where}"]
        try:
            for subject, step in zip(subjects, steps):
                try:
                    lines.append(await asyncio.wait_for(step, timeout))
                except (asyncio.TimeoutError, TimeoutError):
                    lines.append(
                        Check(subject, False, f"no answer from {self.where}", "check network, firewall and DNS")
                    )
                if not lines[-1].ok:
                    return lines
        finally:
            for step in steps:
                step.close()
        try:
            await asyncio.wait_for(self.probe(lines, send), timeout)
        except Exception as error:  # whatever the library raises becomes a line for the user
            fault = explain(error, self.where)
            what = describe(fault.what, self.secrets)
            lines.append(Check(f"output {self.name}", False, what, fault.fix or "look at the server's log"))
        return lines


async def _cancel_all(timeout: float) -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=timeout)
    for task in rest:
        if task.done() and not task.cancelled():
            task.exception()  # looked at, so that asyncio does not log it
