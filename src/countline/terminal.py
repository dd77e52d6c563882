"""The one door to standard output and error: what comes from outside is made visible there, never executed.

Labels, source and file names, answers of cameras, brokers and web servers, keys and values of messages: each may hold escape
sequences that set a terminal's title, fill its clipboard or hide a line, or marks that turn the reading direction.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from typing import Any

import click
import orjson

from countline.redaction import redact, redacted

__all__ = [
    "VisibleFormatter",
    "echo",
    "echo_coloured",
    "guard_tracebacks",
    "is_terminal",
    "json_line",
    "visible",
    "visible_json",
]

_FORMAT = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
"""Marks without width: direction, joiners, tags. They hide or turn what stands beside them."""
_UNSEEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_FORMAT}]")
_UNSEEN_OR_BREAK = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_FORMAT}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    sign = match[0]
    number = ord(sign)
    if sign in _SHORT:
        return _SHORT[sign]
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def visible(text: str, *, breaks: bool = True) -> str:
    r"""``text`` with control characters, escape sequences, marks of direction and lone surrogates written out.

    ``breaks``: line breaks and tabs stay what they are; else they are written out too, for words within a line.

    >>> print(visible("a\x1b[31mred\u202e"))
    a\x1b[31mred\u202e
    """
    return (_UNSEEN if breaks else _UNSEEN_OR_BREAK).sub(_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 65536:
        return f"\\u{number:04x}"
    number -= 65536
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 1023):04x}"


def visible_json(text: str) -> str:
    """JSON that means the same, with such characters as escapes. They can only stand within its strings."""
    return _UNSEEN.sub(_json_escape, text)


def json_line(value: Any, *, data: bool = False) -> str:
    """``value`` as JSON in one line, without a line break at its end. Integers of any size are exact. Secrets are left out,
    unless it is ``data``: a user's own messages."""
    value = value if data else redacted(value)
    try:
        text = orjson.dumps(value, default=repr).decode()
    except TypeError:  # an integer beyond 64 bits, or a name that is not UTF-8
        text = json.dumps(value, default=repr, separators=(",", ":"))
    return visible_json(text)


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print to standard output, or error, what may come from outside."""
    click.echo(visible(redact(text)), err=err, nl=nl)


def echo_coloured(*parts: tuple[str, str]) -> None:
    """Print a line of (words, colour) to standard output; the colours are left out where it is no terminal."""
    click.echo("".join([click.style(visible(redact(text)), fg=colour or None) for text, colour in parts]))


def is_terminal(descriptor: int) -> bool:
    """Whether somebody's screen is there."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def guard_tracebacks() -> None:
    """Tracebacks of what nobody foresaw go through the same door, from whichever thread."""

    def say(kind: Any, error: Any, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            echo("".join(traceback.format_exception(kind, error, trace)), err=True, nl=False)

    def unraisable(info: Any) -> None:
        echo(f"{info.err_msg or 'Exception ignored in'}: {info.object!r}", err=True)
        say(info.exc_type, info.exc_value, info.exc_traceback)

    sys.excepthook = say
    sys.unraisablehook = unraisable
    threading.excepthook = lambda info: say(info.exc_type, info.exc_value, info.exc_traceback)


class VisibleFormatter(logging.Formatter):
    """Log lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(redact(super().format(record)))
