"""Interlaced pictures hold two moments; what is given out holds one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from countline.config.models import SourceConfig
from countline.video import open_source, probe

from .conftest import Site, config

SIZE = 128


def scene(moment: float) -> np.ndarray:
    """A bright square that moves four pixels a frame."""
    image = np.full((SIZE, SIZE, 3), 40, np.uint8)
    left = 8 + round(moment * 8)
    image[32:96, left : left + 32] = 220
    return image


def interlaced(path: Path, frames: int = 12, *, flagged: bool = True, size_change: bool = False) -> Path:
    """Each picture's even rows are of its moment, its odd rows of half a frame later."""
    options = {"flags": "+ildct+ilme", "g": "6", "qmin": "1", "qmax": "2"} if flagged else {"qmin": "1", "qmax": "2"}
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mpeg2video", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv422p" if flagged else "yuv420p"
        graph = av.filter.Graph()
        source = graph.add_buffer(width=SIZE, height=SIZE, format=stream.pix_fmt, time_base=Fraction(1, 25))
        mark = graph.add("setfield", "tff" if flagged else "prog")
        sink = graph.add("buffersink")
        source.link_to(mark)
        mark.link_to(sink)
        graph.configure()
        for number in range(frames):
            image = scene(number)
            image[1::2] = scene(number + 0.5)[1::2]
            frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            graph.push(frame)
            out.mux(stream.encode(graph.pull()))
        out.mux(stream.encode())
    return path


def combs(image: np.ndarray) -> float:
    """How far neighbouring rows differ within the square's height (0: they agree)."""
    return float(np.abs(np.diff(image[36:92].astype(int).mean(axis=2), axis=0)).mean())


def test_moving_edges_have_no_combs(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.mpg")
    raw = [frame.image for frame in open_source(config(path, deinterlace="off"), 0)]
    made = list(open_source(config(path), 0))
    assert len(raw) == len(made) == 12, "each frame once"
    assert min(combs(image) for image in raw) > 4
    assert max(combs(frame.image) for frame in made) < 1.5
    truth = [np.abs(frame.image.astype(int) - scene(n)).mean() for n, frame in enumerate(made)]
    before = [np.abs(image.astype(int) - scene(n)).mean() for n, image in enumerate(raw)]
    assert np.mean(truth) < 0.6 * np.mean(before), "nearer to the moment of the first field"


def test_times_numbers_and_sizes_stay(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.mpg")
    off, auto = ([f.info for f in open_source(config(path, deinterlace=way), 0)] for way in ("off", "auto"))
    assert off == auto
    again = [f.image for f in open_source(config(path), 0)]
    assert all(np.array_equal(a, f.image) for a, f in zip(again, open_source(config(path), 0), strict=True)), (
        "the same each time"
    )


def test_progressive_pictures_are_not_touched(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.mpg", flagged=False)  # combs, but nothing says that they are fields
    off, auto, on = ([f.image for f in open_source(config(path, deinterlace=way), 0)] for way in ("off", "auto", "on"))
    assert all(np.array_equal(a, b) for a, b in zip(off, auto, strict=True))
    assert max(combs(image) for image in on) < 1.5, "unless one asks for all"
    assert len(on) == len(off)


def test_a_change_of_size_in_the_middle_loses_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = interlaced(tmp_path / "a.mpg").read_bytes()
    monkeypatch.setitem(globals(), "SIZE", 160)
    second = interlaced(tmp_path / "b.mpg").read_bytes()
    (tmp_path / "both.m2v").write_bytes(_elementary(tmp_path / "a.mpg") + _elementary(tmp_path / "b.mpg"))
    assert first != second
    source = open_source(config(tmp_path / "both.m2v"), 0)
    sizes = [f.info.width for f in source]
    # FFmpeg's decoder throws the last picture before a change of size away; that is counted.
    assert source.stats.lost == {"no-picture": 1}
    assert sizes == [128] * 11 + [160] * 12
    assert sizes == [f.info.width for f in open_source(config(tmp_path / "both.m2v", deinterlace="off"), 0)]


def _elementary(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return b"".join(bytes(p) for p in container.demux(video=0) if p.size)


def test_the_doctor_says_that_a_stream_is_interlaced(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.mpg")
    assert "interlaced" in probe(config(path)).detail
    assert "interlaced" not in probe(config(interlaced(tmp_path / "b.mpg", flagged=False))).detail


def test_streams_from_the_network_are_made_whole_too(tmp_path: Path, site: Site) -> None:
    site.give("/a", interlaced(tmp_path / "a.mpg").read_bytes(), "video/mpeg")
    frames = list(open_source(config(site.url("/a"), live=False), 0))
    assert len(frames) == 12
    assert max(combs(f.image) for f in frames) < 1.5


def test_the_choice_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="deinterlace"):
        SourceConfig(name="a", uri="a", deinterlace="yes")  # type: ignore[arg-type]
