"""Local playlists and scripts: files that name other files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.video.access import Folder, allowed, demuxers, whitelist
from countline.video.container import Opened, open_stream
from countline.video.place import Place, visible

__all__ = ["open_list"]

_SCRIPT = b"ffconcat version"
_PLAYLIST = b"#EXTM3U"
_LONGEST = 16 * 1024 * 1024
_BLANK = b" \n\t\r"


def open_list(
    place: Place, config: SourceConfig, where: str, options: Mapping[str, str], gpu: int | None = None
) -> Opened:
    """Open a local playlist or ffconcat script. Raises SourceError for entries that it may not open, else
    av.FFmpegError."""
    protocols = allowed(place, config.protocols, where)
    folder = Folder(place.path, protocols, config.timeout, where)
    with open(place.path, "rb") as file:
        head = file.read(len(_SCRIPT))
        script = head + file.read(_LONGEST) if head == _SCRIPT else b""
    more: dict[str, Any] = {"deinterlace": config.deinterlace, "stream": config.options.get("stream", ""), "gpu": gpu}
    names = {"protocol_whitelist": whitelist(place, config.protocols, where)}
    if script:
        # FFmpeg opens a script's entries itself; so it gets one that names only what was looked at.
        rules = {**names, "safe": "0", "format_whitelist": demuxers("concat")}
        written = io.BytesIO(_resolved(script, folder, place, where))
        with _named_lists(place, where):
            opened = open_stream(
                written, where, format="concat", options={**options, **rules}, shown=place.shown, **more
            )
        opened.entries = tuple(folder.seen)
        return opened
    rules = {**names, "format_whitelist": demuxers("hls", "dash", "webm_dash_manifest")}
    try:
        with _named_lists(place, where):
            opened = open_stream(
                place.location, where, options={**options, **rules}, shown=place.shown, io_open=folder.open, **more
            )
    except (av.error.FFmpegError, OSError, SourceError):
        if folder.refused is not None:
            raise folder.refused from None
        raise
    if folder.refused is not None:
        opened.close()
        raise folder.refused
    opened.watch = folder.raise_refused
    opened.entries = _entries(place.path, folder)
    return opened


def _entries(path: str, folder: Folder) -> tuple[str, ...]:
    """Files of its folder that a playlist names in lines of their own, and those of the playlists among them."""
    found: dict[str, None] = {}
    waiting = [path]
    while waiting:
        with open(waiting.pop(), "rb") as file:
            text = file.read(_LONGEST) if file.read(len(_PLAYLIST)) == _PLAYLIST else b""
        for line in text.decode("utf-8", "surrogateescape").splitlines()[1:]:
            name = line.strip()
            entry = folder.beside(name) if name and not name.startswith("#") else None
            if entry is not None and entry not in found:
                found[entry] = None
                waiting.append(entry)
    return tuple(found)


@contextmanager
def _named_lists(place: Place, where: str) -> Iterator[None]:
    try:
        yield
    except av.error.ArgumentError:  # a demuxer that is not on the list
        raise SourceError(
            f"{place.shown} names other files or addresses, in a form that is never followed",
            where=where,
            fix="name what it stands for; of an SDP file the rtsp:// or rtp:// address, of a list its files",
        ) from None


def _resolved(script: bytes, folder: Folder, place: Place, where: str) -> bytes:
    """The script with each file as an absolute address that may be opened."""
    lines = []
    for number, line in enumerate(script.split(b"\n"), 1):
        word = (line.split(maxsplit=1) or [b""])[0]
        if word == b"option":
            raise SourceError(
                f"{place.shown}: line {number} sets an option",
                where=where,
                fix="write it under `options` of the source",
            )
        if word == b"file":
            name = _token(line.strip(_BLANK)[len(word) :]).decode("utf-8", "surrogateescape")
            address = folder.address(name)
            _not_a_script(address, place, where)
            quoted = address.encode("utf-8", "surrogateescape").replace(b"'", b"'\\''")
            line = b"file '" + quoted + b"'"
        lines.append(line)
    return b"\n".join(lines)


def _not_a_script(address: str, place: Place, where: str) -> None:
    if not address.startswith("file:"):
        return
    path = address[len("file:") :]
    try:
        with open(path, "rb") as file:
            nested = file.read(len(_SCRIPT)) == _SCRIPT
    except OSError as error:
        raise SourceError(
            f"{place.shown} names {visible(path)}: {error.strerror}", where=where, fix="check the script and its files"
        ) from None
    if nested:
        raise SourceError(
            f"{place.shown} names {visible(path)}, a script of its own",
            where=where,
            fix="name that one's files instead",
        )


def _token(text: bytes) -> bytes:
    """A value as FFmpeg reads it: up to a blank, where quotes and backslashes do not say otherwise."""
    text = text.lstrip(_BLANK)
    found, place = bytearray(), 0
    while place < len(text) and text[place] not in _BLANK:
        mark = text[place : place + 1]
        if mark == b"\\" and place + 1 < len(text):
            found += text[place + 1 : place + 2]
            place += 2
        elif mark == b"'":
            end = text.find(b"'", place + 1)
            end = len(text) if end < 0 else end
            found += text[place + 1 : end]
            place = end + 1
        else:
            found += mark
            place += 1
    return bytes(found)
