"""Real videos, made on the spot, and real servers on loopback."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from countline.config.models import SourceConfig


def picture(number: int, width: int, height: int) -> np.ndarray:
    """A BGR picture that differs from frame to frame: a bright block on a gradient."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 200, width, dtype=np.uint8)
    image[..., 1] = np.linspace(0, 200, height, dtype=np.uint8)[:, None]
    left = number * 3 % max(1, width - 12)
    image[4:16, left : left + 12] = (40, 200, 250)
    return image


def encode(
    path: Path | io.BytesIO,
    frames: int = 20,
    size: tuple[int, int] = (64, 48),
    rate: int = 10,
    codec: str = "libx264",
    format: str | None = None,
    stamps: list[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    prepare: Callable[[Any], None] | None = None,
    pix_fmt: str = "yuv420p",
) -> Path:
    """Write a small video; ``stamps`` are time stamps in units of 1/rate s."""
    if options is None:
        options = {"g": "5", "bf": "0", "x264-params": "threads=1"} if codec == "libx264" else {}
    with av.open(path if isinstance(path, io.BytesIO) else str(path), "w", format=format, options=container) as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.time_base = Fraction(1, rate)
        stream.codec_context.thread_count = 1
        if prepare:
            prepare(stream)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), "bgr24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = (stamps or range(frames))[number], Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def jpeg(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """One JPEG image."""
    buffer = io.BytesIO()
    encode(buffer, 1, size, codec="mjpeg", format="mjpeg", pix_fmt="yuvj420p")
    return buffer.getvalue()


def config(uri: object, **options: Any) -> SourceConfig:
    """A source named 'cam'."""
    return SourceConfig(name="cam", uri=str(uri), **options)


class Site:
    """A web server on loopback whose answers the test writes: path -> function(handler)."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[Any], None]] = {}
        self.asked: list[str] = []
        self.closing = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                page = site.pages.get(self.path)
                if page is None:
                    self.send_error(404)
                    return
                try:
                    page(self)
                except OSError:  # the client went away
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def give(self, path: str, body: bytes, kind: str) -> None:
        """A whole document."""

        def page(handler: Any) -> None:
            handler.send_response(200)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        self.pages[path] = page

    def camera(self, path: str, images: int | None, pause: float = 0.02, then: str = "close") -> None:
        """A network camera that sends JPEGs as multipart; after ``images`` it closes, or is silent."""

        def page(handler: Any) -> None:
            handler.send_response(200)
            handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            handler.end_headers()
            body, sent = jpeg(0), 0
            while not self.closing.wait(pause):
                if images is not None and sent >= images:
                    if then == "close":
                        return
                    continue
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                handler.wfile.write(head + body + b"\r\n")
                handler.wfile.flush()
                sent += 1

        self.pages[path] = page


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server, closed afterwards."""
    server = Site()
    yield server
    server.close()


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 frames, 64x48, 10 a second."""
    return encode(tmp_path_factory.mktemp("video") / "plain.mp4")


SENDER = """
import sys, time
from fractions import Fraction
import av, numpy as np
url, count = sys.argv[1], int(sys.argv[2])
for attempt in range(200):
    out = av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp"})
    stream = out.add_stream("libx264", rate=20, options={"tune": "zerolatency", "g": "5"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    try:
        out.start_encoding()
        break
    except Exception:
        time.sleep(0.05)
else:
    sys.exit("nobody listens")
try:
    for number in range(count):
        image = np.full((48, 64, 3), number * 7 % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 20)
        out.mux(stream.encode(frame))
        time.sleep(0.05)
    out.close()
except Exception:
    pass  # the receiver has what it wanted and went away
"""


@pytest.fixture
def rtsp_sender() -> Iterator[Callable[[str, int], subprocess.Popen[bytes]]]:
    """Starts a process that publishes ``count`` frames to an RTSP address (FFmpeg on both sides)."""
    started: list[subprocess.Popen[bytes]] = []

    def start(url: str, count: int) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", SENDER, url, str(count)], stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
