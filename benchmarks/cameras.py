"""RTSP cameras in a process of their own, so that what they cost is told apart; the server is that of the tests.

    python benchmarks/cameras.py --clip CLIP.h264 --rate 5 --cameras 16

It says its port in a line of JSON, and then answers each line of JSON on its standard input: ``{"do": "cost"}``;
``{"do": "set", "camera": "c3", "values": {"frozen": true}}``; ``{"do": "kick", "camera": "c3"}``. It ends with its input.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil

__all__ = ["Cameras", "camera_clip"]

ROOT = Path(__file__).resolve().parents[1]


def camera_clip(video: Path, target: Path, rate: int, size: tuple[int, int] | None = None, key: int = 2) -> Path:
    """``video`` as a camera would send it at ``rate`` frames a second: H.264 without B frames, a key frame every ``key`` s."""
    options = {"g": str(rate * key), "bf": "0", "crf": "27", "x264-params": "threads=1:repeat-headers=1"}
    with av.open(str(video)) as read, av.open(str(target), "w", format="h264") as write:
        stream = read.streams.video[0]
        out = write.add_stream("libx264", rate=rate, options=options)
        out.width, out.height = size or (stream.codec_context.width, stream.codec_context.height)
        out.pix_fmt, out.time_base = "yuv420p", Fraction(1, rate)
        number = 0
        for frame in read.decode(stream):
            if frame.time is None or frame.time < number / rate - 0.001:
                continue
            small = frame.reformat(out.width, out.height, "yuv420p")
            small.pts, small.time_base, small.pict_type = number, Fraction(1, rate), 0
            number += 1
            write.mux(out.encode(small))
        write.mux(out.encode())
    return target


class Cameras:
    """The server in a process of its own. A context manager; ``uri(n)`` is the address of camera n."""

    def __init__(self, clip: Path, rate: float, number: int) -> None:
        command = [sys.executable, __file__, "--clip", clip, "--rate", rate, "--cameras", number]
        self._process = subprocess.Popen(
            [str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._asking = threading.Lock()
        self.port = int(self._answer()["port"])

    def uri(self, number: int) -> str:
        """Where camera ``number`` is."""
        return f"rtsp://127.0.0.1:{self.port}/c{number}"

    def ask(self, **question: Any) -> dict[str, Any]:
        """Have the server do something; its answer."""
        with self._asking:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the cameras' process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Cameras:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _serve(clip: Path, rate: float, number: int) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "video"))
    from rtp_packets import Clip
    from rtspcam import Camera, Running

    shared = Clip(str(clip), rate)
    cameras = {f"c{n}": Camera(shared) for n in range(number)}
    running = Running(cameras)
    print(json.dumps({"port": running.port}), flush=True)
    me = psutil.Process(os.getpid())
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "set":
            for name, value in asked["values"].items():
                setattr(cameras[asked["camera"]], name, value)
        elif asked["do"] == "kick":
            running.kick(asked.get("camera"))
        times = me.cpu_times()
        print(json.dumps({"cpu": times.user + times.system, "at": time.time()}), flush=True)
    os._exit(0)  # nobody asks for an orderly end of its connections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--cameras", type=int, required=True)
    given = parser.parse_args()
    _serve(given.clip, given.rate, given.cameras)


if __name__ == "__main__":
    main()
