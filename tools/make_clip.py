#!/usr/bin/env python3
"""Make the demo clip: an H.264 excerpt of ``vtest.avi``.

    python tools/make_clip.py --start 20 --seconds 30

Reads the video with ``fetch_vtest.py`` unless ``--video`` is given, keeps size and frame rate, and writes an MP4 with
a fixed creation time and no other metadata, so that event times of the demo do not depend on when or where the package
was installed. One thread and fixed options: the same libx264 gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import ThreadType

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fetch_vtest import Unavailable, fetch

CLIP = Path(__file__).resolve().parent.parent / "src" / "countline" / "demo" / "street.mp4"
CREATED = "2024-05-01T10:00:00.000000Z"
"""A fixed capture time; the real one is not known."""
LIMIT = 3_000_000
"""Bytes that the package can spare for the clip."""
ENCODER = {"preset": "veryslow", "crf": "23", "x264-params": "threads=1:keyint=50:sliced-threads=0"}


def make(video: Path, clip: Path, start: float, seconds: float) -> tuple[int, int]:
    """Encode ``seconds`` s of ``video`` from ``start`` s on; returns first frame and number of frames."""
    with av.open(str(video)) as source:
        stream = source.streams.video[0]
        rate = Fraction(stream.average_rate)
        first, count = round(start * rate), round(seconds * rate)
        options = {"movflags": "+faststart"}
        with av.open(str(clip), "w", format="mp4", options=options) as target:
            target.metadata["creation_time"] = CREATED
            target.flags |= av.container.Flags.bitexact.value
            encoder = target.add_stream("libx264", rate=rate, options=ENCODER)
            encoder.width, encoder.height, encoder.pix_fmt = stream.width, stream.height, "yuv420p"
            encoder.codec_context.thread_type = ThreadType.NONE
            encoder.codec_context.thread_count = 1
            encoder.time_base = 1 / rate
            written = 0
            for number, frame in enumerate(source.decode(stream)):
                if number < first:
                    continue
                if written == count:
                    break
                frame.pts, frame.time_base, frame.pict_type = written, 1 / rate, 0
                target.mux(encoder.encode(frame))
                written += 1
            target.mux(encoder.encode())
    return first, written


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the demo clip from vtest.avi.")
    parser.add_argument(
        "--start", type=float, default=20.0, help="second of the video at which the clip begins (default 20)"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="length (default 30)")
    parser.add_argument("--video", type=Path, help="vtest.avi, if you have it")
    parser.add_argument("--out", type=Path, default=CLIP, help="where to write (default: into the package)")
    arguments = parser.parse_args()
    try:
        video = arguments.video or fetch()
    except Unavailable as error:
        print(f"make_clip: {error}", file=sys.stderr)
        return 1
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    first, count = make(video, arguments.out, arguments.start, arguments.seconds)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: frames {first} to {first + count - 1} of {video.name}, {count} frames, {size} bytes")
    if size > LIMIT:
        print(f"make_clip: larger than {LIMIT} bytes; raise crf", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
