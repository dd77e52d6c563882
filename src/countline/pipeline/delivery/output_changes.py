"""Outputs that come, go or are changed while messages are delivered."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.delivery.sender import Sender
from countline.protocols import Output

__all__ = ["OutputChanges"]

log = logging.getLogger("countline.delivery")

SETTLING = 1.0
"""Seconds for which an output that is changed may still answer for what it has taken; the rest is sent again."""
PATIENCE = 10.0
"""Seconds for which it is waited until the outbox has stored what came before."""


class OutputChanges:
    """One change of the outputs. First :meth:`prepare`, then ``delivery.use_outputs`` in order with the frames, then
    :meth:`finish`; :meth:`undo` instead of the last two.

    Parameters
    ----------
    delivery: whose outputs they are.
    added, changed: not opened yet. One that is changed goes on with what waits in the outbox for its name.
    removed: names.
    """

    def __init__(
        self, delivery: Delivery, *, added: Sequence[Output], changed: Sequence[Output], removed: Sequence[str]
    ) -> None:
        self._delivery = delivery
        self._added, self._changed, self._removed = added, changed, removed
        self._opened: list[Output] = []
        self._stopped: list[Sender] = []
        self._waiting: dict[str, Output] = {}
        self._joined = threading.Event()

    def __bool__(self) -> bool:
        return bool(self._added or self._changed or self._removed)

    def prepare(self) -> None:
        """Open what comes. An output that is changed rests from here on. Raises OutputError and MissingExtra; then all is as it was."""
        try:
            for output in self._added:
                self._open(output)
            for output in self._changed:
                sender = self._delivery.senders[output.name]
                sender.stop(time.monotonic() + SETTLING)
                sender.join()
                self._stopped.append(sender)
                self._open(output)
        except BaseException:
            self.undo()
            raise
        self._waiting = {output.name: output for output in (*self._added, *self._changed)}
        if self._waiting:
            self._delivery.on_written = self._join
        else:
            self._joined.set()

    def _open(self, output: Output) -> None:
        self._opened.append(output)
        output.open()

    def undo(self) -> None:
        """It does not come to the change: what was opened is closed, what rests goes on."""
        self._delivery.on_written = None
        for output in self._opened:
            with suppress(Exception):
                output.close(0.0)
        again = {}
        for sender in self._stopped if not self._delivery.stopped else ():
            output = sender.output
            try:
                output.open()
            except Exception:
                log.exception("output '%s' cannot be opened again", output.name)
            again[output.name] = Sender(self._delivery.outbox, output)
            again[output.name].count_on(sender)
        self._delivery.exchange(again)
        self._opened, self._stopped = [], []

    def _join(self) -> None:
        """On the writer's thread: what is stored now goes to those that came."""
        outbox = self._delivery.outbox
        ready = [name for name in self._waiting if outbox.serves(name)]
        if ready:
            senders = {name: Sender(outbox, self._waiting.pop(name)) for name in ready}
            for before in self._stopped:
                if before.output.name in senders:
                    senders[before.output.name].count_on(before)
            self._delivery.exchange(senders)
        if not self._waiting:
            self._delivery.on_written = None
            self._joined.set()

    def finish(self, timeout: float) -> list[str]:
        """Wait until those that came deliver, let those that go deliver what waits for them, for at most ``timeout`` s. Returns
        notes for the user."""
        notes = []
        if not self._joined.wait(PATIENCE):
            names = ", ".join(self._waiting)
            notes.append(f"outputs {names} begin once the outbox can be written: {self._delivery.writer.last_error}")
        deadline = time.monotonic() + timeout
        senders = [self._delivery.senders[name] for name in self._removed if name in self._delivery.senders]
        for sender in senders:
            if not self._left(sender.output.name, deadline):
                notes.append(f"output '{sender.output.name}' ends once the outbox can be written")
            sender.stop(deadline)
        for sender in senders:
            name = sender.output.name
            sender.join()
            self._delivery.exchange({}, leave=[name])
            waiting = self._delivery.outbox.retire(name)
            if waiting:
                notes.append(
                    f"output '{name}' was removed with {waiting} messages that it had not acknowledged; they stay in the outbox "
                    "for 7 days, and are delivered if it comes back"
                )
        return notes

    def _left(self, name: str, deadline: float) -> bool:
        """Whether nothing new comes for an output any more; waited for."""
        while self._delivery.outbox.serves(name):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True
