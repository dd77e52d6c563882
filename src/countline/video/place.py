"""What a user's ``uri`` names: a file, a folder of images, a network stream or a camera; and how it may be shown."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from countline.errors import SourceError

__all__ = ["IMAGES", "Place", "file_digest", "natural", "place_of", "redact"]

IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Suffixes of image files."""
STREAMS = frozenset({"http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"})
"""Protocols that are handed to FFmpeg."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_EDGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where pictures come from."""

    kind: str
    """'file', 'images', 'http', 'stream' (any other protocol) or 'camera'."""
    location: str
    """What FFmpeg opens: may hold a password."""
    shown: str
    """The same for logs and errors."""
    files: tuple[Path, ...] = ()
    """Of a folder of images or a single image, in order."""


def redact(uri: str) -> str:
    """The address without user and password.

    >>> redact("rtsp://admin:secret@10.0.0.2:554/main?x=1")
    'rtsp://***@10.0.0.2:554/main?x=1'
    """
    match = _SCHEME.match(uri)
    if not match:
        return uri
    host, slash, path = uri[match.end() :].partition("/")
    return f"{match.group(0)}***@{host.rpartition('@')[2]}{slash}{path}" if "@" in host else uri


def natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which image 10 comes after image 9."""
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p.casefold()) for p in parts], path.name


def place_of(uri: str, where: str) -> Place:
    """What ``uri`` names. Files and folders are looked at, nothing is opened. Raises SourceError."""
    text = uri.strip()
    if not text:
        raise SourceError(
            "the uri is empty", where=where, fix="name a file, a folder of images, rtsp://…, http://… or /dev/video0"
        )
    match = _SCHEME.match(text)
    scheme = match.group(1).lower() if match else ""
    if scheme == "file":
        text = unquote(urlsplit(text).path)
    elif scheme in STREAMS:
        return Place("http" if scheme.startswith("http") else "stream", text, redact(text))
    elif scheme:
        raise SourceError(
            f"{redact(text)}: unknown protocol '{scheme}'",
            where=where,
            fix="known are a path, file://, " + ", ".join(f"{s}://" for s in sorted(STREAMS)),
        )
    if text.isdecimal() and not Path(text).exists():
        text = f"/dev/video{text}"  # the number of a camera, as OpenCV writes it
    if text.startswith("/dev/"):
        return Place("camera", text, text)
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        path = Path(text)  # '~' is part of a name here, not a user's home
    return _local(path, where)


def _local(path: Path, where: str) -> Place:
    shown = str(path)
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            return _folder(path, where)
        if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError
    except FileNotFoundError:
        fix = f"check the path; relative paths are looked up in {Path.cwd()}"
        raise SourceError(f"{shown}: no such file or folder", where=where, fix=fix) from None
    except NotADirectoryError:
        raise SourceError(f"{shown}: a part of the path is no folder", where=where, fix="check the path") from None
    except PermissionError:
        fix = "give the user that runs countline the right to read it"
        raise SourceError(f"{shown}: permission denied", where=where, fix=fix) from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{shown!r}: cannot be read: {error}", where=where, fix="check the path") from None
    if facts.st_size == 0 and stat.S_ISREG(facts.st_mode):
        raise SourceError(f"{shown}: the file is empty (0 bytes)", where=where, fix="copy or record it again")
    if path.suffix.lower() in IMAGES:
        return Place("images", shown, shown, (path,))
    # With its protocol in front, a name such as 'a:b.mp4' is not taken for one.
    return Place("file", f"file:{path}", shown)


def _folder(path: Path, where: str) -> Place:
    files = sorted(
        (p for p in path.iterdir() if p.suffix.lower() in IMAGES and not p.name.startswith(".")), key=natural
    )
    if not files:
        raise SourceError(
            f"{path}: no images in this folder",
            where=where,
            fix="put images there (" + ", ".join(sorted(IMAGES)) + "), or name a video file",
        )
    return Place("images", str(path), str(path), tuple(files))


def file_digest(path: str | Path) -> str:
    """Identity of a file's content: BLAKE2b over its size and its first and last 64 KiB. Raises OSError."""
    size = os.stat(path).st_size
    digest = hashlib.blake2b(size.to_bytes(8, "big"), digest_size=16)
    with open(path, "rb") as file:
        digest.update(file.read(_EDGE))
        if size > _EDGE:
            file.seek(max(_EDGE, size - _EDGE))
            digest.update(file.read(_EDGE))
    return digest.hexdigest()
