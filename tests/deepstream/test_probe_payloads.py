"""Finished messages on the buffer, as nvmsgbroker reads them."""

from __future__ import annotations

import ctypes
from typing import Any

import orjson
import pytest
from nvds_metas import PAYLOAD_META, FrameMeta, Frm, Library, Obj, P, U, UserMeta, listed, payloads_of
from nvds_pipeline import Pipeline

from countline.deepstream import attach
from countline.deepstream.payload import COUNTS
from countline.errors import ConfigError


def config(**more: Any) -> dict[str, Any]:
    """Every object gives a message in which its box and the source's name stand."""
    return {
        "sources": [{"name": "north"}, {"name": "south"}],
        "rules": {"lines": [{"name": "gate", "points": [[0.1, 0.5], [0.9, 0.5]]}]},
        "messages": [
            {"name": "first", "on": "frame", "value": {"n": 1, "camera": "{source}", "frame": "{frame}"}},
            {"name": "second", "on": "frame", "value": {"n": 2, "camera": "{source}"}},
            {
                "name": "third",
                "on": "crossing",
                "value": {"n": 3, "who": "{track_id}", "total": "{lines.gate.cumulative}"},
            },
        ],
        "outbox": "memory",
        **more,
    }


@pytest.fixture
def seen() -> list[list[tuple[int, list[bytes]]]]:
    """What a consumer behind the probe reads: by buffer, (pad_index, payloads) of each frame."""
    return []


def consumer(pipeline: Pipeline, library: Library, seen: list[Any]) -> None:
    """A probe of the same kind as nvmsgbroker's sink: it reads when the buffer arrives."""
    from countline.deepstream.probe import Probe

    def read(buffer: int) -> None:
        seen.append([(f.pad_index, payloads_of(f)) for f in library.frames_of(buffer)])

    pipeline.probe = Probe(pipeline.element("out").get_static_pad("sink"), read)  # type: ignore[attr-defined]


def walk(frames: int) -> list[list[Frm]]:
    """One object walks down through the middle of each picture."""
    return [
        [
            Frm(pad, n, n * 40_000_000, 0, (1000, 1000), [Obj(7 + pad, (400, 20.0 * n - 100, 50, 100), 0)])
            for pad in (0, 1)
        ]
        for n in range(frames)
    ]


def test_a_consumer_reads_custom_messages_in_their_order_and_every_one_is_released_once(seen: list[Any]) -> None:
    library = Library()
    before = (COUNTS.attached, COUNTS.released)
    with Pipeline() as pipeline:
        consumer(pipeline, library, seen)
        with attach(pipeline.element("here"), config(), publish="nvmsgbroker") as attachment:
            pipeline.push(library.buffer(frames) for frames in walk(50))
            pipeline.finish()
        assert attachment.counts.errors == 0
        assert attachment.summary().sources["north"].lines["gate"]["total"] == 1
    assert len(seen) == 50
    crossed = []
    for number, buffer in enumerate(seen):
        assert [pad for pad, _ in buffer] == [0, 1]
        for pad, values in buffer:
            camera = ("north", "south")[pad]
            parsed = [orjson.loads(v) for v in values]
            assert parsed[0] == {"n": 1, "camera": camera, "frame": number}
            assert parsed[1] == {"n": 2, "camera": camera}
            crossed += parsed[2:]
    assert crossed == [{"n": 3, "who": 7, "total": 1}, {"n": 3, "who": 8, "total": 1}]
    attached, released = COUNTS.attached - before[0], COUNTS.released - before[1]
    assert attached == 50 * 2 * 2 + 2
    assert released == attached


def test_a_payload_is_what_nvmsgbroker_expects_in_memory() -> None:
    library = Library()
    found: list[tuple[int, int, int, bytes]] = []

    def read(buffer: int) -> None:
        for frame in library.frames_of(buffer):
            for address in listed(frame.users):
                user = UserMeta.from_address(address)
                size, component = U.from_address(user.data + 8).value, U.from_address(user.data + 12).value
                found.append(
                    (user.base.meta_type, size, component, ctypes.string_at(P.from_address(user.data).value, size))
                )
                assert user.base.batch_meta == library.gst.gst_buffer_get_nvds_batch_meta(buffer)
                assert user.base.copy
                assert user.base.release

    from countline.deepstream.probe import Probe

    given = config(messages=[{"name": "one", "on": "frame", "value": {"text": "grüße"}}])
    with Pipeline() as pipeline:
        probe = Probe(pipeline.element("out").get_static_pad("sink"), read)
        with attach(pipeline.element("here"), given, publish="nvmsgbroker", component=17):
            pipeline.push([library.buffer([Frm(0, 0, 0, 0, (100, 100), [])])])
            pipeline.finish()
        probe.remove()
    assert found == [(PAYLOAD_META, len('{"text":"grüße"}'.encode()), 17, '{"text":"grüße"}'.encode())]


def test_metadata_that_is_copied_on_the_way_takes_its_own_payloads_along() -> None:
    library = Library()
    before = (COUNTS.attached, COUNTS.copied, COUNTS.released)
    copies: list[int] = []

    def copy(buffer: int) -> None:
        copies.append(library.gstreamer.gst_buffer_copy_deep(buffer))

    from countline.deepstream.probe import Probe

    with Pipeline() as pipeline:
        probe = Probe(pipeline.element("out").get_static_pad("sink"), copy)
        with attach(pipeline.element("here"), config(), publish="nvmsgbroker"):
            pipeline.push([library.buffer([Frm(1, 5, 0, 0, (100, 100), [])])])
            pipeline.finish()
        probe.remove()
    attached, copied, released = COUNTS.attached - before[0], COUNTS.copied - before[1], COUNTS.released - before[2]
    assert (attached, copied, released) == (2, 2, 2)
    frame: FrameMeta = library.frames_of(copies[0])[0]
    assert sorted(orjson.loads(v)["n"] for v in payloads_of(frame)) == [1, 2]
    library.unref(copies[0])
    assert COUNTS.released - before[2] == 4


def test_counts_go_on_after_a_restart(tmp_path: Any) -> None:
    library = Library()
    given = config(outbox=str(tmp_path / "counts.outbox"))
    for run in (1, 2):
        with Pipeline() as pipeline:
            with attach(pipeline.element("here"), given, publish="nvmsgbroker") as attachment:
                pipeline.push(library.buffer(frames) for frames in walk(50))
                pipeline.finish()
            assert attachment.summary().sources["south"].lines["gate"]["total"] == run


def test_another_way_to_publish_is_refused() -> None:
    with Pipeline() as pipeline, pytest.raises(ConfigError, match="cannot publish to 'kafka'"):
        attach(pipeline.element("here"), config(), publish="kafka")  # type: ignore[arg-type]
