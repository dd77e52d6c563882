"""A stream that begins anew, a pad that ends, a probe that is taken off: each leaves nothing of what was before."""

from __future__ import annotations

import ctypes
import functools
import gc
import itertools
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nvds_metas import Frm, Library, Obj
from nvds_pipeline import Pipeline

from countline.deepstream import attach
from countline.deepstream.attachment import Attachment
from countline.deepstream.libraries import GSTREAMER, find
from countline.types import Analytics

STEP = 33_333_333
RULES = {
    "lines": [{"name": "gate", "points": [[0.1, 0.5], [0.9, 0.5]]}],
    "regions": [{"name": "yard", "points": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]], "dwell": 0.5}],
}
EXACT = """[property]
enable=1
config-width=1000
config-height=1000
[line-crossing-stream-0]
enable=1
line-crossing-gate=500;100;500;900;100;500;900;500
"""


def config(**more: Any) -> dict[str, Any]:
    message = {"name": "m", "on": "crossing", "value": {"id": "{id}", "time": "{time}"}}
    return {
        "rules": RULES,
        "messages": [message],
        "outbox": "memory",
        "sources": [{"name": "a"}, {"name": "b"}],
        **more,
    }


def walk(
    library: Library, pad: int, frames: range, y0: float, y1: float, *, first: int = 0, id: int = 5
) -> Iterator[int]:
    """Buffers with one object that walks from ``y0`` to ``y1``; ``first`` is the frame number of time 0."""
    for i, number in enumerate(frames):
        y = y0 + (y1 - y0) * i / (len(frames) - 1)
        frame = Frm(pad, number - first, (number - first) * STEP, 0, (1000, 1000), [Obj(id, (480, y - 80, 40, 80))])
        yield library.buffer([frame])


def crossings(seen: list[Analytics]) -> list[Any]:
    return [event for analytics in seen for event in analytics.events if event.kind == "crossing"]


@pytest.mark.parametrize("publish", ["countline", "nvmsgbroker"])
def test_a_stream_that_begins_anew_is_a_new_one_and_time_goes_on(publish: Any) -> None:
    library, seen = Library(), []
    with Pipeline() as pipeline:
        given = attach(
            pipeline.element("here"), config(), lossless=True, publish=publish, consumers=[lambda _, a: seen.append(a)]
        )
        with given as attachment:
            pipeline.push(walk(library, 0, range(60), 300, 700))
            pipeline.push(walk(library, 0, range(60), 300, 700))  # PTS and frame_num from 0 again, the same id
            pipeline.push(walk(library, 0, range(60), 300, 700))
            pipeline.finish()
        assert attachment.counts.errors == 0
    infos = [a.frame for a in seen]
    assert all(later.time > earlier.time and later.pts > earlier.pts for earlier, later in itertools.pairwise(infos))
    assert [info.number for info in infos] == list(range(180))
    made = crossings(seen)
    assert [event.direction for event in made] == ["in"] * 3 or [event.direction for event in made] == ["out"] * 3
    assert len({(event.frame.stream, event.frame.number) for event in made}) == 3  # what ids are made of
    assert attachment.summary().sources["a"].lines["gate"]["total"] == 3
    assert sum(event.kind == "dwell" for a in seen for event in a.events) == 3


def test_small_disorder_of_time_stamps_is_no_new_stream() -> None:
    library, seen = Library(), []
    order = [0, 1, 3, 2, 4, 6, 5, 7]
    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), config(), lossless=True, consumers=[lambda _, a: seen.append(a)]):
            pipeline.push(library.buffer([Frm(0, n, pts * STEP, 0, (1000, 1000))]) for n, pts in enumerate(order))
            pipeline.finish()
    assert [a.frame.pts // STEP for a in seen] == [0, 1, 3, 3, 4, 6, 6, 7]


def test_the_exact_engine_keeps_its_memory_and_tells_the_time_of_the_second_start(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text(EXACT)
    library, seen = Library(), []
    with Pipeline() as pipeline:
        given = config(rules={"file": str(tmp_path / "rules.txt")})
        with attach(
            pipeline.element("here"), given, lossless=True, consumers=[lambda _, a: seen.append(a)]
        ) as attachment:
            pipeline.push(walk(library, 0, range(60), 300, 700))
            time.sleep(0.05)
            before = time.time_ns()
            pipeline.push(walk(library, 0, range(60), 300, 700))
            pipeline.push(walk(library, 0, range(60), 300, 700, id=6))
            pipeline.finish()
        assert attachment.counts.errors == 0
    assert [a.frame.pts for a in seen[60:120]] == [n * STEP for n in range(60)]  # as nvdsanalytics is given it
    assert all(a.frame.time >= before for a in seen[60:])
    assert [a.frame.time for a in seen] == sorted({a.frame.time for a in seen})
    assert len(crossings(seen)) == 2  # once a track and label: id 5 is known, as nvdsanalytics knows it


def event_of(name: str, pad: int) -> int:
    folder = find()
    assert folder is not None
    make = getattr(ctypes.CDLL(str(folder / "libnvdsgst_helper.so")), f"gst_nvevent_new_{name}")
    make.restype, make.argtypes = ctypes.c_void_p, [ctypes.c_uint]
    event: int = make(pad)
    return event


def send(pipeline: Pipeline, event: int) -> None:
    gstreamer = ctypes.CDLL(GSTREAMER)
    gstreamer.gst_pad_send_event.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    gstreamer.gst_pad_send_event(hash(pipeline.element("here").get_static_pad("sink")), event)


def wait_for(condition: Any) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("not within ten seconds")


@pytest.mark.parametrize("publish", ["countline", "nvmsgbroker"])
@pytest.mark.parametrize("name", ["stream_eos", "pad_deleted"])
def test_the_end_of_a_pad_ends_its_tracks_and_no_others(name: str, publish: Any) -> None:
    library, seen = Library(), []
    with Pipeline() as pipeline:
        given = attach(
            pipeline.element("here"), config(), lossless=True, publish=publish, consumers=[lambda _, a: seen.append(a)]
        )
        with given as attachment:
            for pad in (0, 1):
                pipeline.push(walk(library, pad, range(30), 420, 440))
            wait_for(lambda: attachment.counts.frames == 60)
            send(pipeline, event_of(name, 0))
            for pad in (0, 1):  # further on, with the same ids: for pad 0 somebody else, for pad 1 the same
                pipeline.push(walk(library, pad, range(30, 60), 640, 660))
            pipeline.finish()
        assert attachment.counts.errors == 0
    assert [event.source.name for event in crossings(seen)] == ["b"]


def test_an_end_is_not_lost_with_the_batch_that_it_came_with() -> None:
    """Of a pipeline that never waits the oldest batches go; what ended before them has ended all the same."""
    library, seen = Library(), []

    def slow(_: object, analytics: Analytics) -> None:
        seen.append(analytics)
        time.sleep(0.02)

    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), config(), depth=2, consumers=[slow]) as attachment:
            pipeline.push(walk(library, 0, range(5), 420, 440))
            wait_for(lambda: attachment.counts.frames == 5)
            send(pipeline, event_of("stream_eos", 0))
            pipeline.push(walk(library, 0, range(5, 60), 640, 660))
            pipeline.finish()
    assert attachment.counts.dropped > 0
    assert not crossings(seen)


def has_seen(attachment: Attachment, buffers: int) -> bool:
    return attachment.counts.buffers == buffers


@pytest.mark.parametrize("publish", ["countline", "nvmsgbroker"])
def test_each_attachment_is_freed_when_it_is_detached(publish: Any) -> None:
    library, alive = Library(), []
    with Pipeline() as pipeline:
        for round_ in range(50):
            attachment = attach(pipeline.element("here"), config(), publish=publish, lossless=True)
            pipeline.push([library.buffer([Frm(0, round_, round_ * STEP)])])
            wait_for(functools.partial(has_seen, attachment, 1))
            attachment.close()
            alive.append(weakref.ref(attachment))
            del attachment
        pipeline.finish()
    gc.collect()
    assert sum(reference() is not None for reference in alive) == 0
