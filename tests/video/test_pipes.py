"""What can be read only once is read once, from its first byte to its last."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import starting
from countline.errors import SourceError
from countline.types import TimeQuality
from countline.video import open_source, probe

from .conftest import config, jpeg
from .making import film, numbers_of, read

READER = """
import sys
from countline.config.models import SourceConfig
from countline.video import open_source
source = open_source(SourceConfig(name="cam", uri=sys.argv[1]), 0)
print([frame.info.pts // 100_000_000 for frame in source], source.stats.corrupt)
"""
WHOLE = f"{list(range(60))} 0\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames, far more than what is read to tell a file by (and than a pipe holds)."""
    path = film(tmp_path_factory.mktemp("pipes") / "a.mkv", range(60), size=(320, 240), noise=True, codec="ffv1")
    assert path.stat().st_size > 4 * 65536
    return path


def fifo(folder: Path, content: bytes, name: str = "pipe") -> tuple[Path, threading.Thread]:
    """A named pipe into which a thread writes once."""
    path = folder / name
    os.mkfifo(path)

    def write() -> None:
        try:
            with open(path, "wb") as pipe:
                pipe.write(content)
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return path, thread


def test_a_named_pipe_gives_every_frame(tmp_path: Path, clip: Path) -> None:
    path, thread = fifo(tmp_path, clip.read_bytes())
    source = open_source(config(path), 0)
    before = time.time_ns()
    frames = list(source)
    thread.join(30)
    assert numbers_of(frames) == list(range(60))
    assert source.stats.lost == {}
    assert source.info.live is False, "a pipe waits; nothing is dropped"
    assert {f.info.time_quality for f in frames} == {TimeQuality.ARRIVAL}
    assert before <= frames[0].info.time <= time.time_ns()
    assert len({f.info.stream for f in frames}) == 1


@pytest.mark.parametrize("uri", ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_standard_input_gives_every_frame(clip: Path, uri: str) -> None:
    run = starting.run([sys.executable, "-c", READER, uri], input=clip.read_bytes(), capture_output=True, timeout=60)
    assert run.stdout.decode() == WHOLE, run.stderr.decode()


def test_standard_input_from_a_file_gives_every_frame(clip: Path) -> None:
    for uri in ("-", "/dev/stdin"):
        with clip.open("rb") as file:
            run = starting.run([sys.executable, "-c", READER, uri], stdin=file, capture_output=True, timeout=60)
        assert run.stdout.decode() == WHOLE, run.stderr.decode()


def test_process_substitution_gives_every_frame(tmp_path: Path, clip: Path) -> None:
    script = f"{sys.executable} {tmp_path / 'reader.py'} <(cat {clip})"
    (tmp_path / "reader.py").write_text(READER)
    run = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60)
    assert run.stdout.decode() == WHOLE, run.stderr.decode()


def test_the_doctor_takes_nothing_out_of_a_pipe(tmp_path: Path, clip: Path) -> None:
    path, thread = fifo(tmp_path, clip.read_bytes())
    check = probe(config(path))
    assert check.ok
    assert "read only once" in check.detail
    assert read(path) == list(range(60))
    thread.join(30)


def test_two_pipes_never_have_one_identity(tmp_path: Path, clip: Path) -> None:
    """What they give cannot be known beforehand, so it is never taken for the same."""
    streams = []
    for name in ("a", "b"):
        path, _ = fifo(tmp_path, clip.read_bytes(), name)
        streams.append({f.info.stream for f in open_source(config(path), 0)})
    assert not streams[0] & streams[1]


def test_a_pipe_of_images_is_a_video(tmp_path: Path) -> None:
    path, _ = fifo(tmp_path, jpeg(0) * 5, "pictures.jpg")
    assert len(list(open_source(config(path), 0))) == 5


def test_a_pipe_may_be_silent_for_longer_than_the_timeout(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = clip.read_bytes()

    def write() -> None:
        time.sleep(0.4)
        with open(path, "wb") as pipe:
            pipe.write(content[:100_000])
            pipe.flush()
            time.sleep(0.4)
            pipe.write(content[100_000:])

    threading.Thread(target=write, daemon=True).start()
    assert read(path, timeout=0.05) == list(range(60))


def test_close_ends_a_source_whose_pipe_nobody_writes_into(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = open_source(config(path), 0)
    thread = threading.Thread(target=lambda: list(source), daemon=True)
    thread.start()
    time.sleep(0.1)
    source.close()
    thread.join(30)
    assert not thread.is_alive()
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))  # lets the opening that waits go


def test_a_pipe_cannot_begin_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="read only once") as caught:
        open_source(config(tmp_path / "pipe", loop=True), 0)
    assert "loop" in caught.value.fix


def test_what_cannot_come_through_a_pipe_is_said(tmp_path: Path) -> None:
    """An MP4 with its index at the end; a playlist; nothing."""
    for number, (content, words) in enumerate(
        [
            (film(tmp_path / "a.mp4", range(60), size=(320, 240), noise=True).read_bytes(), "faststart"),
            (b"ffconcat version 1.0\nfile a.mp4\n", "playlist"),
            (b"", "nothing came"),
        ]
    ):
        path, _ = fifo(tmp_path, content, f"pipe{number}")
        with pytest.raises(SourceError, match=words):
            list(open_source(config(path), 0))


def test_an_mp4_with_its_index_in_front_comes_through(tmp_path: Path) -> None:
    path, _ = fifo(tmp_path, film(tmp_path / "a.mp4", container={"movflags": "faststart"}).read_bytes())
    assert read(path) == list(range(20))


def test_a_character_device_is_no_camera(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing came"):
        list(open_source(config("/dev/null"), 0))
    assert probe(config("/dev/zero")).ok, "not looked into"
