"""What FFmpeg and the operating system report, in plain words: what, where, and what to do."""

from __future__ import annotations

import errno
from typing import Any

import av.error

from countline.errors import SourceError
from countline.video.backoff import Cause
from countline.video.reader_thread import NoPicture, ReadTimeout
from countline.video.tls import Unreachable

__all__ = ["REFUSED", "cause_of", "explain", "fatal"]


REFUSED = (av.error.ArgumentError, av.error.PermissionError)
"""What FFmpeg answers where an input from the network refers to what it may not open."""


def fatal(error: BaseException, kind: str = "") -> bool:
    """True if trying again cannot help: protocol, decoder or option unknown, or the input may not open what it names."""
    if kind == "http" and isinstance(error, REFUSED):
        return True
    return isinstance(
        error,
        (
            SourceError,
            av.error.ProtocolNotFoundError,
            av.error.DemuxerNotFoundError,
            av.error.DecoderNotFoundError,
            av.error.OptionNotFoundError,
        ),
    )


def explain(error: BaseException, shown: str, where: str, kind: str = "file") -> SourceError:
    """An error of FFmpeg or the operating system as what / where / fix. ``shown``: the input without its password;
    ``kind``: that of its place."""
    if isinstance(error, SourceError):
        return error
    what, fix = _words(error)
    if kind in ("http", "stream") and isinstance(error, REFUSED):
        what = "refers to another address or file that it may not open"
        fix = "an input from the network opens no local files, and only protocols that `protocols` allows"
    if kind == "pipe" and isinstance(error, REFUSED):
        what, fix = "is a playlist, which cannot come through a pipe", "name the playlist's file"
    if kind == "pipe" and isinstance(error, av.error.InvalidDataError):
        what += ", or needs a file that can be sought in, or nothing came"
        fix = "an MP4 goes through a pipe only with its index at the front (`-movflags faststart`); use MPEG-TS or Matroska"
    return SourceError(f"{shown}: {what}", where=where, fix=fix)


def cause_of(error: BaseException | None) -> Cause:
    """What kind of trouble this is, for the wait before the next attempt. None: the stream ended."""
    if error is None:
        return "ended"
    if isinstance(error, Unreachable):
        return error.cause
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return "auth"
    if isinstance(error, (TimeoutError, av.error.ExitError)):
        return "silent"
    if isinstance(error, (ConnectionRefusedError, av.error.HTTPClientError, av.error.HTTPServerError)):
        return "refused"
    if getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "unreachable"
    return "ended"


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, Unreachable):
        return error.what, error.fix
    if isinstance(error, (ReadTimeout, NoPicture)):
        return str(error), "check the camera, and the network between"
    number = getattr(error, "errno", None)
    for kind, what, fix in _MEANINGS:
        if isinstance(error, kind):
            return what, fix
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "the host cannot be reached", "check address, cable and routes"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if number == errno.EIO:
        return (
            "input/output error, or it breaks off",
            "check that the file is whole, or that host and device can be read",
        )
    return f"cannot be read: {text}", "check that the address is right and that FFmpeg can play it"


_MEANINGS: tuple[tuple[Any, str, str], ...] = (
    (av.error.InvalidDataError, "is no video that FFmpeg knows, or is damaged", "check the file with `ffprobe`, or convert it to MP4"),
    (av.error.ProtocolNotFoundError, "FFmpeg does not know this protocol", "use a file, rtsp://, http:// or https://"),
    (av.error.DecoderNotFoundError, "no decoder for this codec is installed", "convert it to H.264 or H.265"),
    (av.error.HTTPUnauthorizedError, "user or password is refused (401)", "write them into the address: rtsp://user:password@host/…"),
    (av.error.HTTPForbiddenError, "access is forbidden (403)", "check user, password and rights on the camera"),
    (av.error.HTTPNotFoundError, "there is no such stream on the server (404)", "check the path in the address"),
    (av.error.HTTPServerError, "the server failed (5xx)", "look into the server's log"),
    (ConnectionRefusedError, "connection refused", "check host and port, and that the camera or server is running"),
    ((TimeoutError, av.error.ExitError), "no answer in time", "check host, port and firewall, or raise `timeout`"),
    (FileNotFoundError, "no such file", "check the path"),
    (PermissionError, "permission denied", "give the user that runs countline the right to read it"),
    (av.error.EOFError, "ended before its first frame", "check that the file is complete"),
)  # fmt: skip
