"""Every frame comes once; whatever does not come is counted, with its reason."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from countline.video import open_source

from .conftest import Site, config, jpeg
from .making import film, numbers_of, packets, read

LOSSY = {"g": "50", "bf": "0", "sc_threshold": "0", "qp": "10"}


def lose(path: Path, hit: int, count: int = 2) -> Path:
    """Take ``count`` transport packets out of the middle of picture number ``hit``."""
    data = path.read_bytes()
    places = [place for place, _, _ in packets(path)]
    inside = [
        n for n in range(places[hit] + 188, places[hit + 1], 188) if data[n + 1] & 0x1F == 1
    ]  # PID 0x100 .. 0x1ff
    assert len(inside) > count + 2, "the picture spans many packets"
    first = inside[len(inside) // 2]
    lossy = path.with_name("lossy.ts")
    lossy.write_bytes(data[:first] + data[first + 188 * count :])
    return lossy


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "libx265"])
@pytest.mark.parametrize("hit", [11, 17])
def test_a_picture_that_lost_a_part_is_left_out_and_no_other(tmp_path: Path, codec: str, hit: int) -> None:
    """FFmpeg marks the picture before it."""
    options = {
        "libx264": LOSSY,
        "mpeg2video": {"g": "50", "bf": "0", "qmin": "2", "qmax": "3"},
        "libx265": {"x265-params": "log-level=none:keyint=50:bframes=0:qp=10"},
    }[codec]
    path = film(tmp_path / "a.ts", range(25), codec=codec, size=(320, 240), noise=True, options=options, rate=25)
    source = open_source(config(lose(path, hit)), 0)
    step = 1_000_000_000 // 25
    given = [round(frame.info.pts / step) for frame in source]
    assert given == [n for n in range(25) if n != hit]
    assert source.stats.corrupt == sum(source.stats.lost.values()) == 1
    assert set(source.stats.lost) <= {"damaged-packet", "damaged-picture"}


def test_pictures_out_of_order_do_not_shift_the_mark(tmp_path: Path) -> None:
    path = film(tmp_path / "a.ts", range(25), size=(320, 240), noise=True, options={**LOSSY, "bf": "2"})
    stamps = [pts for _, pts, _ in packets(path)]
    hit = next(
        n for n in range(10, 20) if stamps[n] < stamps[n - 1]
    )  # a picture that is shown before the one before it
    source = open_source(config(lose(path, hit, 1)), 0)
    given = {frame.info.pts for frame in source}
    begin = min(stamps)
    missing = [n for n, pts in enumerate(stamps) if (pts - begin) * 100_000 // 9 not in given]
    assert missing == [hit]
    assert source.stats.corrupt == 1


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("goes_on", [False, True])
def test_transport_streams_joined_end_to_end_lose_nothing(tmp_path: Path, parts: int, goes_on: bool) -> None:
    """Nothing is missing at a seam, though counters begin anew there; and stamps that come again are other frames."""
    joined = tmp_path / "joined.ts"
    pieces = []
    for part in range(parts):
        numbers = range(20 * part, 20 * part + 20)
        first = 20 * part if goes_on else 0
        pieces.append(film(tmp_path / f"{part}.ts", numbers, options={"bf": "2", "g": "8"}, first=first).read_bytes())
    joined.write_bytes(b"".join(pieces))
    source = open_source(config(joined), 0)
    frames = list(source)
    assert numbers_of(frames) == list(range(20 * parts))
    assert source.stats.corrupt == 0
    assert [frame.info.pts for frame in frames] == sorted({frame.info.pts for frame in frames})


def test_a_frame_with_the_stamp_of_a_damaged_one_is_kept(tmp_path: Path) -> None:
    """A damaged file, and the same one whole after it."""
    path = film(tmp_path / "a.ts", range(25), size=(320, 240), noise=True, options=LOSSY)
    damaged = lose(path, 12)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(damaged.read_bytes() + path.read_bytes())
    source = open_source(config(joined), 0)
    assert numbers_of(source) == [n for n in range(25) if n != 12] + list(range(25))
    assert source.stats.lost == {"damaged-packet": 1}


def test_frames_that_need_earlier_ones_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A recording cut out of the middle: up to its first key frame nothing can be shown."""
    path = film(tmp_path / "a.ts", range(40), options={"g": "10", "bf": "0", "sc_threshold": "0"})
    cut = tmp_path / "cut.ts"
    cut.write_bytes(path.read_bytes()[: 3 * 188] + path.read_bytes()[packets(path)[13][0] :])
    caplog.set_level(logging.WARNING, "countline.video")
    source = open_source(config(cut), 0)
    assert numbers_of(source) == list(range(20, 40))
    assert source.stats.lost == {"no-picture": 7}
    assert "left out" in caplog.text
    assert "7 no-picture" in caplog.text


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.flv", "a.mp4", "a.avi"])
def test_a_good_file_counts_no_loss(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    source = open_source(config(film(tmp_path / name, codec=codec, options={"bf": "2", "g": "6"})), 0)
    assert numbers_of(source) == list(range(20))
    assert source.stats.lost == {}
    assert not caplog.records


def test_interlaced_fields_in_packets_of_their_own_are_no_loss(tmp_path: Path) -> None:
    path = film(
        tmp_path / "a.ts", codec="mpeg2video", rate=25, size=(64, 64), options={"flags": "+ildct+ilme", "g": "6"}
    )
    source = open_source(config(path), 0)
    assert numbers_of(source) == list(range(20))
    assert source.stats.lost == {}


def test_a_motion_jpeg_that_breaks_off_gives_no_half_picture(tmp_path: Path) -> None:
    whole = jpeg(0, (320, 240))
    (tmp_path / "a.mjpeg").write_bytes(whole * 3 + whole[: len(whole) // 2])
    source = open_source(config(tmp_path / "a.mjpeg"), 0)
    assert len(list(source)) == 3
    assert source.stats.lost == {"incomplete": 1}


def test_jpegs_without_an_end_mark_are_whole_where_all_are_so(tmp_path: Path) -> None:
    """Some recorders never write it."""
    body = jpeg(0)
    assert body.endswith(b"\xff\xd9")
    (tmp_path / "a.mjpeg").write_bytes(body[:-2] * 4)
    source = open_source(config(tmp_path / "a.mjpeg"), 0)
    assert len(list(source)) == 4
    assert source.stats.lost == {}


def test_a_live_source_counts_over_its_connections(site: Site) -> None:
    whole = jpeg(0, (320, 240))

    def page(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        for body in (whole, whole[: len(whole) // 2], whole, whole, whole, whole):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            handler.wfile.write(head + body + b"\r\n")  # type: ignore[attr-defined]

    site.pages["/video"] = page
    source = open_source(config(site.url("/video"), live=True), 0)
    for _ in source:
        if source.stats.reconnects == 2:
            source.close()
    assert source.stats.lost["incomplete"] >= 2
    assert source.stats.corrupt == sum(source.stats.lost.values())


def test_every_place_to_break_off_gives_a_beginning_of_the_film(tmp_path: Path) -> None:
    """No frame twice, none out of order, none with another's number, and never a crash."""
    for name, options in (
        ("a.mkv", {"bf": "0", "g": "5"}),
        ("a.flv", {"bf": "0", "g": "5"}),
        ("a.ts", {"bf": "0", "g": "5"}),
    ):
        path = film(tmp_path / name, options=options, size=(160, 120), noise=True)
        whole = path.read_bytes()
        cut = tmp_path / f"cut-{name}"
        for size in range(len(whole) // 2, len(whole), max(1, len(whole) // 25)):
            cut.write_bytes(whole[:size])
            numbers = read(cut)
            assert numbers == list(range(len(numbers))), (name, size)
