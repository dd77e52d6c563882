"""Faults in message definitions: a MessageError that knows the key path, so that a file's line can be found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from countline.errors import MessageError, Place

__all__ = ["Loc", "MessageFault", "located", "merge_faults", "suggest"]

Loc = tuple[str | int, ...]


class MessageFault(MessageError):
    """A fault at a key of the configuration. ``loc`` is the path from the document's root, e.g.
    ``('messages', 0, 'value', 'count')``, which ``Document.place`` turns into file and line."""

    def __init__(self, what: str, loc: Sequence[str | int], fix: str = "") -> None:
        self.loc: Loc = tuple(loc)
        super().__init__(what, where=Place(key=dotted(loc)), fix=fix)

    def __reduce__(self) -> tuple[object, ...]:
        return (MessageFault, (self.what, self.loc, self.fix))


def dotted(loc: Sequence[str | int]) -> str:
    """``('messages', 0, 'value')`` -> ``messages[0].value``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def suggest(word: str, valid: Iterable[str], *, noun: str = "valid here") -> str:
    """A fix: the closest valid word, then all of them."""
    words = list(dict.fromkeys(valid))
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    head = f"did you mean {close[0]}? " if close else ""
    return f"{head}{noun}: " + (", ".join(words) if words else "nothing")


def nearest(word: str, valid: Iterable[str], *, most: int = 3) -> str:
    """A fix for a field that does not exist: the closest valid ones, and where to see them all."""
    words = list(dict.fromkeys(valid))
    close = get_close_matches(word, words, n=most, cutoff=0.5)
    tail = word.rpartition(".")[2]
    close += [w for w in words if tail and w.rpartition(".")[2] == tail and w not in close]
    head = f"did you mean {close[0]}? " if close else ""
    more = f"near it: {', '.join(close[1:most])}; " if close[1:most] else ""
    return f"{head}{more}`countline schema --fields` lists all fields"


def located(error: MessageError, document: Any) -> MessageError:
    """The same faults with file and line; ``document`` is the ``config.loader.Document`` they were read from."""
    faults: list[MessageError] = []
    for fault in getattr(error, "faults", (error,)):
        if isinstance(fault, MessageFault) and fault.loc[:1] == ("messages",):
            fault = MessageError(fault.what, where=document.place(fault.loc), fix=fault.fix)
        faults.append(fault)
    return merge_faults(faults)


def merge_faults(faults: Sequence[MessageError]) -> MessageError:
    """One fault as it is, several as one error with a paragraph each."""
    if len(faults) == 1:
        return faults[0]
    error = MessageError(f"{len(faults)} faults:\n" + "\n".join(str(f) for f in faults))
    error.faults = tuple(faults)  # type: ignore[attr-defined]
    return error
