"""Sources as users have them, through the whole of countline: counted right, and all of them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import countline
import starting
from countline import detect
from countline.types import Detections


def block(number: int) -> np.ndarray:
    """A white block that goes down a dark picture, in the left half."""
    image = np.full((240, 320, 3), 20, np.uint8)
    image[20 + 8 * number : 60 + 8 * number, 60:100] = 230
    return image


STORED = {
    1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p), 7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
    8: lambda p: np.rot90(p, 3),
}  # fmt: skip
MATRICES = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip


def video(path: Path, orientation: int = 1, format: str | None = None) -> Path:
    """Twenty frames; the picture is stored as ``orientation`` says, and the container says so too."""
    with av.open(f"file:{path}", "w", format=format) as out:
        stream: Any = out.add_stream("libx264", rate=10, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *STORED[orientation](block(0)).shape[:2], "yuv420p"
        for number in range(20):
            image = np.ascontiguousarray(STORED[orientation](block(number)))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        out.mux(stream.encode())
    if orientation != 1:
        data = bytearray(path.read_bytes())
        a, b, c, d = (n << 16 for n in MATRICES[orientation])
        struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(data)
    return path


class Finder:
    """Finds the block where it is bright."""

    def __call__(self, images: list[np.ndarray]) -> list[Any]:
        return [self._found(image) for image in images]

    def _found(self, image: np.ndarray) -> Any:
        rows, columns = np.nonzero(image[..., 0] > 128)
        box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
        return Detections(
            np.array(box, np.float32).reshape(-1, 4), np.full(len(box), 0.9, np.float32), np.zeros(len(box), np.int32)
        )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_line_counts_in_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    """Down over the line is 'out', whichever way the picture is stored; the box stands in the left half."""
    config = {
        "sources": [{"name": "s", "uri": str(video(tmp_path / "a.mp4", orientation))}],
        "rules": {"lines": [{"name": "l", "points": [[0.0, 0.5], [1.0, 0.5]]}]},
        "messages": [{"name": "m", "value": {"way": "{direction}", "box": "{box}", "size": ["{width}", "{height}"]}}],
        "outputs": [{"file": {"path": str(tmp_path / "out.jsonl")}}],
        "outbox": "memory",
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    summary = countline.run(str(tmp_path / "c.yaml"), detector=detect.wrap(Finder(), labels=["block"]))
    assert summary.sources["s"].lines["l"] == {"in": 0, "out": 1, "total": 1}
    (told,) = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert told["way"] == "out"
    assert told["size"] == [320, 240]
    box = told["box"]
    assert 50 < box["left"] < box["right"] < 110


def run(*arguments: object, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return starting.run(
        [sys.executable, "-m", "countline", "run", *map(str, arguments)], capture_output=True, timeout=120, **how
    )


LINE = ("--line", "l=0,0.5,1,0.5", "--stdout", "--outbox", "memory")


def test_what_comes_through_a_pipe_is_processed_whole(tmp_path: Path) -> None:
    whole = video(tmp_path / "a.mkv").read_bytes()
    done = run("-i", "-", *LINE, input=whole)
    assert done.returncode == 0, done.stderr
    assert b"20 frames" in done.stderr + done.stdout


def test_names_that_are_no_utf_8_work_everywhere(tmp_path: Path) -> None:
    """Source, annotated video, recording and outbox; in JSON and messages the bytes are written out."""
    pytest.importorskip("cv2")
    pytest.importorskip("pyarrow")
    name = os.fsdecode(b"stra\xdfe")
    video(tmp_path / f"{name}.mp4")
    done = run(
        "-i", f"{name}.mp4", *LINE[:3], "--outbox", f"{name}.outbox", "--annotate", f"{name} out.mp4",
        "--record", f"{name}.parquet", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert list(lines[-1]["sources"]) == ["stra\\xdfe"]
    assert lines[-1]["sources"]["stra\\xdfe"]["frames"] == 20
    made = set(os.listdir(os.fsencode(tmp_path)))
    assert {b"stra\xdfe.outbox", b"stra\xdfe out.mp4", b"stra\xdfe.parquet"} <= made
    again = starting.run(
        [sys.executable, "-c", "import sys; from countline.record import read_tracks; print(len(list(read_tracks(sys.argv[1]))))",
         f"{name}.parquet"], cwd=tmp_path, capture_output=True, timeout=60,
    )  # fmt: skip
    assert again.stdout.strip() == b"20", again.stderr


def test_why_frames_are_missing_stands_in_the_summary(tmp_path: Path) -> None:
    path = video(tmp_path / "a.ts", format="mpegts")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        second = [packet.pos for packet in container.demux(video=0) if packet.size][3]
    path.write_bytes(data[: 3 * 188] + data[second:])
    done = run("-i", path, *LINE)
    told = (done.stderr + done.stdout).decode()
    assert "no-picture" in told
    done = run("-i", path, *LINE, "--json")
    summary = json.loads(done.stdout.decode().splitlines()[-1])
    source = summary["sources"]["a"]
    assert source["corrupt"] == sum(source["corrupt_by"].values()) > 0
