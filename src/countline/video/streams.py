"""Which of several video streams is taken."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from countline.errors import SourceError

__all__ = ["choose", "describe", "usable"]

log = logging.getLogger("countline.video")

_DEFAULT = 0x1
_NO_VIDEO = 0x400 | 0x800 | 0x80000  # attached_pic, timed_thumbnails, dependent: a cover or a layer is no video
_logged: set[tuple[str, str]] = set()


def choose(streams: Any, wanted: str, shown: str, where: str) -> Any:
    """The video stream to decode: ``wanted`` if given, else the one that is marked as the default, else the first.

    ``wanted`` is written as for FFmpeg: ``2`` is the stream with that index, ``v:1`` the second video stream, ``#0x101``
    or ``i:257`` the one with that id (in transport streams the PID). Of several, what was taken is logged, once
    for each source. Raises SourceError where there is none.
    """
    found = usable(streams)
    if not found:
        kinds = sorted({s.type for s in streams})
        only = "only " + " and ".join(kinds) if kinds else "no streams"
        raise SourceError(
            f"{shown} has no video stream that can be decoded ({only})",
            where=where,
            fix="give a file or stream with video",
        )
    if wanted:
        return _named(found, wanted.strip(), shown, where)
    marked = [s for s in found if int(s.disposition) & _DEFAULT]
    chosen = (marked or found)[0]
    if len(found) > 1 and (where, shown) not in _logged:
        _logged.add((where, shown))
        why = "marked as the default" if marked else "the first"
        log.warning(
            "%s: %s has %d video streams: %s; %d is taken (%s). `options: {stream: %d}` takes another",
            where, shown, len(found), describe(found), chosen.index, why,
            next(s.index for s in found if s is not chosen),
        )  # fmt: skip
    return chosen


def usable(streams: Any) -> list[Any]:
    """Video streams that can be decoded, without covers and layers of others."""
    return [s for s in streams.video if s.codec_context is not None and not int(s.disposition) & _NO_VIDEO]


def _named(among: Sequence[Any], wanted: str, shown: str, where: str) -> Any:
    try:
        if wanted.startswith("#"):
            found = [s for s in among if s.id == int(wanted[1:], 0)]
        elif wanted.startswith("i:"):
            found = [s for s in among if s.id == int(wanted[2:], 0)]
        elif wanted == "v" or wanted.startswith("v:"):
            number = int(wanted[2:] or "0")
            found = list(among[number : number + 1]) if number >= 0 else []
        else:
            found = [s for s in among if s.index == int(wanted)]
    except ValueError:
        found = []
    if not found:
        raise SourceError(
            f"{shown} has no video stream '{wanted}'",
            where=where,
            fix=f"`options: {{stream: …}}` takes an index, v:0, v:1 … or #id; there are {describe(among)}",
        )
    return found[0]


def describe(streams: Sequence[Any]) -> str:
    """Index, id, codec and size of each."""
    return ", ".join(
        f"{s.index} ({s.codec_context.name} {s.codec_context.width}x{s.codec_context.height}"
        + (f" #{s.id:#x}" if s.id else "")
        + (" default" if int(s.disposition) & _DEFAULT else "")
        + ")"
        for s in streams
    )
