"""A collector gets the same numbers as Prometheus, and the way of each message from its frame to its acknowledgement."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import orjson
import pytest
from collector import Collector, attributes, collecting
from hypothesis import given
from hypothesis import strategies as st
from walking import Walker, configuration, running, samples, wait_for

from countline.observe import otel, traces
from countline.observe.metrics import FAMILIES
from countline.observe.prometheus import exposition, registry
from countline.observe.traces import MOST, Traces, trace_id, traceparent
from countline.protocols import Entry
from countline.types import Message
from ports import free_port


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collector, list[dict[str, Any]], dict[str, float]]:
    """What a collector got of a run, the messages that the run sent, and what Prometheus would have read at its end."""
    folder = tmp_path_factory.mktemp("otel")
    with collecting() as collector:
        given = {
            "endpoint": collector.address,
            "headers": {"authorization": "Bearer s3cret-of-a-collector"},
            "interval": 0.5,
            "service": "site-7",
            "attributes": {"deployment.environment.name": "test"},
        }
        with running(configuration(folder, otel=given), Walker(frames=100), after=100) as run:
            wait_for(lambda: collector.metrics and collector.spans)
        text, _ = exposition(registry(run.measured))
    sent = [orjson.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    return collector, sent, samples(text.decode())


def test_a_collector_gets_every_number_that_prometheus_reads(told: tuple[Collector, Any, dict[str, float]]) -> None:
    collector, _, read = told
    families = collector.families()
    known = {family.name: family for family in FAMILIES}
    assert set(families) <= set(known)
    checked = 0
    for name, metric in families.items():
        family = known[name]
        assert (metric.description, metric.unit) == (family.help, family.unit)
        if family.kind == "counter" and name != "countline.stage.busy":
            assert metric.sum.is_monotonic
            assert metric.sum.aggregation_temporality == 2, "cumulative"
            for point in metric.sum.data_points:
                labels = {k.removeprefix("countline."): v for k, v in attributes(point).items()}
                shown = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()))
                value = getattr(point, point.WhichOneof("value"))
                assert value == read[f"{family.prometheus}{{{shown}}}" if shown else family.prometheus]
                assert 0 < point.start_time_unix_nano < point.time_unix_nano
                checked += 1
        elif family.kind == "histogram":
            for point in metric.histogram.data_points:
                assert sum(point.bucket_counts) == point.count
                assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
                assert not point.HasField("min"), "which nobody keeps"
                checked += 1
    assert checked > 20
    (age,) = [
        p for p in families["countline.frame.age"].histogram.data_points if attributes(p)["countline.stage"] == "outbox"
    ]
    assert age.count == read['countline_frame_age_seconds_count{stage="outbox"}'] == 100


def test_a_source_is_in_one_state(told: tuple[Collector, Any, Any]) -> None:
    points = told[0].families()["countline.source.state"].gauge.data_points
    assert {attributes(p)["countline.source.state"]: p.as_int for p in points if p.as_int} == {"ended": 1}
    assert len(points) == 8


def test_what_sends_says_who_it_is(told: tuple[Collector, Any, Any]) -> None:
    resource = attributes(told[0].metrics[-1].resource_metrics[0].resource)
    assert resource["service.name"] == "site-7"
    assert resource["deployment.environment.name"] == "test"
    assert resource["service.version"]
    assert {h["authorization"] for h in told[0].headers} == {"Bearer s3cret-of-a-collector"}


def test_a_trace_leads_from_the_frame_to_the_acknowledgement(told: tuple[Collector, list[dict[str, Any]], Any]) -> None:
    collector, sent, _ = told
    assert len(sent) >= 2
    by_trace: dict[int, dict[str, Any]] = {}
    for span in collector.spans:
        by_trace.setdefault(int.from_bytes(span.trace_id, "big"), {})[span.name] = span
    assert set(by_trace) == {trace_id(message["id"]) for message in sent}
    for message in sent:
        spans = by_trace[trace_id(message["id"])]
        assert set(spans) == {"process frame", "detect", "track and count", "send file"}
        root = spans["process frame"]
        assert not root.parent_span_id
        assert attributes(root)["countline.source"] == "gate"
        assert attributes(root)["messaging.message.id"] == message["id"]
        assert {s.parent_span_id for name, s in spans.items() if name != "process frame"} == {root.span_id}
        _, trace, span, flags = traceparent(message["id"]).split("-")
        assert (trace, span, flags) == (root.trace_id.hex(), root.span_id.hex(), "01")
        send = spans["send file"]
        assert send.kind == 4, "a producer"
        assert attributes(send)["messaging.destination.name"] == "file"
        assert root.start_time_unix_nano <= spans["detect"].start_time_unix_nano
        assert spans["detect"].end_time_unix_nano <= spans["track and count"].end_time_unix_nano
        assert spans["track and count"].end_time_unix_nano <= send.end_time_unix_nano
        assert all(s.start_time_unix_nano <= s.end_time_unix_nano for s in spans.values())


def test_a_message_that_another_process_delivers_stays_in_its_trace(tmp_path: Path) -> None:
    """One run makes messages while the output is away, and the next one delivers them."""
    away = {"redis": {"host": "127.0.0.1", "port": 1, "stream": "s", "name": "sink"}}
    there = {"file": {"path": str(tmp_path / "out.jsonl"), "name": "sink"}}
    with collecting() as collector:
        first = configuration(tmp_path, outputs=[away], otel={"endpoint": collector.address, "metrics": False})
        with running(first, Walker(frames=60), after=60):
            pass
        made = {bytes(s.trace_id): s for s in collector.spans if s.name == "process frame"}
        assert made
        assert not [s for s in collector.spans if s.name.startswith("send")]
        collector.spans.clear()
        second = configuration(tmp_path, outputs=[there], otel={"endpoint": collector.address, "metrics": False})
        with running(second, Walker(frames=1), after=1) as run:
            wait_for(lambda: not run.delivery.outbox.pending("sink"))
        sent = {bytes(s.trace_id): s for s in collector.spans if s.name == "send sink"}
    assert set(sent) == set(made)
    for trace, span in sent.items():
        assert span.parent_span_id == made[trace].span_id
        assert span.start_time_unix_nano >= made[trace].start_time_unix_nano, "since its commit in the first run"


def test_a_collector_that_is_away_or_refuses_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel, "TIMEOUT", 0.2)
    secret = "s3cret-of-a-collector"
    endpoint = f"http://user:{secret}@127.0.0.1:{free_port()}"
    with caplog.at_level(logging.INFO):
        with running(
            configuration(tmp_path, otel={"endpoint": endpoint, "interval": 0.1}), Walker(frames=60), after=60
        ):
            wait_for(lambda: "cannot be sent" in caplog.text)
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert len(lines) >= 1, "messages went out all the same"
    assert "OpenTelemetry collector at http://" in caplog.text
    assert secret not in caplog.text
    assert "spans could not be sent" in caplog.text


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import countline as cl
    from countline.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(MissingExtra, match=r"countline\[otel\]"):
        cl.Run(configuration(tmp_path, otel={}), sources=[Walker()], detector=lambda images: [])


@given(st.text(min_size=1))
def test_ids_of_traces_are_never_zero_and_follow_from_the_message(text: str) -> None:
    assert 0 < trace_id(text) < 1 << 128
    assert trace_id(text) == trace_id(text)


def test_a_part_of_the_messages_is_traced_and_always_the_same_part() -> None:
    ids = [f"message-{i}" for i in range(4000)]
    one, other = Traces(0.25), Traces(0.25)
    chosen = [i for i in ids if one.sampled(i)]
    assert chosen == [i for i in ids if other.sampled(i)]
    assert 800 < len(chosen) < 1200
    assert not any(Traces(0.0).sampled(i) for i in ids)
    assert all(Traces(1.0).sampled(i) for i in ids)


def test_spans_that_nobody_takes_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MOST", 10)
    made = Traces()
    for i in range(15):
        made.answered("kafka", Entry(i, Message(f"m-{i}", b"")), 0.1, "refused" if i == 14 else "")
    assert made.dropped == 5
    left = made.take(MOST)
    assert len(left) == 10
    assert (left[-1].error, left[-1].attributes["error.type"]) == ("refused", "refused")
