"""From what the user wrote to a source."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.protocols import Source
from countline.registry.kinds import SOURCES
from countline.video.access import demuxers, whitelist
from countline.video.base import BaseSource, Stop
from countline.video.brought import open_brought
from countline.video.container import Opened, open_stream
from countline.video.files import FileSource
from countline.video.growing import Growing, growing
from countline.video.images import ImageSource
from countline.video.known_options import OWN, unknown_options
from countline.video.lists import open_list
from countline.video.live import LiveSource
from countline.video.place import IMAGES, Place, place_of, scheme_of, visible
from countline.video.reader_thread import Connect, Item, Sift, direct, in_thread, sifted
from countline.video.sequence import SequenceSource
from countline.video.tls import diagnose, tls_options
from countline.video.transport import Transport
from countline.video.trouble import REFUSED

__all__ = ["Connector", "open_source", "options_of", "recording", "refuse_loop", "refuse_watch"]

log = logging.getLogger("countline.video")


def open_source(config: SourceConfig, index: int, *, stop: Stop | None = None, gpu: int | None = None) -> Source:
    """The source that ``config`` describes; ``index`` is its place in the configuration, from 0.

    Iterate over it for frames. ``gpu`` is the number of the GPU that is to decode it, where it can.
    ``stop`` (a ``threading.Event``, say) ends it from outside, as ``close`` does. Raises
    SourceError for what can be seen without decoding: no such file, no right to read it, nothing in it, no images in a
    folder, unknown protocol. A protocol that another distribution brings is opened by it. What only shows on decoding is
    raised by the iteration. A web address is asked once whether it is a file or a stream, unless ``config.live`` says it.
    """
    where = f"source '{config.name}'"
    if (scheme := scheme_of(config.uri)) in SOURCES.brought():
        return open_brought(scheme, config, index, stop)
    place = place_of(config.uri, where, bool(config.watch))
    for warning in unknown_options(config.options):
        log.warning("%s: %s", where, warning)
    if place.notice:
        log.warning("%s: %s", where, place.notice)
    if place.kind == "images":
        return ImageSource(config, index, place, stop)
    if place.kind == "segments":
        return SequenceSource(config, index, place, lambda path: recording(path, config, where), stop)
    refuse_watch(place, config, where)
    connect = Connector(place, config, where, gpu if config.decoder == "auto" else None)
    if place.kind == "file" and config.watch:
        refuse_loop(place, config, where)
        return FileSource(config, index, place, partial(_grow, connect), connect, stop)
    if place.kind == "file":
        return FileSource(config, index, place, partial(_direct, connect), connect, stop)
    if place.kind == "pipe":
        refuse_loop(place, config, where)
        return FileSource(config, index, place, partial(_await, connect), connect, stop)
    if place.kind == "http" and _is_file(place, config, connect, stop):
        return FileSource(config, index, place, partial(_read, connect), connect, stop)
    return LiveSource(config, index, place, partial(_sifted, connect), stop, transport=connect.transport)


def _direct(connect: Connect, source: BaseSource) -> Iterator[Item]:
    return direct(source.remembering(connect))


def _read(connect: Connect, source: BaseSource) -> Iterator[Item]:
    return in_thread(source.remembering(connect), source.config.name, source.ended, source.config.timeout, source.watch)


def _sifted(connect: Connect, source: BaseSource, sift: Sift) -> Iterator[object]:
    config = source.config
    return sifted(source.remembering(connect), config.name, source.ended, config.timeout, source.watch, sift)


def _grow(connect: Connector, source: BaseSource) -> Iterator[Item]:
    """A file that is read while it is written."""
    config = source.config
    settle = config.segments.settle if config.watch is True else float(config.watch)
    with growing(connect.path, settle, source.ended) as file:
        yield from direct(source.remembering(connect if file is None else partial(connect.through, file)))


def _await(connect: Connect, source: BaseSource) -> Iterator[Item]:
    """A pipe is silent for as long as whoever writes into it likes."""
    return in_thread(source.remembering(connect), source.config.name, source.ended, math.inf)


def recording(path: Path, config: SourceConfig, where: str) -> Connector:
    """Opens one of several recordings."""
    return Connector(Place("file", f"file:{path}", visible(path), path=str(path)), config, where)


def refuse_watch(place: Place, config: SourceConfig, where: str) -> None:
    """Raise SourceError for what cannot be watched."""
    if config.watch and place.kind != "file":
        raise SourceError(
            f"{place.shown} cannot be watched: it is no file and no folder",
            where=where,
            fix="leave `watch` out: what comes through a pipe, from the network or a camera is waited for all the same",
        )


def refuse_loop(place: Place, config: SourceConfig, where: str) -> None:
    """Raise SourceError for a pipe that is to be read again and again."""
    if config.loop:
        raise SourceError(
            f"{place.shown} can be read only once; `loop` has nothing to begin again with",
            where=where,
            fix="leave `loop` out, or name a file (without `watch`)",
        )


class Connector:
    """Opens the input anew at each call. Raises SourceError for options and protocols that it may not have."""

    def __init__(self, place: Place, config: SourceConfig, where: str, gpu: int | None = None) -> None:
        self._place, self._config, self._where, self._gpu = place, config, where, gpu
        self._local = place.kind in ("file", "pipe")
        self._options = options_of(place, config, where)
        self.transport = Transport(self._options)
        self.path = place.path

    def through(self, file: Growing) -> Opened:
        """Open the input, whose bytes come through ``file``. Raises as a call."""
        config = self._config
        more: dict[str, Any] = {"deinterlace": config.deinterlace, "stream": config.options.get("stream", "")}
        return open_stream(file, self._where, options=self.transport.options(), shown=self._place.shown, **more)

    def __call__(self) -> Opened:
        """Open it. Raises SourceError, av.FFmpegError, :class:`Unreachable`."""
        place, config = self._place, self._config
        options = self.transport.options()
        try:
            return open_stream(
                place.location,
                self._where,
                options=options,
                format=_format(place),
                timeout=None if self._local else config.timeout,
                low_delay=not self._local and config.live is not False,
                paced=bool(config.live),
                deinterlace=config.deinterlace,
                stream=config.options.get("stream", ""),
                shown=place.shown,
                gpu=self._gpu,
            )
        except av.error.ArgumentError:
            if place.kind != "file":
                raise
            return open_list(place, config, self._where, options, self._gpu)
        except OSError as error:
            # FFmpeg calls a name that is not known, and a certificate that is not trusted, an input/output error.
            diagnosis = (
                diagnose(place.location, config.tls) if place.kind in ("http", "stream") and _vague(error) else None
            )
            if diagnosis is None:
                raise
            raise diagnosis from None


def _vague(error: OSError) -> bool:
    return not isinstance(error, (TimeoutError, ConnectionRefusedError))


def _format(place: Place) -> str | None:
    """What FFmpeg would not find out by itself. By the suffix of an image it would look for files, and not read a pipe."""
    if place.kind == "camera":
        return "v4l2"
    suffix = PurePath(place.path).suffix.lower() if place.kind == "pipe" else ""
    return _PIPED.get(suffix, f"{suffix[1:]}_pipe") if suffix in IMAGES else None


_PIPED = {".jpg": "mjpeg", ".jpeg": "mjpeg", ".tif": "tiff_pipe"}


def options_of(place: Place, config: SourceConfig, where: str = "") -> dict[str, str]:
    """FFmpeg options: ours by kind of input, the user's over them, and what it may open. Raises SourceError."""
    options: dict[str, str] = {}
    if place.location.lower().startswith("rtsp"):
        options["rtsp_transport"] = (
            "tcp"  # UDP loses packets, and each lost one smears pictures up to the next key frame
        )
    options.update(tls_options(place.location, config.tls, where))
    if options.get("tls_verify") == "0":
        log.warning(
            "%s: the certificate of %s is not checked (tls.verify: false): anybody may answer", where, place.shown
        )
    if place.kind not in ("file", "pipe") and config.live is not False:
        # FFmpeg would watch a stream for seconds to measure its frame rate, which nothing here needs.
        options["fpsprobesize"] = "0"
    if place.kind == "camera" and config.fps:
        options["framerate"] = f"{config.fps:g}"
    options.update({name: value for name, value in config.options.items() if name not in OWN})
    for name in ("protocol_whitelist", "format_whitelist"):
        if name in config.options:
            raise SourceError(
                f"options: '{name}' cannot be set", where=where, fix="say with `protocols` what the source may open"
            )
    names = whitelist(place, config.protocols, where)
    if names:
        options["protocol_whitelist"] = names
    if place.kind in ("file", "pipe"):
        options["format_whitelist"] = demuxers()
        options["pattern_type"] = "none"  # '%d' in a name is no number
    return options


def _is_file(place: Place, config: SourceConfig, connect: Connect, stop: Stop | None) -> bool:
    """A web address is a file if it has a length. A server that does not answer is taken for a camera that will."""
    if config.live is not None:
        return not config.live
    ended = (lambda: stop.is_set()) if stop is not None else (lambda: False)
    items = in_thread(connect, config.name, ended, config.timeout)
    try:
        opened = next(items, None)
        return isinstance(opened, Opened) and opened.duration is not None
    except (av.error.HTTPClientError, av.error.InvalidDataError, *REFUSED, SourceError):
        return True  # the answer is there, and no picture in it: the iteration says so, instead of asking for ever
    except (av.error.FFmpegError, OSError):
        return False
    finally:
        items.close()  # type: ignore[attr-defined]
