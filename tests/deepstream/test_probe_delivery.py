"""From a pipeline's metadata to a broker: the user's own messages, all of them, in order; and a pipeline that never waits."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from nvds_gst import gst
from nvds_metas import UNTRACKED, Frm, Library, Obj
from nvds_pipeline import Pipeline

import countline
from countline.deepstream import attach
from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import tail
from countline.types import TimeQuality
from ports import free_port

NTP = 1_700_000_000_000_000_000
_number = itertools.count()


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def config(**more: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": f"camera-{i}", "device_id": f"device-{i}"} for i in range(4)],
        "rules": {"lines": [{"name": "straight", "points": [[0.0, 0.5], [1.0, 0.5]]}]},
        "messages": [
            {
                "name": "line-crossing",
                "on": "crossing",
                "key": "{device_id}",
                "value": {
                    "@timestamp": "{time}",
                    "deviceId": "{device_id}",
                    "who": "{track_id}",
                    "what": "{class}",
                    "analyticsModule": {
                        "stream_source_id": "{source_index}",
                        "lc_cum_straight": "{lines.straight.cumulative}",
                    },
                },
            }
        ],
        **more,
    }


def traffic(frames: int, pads: int, objects: int) -> Iterator[list[Frm]]:
    """On each camera, a hundred objects at a time walk down across the middle, one after another begins."""
    for n in range(frames):
        yield [
            Frm(
                pad, n, n * 40_000_000, NTP + n * 40_000_000, (1000, 1000),
                [
                    Obj((n // 40) * 1000 + i, (i * 9.0, (n % 40) * 25.0 - 50, 8, 40), 2, "Person", 0.75)
                    for i in range(objects)
                ],
            )
            for pad in range(pads)
        ]  # fmt: skip


def test_batches_of_four_cameras_with_hundreds_of_objects_arrive_whole_at_the_broker(broker: EmbeddedBroker) -> None:
    library, topic = Library(), f"deepstream-{os.getpid()}-{next(_number)}"
    given = config(outputs=[{"kafka": {"bootstrap": broker.bootstrap, "topic": topic}}])
    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), given, lossless=True) as attachment:
            pipeline.push(library.buffer(frames) for frames in traffic(80, 4, 100))
            pipeline.finish()
        summary = attachment.summary()
    assert attachment.counts.objects == 80 * 4 * 100
    assert summary.exit_code == 0
    assert summary.outputs["kafka"].acknowledged == 2 * 4 * 100
    records = list(tail({"bootstrap.servers": broker.bootstrap}, topic, count=800, idle=10))
    assert len(records) == 800
    by_camera: dict[str, list[Any]] = {}
    for record in records:
        value = orjson.loads(record.value)
        assert record.key == value["deviceId"].encode()
        assert value["what"] == "Person"
        by_camera.setdefault(value["deviceId"], []).append(value)
    assert sorted(by_camera) == [f"device-{i}" for i in range(4)]
    for camera, values in by_camera.items():
        assert [v["analyticsModule"]["lc_cum_straight"] for v in values] == sorted(
            v["analyticsModule"]["lc_cum_straight"] for v in values
        )
        assert {v["who"] for v in values} == set(range(100)) | set(range(1000, 1100))
        assert all(v["analyticsModule"]["stream_source_id"] == int(camera[-1]) for v in values)
        assert all(v["@timestamp"].startswith("2023-11-14T22:13:2") for v in values)  # the pipeline's NTP time


def test_with_the_broker_away_the_pipeline_goes_on_and_the_next_run_delivers(tmp_path: Path) -> None:
    library, topic, port = Library(), f"deepstream-{os.getpid()}-{next(_number)}", free_port()
    file = tmp_path / "site.yaml"
    given = config(outputs=[{"kafka": {"bootstrap": f"127.0.0.1:{port}", "topic": topic}}])
    file.write_text(yaml.safe_dump(given), encoding="utf-8")
    with Pipeline() as pipeline:
        attachment = attach(pipeline.element("here"), file, lossless=True)
        pipeline.push(library.buffer(frames) for frames in traffic(40, 4, 20))
        pipeline.finish()
        summary = attachment.close(timeout=0.5)
    assert (summary.exit_code, summary.outputs["kafka"].pending) == (4, 80)
    assert (tmp_path / ".countline" / "site.outbox").is_file()
    with EmbeddedBroker(port) as later, Pipeline() as pipeline:
        attach(pipeline.element("here"), file).close()
        records = list(tail({"bootstrap.servers": later.bootstrap}, topic, count=80, idle=10))
    assert len({orjson.loads(r.value)["who"] for r in records}) == 20
    assert len(records) == 80


def test_message_functions_work_behind_a_probe(broker: EmbeddedBroker) -> None:
    library, topic = Library(), f"deepstream-{os.getpid()}-{next(_number)}"

    @countline.message(on="crossing", key=lambda event: event.source.device_id)
    def payload(event: countline.Crossing) -> dict[str, Any]:
        return {"who": event.track_id, "line": event.rule, "box": event.box}

    given = config(outputs=[{"kafka": {"bootstrap": broker.bootstrap, "topic": topic}}], messages=[])
    with Pipeline() as pipeline, attach(pipeline.element("here"), given, messages=[payload], lossless=True):
        pipeline.push(library.buffer(frames) for frames in traffic(40, 1, 1))
        pipeline.finish()
    records = list(tail({"bootstrap.servers": broker.bootstrap}, topic, count=1, idle=10))
    value = orjson.loads(records[0].value)
    assert (value["who"], value["line"]) == (0, "straight")
    assert value["box"][2] - value["box"][0] == 8


def test_what_a_pipeline_showed_while_no_probe_was_on_it_is_told(tmp_path: Path) -> None:
    library, out = Library(), tmp_path / "out.jsonl"
    given = config(
        sources=[{"name": "camera-0", "live": True}],
        messages=[
            {"name": "missed", "on": "gap", "value": ["{gap.start|epoch_ms}", "{gap.end|epoch_ms}", "{gap.cause}"]}
        ],
        outputs=[{"file": {"path": str(out)}}],
        outbox=str(tmp_path / "o.outbox"),
    )
    frames = list(traffic(400, 1, 1))
    for some in (frames[:20], frames[60:80] + frames[300:320]):
        with Pipeline() as pipeline, attach(pipeline.element("here"), given, lossless=True):
            pipeline.push(library.buffer(f) for f in some)
            pipeline.finish()
    at = [NTP // 10**6 + 40 * n for n in (19, 60, 79, 300)]
    assert [orjson.loads(line) for line in out.read_bytes().splitlines()] == [
        [at[0], at[1], "not-running"], [at[2], at[3], "frames-dropped"],
    ], "the second by the numbers that are missing"  # fmt: skip


def test_a_live_pipeline_never_waits_the_oldest_batches_go_and_are_counted() -> None:
    library, gate, seen = Library(), threading.Event(), []

    def slow(_: Any, analytics: countline.Analytics) -> None:
        gate.wait(60)
        seen.append(analytics.frame.number)

    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), config(outbox="memory"), depth=8, consumers=[slow]) as attachment:
            pipeline.push(library.buffer(frames) for frames in traffic(100, 1, 1))
            pipeline.finish()  # comes through although nothing was evaluated yet
            assert seen == []
            gate.set()
        assert attachment.counts.frames == 100
        assert attachment.counts.dropped == attachment.summary().sources["camera-0"].dropped == 100 - len(seen)
        assert seen[-8:] == list(range(92, 100))
        assert len(seen) in (8, 9)


def test_a_lossless_probe_waits_for_room() -> None:
    library, seen = Library(), []
    with Pipeline() as pipeline:
        with attach(
            pipeline.element("here"), config(outbox="memory"), depth=2, lossless=True,
            consumers=[lambda _, a: seen.append(a.frame.number)],
        ) as attachment:  # fmt: skip
            pipeline.push(library.buffer(frames) for frames in traffic(300, 1, 5))
            pipeline.finish()
    assert seen == list(range(300))
    assert attachment.counts.dropped == 0


def test_times_numbers_and_sizes_come_from_the_metadata() -> None:
    library, seen = Library(), []
    frames = [
        [Frm(0, 3, 5, NTP, (1280, 720), [Obj(UNTRACKED, (1.5, 2.25, 3, 4), 1, "TwoWheeler", 0.25)])],
        [Frm(0, 4, 40_000_005, 0, (1280, 720), [])],
        [Frm(0, 0, 0, 0, (1280, 720), [])],  # the source was put back: numbers begin anew
        [Frm(9, 0, 0, 0, (1280, 720), [])],
    ]
    with Pipeline() as pipeline:
        with attach(
            pipeline.element("here"), config(outbox="memory"), lossless=True, consumers=[lambda _, a: seen.append(a)]
        ):
            pipeline.push(library.buffer(f) for f in frames)
            pipeline.finish()
    first, second, third = seen
    assert (first.frame.number, first.frame.pts, first.frame.time) == (3, 5, NTP)
    assert first.frame.time_quality is TimeQuality.NTP
    assert (first.frame.width, first.frame.height) == (1280, 720)
    assert first.tracks.ltwh.tolist() == [[1.5, 2.25, 3, 4]]
    assert first.tracks.xyxy.tolist() == [[1.5, 2.25, 4.5, 6.25]]
    assert (first.tracks.track_id.tolist(), first.tracks.class_id.tolist()) == ([UNTRACKED], [1])
    assert first.tracks.confidence.tolist() == [0.25]
    assert second.frame.time_quality is TimeQuality.ARRIVAL
    assert third.frame.number > second.frame.number
    assert third.frame.pts >= second.frame.pts


def test_frames_of_an_unknown_pad_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    library = Library()
    with Pipeline() as pipeline, attach(pipeline.element("here"), config(outbox="memory"), lossless=True) as attachment:
        pipeline.push(library.buffer([Frm(9, n)]) for n in range(3))
        pipeline.finish()
    assert "frames of pad_index 9 are left out" in caplog.text
    assert attachment.left_out == {9: 3}


def test_the_pads_picture_size_stands_in_where_metadata_was_copied() -> None:
    """NVIDIA's copy of a frame's metadata forgets the muxer's picture size."""
    library, seen = Library(), []
    source = "appsrc name=in caps=video/x-raw,format=RGBA,width=1280,height=720,framerate=25/1"
    with Pipeline(f"{source} ! identity name=here ! fakesink name=out") as pipeline:
        with attach(
            pipeline.element("here"),
            config(outbox="memory"),
            lossless=True,
            consumers=[lambda _, a: seen.append(a.frame)],
        ):
            original = library.buffer([Frm(0, 1, 0, 0, (1280, 720), [Obj(1, (1, 2, 3, 4))])])
            copy = library.gstreamer.gst_buffer_copy_deep(original)
            assert library.frames_of(copy)[0].width == 0
            library.unref(original)
            pipeline.push([copy])
            pipeline.finish()
    assert [(f.width, f.height) for f in seen] == [(1280, 720)]


def test_labels_that_differ_from_the_pipelines_are_said(caplog: pytest.LogCaptureFixture) -> None:
    library = Library()
    buffers = [[Frm(0, n, objects=[Obj(1, (0, 0, 1, 1), 1, "forklift")])] for n in range(20)]
    with Pipeline() as pipeline, attach(pipeline.element("here"), config(outbox="memory"), lossless=True, depth=2):
        pipeline.push(library.buffer(b) for b in buffers)
        pipeline.finish()
    assert "class 1 is 'forklift' in the pipeline but 'TwoWheeler' here" in caplog.text
    assert caplog.text.count("forklift") == 1
    caplog.clear()
    given = config(outbox="memory", detector={"labels": ["pallet", "forklift"]})
    with Pipeline() as pipeline, attach(pipeline.element("here"), given, lossless=True, depth=2):
        pipeline.push(library.buffer(b) for b in buffers)
        pipeline.finish()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_pad_works_as_an_element_does_and_so_does_a_sink() -> None:
    library = Library()
    for target in ("here-pad", "out"):
        with Pipeline() as pipeline:
            where: Any = (
                pipeline.element("here").get_static_pad("sink") if target == "here-pad" else pipeline.element("out")
            )
            with attach(where, config(outbox="memory"), lossless=True) as attachment:
                pipeline.push([library.buffer([Frm()])])
                pipeline.finish()
            assert attachment.counts.frames == 1


def test_what_is_no_pad_is_refused() -> None:
    with pytest.raises(countline.SourceError, match="neither a GStreamer pad nor an element"):
        attach("tracker", config())
    tee = gst().ElementFactory.make("funnel", "f")
    assert attach(tee, config(outbox="memory")).close().exit_code == 0
