"""Nothing leaks, nothing crashes, and a buffer always goes on."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from nvds_metas import BATCH_GST_META, INT, Frm, Library, Obj, P
from nvds_pipeline import Pipeline

from countline.deepstream import attach
from countline.deepstream.payload import COUNTS
from countline.deepstream.probe import Probe
from countline.errors import OutboxError

RULES = {"lines": [{"name": "gate", "points": [[0.1, 0.5], [0.9, 0.5]]}]}


def config(**more: Any) -> dict[str, Any]:
    message = {"name": "m", "on": "frame", "value": {"frame": "{frame}", "total": "{lines.gate.cumulative}"}}
    return {"rules": RULES, "messages": [message], "outbox": "memory", **more}


def objects(n: int) -> list[Obj]:
    return [Obj(i, (10.0 * i, 10, 8, 20), i % 4, "") for i in range(n)]


class Releases:
    """NVIDIA's own release function, with a count before it."""

    def __init__(self, library: Library) -> None:
        self.count = 0
        inner = ctypes.CFUNCTYPE(None, P, P)(library.release.value)

        def release(meta: int, data: int) -> None:
            self.count += 1
            inner(meta, data)

        self.function = ctypes.CFUNCTYPE(None, P, P)(release)


@pytest.mark.parametrize(("publish", "growth"), [("nvmsgbroker", 9 << 20), ("countline", 30 << 20)])
def test_thirty_thousand_buffers_leave_nothing_behind(publish: Any, growth: int) -> None:
    """``growth``: bytes below which memory stays; of payloads on buffers it does not grow at all."""
    library, buffers = Library(), 30_000
    releases, before = Releases(library), (COUNTS.attached, COUNTS.released)
    process, sizes = psutil.Process(), []
    with Pipeline() as pipeline:
        given = config(rules={}, messages=[{"name": "m", "on": "frame", "value": {"frame": "{frame}"}}])
        with attach(pipeline.element("here"), given, publish=publish) as attachment:
            two = objects(2)
            for part in range(10):
                pipeline.push(
                    library.buffer([Frm(0, number, number * 1000, 0, (1000, 1000), two)], release=releases.function)
                    for number in range(part * buffers // 10, (part + 1) * buffers // 10)
                )
                gc.collect()
                sizes.append(process.memory_info().rss)
            pipeline.finish()
        pipeline.stop()
        assert attachment.counts.buffers == attachment.counts.frames == buffers
        assert attachment.counts.errors == 0
    assert releases.count == buffers
    made = buffers if publish == "nvmsgbroker" else 0
    assert (COUNTS.attached - before[0], COUNTS.released - before[1]) == (made, made)
    # One batch's metadata takes about 100 kB, so that a leak of it would show as gigabytes; up to 200 batches are under way.
    assert sizes[-1] - max(sizes[:4]) < growth, [s >> 20 for s in sizes]


def test_buffers_without_metadata_pass_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    library = Library()
    for publish in ("countline", "nvmsgbroker"):
        with Pipeline() as pipeline:
            passed: list[int] = []
            probe = Probe(pipeline.element("out").get_static_pad("sink"), passed.append)
            with attach(pipeline.element("here"), config(), publish=publish) as attachment:  # type: ignore[arg-type]
                pipeline.push([library.plain(), library.buffer([Frm()]), library.plain()])
                pipeline.finish()
            probe.remove()
        assert len(passed) == 3
        assert (attachment.counts.without_meta, attachment.counts.frames) == (2, 1)
    assert caplog.text.count("no batch metadata") == 2


def test_empty_batches_and_other_metadata_pass() -> None:
    library = Library()
    empty = library.buffer([])
    other = library.plain()
    meta = library.gst.gst_buffer_add_nvds_meta(other, library.new_batch(1), None, library.copy, library.release)
    INT.from_address(meta + 32).value = BATCH_GST_META + 77  # somebody's own type
    with Pipeline() as pipeline, attach(pipeline.element("here"), config(), lossless=True) as attachment:
        pipeline.push([empty, other, library.buffer([Frm(0, 1)])])
        pipeline.finish()
    assert attachment.counts.errors == 0
    assert attachment.counts.frames == 1
    assert attachment.counts.without_meta == 1


def test_more_metadata_than_the_pools_hold_is_read_and_attached_whole() -> None:
    """Pools are made for a few frames, tens of objects and fewer user metas; they grow."""
    library, seen = Library(), []
    many = [f"m{i}" for i in range(40)]
    given = config(
        messages=[{"name": n, "on": "frame", "value": {"n": n}} for n in many],
        sources=[{"name": f"c{i}"} for i in range(32)],
    )
    frames = [Frm(pad, 0, 0, 0, (2000, 1000), objects(150)) for pad in range(32)]
    before = COUNTS.attached
    with Pipeline() as pipeline:
        with attach(
            pipeline.element("here"), given, publish="nvmsgbroker", consumers=[lambda _, a: seen.append(len(a.tracks))]
        ) as attachment:
            pipeline.push([library.buffer(frames)])
            pipeline.finish()
    assert seen == [150] * 32
    assert attachment.counts.objects == 32 * 150
    assert COUNTS.attached - before == 32 * 40
    assert COUNTS.no_room == 0


def test_when_no_user_metadata_is_to_be_had_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that cannot grow gives NULL: memory is exhausted. The library cannot be brought there, its answer can."""
    library = Library()
    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), config(), publish="nvmsgbroker") as attachment:
            monkeypatch.setattr(attachment.reader.libraries.meta, "nvds_acquire_user_meta_from_pool", lambda _: None)
            before = COUNTS.no_room
            pipeline.push([library.buffer([Frm()])])
            pipeline.finish()
    assert COUNTS.no_room - before == 1
    assert attachment.counts.errors == 0


@pytest.mark.parametrize("publish", ["countline", "nvmsgbroker"])
@pytest.mark.parametrize("order", ["pipeline first", "attachment first"])
def test_torn_down_in_the_middle_of_a_buffer(publish: Any, order: str) -> None:
    library = Library()
    for _ in range(5):
        pipeline = Pipeline()
        pipeline.__enter__()
        inside, go_on = threading.Event(), threading.Event()

        def hold(*_: Any, inside: threading.Event = inside, go_on: threading.Event = go_on) -> None:
            inside.set()
            go_on.wait(10)

        attachment = attach(pipeline.element("here"), config(), publish=publish, consumers=[hold])
        pipeline.push(library.buffer([Frm(0, n, objects=objects(50))]) for n in range(20))
        assert inside.wait(10)
        acts = [pipeline.stop, attachment.close]
        if order == "attachment first":
            acts.reverse()
        threads = [threading.Thread(target=act) for act in acts]
        for thread in threads:
            thread.start()
            time.sleep(0.005)
        go_on.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert attachment.counts.errors == 0
    gc.collect()
    assert COUNTS.attached + COUNTS.copied == COUNTS.released


@pytest.mark.parametrize("publish", ["countline", "nvmsgbroker"])
def test_a_script_may_end_while_its_pipeline_plays(publish: str) -> None:
    script = Path(__file__).parent / "exit_while_playing.py"
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, script, publish], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, "pushed 0\n"), done.stderr


def test_a_probe_can_be_taken_off_while_the_pipeline_plays_on() -> None:
    library = Library()
    with Pipeline() as pipeline:
        passed: list[int] = []
        probe = Probe(pipeline.element("out").get_static_pad("sink"), passed.append)
        for _ in range(3):
            attachment = attach(pipeline.element("here"), config())
            pipeline.push(library.buffer([Frm(0, n)]) for n in range(10))
            attachment.close()
            attachment.close()
            pipeline.push(library.buffer([Frm(0, n)]) for n in range(10))
        pipeline.finish()
        probe.remove()
    assert len(passed) == 60


def test_two_probes_on_one_pipeline_do_not_disturb_each_other() -> None:
    library = Library()
    with Pipeline() as pipeline:
        with (
            attach(pipeline.element("here"), config(), lossless=True) as first,
            attach(pipeline.element("out"), config(), publish="nvmsgbroker") as second,
        ):
            pipeline.push(library.buffer([Frm(0, n, n * 1000, objects=objects(3))]) for n in range(200))
            pipeline.finish()
    assert first.counts.objects == second.counts.objects == 600


def test_an_error_in_the_probe_lets_the_buffer_pass(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library()
    with Pipeline() as pipeline:
        passed: list[int] = []
        probe = Probe(pipeline.element("out").get_static_pad("sink"), passed.append)
        with attach(pipeline.element("here"), config()) as attachment:

            def broken(_: int) -> None:
                raise RuntimeError("unforeseen")

            monkeypatch.setattr(attachment.reader, "read", broken)
            pipeline.push(library.buffer([Frm(0, n)]) for n in range(5))
            pipeline.finish()
        probe.remove()
    assert len(passed) == 5
    assert attachment.counts.errors == 5
    assert caplog.text.count("a buffer passed without being evaluated") == 1


@pytest.mark.parametrize("publish", ["countline", "nvmsgbroker"])
def test_when_evaluation_fails_for_good_the_pipeline_goes_on_and_the_summary_says_why(publish: Any) -> None:
    library = Library()

    def fail(*_: Any) -> None:
        raise OutboxError("the disk is gone", where="outbox")

    with Pipeline() as pipeline:
        with attach(
            pipeline.element("here"), config(), publish=publish, lossless=True, depth=2, consumers=[fail]
        ) as attachment:
            pipeline.push(library.buffer([Frm(0, n)]) for n in range(50))
            pipeline.finish()
    summary = attachment.summary()
    assert summary.exit_code == 5
    assert "the disk is gone" in summary.error
    assert attachment.counts.dropped == 49


def test_the_outbox_of_another_process_is_left_alone(tmp_path: Path) -> None:
    given = config(outbox=str(tmp_path / "one.outbox"))
    with Pipeline() as pipeline, attach(pipeline.element("here"), given):
        with pytest.raises(OutboxError):
            attach(pipeline.element("here"), given)
