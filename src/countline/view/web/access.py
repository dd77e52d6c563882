"""Access to the page: host names of the server, origins, sessions, and the rate limit on passwords. No I/O."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from countline.addresses import is_loopback

__all__ = ["Attempts", "Names", "Session", "Sessions"]

IDLE = 12 * 3600.0
"""Seconds after which a session that is not used ends."""
MOST = 64
"""Sessions at a time; beyond that the least recently used one ends."""


class Names:
    """Host names under which the server answers: its address, localhost where it listens there, and those of the configuration.

    A request by DNS rebinding (a foreign name that resolves to this machine's address) has another name, and is refused.

    Parameters
    ----------
    host, port: where it listens.
    hosts: further names, in small letters, with their port where it is not the usual one.
    encrypted: whether browsers reach it by https.
    """

    def __init__(self, host: str, port: int, hosts: Sequence[str], *, encrypted: bool, proxied: bool) -> None:
        self._loopback, self._port, self._hosts = is_loopback(host), port, frozenset(hosts)
        self._name, self._proxied = host.lower(), proxied
        self._scheme = "https" if encrypted else "http"

    def answers(self, host: str) -> bool:
        """Whether requests with this header ``Host`` are answered."""
        host = host.lower()
        if host in self._hosts:
            return True
        if self._proxied:
            return False
        name, port = _split(host, 443 if self._scheme == "https" else 80)
        if name in self._hosts and port == self._port:
            return True
        if port != self._port:
            return False
        if self._loopback:
            return name == "localhost" or (_is_address(name) and is_loopback(name.strip("[]")))
        return _is_address(name) or name == self._name

    def own(self, origin: str) -> bool:
        """Whether this ``Origin`` is the server's own."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        # Browsers treat loopback addresses as secure, e.g. a container whose port is published on this machine only.
        here = self._proxied and parts.scheme == "http" and is_loopback((parts.hostname or "").strip("[]"))
        return (parts.scheme == self._scheme or here) and not parts.path and self.answers(parts.netloc)


def _split(host: str, usual: int) -> tuple[str, int]:
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) <= 5 and not name.endswith(":"):
        return name, int(port)
    return host, usual


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@dataclass(slots=True)
class Session:
    """A browser that has signed in."""

    csrf: str
    """The token that changes must carry besides the cookie."""
    used: float
    """When it was used last, seconds of the monotonic clock."""
    generation: int
    """Generation of the password that it signed in with."""


class Sessions:
    """Sessions by a digest of their tokens, and programs by that of the password that they bring each time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, Session] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._bearers: OrderedDict[bytes, int] = OrderedDict()

    def begin(self, generation: int) -> tuple[str, Session]:
        """A token for a cookie, and its session."""
        token = secrets.token_urlsafe(32)
        made = Session(secrets.token_urlsafe(24), self._clock(), generation)
        self._open[_digest(token)] = made
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return token, made

    def find(self, token: str, generation: int) -> Session | None:
        """The session of a token; None where there is none, or it has ended."""
        key = _digest(token)
        found = self._open.get(key)
        if found is None:
            return None
        if found.generation != generation or self._clock() - found.used > IDLE:
            del self._open[key]
            return None
        found.used = self._clock()
        self._open.move_to_end(key)
        return found

    def end(self, token: str) -> None:
        """End the session of a token."""
        self._open.pop(_digest(token), None)

    def knows(self, password: str, generation: int) -> bool:
        """Whether this password was verified before, in this generation, so that the slow hash is not computed for each request."""
        return self._bearers.get(self._keyed(password), -1) == generation

    def remember(self, password: str, generation: int) -> None:
        """Note that this password was verified."""
        self._bearers[self._keyed(password)] = generation
        while len(self._bearers) > 8:
            self._bearers.popitem(last=False)

    def _keyed(self, password: str) -> bytes:
        return hmac.digest(self._secret, password.encode("utf-8", "surrogatepass"), "sha256")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Attempts:
    """The rate limit on passwords: per address, and for all addresses together.

    A token bucket each. An attempt is taken before the password is checked, so that concurrent requests do not bypass the limit;
    after a right password it is given back.
    """

    OF_ONE, PAUSE_OF_ONE = 5, 20.0
    OF_ALL, PAUSE_OF_ALL = 30, 4.0
    KNOWN = 4096

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all = _Store(self.OF_ALL, self.PAUSE_OF_ALL, clock())
        self._by: OrderedDict[str, _Store] = OrderedDict()

    def take(self, address: str) -> float:
        """Take an attempt; 0, or the seconds until there is one."""
        now = self._clock()
        store = self._by.pop(address, None) or _Store(self.OF_ONE, self.PAUSE_OF_ONE, now)
        self._by[address] = store
        while len(self._by) > self.KNOWN:
            self._by.popitem(last=False)
        wait = max(store.wait(now), self._all.wait(now))
        if not wait:
            store.left -= 1
            self._all.left -= 1
        return wait

    def give_back(self, address: str) -> None:
        """Return the attempt: the password was right."""
        for store in (self._by.get(address), self._all):
            if store is not None:
                store.left = min(store.most, store.left + 1)


class _Store:
    __slots__ = ("at", "left", "most", "pause")

    def __init__(self, most: int, pause: float, now: float) -> None:
        self.left = float(most)
        self.most, self.pause, self.at = most, pause, now

    def wait(self, now: float) -> float:
        self.left = min(self.most, self.left + (now - self.at) / self.pause)
        self.at = now
        return 0.0 if self.left >= 1 else (1 - self.left) * self.pause
