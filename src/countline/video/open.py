"""From what the user wrote to a source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.protocols import Source
from countline.video.base import BaseSource, Stop
from countline.video.container import Opened, open_stream
from countline.video.files import FileSource
from countline.video.images import ImageSource
from countline.video.live import LiveSource
from countline.video.place import Place, place_of
from countline.video.pump import Connect, Item, direct, pumped

__all__ = ["connector", "open_source", "options_of"]


def open_source(config: SourceConfig, index: int, *, stop: Stop | None = None) -> Source:
    """The source that ``config`` describes; ``index`` is its place in the configuration, from 0.

    Iterate over it for frames. ``stop`` (a ``threading.Event``, say) ends it from outside, as ``close`` does. Raises
    SourceError for what can be seen without decoding: no such file, no right to read it, nothing in it, no images in a
    folder, unknown protocol. What only shows on decoding is raised by the iteration. A web address is asked once whether
    it is a file or a stream, unless ``config.live`` says it.
    """
    where = f"source '{config.name}'"
    place = place_of(config.uri, where)
    if place.kind == "images":
        return ImageSource(config, index, place, stop)
    connect = connector(place, config, where)
    if place.kind == "file":
        return FileSource(config, index, place, lambda _: direct(connect), stop)
    if place.kind == "http" and _is_file(place, config, connect, stop):
        return FileSource(config, index, place, partial(_read, connect), stop)
    return LiveSource(config, index, place, partial(_read, connect), stop)


def _read(connect: Connect, source: BaseSource) -> Iterator[Item]:
    return pumped(connect, source.config.name, source.ended, source.config.timeout)


def connector(place: Place, config: SourceConfig, where: str) -> Connect:
    """A function that opens the input anew at each call."""
    local = place.kind == "file"

    def connect() -> Opened:
        return open_stream(
            place.location,
            where,
            options=options_of(place, config),
            format="v4l2" if place.kind == "camera" else None,
            timeout=None if local else config.timeout,
            low_delay=not local and config.live is not False,
            shown=place.shown,
        )

    return connect


def options_of(place: Place, config: SourceConfig) -> dict[str, str]:
    """FFmpeg options: ours by kind of input, the user's over them."""
    options: dict[str, str] = {}
    if place.location.lower().startswith("rtsp"):
        options["rtsp_transport"] = (
            "tcp"  # UDP loses packets, and each lost one smears pictures up to the next key frame
        )
    if place.kind != "file" and config.live is not False:
        # FFmpeg would watch a stream for seconds to measure its frame rate, which nothing here needs.
        options["fpsprobesize"] = "0"
    if place.kind == "camera" and config.fps:
        options["framerate"] = f"{config.fps:g}"
    return {**options, **config.options}


def _is_file(place: Place, config: SourceConfig, connect: Connect, stop: Stop | None) -> bool:
    """A web address is a file if it has a length. A server that does not answer is taken for a camera that will."""
    if config.live is not None:
        return not config.live
    ended = (lambda: stop.is_set()) if stop is not None else (lambda: False)
    items = pumped(connect, config.name, ended, config.timeout)
    try:
        opened = next(items, None)
        return isinstance(opened, Opened) and opened.duration is not None
    except (av.error.HTTPClientError, av.error.InvalidDataError, SourceError):
        return True  # the answer is there, and no picture in it: the iteration says so, instead of asking for ever
    except (av.error.FFmpegError, OSError):
        return False
    finally:
        items.close()  # type: ignore[attr-defined]
