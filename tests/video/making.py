"""Inputs that tell in their pixels which frame is which, and how a picture lies."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from countline.types import Frame
from countline.video import open_source

from .conftest import config, jpeg

BITS = 8


def numbered(number: int, width: int, height: int) -> np.ndarray:
    """A picture with its number in eight bars."""
    image = np.empty((height, width, 3), np.uint8)
    for bit in range(BITS):
        image[:, width * bit // BITS : width * (bit + 1) // BITS] = 220 if number >> bit & 1 else 30
    return image


def number_in(image: np.ndarray) -> int:
    """The number that the bars tell."""
    height, width = image.shape[:2]
    grey = image[height // 4 : height * 3 // 4].mean(axis=(0, 2))
    bars = (grey[int(width * (bit + 0.3) / BITS) : int(width * (bit + 0.7) / BITS) + 1].mean() for bit in range(BITS))
    return sum(int(bar > 125) << bit for bit, bar in enumerate(bars))


@contextmanager
def ordinary_urgency() -> Iterator[None]:
    """SVT-AV1 puts who calls it as root into real time, before everybody else on the machine, and leaves it there: all later tests of
    this process, and all programs that they start."""
    policy, urgency = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, urgency)


def film(
    path: Path,
    numbers: Iterable[int] = range(20),
    *,
    codec: str = "libx264",
    format: str | None = None,
    size: tuple[int, int] = (64, 48),
    rate: Fraction | int = 10,
    pix: str = "yuv420p",
    first: int = 0,
    stamps: list[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    noise: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A video whose frames carry ``numbers``; stamps are in units of one frame and begin with ``first``. ``noise``: with
    much to code in each picture."""
    if options is None:
        options = {"libx264": {"g": "5", "bf": "0"}, "libx265": {"x265-params": "log-level=none"}}.get(codec, {})
    grain = np.random.default_rng(1)
    with (
        ordinary_urgency(),
        av.open(f"file:{path}", "w", format=format or _format(path), options=container or {}) as out,
    ):
        out.metadata.update(metadata or {})
        stream: Any = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix
        step = 1 / Fraction(rate)
        stream.time_base = stream.codec_context.time_base = step
        stream.codec_context.thread_count = 1
        for place, number in enumerate(numbers):
            image = numbered(number, *size)
            if noise:
                speckle = grain.integers(0, 25, (-(-size[1] // 8), -(-size[0] // 8), 3), np.uint8)
                image = image + speckle.repeat(8, 0).repeat(8, 1)[: size[1], : size[0]]
            frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pix)
            frame.pts, frame.time_base = (stamps[place] if stamps else first + place), step
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def _format(path: Path) -> str | None:
    return {".ts": "mpegts", ".mkv": "matroska", ".h264": "h264"}.get(path.suffix)


def numbers_of(frames: Iterable[Frame]) -> list[int]:
    """Which frames these are."""
    return [number_in(frame.image) for frame in frames]


def read(uri: object, **options: Any) -> list[int]:
    """Which frames a source gives."""
    return numbers_of(open_source(config(uri, **options), 0))


def packets(path: Path) -> list[tuple[int, int, bool]]:
    """(position in bytes, PTS, key frame) of each packet of a video."""
    with av.open(str(path)) as container:
        return [(p.pos, p.pts, p.is_keyframe) for p in container.demux(video=0) if p.size]


def exif(orientation: int, order: str = "<") -> bytes:
    """A TIFF directory with nothing but an orientation."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x112, 3, 1, orientation, 0)
    return head + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def image_bytes(image: np.ndarray, codec: str, format: str, pix: str) -> bytes:
    """One image in a format."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as out:
        stream: Any = out.add_stream(codec, rate=1)
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], pix
        frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pix)
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return buffer.getvalue()


def oriented_image(image: np.ndarray, orientation: int, kind: str) -> bytes:
    """``image`` as stored, with an EXIF orientation. ``kind``: jpeg, jpeg-big-endian, png, webp or tiff."""
    if kind.startswith("jpeg"):
        data = image_bytes(image, "mjpeg", "mjpeg", "yuvj444p")
        block = b"Exif\0\0" + exif(orientation, ">" if kind == "jpeg-big-endian" else "<")
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    if kind == "png":
        data, block = image_bytes(image, "png", "image2pipe", "rgb24"), exif(orientation, ">")
        chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
        return data[:33] + chunk + data[33:]
    if kind == "webp":
        block = exif(orientation)
        height, width = image.shape[:2]
        facts = bytes([8, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body = b"VP8X" + struct.pack("<I", 10) + facts + image_bytes(image, "libwebp", "webp", "yuv420p")[12:]
        body += b"EXIF" + struct.pack("<I", len(block)) + block
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    data = image_bytes(image, "tiff", "image2pipe", "rgb24")
    place = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[place : place + 2], "little")
    entries = [data[place + 2 + 12 * n : place + 14 + 12 * n] for n in range(count)]
    entries = sorted([*entries, struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0)], key=lambda e: e[0] + 256 * e[1])
    data += bytes(len(data) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def half_jpeg(share: float) -> bytes:
    """A JPEG of which only the first part was written."""
    data = jpeg(0, (320, 240))
    return data[: int(len(data) * share)]
