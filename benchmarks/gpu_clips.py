"""Clips for benchmarks/gpu.py: the demo's street at 1920x1080 and 30 frames/s, 4 Mbit/s, with and without B-frames, in H.264 and
HEVC (libx264 and libx265 of PyAV's wheel). A short piece is encoded, and its packets are then repeated."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import av

from countline.demo import clip_path

SIZE, RATE, PIECE = (1920, 1080), 30, 600
ENCODERS = {"h264": "libx264", "hevc": "libx265"}


def encode(path: Path, codec: str, *, b_frames: int, frames: int = PIECE) -> None:
    """The street, again and again."""
    with av.open(str(path), "w") as target, av.open(str(clip_path())) as source:
        stream = target.add_stream(ENCODERS[codec], rate=RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        stream.options = {"preset": "veryfast", "g": "30", "bf": str(b_frames)}
        if codec == "hevc":
            stream.options |= {"preset": "ultrafast", "x265-params": f"log-level=none:bframes={b_frames}:keyint=30"}
        made = 0
        while made < frames:
            source.seek(0)
            for frame in source.decode(video=0):
                if made == frames:
                    break
                picture = frame.reformat(*SIZE, format="yuv420p")
                picture.pts, picture.time_base = made, Fraction(1, RATE)
                target.mux(stream.encode(picture))
                made += 1
        target.mux(stream.encode(None))


def repeat(piece: Path, path: Path, times: int) -> None:
    """The same packets, ``times`` times, with time stamps that go on."""
    with av.open(str(path), "w") as target:
        made = None
        for round_ in range(times):
            with av.open(str(piece)) as source:
                stream = source.streams.video[0]
                if made is None:
                    made = target.add_stream_from_template(stream)
                length = round(PIECE / RATE / stream.time_base)
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts += round_ * length
                    packet.dts += round_ * length
                    packet.stream = made
                    target.mux(packet)


def clip(folder: Path, codec: str, *, b_frames: int = 2, frames: int = 12_000) -> Path:
    """Path of a clip, which is made unless it is there."""
    name = f"{codec}-b{b_frames}"
    piece, path = folder / f"{name}-piece.mp4", folder / f"{name}-{frames}.mp4"
    folder.mkdir(parents=True, exist_ok=True)
    if not piece.exists():
        encode(piece, codec, b_frames=b_frames)
    if not path.exists():
        repeat(piece, path, -(-frames // PIECE))
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    for codec in ENCODERS:
        for b_frames in (0, 2):
            print(clip(args.folder, codec, b_frames=b_frames))
