"""What a user's ``uri`` names: a file, a folder of images, a network stream or a camera; and how it may be shown."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from countline.errors import SourceError
from countline.registry.kinds import SOURCES
from countline.secret_forms import hide_uri

__all__ = [
    "IMAGES",
    "Place",
    "are_recordings",
    "file_digest",
    "host_of",
    "is_recording",
    "natural",
    "place_of",
    "scheme_of",
    "visible",
]

IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Suffixes of image files."""
VIDEOS = frozenset(
    {
        ".264",
        ".265",
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".gif",
        ".h264",
        ".h265",
        ".hevc",
        ".m2ts",
        ".m4v",
        ".mjpeg",
        ".mjpg",
    }
    | {".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
"""Suffixes of recordings in a folder."""
STREAMS = frozenset(SOURCES.built_in) - {"file"}
"""Protocols that are handed to FFmpeg."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_EDGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where pictures come from."""

    kind: str
    """'file', 'segments' (recordings that follow each other), 'images', 'pipe' (can be read only once), 'http', 'stream' (any
    other protocol) or 'camera'."""
    location: str
    """What FFmpeg opens: may hold a password."""
    shown: str
    """The same for logs and errors: printable, without the password."""
    files: tuple[Path, ...] = ()
    """Of images, in order."""
    path: str = ""
    """Of a file its name as the operating system knows it; bytes that are no text are surrogates."""
    notice: str = ""
    """For the log: what of a folder is left out; empty if nothing is."""


def visible(name: object) -> str:
    r"""A file name for logs, errors and messages: bytes that are no UTF-8 as ``\xe4``.

    >>> visible(os.fsdecode(b"stra\xdfe.mp4"))
    'stra\\xdfe.mp4'
    """
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which image 10 comes after image 9."""
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p.casefold()) for p in parts], path.name


def scheme_of(uri: str) -> str:
    """``rtsp`` of ``rtsp://...``; '' where there is none."""
    match = _SCHEME.match(uri.strip())
    return match.group(1).lower() if match else ""


def place_of(uri: str, where: str, watch: bool = False) -> Place:
    """What ``uri`` names. Files and folders are looked at, nothing is opened. ``watch``: recordings may still come, so none need
    be there. Raises SourceError."""
    address = uri.strip()
    if not address:
        raise SourceError(
            "the uri is empty", where=where, fix="name a file, a folder of images, rtsp://…, http://… or /dev/video0"
        )
    scheme = scheme_of(address)
    if scheme in STREAMS:
        _refuse_malformed(address, where)
        return Place("http" if scheme.startswith("http") else "stream", address, hide_uri(address))
    if scheme and scheme != "file":
        raise SourceError(
            f"{visible(hide_uri(address))}: unknown protocol '{scheme}'",
            where=where,
            fix="known are a path, file://, " + ", ".join(f"{s}://" for s in sorted({*STREAMS, *SOURCES.brought()})),
        )
    if address == "-":
        return Place("pipe", "pipe:0", "standard input", path="/dev/stdin")
    # Blanks at the ends of a file's name are part of it.
    text = _path_of(address) if scheme else uri
    if address.isdecimal() and not Path(text).exists():
        text = f"/dev/video{address}"  # the number of a camera, as OpenCV writes it
    if text.startswith("/dev/") and (text.startswith(_CAMERAS) or not os.path.exists(text) or _is_camera(text)):
        return Place("camera", text, visible(text))
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        path = Path(text)  # '~' is part of a name here, not a user's home
    if _MAGIC.search(text) and not os.path.lexists(path):
        return _matches(path, where, watch)
    return _local(path, where, watch)


_MAGIC = re.compile(r"[*?\[]")


def are_recordings(uri: str, watch: bool) -> bool:
    """Whether an address names recordings that follow each other."""
    try:
        return place_of(uri, "", watch).kind == "segments"
    except SourceError:
        return False


def _refuse_malformed(address: str, where: str) -> None:
    """What is no address is refused at the start, instead of being tried for ever. Raises SourceError."""
    try:
        _ = urlsplit(f"//{host_of(address)}").port
    except ValueError:  # its words may hold a part of a password
        fix = "write rtsp://HOST:PORT/PATH, an IPv6 address in brackets, and / ? # @ in a password as %2F %3F %23 %40"
        raise SourceError(f"{hide_uri(address)}: host or port is not well formed", where=where, fix=fix) from None


def host_of(address: str) -> str:
    """Host and port of an address, as FFmpeg takes it apart: what stands behind the user's name, up to the path.

    >>> host_of("rtsp://user:pa[ss@camera:554/stream?x=1")
    'camera:554'
    """
    return re.split("[/?#]", address.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]


_CAMERAS = ("/dev/video", "/dev/v4l/")


def _is_camera(path: str) -> bool:
    """A character device of Video4Linux."""
    facts = os.stat(path)
    return stat.S_ISCHR(facts.st_mode) and os.major(facts.st_rdev) == 81


def _path_of(address: str) -> str:
    """The path of a file:// address. It is bytes; they need not be UTF-8."""
    rest = address[len("file://") :]
    host, _, path = rest.partition("/")
    if host.lower() in ("", "localhost"):
        rest = "/" + path
    return os.fsdecode(unquote_to_bytes(rest.encode("utf-8", "surrogateescape")))


def _local(path: Path, where: str, watch: bool) -> Place:
    shown = visible(path)
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            return _folder(path, where, watch)
        if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError
    except FileNotFoundError:
        fix = f"check the path; relative paths are looked up in {visible(Path.cwd())}"
        if str(path) != str(path).strip():
            fix = f"check the path, whose blanks at the ends are part of the name: '{shown}'"
        raise SourceError(f"{shown}: no such file or folder", where=where, fix=fix) from None
    except NotADirectoryError:
        raise SourceError(f"{shown}: a part of the path is no folder", where=where, fix="check the path") from None
    except PermissionError:
        fix = "give the user that runs countline the right to read it"
        raise SourceError(f"{shown}: permission denied", where=where, fix=fix) from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{shown!r}: cannot be read: {error}", where=where, fix="check the path") from None
    # With its protocol in front, a name such as 'a:b.mp4' is not taken for one.
    location = f"file:{path}"
    if not stat.S_ISREG(facts.st_mode):
        return Place("pipe", location, shown, path=str(path))
    if facts.st_size == 0 and not watch:
        raise SourceError(f"{shown}: the file is empty (0 bytes)", where=where, fix="copy or record it again")
    if path.suffix.lower() in IMAGES:
        return Place("images", shown, shown, (path,), str(path))
    return Place("file", location, shown, path=str(path))


def _folder(path: Path, where: str, watch: bool) -> Place:
    shown = visible(path)
    entries = [p for p in path.iterdir() if not p.name.startswith(".")]
    files = sorted((p for p in entries if p.suffix.lower() in IMAGES), key=natural)
    videos = sorted((p for p in entries if p.suffix.lower() in VIDEOS), key=natural)
    if files and watch:
        _refuse_mixed(shown, f"{shown}{os.sep}*", files, videos, where)
    notice = ""
    if files and videos:
        names = ", ".join(visible(p.name) for p in videos[:3]) + (", …" if videos[3:] else "")
        notice = (
            f"{shown} is read as a sequence of {len(files)} images; {len(videos)} videos in it are left out ({names}); a glob names "
            f"them: {shown}{os.sep}*{visible(videos[0].suffix)}"
        )
    if files:
        return Place("images", shown, shown, tuple(files), str(path), notice)
    if videos or watch:
        return Place("segments", str(path), shown, path=str(path))
    suffixes = ", ".join(sorted(IMAGES)), ", ".join(sorted(VIDEOS))
    fix = f"put images ({suffixes[0]}) or recordings ({suffixes[1]}) there, or name a file; `watch: true` waits for recordings"
    raise SourceError(f"{shown}: no images and no recordings in this folder", where=where, fix=fix)


def _matches(pattern: Path, where: str, watch: bool) -> Place:
    """What a glob names: images, or recordings. Raises SourceError."""
    shown = visible(pattern)
    found = [Path(name) for name in glob.glob(str(pattern), recursive=True)]
    files = sorted((p for p in found if p.suffix.lower() in IMAGES), key=natural)
    others = [p for p in found if p.suffix.lower() not in IMAGES and not p.is_dir() and is_recording(p, pattern)]
    if files and (others or watch):
        _refuse_mixed(shown, shown, files, others, where)
    if files:
        return Place("images", shown, shown, tuple(files), str(pattern))
    if not others and not watch:
        fix = f"check it; relative paths are looked up in {visible(Path.cwd())}; `watch: true` waits for recordings"
        raise SourceError(f"{shown}: no file fits this pattern", where=where, fix=fix)
    return Place("segments", str(pattern), shown, path=str(pattern))


def is_recording(path: Path, pattern: Path | None = None) -> bool:
    """By its suffix; whatever a glob with a suffix of its own names counts as one."""
    own = pattern.suffix if pattern is not None else ""
    return path.suffix.lower() in VIDEOS or (bool(own) and not _MAGIC.search(own))


def _refuse_mixed(shown: str, base: str, files: list[Path], videos: list[Path], where: str) -> None:
    """Which of both is meant cannot be guessed; half of a folder must not be left out."""
    if not videos:
        raise SourceError(
            f"{shown} holds {len(files)} images ({visible(files[0].name)} …); only recordings can be watched",
            where=where,
            fix="leave `watch` out, or name the recordings by a glob, such as *.mp4",
        )
    globs = [base.rsplit(os.sep, 1)[0] + f"{os.sep}*{visible(p.suffix)}" for p in (videos[0], files[0])]
    raise SourceError(
        f"{shown} holds {len(videos)} recordings ({visible(videos[0].name)} …) and {len(files)} images ({visible(files[0].name)} …)",
        where=where,
        fix=f"say which by a glob: {globs[0]} or {globs[1]}; as sources of their own, both",
    )


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
