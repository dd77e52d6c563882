"""A window with what the rules see, where there is a screen: a consumer that keeps the newest frame of each source for a thread, which
draws them and hands them to the window's process. The worker waits for none of it."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.types import Analytics, Frame, RuleInfo
from countline.view.overlay import Overlay, cv2_module
from countline.view.window import HEAD

__all__ = ["WIDTH", "Display", "no_screen"]

log = logging.getLogger("countline.view")

WIDTH = 1280
"""Pixels of the window; its height follows."""
EVERY = 1 / 15
"""Seconds between two pictures, at least."""

PATIENCE = 10.0
"""Seconds for which a window may take to go away."""


def no_screen(environment: Mapping[str, str] = os.environ) -> str:
    """Why no window can be shown, as far as is known before trying; '' where one may be."""
    if sys.platform.startswith("linux") and not environment.get("DISPLAY"):
        return "there is no screen (DISPLAY is not set)"
    return ""


class Display:
    """Shows all sources side by side. Where the window cannot be opened, or is closed, that is logged once and the run goes on.

    Parameters
    ----------
    rules: gives the rules that are drawn, as they are now.
    labels: class name for each class id.

    Raises MissingExtra without OpenCV.
    """

    def __init__(
        self, rules: Callable[[], Sequence[RuleInfo]], labels: Sequence[str], *, title: str = "countline"
    ) -> None:
        self._cv2 = cv2_module()
        self._rules, self._labels, self._title = rules, labels, title
        self._overlays: dict[str, Overlay] = {}
        self._newest: dict[str, tuple[Frame, Analytics]] = {}
        self._tiles: dict[str, NDArray[np.uint8]] = {}
        self._wake, self._closing = threading.Event(), threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._ended = False
        self.shown = threading.Event()
        """Set when the first picture is on the screen."""
        self._thread = threading.Thread(target=self._guard, name="countline-display", daemon=True)

    def __call__(self, frame: Frame | None, analytics: Analytics) -> None:
        """The newest frame of a source; on the worker's thread."""
        if frame is None:
            return
        self._newest[frame.info.source.name] = (frame, analytics)
        if self._ended:  # nobody takes it any more
            self._newest.clear()
            return
        self._wake.set()
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """Take the window away."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    # -- its own thread -------------------------------------------------------------------------------------------

    def _guard(self) -> None:
        try:
            self._work()
        except Exception:
            log.exception("the window has ended; the run goes on")
        finally:
            self._ended = True
            self._newest.clear()
            self._end_process()

    def _work(self) -> None:
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "countline.view.window", self._title],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the run
        )
        listener = self._listener = threading.Thread(
            target=self._listen, args=(process,), name="countline-window", daemon=True
        )
        listener.start()
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            if self._closing.is_set() or self._ended:
                return
            picture = self._picture()
            if picture is not None and not self._send(process, picture):
                return
            self._closing.wait(EVERY)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Read the window's messages: shown, failed, closed."""
        assert process.stdout is not None
        for line in process.stdout:
            word, _, why = line.decode("utf-8", "replace").strip().partition(" ")
            if word == "failed":
                log.warning("no window is shown: %s; the run goes on", why)
                self._ended = True
            elif word == "shown":
                self.shown.set()
        if not self._closing.is_set() and not self._ended:
            log.info("the window was closed; the run goes on")
        self._ended = True
        self._wake.set()

    def _send(self, process: subprocess.Popen[bytes], picture: NDArray[np.uint8]) -> bool:
        height, width = picture.shape[:2]
        assert process.stdin is not None
        try:
            process.stdin.write(HEAD.pack(width, height))
            process.stdin.write(picture.tobytes())
            process.stdin.flush()
        except (OSError, ValueError):  # it was closed; the listener tells
            return False
        return True

    def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._listener is not None:
            self._listener.join(PATIENCE)  # it may still have to say why nothing was shown

    def _picture(self) -> NDArray[np.uint8] | None:
        """All sources in one picture, RGB."""
        for name in list(self._newest):
            found = self._newest.pop(name, None)
            if found is not None:
                self._tiles[name] = self._drawn(name, *found)
        if not self._tiles:
            return None
        tiles = [self._tiles[name] for name in sorted(self._tiles)]
        columns = math.ceil(math.sqrt(len(tiles)))
        width = WIDTH // columns
        first = tiles[0].shape
        height = max(round(width * first[0] / first[1]), 1)
        canvas = np.zeros((height * -(-len(tiles) // columns), width * columns, 3), np.uint8)
        for i, tile in enumerate(tiles):
            scale = min(width / tile.shape[1], height / tile.shape[0])
            size = max(int(tile.shape[1] * scale), 1), max(int(tile.shape[0] * scale), 1)
            small = (
                tile if size == tile.shape[1::-1] else self._cv2.resize(tile, size, interpolation=self._cv2.INTER_AREA)
            )
            top, left = i // columns * height, i % columns * width
            canvas[top : top + size[1], left : left + size[0]] = small
        picture: NDArray[np.uint8] = np.ascontiguousarray(canvas[:, :, ::-1])
        return picture

    def _drawn(self, name: str, frame: Frame, analytics: Analytics) -> NDArray[np.uint8]:
        overlay = self._overlays.get(name)
        rules: Any = self._rules()
        if overlay is None:
            overlay = self._overlays[name] = Overlay(rules, self._labels)
        overlay.rules = rules
        return overlay.draw(frame.image, analytics)
