"""Text: bytes and headers of messages as text, and text of others made fit to be shown. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from countline.terminal import visible

__all__ = ["header_safe", "headers_json", "readable", "shown", "torn"]


def readable(value: bytes) -> str:
    """Bytes as text: UTF-8, with ``\\xNN`` for what is not, and ``\\x00`` for NUL."""
    return value.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def headers_json(headers: Iterable[tuple[str, bytes]]) -> str:
    """Headers as a JSON object of text; a name that stands twice becomes a list."""
    found: dict[str, Any] = {}
    for name, value in headers:
        text = readable(value)
        if name in found:
            known = found[name]
            found[name] = [*known, text] if isinstance(known, list) else [known, text]
        else:
            found[name] = text
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


_HEADER_SAFE = "".join(chr(c) for c in range(0x20, 0x7F) if chr(c) != "%")


def header_safe(value: bytes) -> str:
    """A header value for protocols that know printable ASCII only (HTTP, NATS): everything else, and ``%``, is
    percent-encoded as in RFC 3986, section 2.1."""
    text = quote(value, safe=_HEADER_SAFE)
    # Blanks at the ends are not part of a header's value.
    if text[:1] == " ":
        text = "%20" + text[1:]
    return text[:-1] + "%20" if text[-1:] == " " else text


def torn(text: str) -> bool:
    """Whether half a character stands in it (a lone surrogate), so that it is not text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def shown(text: str, most: int = 300) -> str:
    """Text from outside on one line, cut to ``most`` characters, with everything that a terminal would obey made visible.

    >>> shown("busy\\n  \\x1b[2Jtry later")
    'busy \\\\x1b[2Jtry later'
    """
    line = visible(" ".join(text[: most * 8].split()), breaks=False)
    return line if len(line) <= most else line[: most - 1] + "…"
