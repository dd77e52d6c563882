"""What ``countline check`` asks of a source: does it open, does it give a picture, what is it?"""

from __future__ import annotations

import time
from collections.abc import Iterator

import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.protocols import Check
from countline.registry.kinds import SOURCES
from countline.types import TimeQuality
from countline.video.base import DEFAULT_FPS
from countline.video.brought import probe_brought
from countline.video.container import Opened
from countline.video.decode import Decoded
from countline.video.files import quality_of, rate_of
from countline.video.images import ImageSource
from countline.video.known_options import unknown_options
from countline.video.open import Connector, refuse_loop, refuse_watch
from countline.video.picture import AvPicture
from countline.video.place import Place, place_of, scheme_of, visible
from countline.video.reader_thread import Item, direct, in_thread
from countline.video.segments import Segments
from countline.video.streams import describe, usable
from countline.video.trouble import explain

__all__ = ["probe"]


def probe(config: SourceConfig) -> Check:
    """Open the source once, decode one frame, and tell what it is. Raises nothing that a source can do wrong.

    ``detail`` names codec, size, frame rate, length and how well capture times are known.
    """
    where, rate = f"source '{config.name}'", None
    if (scheme := scheme_of(config.uri)) in SOURCES.brought():
        return probe_brought(scheme, config)
    try:
        place = place_of(config.uri, where, bool(config.watch))
        if place.kind not in ("segments", "file"):
            refuse_watch(place, config, where)
        if place.kind == "pipe":
            refuse_loop(place, config, where)
            Connector(place, config, where)
            detail = f"{place.shown} can be read only once, so it is not looked into"
        else:
            if place.kind == "images":
                detail = _images(config, place, where)
            elif place.kind == "segments":
                detail = _segments(config, place, where)
            else:
                detail, rate = _video(config, place, where)
    except SourceError as error:
        return Check(where, False, error.what, error.fix)
    return Check(where, True, "; ".join([detail, *unknown_options(config.options)]), rate=rate)


def _images(config: SourceConfig, place: Place, where: str) -> str:
    source = ImageSource(config, 0, place, None)
    for frame in source:
        info = frame.info
        rate = config.fps or DEFAULT_FPS
        size = f"{info.width}x{info.height}"
        left = f", {source.stats.corrupt} unreadable before the first" if source.stats.corrupt else ""
        return f"{len(place.files)} images, {size}, {rate:g} frames/s, time: {info.time_quality.value}{left}"
    raise AssertionError("an image source gives a frame or raises")


def _segments(config: SourceConfig, place: Place, where: str) -> str:
    """The first recording in which there are pictures, and how many there are."""
    segments = Segments(place, config, where)
    found = segments.look()
    left = f"; {len(segments.unnamed)} left out whose names do not tell their time" if segments.unnamed else ""
    if not found:
        if not config.watch or left:
            raise SourceError(
                f"{place.shown}: no recordings whose names tell their time"
                if left
                else f"{place.shown}: no recordings",
                where=where,
                fix="make `start` fit the names" if left else "check the folder",
            )
        return "no recordings yet; waits for them"
    first = found[0]
    only = Place("file", f"file:{first.path}", visible(first.path), path=str(first.path))
    watched = ", watched" if config.watch else ""
    return f"{len(found)} recordings{watched}, first {visible(first.name)}: {_video(config, only, where)[0]}{left}"


def _video(config: SourceConfig, place: Place, where: str) -> tuple[str, float | None]:
    """What it is, and of a live one the frames a second that are looked at."""
    connect = Connector(place, config, where)
    until = time.monotonic() + 3 * config.timeout + 1
    items: Iterator[Item]
    if place.kind == "file":
        items = direct(connect)
    else:
        items = in_thread(connect, config.name, lambda: time.monotonic() > until, config.timeout)
    try:
        opened = next(items, None)
        decoded = next(items, None) if isinstance(opened, Opened) else None
        if not isinstance(opened, Opened) or not isinstance(decoded, Decoded):
            raise SourceError(
                f"{place.shown}: not one frame could be decoded", where=where, fix="check the input with `ffprobe`"
            )
        live = config.live if config.live is not None else place.kind != "file" and opened.duration is None
        comes = float(rate_of(opened, config))
        return _describe(config, place, where, opened, decoded), min(comes, config.fps or comes) if live else None
    except (av.error.FFmpegError, OSError) as error:
        raise explain(error, place.shown, where, place.kind) from None
    finally:
        items.close()  # type: ignore[attr-defined]


def _describe(config: SourceConfig, place: Place, where: str, opened: Opened, decoded: Decoded) -> str:
    picture = AvPicture(decoded.frame, decoded.orientation)
    turned = decoded.orientation.words()
    finite = place.kind == "file" or opened.duration is not None
    if finite:
        quality = quality_of(place, opened, config, where)
    else:
        quality = TimeQuality.NTP if decoded.sent is not None else TimeQuality.ARRIVAL
    parts = [opened.codec, f"{picture.width}x{picture.height}" + (f" ({turned})" if turned else "")]
    guess = "" if opened.rate or config.fps else " (assumed)"
    parts.append(f"{rate_of(opened, config):.4g} frames/s{guess}")
    if opened.duration is not None:
        parts.append(f"{opened.duration / 1e9:.1f} s")
    elif finite:
        parts.append("length unknown")
    else:
        parts.append("live")
    if decoded.interlaced:
        parts.append("interlaced")
    videos = usable(opened.container.streams)
    if len(videos) > 1:
        parts.append(f"stream {opened.stream.index} of {describe(videos)}")
    return ", ".join([*parts, f"time: {quality.value}"])
