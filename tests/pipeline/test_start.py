"""An error at whatever step of the start leaves no thread, file, socket or lock behind, and the next run starts."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import threading
import tracemalloc  # noqa: F401 - pytest would import it while there are no files
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import countline as cl
from countline import outbox
from countline.config import OutboxConfig
from countline.protocols import SourceStats
from countline.types import Detections, Frame, FrameInfo, SourceInfo
from countline.video import ArrayPicture

STEPS = 60
"""More steps than a start has."""


class Blanks:
    """A source of a few black pictures."""

    def __init__(self, name: str = "gate", index: int = 0, frames: int = 5) -> None:
        self.info = SourceInfo(name, index, name)
        self.stats = SourceStats()
        self.closed = False
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self._frames):
            info = FrameInfo(self.info, number, number * 40_000_000, number * 40_000_000, 64, 48, stream="blanks")
            yield Frame(info, ArrayPicture(np.zeros((48, 64, 3), np.uint8)))

    def close(self) -> None:
        self.closed = True


def nobody(images: list[Any]) -> list[Detections]:
    return [Detections.empty() for _ in images]


def config(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "rules": {"lines": [{"name": "l", "points": [[0.2, 0.5], [0.8, 0.5]]}]},
        "messages": [{"name": "m", "on": "frame", "value": {"frame": "{frame}"}}],
        "outputs": [
            {"file": {"path": str(folder / "out.jsonl")}},
            {"redis": {"host": "127.0.0.1", "port": 1, "stream": "s"}},
        ],
        "outbox": {"path": str(folder / "o.outbox")},
        **more,
    }


def make(folder: Path, **more: Any) -> cl.Run:
    return cl.Run(config(folder, **more), sources=[Blanks()], detector=nobody)


def held() -> tuple[set[str], list[str], int]:
    """Our threads, and the files, sockets and other descriptors of this process."""
    gc.collect()
    threads = {t.name for t in threading.enumerate() if t.name.startswith("countline")}
    own = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that this is read through
            own.append(os.readlink(entry))
    return threads, sorted(own), psutil.Process().num_fds()


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """What the block opened is closed after it, and what it locked can be locked."""
    before = held()
    yield
    assert held() == before
    outbox.open(OutboxConfig(), folder / "o.outbox", ["file", "redis"]).close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # asyncio's own, of a loop made by half
def test_a_start_that_runs_out_of_files_at_any_step_leaves_nothing_open(tmp_path: Path) -> None:
    """The system itself refuses the n-th file, for each n."""
    make(tmp_path).close()  # all packages are imported
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    refused = 0
    for room in range(STEPS):
        with nothing_left(tmp_path):
            # The limit is on the number of a descriptor: all below the next free one are taken.
            spare = os.open(os.devnull, os.O_RDONLY)
            os.close(spare)
            resource.setrlimit(resource.RLIMIT_NOFILE, (spare + room, hard))
            try:
                make(tmp_path).close()
            except (cl.CountlineError, OSError):
                refused += 1
            else:
                break
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    else:
        pytest.fail("it never had enough files")
    assert refused >= 3, "the outbox, its lock and an output each needs one"


def test_a_start_that_gets_no_thread_at_any_step_leaves_none_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path).close()
    start = threading.Thread.start
    refused = 0
    for step in range(STEPS):
        left = step

        def limited(thread: threading.Thread) -> None:
            nonlocal left
            if not thread.name.startswith("countline"):
                return start(thread)
            left -= 1
            if left < 0:
                raise RuntimeError("can't start new thread")
            return start(thread)

        with nothing_left(tmp_path), monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", limited)
            try:
                with make(tmp_path) as run:
                    run.execute(drain_timeout=0.1)
            except RuntimeError:
                refused += 1
                assert all(source.closed for source in run.sources)  # type: ignore[attr-defined]
            else:
                break
    else:
        pytest.fail("it never had enough threads")
    assert refused >= 6, "outbox, check, two outputs, worker, detector and reader each have one"


def unreadable(folder: Path) -> str:
    path = folder / "model.onnx"
    path.write_bytes(b"no model")
    return str(path)


def somebodys(folder: Path) -> str:
    path = folder / "video.mp4"
    path.write_bytes(b"somebody's video")
    return str(path)


def with_bad_output(kind: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Behind good ones, which are open by then."""
    return lambda folder: {"outputs": [*config(folder)["outputs"], kind]}


KAFKA = {"bootstrap": "127.0.0.1:1", "topic": "t"}
REFUSALS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "a source that is not there": lambda f: {"sources": [{"name": "gate"}, {"name": "b", "uri": str(f / "none.mp4")}]},
    "rules that are not there": lambda f: {"rules": {"file": str(f / "none.txt")}},
    "a message of a field that is not there": lambda f: {"messages": [{"name": "m", "value": "{nosuch}"}]},
    "a tracker that is not there": lambda f: {"tracker": {"kind": "nosuch"}},
    "a schedule that is none": lambda f: {"outbox": {"path": str(f / "o.outbox"), "reset": "daily 25:00"}},
    "an outbox that is somebody's video": lambda f: {"outbox": {"path": somebodys(f)}},
    "an outbox in a file": lambda f: {"outbox": {"path": somebodys(f) + "/o.outbox"}},
    "an outbox that is a folder": lambda f: {"outbox": {"path": str(f)}},
    "an outbox where nobody may write": lambda f: {"outbox": {"path": "/proc/o.outbox"}},
    "a broker's option that is none": with_bad_output({"kafka": {**KAFKA, "options": {"acks": "seven"}}}),
    "options that exclude each other": with_bad_output(
        {"kafka": {**KAFKA, "acks": "1", "options": {"enable.idempotence": True}}}
    ),
    "a certificate that is not there": with_bad_output({"kafka": {**KAFKA, "security": {"tls": {"ca": "/none.pem"}}}}),
    "a token that is not there": with_bad_output(
        {"kafka": {**KAFKA, "security": {"sasl": {"mechanism": "OAUTHBEARER", "token": {"file": "/none"}}}}}
    ),
    "a certificate of MQTT": with_bad_output({"mqtt": {"host": "127.0.0.1", "topic": "t", "tls": {"ca": "/none.pem"}}}),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_start_that_is_refused_leaves_nothing_open(what: str, tmp_path: Path) -> None:
    make(tmp_path).close()
    with nothing_left(tmp_path), pytest.raises(cl.CountlineError):
        make(tmp_path, **REFUSALS[what](tmp_path))


def test_a_start_that_is_refused_makes_no_outbox(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for change in REFUSALS.values():
        with pytest.raises(cl.CountlineError):
            make(folder, **change(folder))
    assert [p.name for p in folder.iterdir()] == ["video.mp4"]


def test_a_model_that_is_none_leaves_nothing_open(tmp_path: Path) -> None:
    make(tmp_path).close()
    with nothing_left(tmp_path), pytest.raises(cl.DetectorError):
        cl.Run(config(tmp_path, detector={"model": unreadable(tmp_path)}), sources=[Blanks()])


def test_an_outbox_that_another_run_holds_leaves_nothing_of_this_one_open(tmp_path: Path) -> None:
    with make(tmp_path):
        before = held()
        with pytest.raises(cl.OutboxError, match="in use"):
            make(tmp_path)
        assert held() == before


@pytest.mark.parametrize("when", ["end", "drain"])
def test_a_consumer_that_fails_at_the_end_fails_the_run_and_nothing_stays_open(when: str, tmp_path: Path) -> None:
    """What is said at the end of a run is said with the summary, and everything is closed all the same."""
    make(tmp_path).close()

    def close() -> None:
        raise ValueError("the disk of the recording is full")

    closed: list[str] = []
    with nothing_left(tmp_path):
        run = make(tmp_path, outputs=[{"file": {"path": str(tmp_path / "out.jsonl")}}])
        run.add_consumer(lambda frame, analytics: None, close=close)
        run.add_consumer(lambda frame, analytics: None, close=lambda: closed.append("second"))
        if when == "drain":
            run.delivery.writer.error = cl.OutboxError("was taken away")
        summary = run.execute(drain_timeout=0.2)
        assert summary.exit_code == (5 if when == "drain" else 1)
        assert ("was taken away" if when == "drain" else "recording is full") in summary.error
        assert closed == ["second"]
        del run


class Asking(Blanks):
    """Holds a connection while it is read."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def __iter__(self) -> Iterator[Frame]:
        with socket.create_connection(("127.0.0.1", self._port)):
            yield from super().__iter__()
            raise RuntimeError("broken")


def test_objects_are_sources_and_what_they_hold_is_let_go_of(tmp_path: Path) -> None:
    make(tmp_path).close()
    with socket.create_server(("127.0.0.1", 0)) as server, nothing_left(tmp_path):
        outputs = [{"file": {"path": str(tmp_path / "out.jsonl")}}]
        source = Asking(server.getsockname()[1])
        summary = cl.run(config(tmp_path, outputs=outputs), sources=[source], detector=nobody)
        server.accept()[0].close()
        assert summary.frames == 5
        assert summary.exit_code == 3
        assert "broken" in summary.error
        assert source.closed


def test_objects_stand_beside_configured_sources_by_their_names(clip: Path, tmp_path: Path) -> None:
    given = config(
        tmp_path,
        sources=[{"name": "street", "uri": str(clip)}, {"name": "gate", "device_id": "D7"}],
        outputs=[{"file": {"path": str(tmp_path / "out.jsonl")}}],
    )
    run = cl.Run(given, sources=[Blanks("gate", 1)], detector=nobody)
    assert [s.info.name for s in run.sources] == ["street", "gate"]
    run.stop()
    run.execute()
    with pytest.raises(cl.ConfigError, match="index is 0, and is number 1"):
        cl.Run(given, sources=[Blanks("gate")], detector=nobody)
    with pytest.raises(cl.ConfigError, match="no source 'yard'"):
        cl.Run(
            config(tmp_path, sources=[{"name": "street", "uri": str(clip)}]), sources=[Blanks("yard")], detector=nobody
        )
    with pytest.raises(cl.ConfigError, match="two sources are named"):
        cl.Run(config(tmp_path), sources=[Blanks(), Blanks()], detector=nobody)
    with pytest.raises(cl.ConfigError, match="is no source"):
        cl.Run(config(tmp_path), sources=[object()], detector=nobody)  # type: ignore[list-item]
