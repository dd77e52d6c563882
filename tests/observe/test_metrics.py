"""What a run tells of itself is true, complete and well-formed."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from walking import Walker, address_of, configuration, get, running, samples

import countline as cl
from countline.errors import ConfigError
from countline.observe.histogram import BOUNDS, Histogram
from countline.observe.measured import Measured, OutputMeasures, SourceMeasures, merged
from countline.observe.metrics import FAMILIES
from countline.observe.notes import _KNOWN, SourceNotes
from countline.observe.prometheus import exposition, registry

PROMTOOL = shutil.which("promtool")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[cl.Summary, str, str]:
    """A run of 100 frames of two cameras, one output that works and one that is away: its summary, and what was scraped of it."""
    folder = tmp_path_factory.mktemp("run")
    outputs = [
        {"file": {"path": str(folder / "out.jsonl")}},
        {"redis": {"host": "127.0.0.1", "port": 1, "stream": "s", "name": "away"}},
    ]
    config = configuration(folder, outputs=outputs, metrics="127.0.0.1:0")
    with running(config, Walker("gate"), Walker("yard", 1), after=250) as run:
        text = get(address_of(run), "/metrics")[2]
        openmetrics = get(address_of(run), "/metrics", Accept="application/openmetrics-text;version=1.0.0")[2]
        summary = run.engine.refresh()
    return summary, text, openmetrics


def test_metrics_say_what_the_run_counts(told: tuple[cl.Summary, str, str]) -> None:
    found = samples(told[1])
    for source in ("gate", "yard"):
        frames = found[f'countline_frames_processed_total{{source="{source}"}}']
        assert frames >= 80
        assert found[f'countline_detections_total{{source="{source}"}}'] in (frames, frames + 1, frames - 1)
        assert found[f'countline_source_frames_total{{source="{source}"}}'] >= frames
        assert found[f'countline_source_state{{countline_source_state="live",source="{source}"}}'] == 1
        assert found[f'countline_source_state{{countline_source_state="failed",source="{source}"}}'] == 0
        assert found[f'countline_tracks_active{{source="{source}"}}'] == 1
        assert found[f'countline_tracks_total{{source="{source}"}}'] == 1, "the same person all the time"
        for way in ("in", "out"):
            key = f'rule="door",source="{source}"}}'
            events = found[f'countline_events_total{{direction="{way}",kind="crossing",{key}']
            assert events >= 1
            assert found[f'countline_counts_total{{counter="{way}",{key}'] == events
        assert found[f'countline_region_occupancy{{rule="hall",source="{source}"}}'] in (0, 1)
        assert 0 <= found[f'countline_source_frame_delay_seconds{{source="{source}"}}'] < 60
    assert found["countline_messages_made_total"] >= 4


def test_each_output_is_told_apart_with_what_waits_for_it(told: tuple[cl.Summary, str, str]) -> None:
    found = samples(told[1])
    made = found["countline_messages_made_total"]
    assert found['countline_output_messages_waiting{output="away"}'] >= made - 2
    assert found['countline_output_oldest_age_seconds{output="away"}'] > 0
    assert found['countline_output_messages_acknowledged_total{output="away"}'] == 0
    assert found['countline_output_connected{output="away"}'] == 0
    assert found['countline_output_messages_acknowledged_total{output="file"}'] >= made - 2
    assert found['countline_output_messages_sent_total{output="file"}'] >= made - 2
    assert found['countline_output_latency_seconds_count{output="file"}'] >= made - 2
    assert found['countline_output_latency_seconds_count{output="away"}'] == 0


def test_frames_grow_older_from_stage_to_stage(told: tuple[cl.Summary, str, str]) -> None:
    found = samples(told[1])
    sums = [found[f'countline_frame_age_seconds_sum{{stage="{stage}"}}'] for stage in ("detector", "worker", "outbox")]
    counts = [
        found[f'countline_frame_age_seconds_count{{stage="{stage}"}}'] for stage in ("detector", "worker", "outbox")
    ]
    assert counts[0] >= counts[1] >= counts[2] >= 240
    assert sums[0] / counts[0] < sums[1] / counts[1] < sums[2] / counts[2]
    assert found['countline_frame_age_seconds_bucket{le="+Inf",stage="outbox"}'] == counts[2]


@pytest.mark.skipif(PROMTOOL is None, reason="needs Debian's package prometheus (promtool)")
def test_promtool_finds_nothing_to_complain_of(told: tuple[cl.Summary, str, str]) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=told[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_open_metrics_is_well_formed_and_says_the_same(told: tuple[cl.Summary, str, str]) -> None:
    families = {family.name: family for family in text_string_to_metric_families(told[2])}
    assert told[2].endswith("# EOF\n")
    assert families["countline_source_state"].type == "stateset"
    assert families["countline_build"].type == "info"
    assert families["countline_output_latency_seconds"].type == "histogram"
    for name, family in families.items():
        if name.startswith("countline_"):
            assert name in {f.base for f in FAMILIES}
            assert family.documentation


def test_every_metric_of_the_table_has_been_seen(told: tuple[cl.Summary, str, str]) -> None:
    """But for those of cameras that tell their clock, and of damage and packets, which arrays have not."""
    absent = {
        f.prometheus
        for f in FAMILIES
        if f"# HELP {f.prometheus} " not in told[1] and f"# HELP {f.base} " not in told[1]
    }
    assert absent == {
        "countline_source_clock_offset_seconds",
        "countline_source_packets_total",
        "countline_source_packet_idle_seconds",
        "countline_source_corrupt_total",
    }


def test_names_follow_both_conventions() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert len({family.base for family in FAMILIES}) == len(names)
    for family in FAMILIES:
        assert re.fullmatch(r"countline(\.[a-z]+)+", family.name)
        assert re.fullmatch(r"countline(_[a-z]+)+", family.prometheus)
        assert family.help.endswith(".")
        assert family.kind not in ("counter", "histogram") or family.unit, "these always count something"
        assert (family.kind == "state") == bool(family.states)


def test_the_table_in_the_documentation_is_made_from_the_code() -> None:
    tool = Path(__file__).resolve().parents[2] / "tools" / "make_metrics.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_listens_unless_it_is_asked_for(tmp_path: Path) -> None:
    with running(configuration(tmp_path)) as run:
        assert run.monitor is None


def test_what_is_shown_cannot_be_changed_while_running(tmp_path: Path) -> None:
    config = configuration(tmp_path, sources=[{"name": "gate", "uri": "none"}])
    with running(config) as run:
        with pytest.raises(ConfigError, match="metrics"):
            run.control.apply({**config, "metrics": "127.0.0.1:0"})
        measured = run.measured()
    assert dict(measured.reloads) == {"applied": 0, "refused": 1}
    assert not measured.reload_ok


@given(st.lists(st.floats(-1, 1e5, allow_nan=False), max_size=50))
def test_a_histogram_holds_each_value_in_the_first_bucket_that_takes_it(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    found = histogram.read()
    assert found.number == len(values)
    assert math.isclose(found.total, sum(max(0.0, v) for v in values), abs_tol=1e-6)
    for i, bound in enumerate(BOUNDS):
        assert sum(found.counts[: i + 1]) == sum(v <= bound for v in values)


@given(st.text(), st.text(), st.text())
def test_whatever_names_are_like_the_exposition_can_be_read(source: str, rule: str, output: str) -> None:
    measured = Measured(
        sources=[SourceMeasures(source, "live", events={("crossing", rule, "in"): 3})], outputs=[OutputMeasures(output)]
    )
    collected = registry(lambda: measured)
    text, _ = exposition(collected, "application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    (event,) = families["countline_events"].samples
    assert event.labels == {"source": _shown(source), "kind": "crossing", "rule": _shown(rule), "direction": "in"}


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@given(st.lists(st.lists(st.integers(0, 30), max_size=8, unique=True), max_size=40))
def test_a_track_begins_once(frames: list[list[int]]) -> None:
    notes = SourceNotes()
    for ids in frames:
        notes.see(ids, ())
    assert notes.tracks_begun == len({i for ids in frames for i in ids})
    assert notes.tracks == (len(frames[-1]) if frames else 0)


def test_tracks_are_remembered_within_bounds() -> None:
    notes = SourceNotes()
    for i in range(5 * _KNOWN):
        notes.see([i, 10**9], ())
    assert notes.tracks_begun == 5 * _KNOWN + 1
    assert len(notes._known) + len(notes._before) <= 2 * _KNOWN + 4


def test_several_runs_in_one_process_are_one() -> None:
    ages = Histogram()
    ages.observe(0.2)
    one = Measured(
        messages=2,
        sources=[SourceMeasures("a")],
        outputs=[OutputMeasures("kafka", sent=3)],
        ages={"outbox": ages.read()},
    )
    two = Measured(
        messages=3,
        sources=[SourceMeasures("b")],
        outputs=[OutputMeasures("kafka", sent=3)],
        ages={"outbox": ages.read()},
    )
    both = merged([one, two])
    assert [s.name for s in both.sources] == ["a", "b"]
    assert [(o.name, o.sent) for o in both.outputs] == [("kafka", 3)], "which they share"
    assert both.messages == 5
    assert both.ages["outbox"].number == 2
