"""Deterministic message ids: UUID version 5 (RFC 9562, section 5.5) over what names a message for ever."""

from __future__ import annotations

from hashlib import sha1
from uuid import NAMESPACE_URL, uuid5

__all__ = ["NAMESPACE", "IdMaker", "uuid5_text"]

NAMESPACE = uuid5(NAMESPACE_URL, "https://github.com/countline/countline#message")
"""Namespace of all ids that countline makes."""


def uuid5_text(name: str, namespace: bytes = NAMESPACE.bytes) -> str:
    """``str(uuid.uuid5(namespace, name))`` without the UUID object in between (about three times as fast)."""
    return _text(sha1(namespace + name.encode(), usedforsecurity=False).digest())


def _text(digest: bytes) -> str:
    number = int.from_bytes(digest[:16], "big")
    number = (number & ~(0xF000 << 64) & ~(0xC000 << 48)) | (5 << 76) | (0x8000 << 48)
    h = f"{number:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


class IdMaker:
    """Ids of one definition.

    The name is ``definition NUL source NUL stream NUL frame number NUL part``; ``part`` is the event's sequence number
    in its frame, with the track id behind it where there is one, and empty for a message of a whole frame. The hash of the
    constant beginning is kept per stream.
    """

    def __init__(self, definition: str) -> None:
        self._definition = definition
        self._heads: dict[tuple[str, str], object] = {}

    def __call__(self, source: str, stream: str, number: int, part: str = "") -> str:
        head = self._heads.get((source, stream))
        if head is None:
            if len(self._heads) > 4096:  # live sources that reconnect for years begin new streams
                self._heads.clear()
            head = sha1(NAMESPACE.bytes + f"{self._definition}\0{source}\0{stream}\0".encode(), usedforsecurity=False)
            self._heads[(source, stream)] = head
        digest = head.copy()  # type: ignore[attr-defined]
        digest.update(f"{number}\0{part}".encode())
        return _text(digest.digest())
