"""The one place that keeps secrets out of texts: by value, whatever form they have taken.

Whoever reads a secret remembers it here. Errors, log records (of libraries too), JSON lines, lines of ``countline check`` and
tracebacks go through :func:`redact`, which knows a secret as it was written, converted, escaped by ``repr`` or JSON, quoted
for an address, in base64 (alone or with a user's name before it), in hexadecimal, with its blanks and line breaks changed,
and cut. Texts in which it is a matter of luck to guess a secret (fewer than ``SHORTEST`` characters) are not looked for:
they would blank out words everywhere. Structure protects those: the value of a secret option is never shown.
"""

from __future__ import annotations

import datetime
import logging
import re
import threading
import traceback
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from countline.secret_forms import MASK, SHORTEST, forms, pieces

__all__ = ["MASK", "SHORTEST", "during", "forget_all", "keep", "redact", "redacted", "remember"]

_PUBLIC = frozenset({"guest", "true", "false", "none", "null"})
"""Passwords that everybody knows."""
_WHOLE_WORDS = 6
"""Forms shorter than this are found only where they stand alone, not within a longer word."""
_WORD = re.compile("[0-9a-z]")
_ESCAPED = re.compile(r"(?:\\[nrt]|%[0-9a-f]{2})\Z")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


@lru_cache(maxsize=4096)
def _lowered(secret: str) -> tuple[tuple[str, bool], ...]:
    return tuple((form.translate(_LOWER), may_be_cut) for form, may_be_cut in forms(secret))


class _Needles:
    """What is looked for, made ready: whole forms by their first characters, and windows of longer ones, for those that were
    cut. Thousands of cameras with a password each are looked for as fast as one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self.heads: dict[str, set[str]] = {}
        self.windows: dict[int, set[str]] = {}
        few = len(secrets) <= 200
        for secret in secrets:
            for form, may_be_cut in _lowered(secret):
                self.heads.setdefault(form[:SHORTEST], set()).add(form)
                if len(form) >= 8 and may_be_cut and (few or form == secret.translate(_LOWER)):
                    width = min(16, max(6, (len(form) + 1) // 2))
                    self.windows.setdefault(width, set()).update(
                        form[i : i + width] for i in range(len(form) - width + 1)
                    )

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand, in order; they may overlap."""
        low = text.translate(_LOWER)
        found = []
        for i in range(len(low) - SHORTEST + 1):
            for form in self.heads.get(low[i : i + SHORTEST], ()):
                end = i + len(form)
                if low.startswith(form, i) and (len(form) >= _WHOLE_WORDS or _alone(low, i, end)):
                    found.append((i, end))
        for width, windows in self.windows.items():
            found += [(i, i + width) for i in range(len(low) - width + 1) if low[i : i + width] in windows]
        return sorted(found)


def _alone(low: str, start: int, end: int) -> bool:
    return not _WORD.match(low, end) and (
        start == 0 or not _WORD.match(low, start - 1) or _ESCAPED.search(low, 0, start) is not None
    )


_lock = threading.RLock()  # a secret may be let go by the collector while one is remembered
_known: Counter[str] = Counter()
_needles: _Needles | None = None
_watching = False
_age = 0
"""How often everything was forgotten."""


def _texts(secrets: Iterable[object]) -> list[str]:
    found: list[str] = []
    for secret in secrets:
        if secret is None or isinstance(secret, bool):
            continue
        if isinstance(secret, bytes):
            texts = [secret.decode("utf-8", "surrogateescape")]
        elif isinstance(secret, (datetime.date, datetime.time)):
            texts = [str(secret), repr(secret), secret.isoformat()]
        else:
            texts = [str(secret)]
        found += [piece for text in texts for piece in pieces(text)]
    return [text for text in found if len(text.strip()) >= SHORTEST and text.strip().lower() not in _PUBLIC]


def _count(texts: Iterable[str], step: int) -> None:
    global _needles
    with _lock:
        for text in texts:
            _known[text] += step
            if _known[text] <= 0:
                del _known[text]
        _needles = None


def _learn(secrets: Iterable[object]) -> list[str]:
    texts = _texts(secrets)
    if texts:
        _watch_logs()
        _count(texts, 1)
    return texts


def keep(*secrets: object) -> None:
    """Remember secrets for as long as the process lives (those of the command line)."""
    _learn(secrets)


def remember(owner: object, *secrets: object) -> None:
    """Remember secrets (texts, numbers, dates; None is none) for as long as ``owner`` lives."""
    texts = _learn(secrets)
    if texts:
        weakref.finalize(owner, _forget, _age, texts).atexit = False


def _forget(age: int, texts: list[str]) -> None:
    if age == _age:
        _count(texts, -1)


def _unknown(secrets: Iterable[str | None]) -> list[str]:
    return [secret for secret in secrets if secret and secret not in _known]


@contextmanager
def during(secrets: Iterable[object]) -> Iterator[None]:
    """Remember secrets within a ``with``: while a configuration is read that may turn out to be none."""
    texts = _learn(secrets)
    try:
        yield
    finally:
        if texts:
            _count(texts, -1)


def forget_all() -> None:
    """For tests: nothing was ever remembered."""
    global _needles, _age
    with _lock:
        _age += 1
        _known.clear()
        _needles = None


def redact(text: str, *more: str | None) -> str:
    """``text`` with every known secret, in whatever form, replaced by ``***``; ``more``: secrets besides those that are remembered.

    >>> with during(["hunter-22"]):
    ...     print(redact("Basic YWRtaW46aHVudGVyLTIy was refused: 'hunter-22', hunter%2D22, hunter-"))
    Basic YWRtaW46*** was refused: '***', ***, ***
    """
    global _needles
    unknown = _unknown(more)
    if unknown and _texts(unknown):
        with during(unknown):
            return redact(text)
    if not _known or not text:
        return text
    needles = _needles
    if needles is None:
        with _lock:
            needles = _needles = _Needles(list(_known))
    merged: list[tuple[int, int]] = []
    for start, end in needles.spans(text):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    for start, end in reversed(merged):
        text = text[:start] + MASK + text[end:]
    return text


def redacted(value: Any) -> Any:
    """Data for JSON with every text in it redacted; numbers and keys stay."""
    if not _known:
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(item) for item in value]
    return value


def _watch_logs() -> None:
    """From the first secret on every log record of the process is looked at as it is made: client libraries log addresses,
    headers and tracebacks through loggers of their own."""
    global _watching
    if _watching:
        return
    _watching = True
    make = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if _known:
            _clean(record)
        return record

    logging.setLogRecordFactory(factory)


def _clean(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception:
        return  # words and arguments that do not fit: the handler says so
    clean = redact(message)
    if clean != message:
        record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[0] is not None:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        clean = redact(text)
        if clean != text:
            record.exc_info, record.exc_text = None, clean
