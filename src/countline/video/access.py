"""What an input may open besides itself: entries of playlists and scripts, redirects.

* A **local** playlist (HLS, DASH) or script (ffconcat) may open files of its own folder and of folders below it, with
  symbolic links resolved; nothing else, and no network address.
* An input from the **network** may open what HTTP and HTTPS give; other network inputs any network protocol. Never a
  local file.

``protocols`` of a source allows a local playlist some network protocols, and allows an input from the network those alone.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import av

from countline.errors import SourceError
from countline.secret_forms import hide_uri
from countline.video.place import STREAMS, Place, visible

__all__ = ["NOT_LISTS", "Folder", "allowed", "demuxers", "whitelist"]

_WRITE = 2  # AVIO_FLAG_WRITE
_LISTS = frozenset(
    {"avisynth", "concat", "dash", "hls", "imf", "mlv", "sdp", "vapoursynth", "vobsub", "webm_dash_manifest"}
)
"""Demuxers that open other inputs by name."""
NOT_LISTS = ",".join(sorted(name for name in av.formats_available if name not in _LISTS))
_UNDER = {
    "http": ("tcp", "httpproxy"), "https": ("tls", "tcp", "httpproxy"), "rtsp": ("rtp", "udp", "tcp"),
    "rtsps": ("rtp", "udp", "tcp", "tls"), "rtp": ("udp",), "rtmp": ("tcp",), "rtmps": ("tls", "tcp"), "srt": ("udp",),
}  # fmt: skip
"""What protocols are carried by."""
_HARMLESS = ("crypto", "data")
"""Decrypts what another protocol gives; holds its content in the address."""
_NETWORK = (
    *sorted(STREAMS),
    "tls",
    "httpproxy",
    "srtp",
    "dtls",
    "rtmpe",
    "rtmpt",
    "rtmpte",
    "rtmpts",
    "ffrtmphttp",
    "ffrtmpcrypt",
)


def demuxers(*more: str) -> str:
    """``format_whitelist``: all that open nothing else by name, and ``more``."""
    return ",".join((NOT_LISTS, *more))


def allowed(place: Place, protocols: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """``protocols`` of a source, checked. Raises SourceError for unknown ones, and for 'file' on a network source."""
    names = tuple(name.lower().removesuffix("://") for name in protocols or ())
    for name in names:
        if name == "file" and place.kind in ("http", "stream"):
            raise SourceError(
                "protocols: an input from the network never opens local files",
                where=where,
                fix="leave 'file' out; copy the playlist beside its files and name that copy",
            )
        if name not in STREAMS and name != "file":
            raise SourceError(
                f"protocols: unknown protocol '{name}'",
                where=where,
                fix="known are file, " + ", ".join(sorted(STREAMS)),
            )
    return names


def whitelist(place: Place, protocols: Sequence[str] | None, where: str) -> str:
    """``protocol_whitelist`` for FFmpeg; empty: its own."""
    names = allowed(place, protocols, where)
    if place.kind in ("http", "stream"):
        own = place.location.partition("://")[0].lower()
        if protocols is None:
            names = ("http", "https") if place.kind == "http" else _NETWORK
        names = (own, *names)
    elif place.kind in ("file", "pipe"):
        names = ("file", "pipe", "fd", *names)
    else:
        return ""
    under = [lower for name in names for lower in _UNDER.get(name, ())]
    return ",".join(dict.fromkeys((*names, *under, *_HARMLESS)))


class Folder:
    """Opens what a local playlist names, if it may."""

    def __init__(self, playlist: str, protocols: Sequence[str], timeout: float, where: str) -> None:
        self.shown = visible(playlist)
        self._base = Path(playlist).parent
        self._root = os.path.realpath(self._base)
        self._protocols = protocols
        self._timeout = timeout
        self._where = where
        self.seen: dict[str, None] = {}
        """Files that were opened or may be, in order."""
        self.refused: SourceError | None = None
        """Why the first entry that was refused was."""

    def path(self, name: str) -> str:
        """The real path of a file that is named relative to the playlist. Raises SourceError if it lies elsewhere."""
        path = _real(self._base / name)
        if path == self._root or os.path.commonpath((self._root, path)) != self._root:
            raise self._refuse(
                f"names {visible(os.path.normpath(name)) if name else 'nothing'}, which is not in its folder",
                "put playlist and files into one folder, not as links",
            )
        self.seen[path] = None
        return path

    def beside(self, name: str) -> str | None:
        """The real path of a file of the folder; None for all else."""
        path = _real(self._base / _file_part(name))
        inside = os.path.commonpath((self._root, path)) == self._root
        return path if inside and os.path.isfile(path) else None

    def address(self, name: str) -> str:
        """What FFmpeg may open for an entry of a script: an absolute file: address, or an allowed one of the network."""
        scheme = self._scheme(name)
        if scheme == "file":
            return "file:" + self.path(_file_part(name))
        if scheme in self._protocols:
            return name
        raise self._network(name, scheme)

    def open(self, url: str, flags: int, options: dict[str, str]) -> IO[bytes]:
        """For ``av.open(io_open=…)``: what a demuxer wants to open. FFmpeg cannot be trusted to stay in a folder."""
        if self._scheme(url) == "file" and not flags & _WRITE:
            return open(self.path(_file_part(url)), "rb")
        self.permit(url)
        request = urllib.request.Request(url)  # noqa: S310 - http or https, as looked at above
        first, end = options.get("offset", "0"), options.get("end_offset", "0").strip("0") and options["end_offset"]
        if first != "0" or end:
            request.add_header("Range", f"bytes={first}-{int(end) - 1 if end else ''}")
        # Answers from elsewhere are bound to what is allowed as well.
        response: IO[bytes] = urllib.request.build_opener(_Redirects(self)).open(request, timeout=self._timeout)
        return response

    def raise_refused(self) -> None:
        """Raise what was refused while a demuxer went on."""
        if self.refused is not None:
            raise self.refused

    def permit(self, url: str) -> None:
        """Raises SourceError for an address of the network that may not be opened."""
        scheme = self._scheme(url)
        if scheme not in self._protocols or scheme not in ("http", "https"):
            raise self._network(url, scheme)

    def _scheme(self, name: str) -> str:
        head, colon, _ = name.partition(":")
        return head.lower() if colon and len(head) > 1 and head.replace("+", "").isalnum() else "file"

    def _network(self, name: str, scheme: str) -> SourceError:
        if scheme in STREAMS:
            return self._refuse(
                f"names {visible(hide_uri(name))}", f"if it may, write `protocols: [{scheme}]` for this source"
            )
        return self._refuse(f"names {visible(hide_uri(name))}", "such entries are never opened")

    def _refuse(self, what: str, fix: str) -> SourceError:
        error = SourceError(f"{self.shown} {what}", where=self._where, fix=fix)
        self.refused = self.refused or error
        return error


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self._folder.permit(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _real(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:  # a NUL in the name
        return "/"


def _file_part(url: str) -> str:
    """Path of a plain name or a file: address, as FFmpeg takes it."""
    return url[5:] if url[:5].lower() == "file:" else url
