"""A window that shows pictures, in a process of its own, so that an error of the display cannot end the run.

It reads from standard input, each time 8 bytes (width and height, big endian) and RGB; it ends with that, or when somebody closes it.
The first line on standard output is ``shown``, or ``failed`` and why.
"""

from __future__ import annotations

import struct
import sys
import threading
from typing import Any

__all__ = ["HEAD", "main"]

HEAD = struct.Struct(">II")
LOOK_MS = 15


def _report(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Newest:
    """The newest picture; older ones that were not shown are dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._picture: bytes | None = None
        self.ended = False

    def read(self) -> None:
        """Read pictures until the input ends."""
        source = sys.stdin.buffer
        while len(head := source.read(HEAD.size)) == HEAD.size:
            width, height = HEAD.unpack(head)
            pixels = source.read(width * height * 3)
            if len(pixels) < width * height * 3:
                break
            with self._lock:
                self._picture = b"P6 %d %d 255\n" % (width, height) + pixels
        self.ended = True

    def take(self) -> bytes | None:
        """The newest picture, if it was not taken yet; else None."""
        with self._lock:
            picture, self._picture = self._picture, None
        return picture


def main() -> int:
    """0: closed; 1: there is no screen, or no Tk."""
    try:
        import tkinter
    except ImportError:
        _report("failed Python's tkinter is not installed (Debian and Ubuntu: apt install python3-tk)")
        return 1
    try:
        root = tkinter.Tk(className="countline")
    except tkinter.TclError as error:
        _report(f"failed {error}")
        return 1
    root.title(sys.argv[1] if len(sys.argv) > 1 else "countline")
    label = tkinter.Label(root, background="black", borderwidth=0)
    label.pack(expand=True, fill="both")
    root.bind("<Escape>", lambda _: root.destroy())
    root.bind("q", lambda _: root.destroy())
    newest = _Newest()
    threading.Thread(target=newest.read, daemon=True).start()
    kept: list[Any] = []
    reported = False

    def look() -> None:
        nonlocal reported
        picture = newest.take()
        if picture is not None:
            kept[:] = [tkinter.PhotoImage(data=picture, format="PPM")]
            label.configure(image=kept[0])
            if not reported:
                root.update_idletasks()
                reported = True
                _report("shown")
        elif newest.ended:
            root.destroy()
            return
        root.after(LOOK_MS, look)

    look()
    root.mainloop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
