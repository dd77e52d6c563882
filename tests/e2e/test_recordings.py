"""A folder of recordings gives each event once, under the same id, however it is gone through: in one run, in many that were killed,
or while it is being written."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
import pytest
from conftest_e2e import bright, write

import countline as cl
import starting
from countline.pipeline.run import Run

STEPS = 14
"""Frames of a recording: seams lie at all stages of a crossing, which has twenty."""
RECORDINGS = 20
START = "2026-11-22T08:00:00Z"
MESSAGES: list[dict[str, Any]] = [
    {
        "name": "crossing",
        "value": {"id": "{id}", "to": "{direction}", "n": "{lines.l.cumulative}", "at": "{time}", "who": "{track_id}"},
    },
    {"name": "window", "on": "interval 1s", "value": {"id": "{id}", "w": "{window}", "n": "{lines.l.cumulative}"}},
    {
        "name": "change",
        "on": "change",
        "value": {"id": "{id}", "n": "{lines.l.cumulative}", "in": "{regions.r.occupancy}"},
    },
    {"name": "inside", "on": ["enter", "leave"], "value": {"id": "{id}", "kind": "{kind}", "who": "{track_id}"}},
    {"name": "gap", "on": "gap", "value": {"id": "{id}", "from": "{gap.start}", "why": "{gap.cause}"}},
]


def record(path: Path, first: int, count: int) -> None:
    """Frames of a street in which one bright square after another walks across the middle, every second one back."""
    with av.open(f"file:{path}", "w", format="mpegts") as sink:
        stream: Any = sink.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(first, first + count):
            walker, step = divmod(number, 20)
            image = np.zeros((240, 320, 3), np.uint8)
            y = 60 + step * 8 if walker % 2 == 0 else 172 - step * 8
            if step < 17:
                image[y : y + 30, 140:170] = 255
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        sink.mux(stream.encode(None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("nvr")
    for number in range(RECORDINGS):
        record(made / f"gate {number}.ts", number * STEPS, STEPS)
    return made


def job(uri: Path, out: str, **source: Any) -> dict[str, Any]:
    options = {"settle": 0.2, "warm_up": 2, **source.pop("segments", {})}
    return {
        "sources": [{"name": "gate", "uri": str(uri), "start": START, "segments": options, **source}],
        "rules": {
            "lines": [{"name": "l", "points": [[0.2, 0.5], [0.8, 0.5]]}],
            "regions": [{"name": "r", "points": [[0.3, 0.5], [0.7, 0.5], [0.7, 0.9], [0.3, 0.9]]}],
        },
        "messages": MESSAGES,
        "outputs": [{"file": {"path": f"{out}.jsonl"}}],
        "outbox": f"{out}.outbox",
    }


def told(out: str) -> dict[str, bytes]:
    """Message by id; whatever came twice is equal."""
    found: dict[str, bytes] = {}
    for line in Path(f"{out}.jsonl").read_bytes().splitlines():
        assert found.setdefault(orjson.loads(line)["id"], line) == line
    return found


def of(found: dict[str, bytes], word: bytes) -> list[bytes]:
    return [line for line in found.values() if b'"' + word + b'"' in line]


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = str(tmp_path_factory.mktemp("whole") / "whole")
    assert cl.run(job(folder, out), detector=bright).exit_code == 0
    found = told(out)
    assert len(of(found, b"to")) == RECORDINGS * STEPS // 20, "each walker crosses once, wherever a seam lies"
    assert len(of(found, b"w")) == RECORDINGS * STEPS // 25 + 1
    assert not of(found, b"why"), "recordings that adjoin leave no gap"
    return found


def test_seams_change_nothing(folder: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    """The same street in one file: the same crossings at the same times."""
    record(tmp_path / "one.ts", 0, RECORDINGS * STEPS)
    assert cl.run(job(tmp_path / "one.ts", "one"), detector=bright).exit_code == 0

    def seen(found: dict[str, bytes]) -> list[tuple[str, int, str]]:
        values = [orjson.loads(line) for line in of(found, b"to")]
        return sorted((v["at"], v["n"], v["to"]) for v in values)

    assert seen(told("one")) == seen(whole)


CHILD = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from conftest_e2e import bright
from countline.pipeline.run import Run

def die(frame, analytics):
    if analytics.frame.number == int(sys.argv[3]):
        run.delivery.writer.flush()
        os.kill(os.getpid(), signal.SIGKILL)

run = Run(sys.argv[2], detector=bright, consumers=[die])
first = []
run.add_consumer(lambda frame, analytics: first or first.append(print(analytics.frame.number, flush=True)))
sys.exit(run.execute().exit_code)
"""


def child(config: Path, at: int) -> tuple[int, int]:
    """Number of the first frame, and how it ended."""
    here = str(Path(__file__).parent)
    made = starting.run(
        [sys.executable, "-c", CHILD, here, str(config), str(at)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return int(made.stdout.split()[0]), made.returncode


def test_runs_that_are_killed_tell_what_one_run_tells(folder: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    config = write(tmp_path / "job.yaml", job(folder, "killed"))
    begun = []
    for at in (60, 112, 247):
        first, code = child(config, at)
        assert code == -signal.SIGKILL
        begun.append(first)
    first, code = child(config, -1)
    assert code == 0
    assert begun == sorted(begun)
    assert first >= 247 - 50 - 2 * STEPS, "it goes on where it was, and not from the beginning"
    found = told("killed")
    assert of(found, b"to") == of(whole, b"to")
    assert found == whole


WRITER = """
import os, sys, time
for name in sorted(os.listdir(sys.argv[1]), key=lambda name: int(name[5:-3])):
    data = open(os.path.join(sys.argv[1], name), "rb").read()
    with open(os.path.join(sys.argv[2], name), "wb", buffering=0) as file:
        for at in range(0, len(data), 3000):
            file.write(data[at : at + 3000])
            time.sleep(0.005)
"""


def test_a_folder_that_is_watched_while_it_is_written_tells_the_same(
    folder: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """And stopped and started in between."""
    live = tmp_path / "live"
    live.mkdir()
    options: dict[str, Any] = {"watch": 2.0, "segments": {"settle": 0.5}}
    writer = starting.Popen([sys.executable, "-c", WRITER, str(folder), str(live)])
    try:
        run = Run(job(live, "live", **options), detector=bright)
        run.add_consumer(lambda _, analytics: run.stop() if analytics.frame.number == 100 else None)
        assert run.execute().interrupted
        summary = cl.run(job(live, "live", **options), detector=bright)
        assert summary.exit_code == 0
    finally:
        writer.kill()
        writer.wait()
    found = told("live")
    assert of(found, b"to") == of(whole, b"to")
    assert not {line for name, line in whole.items() if name not in found}, (
        "the windows that a stop cuts short are more"
    )
    assert cl.run(job(live, "live", **options), detector=bright).messages == 0, "nothing is told again"


def test_a_folder_that_was_read_to_its_end_is_read_anew_or_goes_on_where_it_is_watched(
    folder: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    nvr = tmp_path / "nvr"
    nvr.mkdir()
    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem[5:]))
    for path in paths[:10]:
        os.link(path, nvr / path.name)
    assert cl.run(job(nvr, "twice"), detector=bright).exit_code == 0
    first = told("twice")
    again = cl.run(job(nvr, "twice"), detector=bright)
    assert again.frames == 10 * STEPS
    assert told("twice") == first, "the same events"
    for path in paths[10:]:
        os.link(path, nvr / path.name)
    summary = cl.run(job(nvr, "twice", watch=0.3), detector=bright)
    assert summary.sources["gate"].resumed_after == 10 * STEPS - 1
    assert of(told("twice"), b"to") == of(whole, b"to")
    assert summary.sources["gate"].lines["l"]["total"] == len(of(whole, b"to"))


def test_a_gap_is_told_and_nobody_is_followed_over_it(tmp_path: Path) -> None:
    nvr = tmp_path / "nvr"
    nvr.mkdir()
    for number, name in ((0, "080000"), (10, "080001"), (20, "090000")):
        record(nvr / f"20261122-{name}.ts", number, 10)
    summary = cl.run(
        job(nvr, "gap") | {"sources": [{**job(nvr, "gap")["sources"][0], "start": "{name:%Y%m%d-%H%M%S}"}]},
        detector=bright,
    )
    (gap,) = [orjson.loads(line) for line in of(told("gap"), b"why")]
    assert gap["why"] == "no-recording"
    assert gap["from"].startswith("2026-11-22T08:00:00.8")
    assert summary.sources["gate"].gaps == 1
    assert summary.sources["gate"].missed == pytest.approx(3599, abs=2)


def test_a_folder_whose_first_recordings_are_deleted_meanwhile_goes_on(
    folder: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """As recorders do when their disk is full."""
    live = tmp_path / "live"
    live.mkdir()
    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem[5:]))
    options: dict[str, Any] = {"watch": 0.4, "segments": {"settle": 0.1, "warm_up": 0.5}}
    for round_ in range(4):
        for path in paths[round_ * 5 : round_ * 5 + 5]:
            os.link(path, live / path.name)
        assert cl.run(job(live, "ring", **options), detector=bright).exit_code == 0
        for path in paths[max(0, round_ * 5 - 5) : round_ * 5 + 2]:
            (live / path.name).unlink(missing_ok=True)
    assert of(told("ring"), b"to") == of(whole, b"to")
