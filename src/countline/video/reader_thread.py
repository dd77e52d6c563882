"""Reading from the network so that the reader can always be stopped.

FFmpeg's blocking calls (name lookup, connecting, waiting for a packet) cannot be interrupted from Python. So each
connection is opened, read and decoded by a thread of its own, which hands frames over through a short queue; whoever
iterates waits on that queue and can turn away at any time. A connection that was turned away from ends by itself when
FFmpeg's own time limit strikes. Of cameras only what is wanted is handed over: each takes the interpreter from all other
threads for a moment.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

from countline.video.container import Opened
from countline.video.decode import Decoded

__all__ = ["PATIENCE", "Connect", "Item", "NoPicture", "ReadTimeout", "Sift", "Watch", "direct", "in_thread", "sifted"]

Connect = Callable[[], Opened]
Item = Opened | Decoded
Watch = Callable[[float, float], None]
"""Called while nothing comes, with the seconds since the last packet and since the last picture (or the connection)."""

Sift = Callable[[Item], object | None]
"""Called on the connection's thread for the open input and each picture: what is to be handed over, None: nothing."""

PATIENCE = 3
"""Timeouts without a picture, while packets come, after which a connection is given up: cameras send a key frame every few
seconds, some with a "smart" codec every ten."""

_DEPTH = 4
"""Frames between decoder and reader: enough to keep both busy, few enough to add no delay."""
_LOOK = 0.5
"""Seconds between two looks at whether to stop, and whether anything comes. Each look takes the interpreter from all other threads for a
moment: with a hundred cameras, ten looks a second of each would be more than their frames."""


class ReadTimeout(TimeoutError):
    """No packet came for longer than the source's timeout."""


class NoPicture(TimeoutError):
    """Packets came, and for very long no picture."""


class _Ended:
    """Last item of a connection."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


class _ReaderThread(threading.Thread):
    def __init__(self, connect: Connect, name: str, sift: Sift | None) -> None:
        super().__init__(name=f"countline-connection-{name}", daemon=True)
        self.items: queue.Queue[object] = queue.Queue(_DEPTH)
        self.abandoned = threading.Event()
        self.handed = 0.0
        """When the last item found room in the queue (monotonic clock, s): until then no packet was read."""
        self.pictured = 0.0
        """When the last picture came (monotonic clock, s), wanted or not."""
        self._connect = connect
        self._sift = sift

    def run(self) -> None:
        error: Exception | None = None
        try:
            opened = self._connect()
            try:
                if self._sift is not None:
                    self._sift(opened)
                self._hand(opened)
                for decoded in opened.decode():
                    self.pictured = time.monotonic()
                    item = decoded if self._sift is None else self._sift(decoded)
                    if self.abandoned.is_set() or (item is not None and not self._hand(item)):
                        break
            finally:
                opened.close()
        except Exception as caught:  # handed to the reader, who knows what to say of it
            error = caught
        self._hand(_Ended(error))

    def _hand(self, item: object) -> bool:
        while not self.abandoned.is_set():
            try:
                self.items.put(item, timeout=_LOOK)
                self.handed = time.monotonic()
                return True
            except queue.Full:
                continue
        return False


def direct(connect: Connect) -> Iterator[Item]:
    """Open and read in this thread: first the open input, then its frames. For files."""
    opened = connect()
    try:
        yield opened
        yield from opened.decode()
    finally:
        opened.close()


def in_thread(
    connect: Connect, name: str, ended: Callable[[], bool], timeout: float, watch: Watch | None = None
) -> Iterator[Item]:
    """The same through a thread: ends soon after ``ended()`` became true.

    Raises what the connection raised; :class:`ReadTimeout` when no packet came for ``timeout`` s (while connecting, for three
    times that: name lookup, connection and first packets each have their own limit); and :class:`NoPicture` when packets
    came for ``PATIENCE`` times that, and no picture.
    """
    for item in _handed(_ReaderThread(connect, name, None), ended, timeout, watch):
        assert isinstance(item, (Opened, Decoded))
        yield item


def sifted(
    connect: Connect, name: str, ended: Callable[[], bool], timeout: float, watch: Watch | None, sift: Sift
) -> Iterator[object]:
    """As :func:`in_thread`, with what ``sift`` makes of each picture, on the connection's thread; those of which it makes nothing are
    not handed over. First comes the open input, which it has seen, too."""
    yield from _handed(_ReaderThread(connect, name, sift), ended, timeout, watch)


def _handed(
    thread: _ReaderThread, ended: Callable[[], bool], timeout: float, watch: Watch | None = None
) -> Iterator[object]:
    thread.start()
    began = pictured = time.monotonic()
    opened: Opened | None = None
    try:
        while not ended():
            try:
                item = thread.items.get(timeout=_LOOK)
            except queue.Empty:
                now = time.monotonic()
                if opened is None:
                    # FFmpeg's own limit strikes first where it can: it knows better what was missing.
                    if now - began > PATIENCE * timeout + 1.0:
                        raise ReadTimeout(f"nothing came for {PATIENCE * timeout:g} s") from None
                    continue
                quiet, dark = now - max(opened.heard, thread.handed), now - max(pictured, thread.pictured)
                if quiet > timeout:
                    raise ReadTimeout(f"no packet came for {timeout:g} s") from None
                if dark > PATIENCE * timeout:
                    raise NoPicture(f"packets came for {dark:.0f} s, and no picture: no key frame") from None
                if watch is not None:
                    watch(quiet, dark)
                continue
            if isinstance(item, _Ended):
                if item.error is not None:
                    raise item.error
                return
            if isinstance(item, Opened):
                opened = item
            yield item
            pictured = time.monotonic()
    finally:
        thread.abandoned.set()
