"""What no protocol can carry. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable

from countline.outputs.base.text import shown, torn
from countline.types import Message

__all__ = ["UNFIT", "reason_against", "unfit"]

UNFIT = (ValueError, TypeError, OverflowError, struct.error)
"""What client libraries raise for a message that cannot be put into their protocol (UnicodeError is a ValueError). Troubles of a
connection have classes of their own."""

_FIRST, _LAST = -62_135_596_800 * 10**9, 253_402_300_800 * 10**9
"""The years 1 to 9999 in ns since the Unix epoch: beyond them there is no date."""


def reason_against(message: Message, why_unfit: Callable[[Message], str], cannot: str) -> str:
    """Why a message can never be sent: by :func:`unfit`, or by what the output says itself; '' if nothing speaks against it. What
    that raises of UNFIT is a reason, too, said behind ``cannot``."""
    try:
        return unfit(message) or why_unfit(message)
    except UNFIT as error:
        return f"{cannot}: {error}"


def unfit(message: Message) -> str:
    """Why no output can send this message, in words; '' if there is no such reason."""
    texts = (message.id, message.topic or "", message.content_type, message.source, message.definition)
    if not all(text.isascii() for text in texts):
        for what, text in zip(("id", "topic", "content type", "source's name", "definition's name"), texts):
            if torn(text):
                return f"the {what} '{shown(text)}' is not text: half a character stands in it (a lone surrogate)"
    for name, _ in message.headers:
        if not name.isascii() and torn(name):
            return f"the header name '{shown(name)}' is not text: half a character stands in it (a lone surrogate)"
    if not _FIRST <= message.time < _LAST:
        return f"its time, {message.time} ns since 1970, is not within the years 1 to 9999"
    return ""
