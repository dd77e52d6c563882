"""Many cameras in one process: what each costs, and that all of them are served."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from rtp_packets import Clip
from rtspcam import Camera, Running

from countline.types import Frame
from countline.video import container as container_module
from countline.video import open_source
from countline.video.container import Opened, open_stream
from countline.video.shed import SECOND, DecoderShed

from .conftest import config, encode


def wait(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"never happened: {what}")
        time.sleep(0.05)


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux tells them")
def test_128_slow_cameras_in_one_process_cost_two_threads_each(tmp_path: Path) -> None:
    number = 128
    clip = Clip(str(encode(tmp_path / "cam.h264", 20, format="h264", options=_CAMERA)), 2)
    server = Running({f"c{n}": Camera(clip) for n in range(number)})
    before = threads()
    sources = [open_source(config(f"rtsp://127.0.0.1:{server.port}/c{n}", timeout=30), n) for n in range(number)]
    given: list[list[Frame]] = [[] for _ in sources]
    readers = [threading.Thread(target=f.extend, args=(s,), daemon=True) for f, s in zip(given, sources)]
    for reader in readers:
        reader.start()
    try:
        wait(lambda: all(len(frames) >= 4 for frames in given), "four frames of each")
        assert threads() - before <= 2 * number
        assert {s.stats.state for s in sources} == {"live"}
        assert not sum(s.stats.reconnects + s.stats.corrupt for s in sources)
    finally:
        for source in sources:
            source.close()
        for reader in readers:
            reader.join(20)
        server.close()
    assert not any(reader.is_alive() for reader in readers)


_CAMERA = {"g": "2", "bf": "0", "x264-params": "threads=1:repeat-headers=1"}


def test_many_files_at_once_share_the_threads_that_one_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_module, "_processors", lambda: 8)
    video = str(encode(tmp_path / "a.mp4", 5))

    def opened() -> Opened:
        container = av.open(video)
        return Opened(container, container.streams.video[0])

    before = len(container_module._files)
    many = [opened() for _ in range(40)]
    given = [o.stream.codec_context.thread_count for o in many]
    assert before or given[0] == 0, "FFmpeg's own number"
    assert given[1:] == [max(1, 8 // (before + n)) for n in range(2, 41)]
    assert [len(list(o.decode())) for o in many] == [5] * 40
    for one in many:
        one.close()
    assert len(container_module._files) == before
    again = opened()
    assert again.stream.codec_context.thread_count == given[0]
    again.close()
    again.close()


def test_no_picture_is_kept_until_the_garbage_collection(tmp_path: Path) -> None:
    """A picture of 1080p has 3 MB, and Python's collector does not come by for hundreds of them."""
    video = encode(tmp_path / "a.mp4", 100)
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(o, av.VideoFrame) for o in gc.get_objects())
        for number, frame in enumerate(open_source(config(video), 0)):
            assert frame.info.number == number
        left = sum(isinstance(o, av.VideoFrame) for o in gc.get_objects()) - before
    finally:
        gc.enable()
    assert number == 99
    assert left < 10


def test_what_a_decoder_passes_over_is_counted_and_damages_nothing_that_follows(tmp_path: Path) -> None:
    """Key frames alone for a while, and then all again: pictures after a key frame only, since those before refer to what was
    passed over."""
    video = encode(tmp_path / "a.mp4", 100, options={"g": "10", "bf": "0", "x264-params": "threads=1"})
    container = av.open(str(video))
    opened = Opened(container, container.streams.video[0], low_delay=True)
    shown = []
    for decoded in opened.decode():
        shown.append(round(decoded.pts / SECOND * 10))
        if shown[-1] == 22:
            opened.shed("NONKEY")
        if shown[-1] == 60:
            opened.shed("DEFAULT")
    opened.close()
    assert shown == [*range(23), 30, 40, 50, 60, *range(70, 100)]
    assert opened.skipped == 100 - len(shown)
    assert (opened.vanished, opened.corrupt) == (0, 0)
    assert opened.keys == 10


def test_a_decoder_that_comes_too_late_passes_over_more_for_a_while() -> None:
    shed, modes = DecoderShed(), []
    for second in range(40):
        if second in (5, 9):
            shed.late(second * SECOND)
        modes += [shed.see(int((second + n / 25) * SECOND), None) for n in range(25)]
    by_second = modes[::25]
    assert by_second[:5] == ["DEFAULT"] * 5
    assert by_second[5:9] == ["NONREF"] * 4, "first what no other frame refers to"
    assert by_second[9:19] == ["NONKEY"] * 10
    assert by_second[-10:] == ["DEFAULT"] * 10


@pytest.mark.parametrize(("size", "one"), [((1920, 1080), True), ((3840, 2160), False)])
def test_one_thread_decodes_what_one_can(tmp_path: Path, size: tuple[int, int], one: bool) -> None:
    video = encode(tmp_path / "a.mp4", 2, size, rate=30)
    container = av.open(str(video))
    opened = Opened(container, container.streams.video[0], low_delay=True)
    assert (opened.stream.codec_context.thread_count == 1) is one
    opened.close()


def test_what_is_told_of_an_input_does_not_need_it_to_be_open_any_more(tmp_path: Path) -> None:
    """A camera may hang up at once: its own thread closes the input while another one is still asking what it is."""
    path = encode(tmp_path / "a.mp4", 20, rate=25)
    opened = open_stream(str(path), "a", options={})
    before = (opened.rate, opened.duration, opened.metadata(), opened.identity, opened.codec, opened.format, opened.raw)
    frames = list(opened.decode())
    opened.close()
    opened.container = opened.stream = (
        None  # FFmpeg has freed what these stand for: whoever looks there ends the process
    )
    after = (opened.rate, opened.duration, opened.metadata(), opened.identity, opened.codec, opened.format, opened.raw)
    assert after == before
    assert (opened.packets, opened.vanished, opened.corrupt) == (20, 0, 0)
    assert opened.rate == 25
    assert frames[-1].frame.width
