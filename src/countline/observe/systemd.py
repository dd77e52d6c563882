"""A run as a service of systemd, ``Type=notify``: it gets to know when the run is ready, how it goes, and that it is alive.

The protocol is sd_notify(3): lines of text in a datagram to the socket that ``NOTIFY_SOCKET`` names.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from countline.observe.health import Health

__all__ = ["Notifier"]

log = logging.getLogger("countline.systemd")

EVERY = 1.0
"""Seconds between two looks at how it goes, at the most."""


class Notifier:
    """Tells systemd of a run, on a thread of its own, until it is closed. Does nothing where systemd did not ask for it.

    Parameters
    ----------
    health: tells how it goes.
    environment: where systemd's variables are; they are for this process alone.
    """

    def __init__(self, health: Callable[[], Health], environment: Mapping[str, str] = os.environ) -> None:
        self._health = health
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._watchdog = _watchdog(environment)
        self._every = min(EVERY, self._watchdog / 3) if self._watchdog else EVERY
        self._ready = False
        self._status = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="countline-systemd", daemon=True)
        if self._address:
            self._thread.start()

    def close(self) -> None:
        """It ends: what is in flight is still counted and delivered, and watched no more."""
        if self._address and not self._ending.is_set():
            self._ending.set()
            self._thread.join()

    def stopping(self) -> None:
        """It was asked to end. Safe in a signal handler."""
        self._send("STOPPING=1")

    def _work(self) -> None:
        while True:
            self._look()
            if self._ending.wait(self._every):
                self._send("STOPPING=1\nSTATUS=ended")
                return

    def _look(self) -> None:
        health = self._health()
        lines = []
        if health.started and not self._ready:
            self._ready = True
            lines.append("READY=1")
        status = _status(health)
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        if self._watchdog and health.is_alive:
            lines.append("WATCHDOG=1")
        if lines:
            self._send("\n".join(lines))

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
            wire.settimeout(1.0)  # who does not read keeps nobody waiting
            wire.sendto(text.encode("utf-8", "backslashreplace"), self._address)


def _address(text: str) -> str:
    """A path, or a name in the abstract name space; empty where it is neither."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _watchdog(environment: Mapping[str, str]) -> float:
    """Seconds within which systemd wants a sign of life; 0: it wants none of this process."""
    pid = environment.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return 0.0
    try:
        return max(0, int(environment.get("WATCHDOG_USEC", "0"))) / 1e6
    except ValueError:
        return 0.0


def _status(health: Health) -> str:
    """One line for ``systemctl status``."""
    checks = [*health.alive, *health.ready]
    wrong = [f"{check.subject}: {check.detail}" for check in checks if not check.ok]
    shown = wrong or [f"{check.subject}: {check.detail}" for check in health.ready if check.subject == "sources"]
    return " ".join("; ".join(shown).split())[:500] or "at work"
