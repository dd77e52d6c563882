"""A probe shows the same metrics, health and traces as a run of video."""

from __future__ import annotations

import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

from nvds_metas import Frm, Library, Obj
from nvds_pipeline import Pipeline

from countline.deepstream import attach
from countline.observe.metrics import FAMILIES
from countline.observe.traces import Traces

OF_VIDEO = {
    "countline_source_packets_total",
    "countline_source_packet_idle_seconds",
    "countline_source_clock_offset_seconds",
    "countline_source_corrupt_total",
    "countline_detector_away",
}
"""What is known of cameras that countline reads itself, and of a detector that it asks itself."""


def config(folder: Path) -> dict[str, Any]:
    return {
        "sources": [{"name": "north"}, {"name": "south"}],
        "rules": {
            "lines": [{"name": "straight", "points": [[0.0, 0.5], [1.0, 0.5]]}],
            "regions": [{"name": "hall", "points": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}],
        },
        "messages": [{"name": "crossings", "on": "crossing", "value": {"who": "{track_id}"}}],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": "memory",
        "metrics": "127.0.0.1:0",
    }


def traffic(frames: int) -> list[list[Frm]]:
    """On each camera three objects walk down across the middle."""
    return [
        [
            Frm(
                pad, n, n * 40_000_000, 1_700_000_000_000_000_000 + n * 40_000_000, (1000, 1000),
                [Obj(i, (100 * i, n * 25.0 - 50, 40, 80), 2, "Person", 0.75) for i in range(3)],
            )
            for pad in range(2)
        ]
        for n in range(frames)
    ]  # fmt: skip


def get(address: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
        body: bytes = answer.read()
        return body.decode()


def test_a_probe_tells_the_same_metrics_and_health_as_a_run(tmp_path: Path) -> None:
    library, seen, all_seen = Library(), [0], threading.Event()

    def see(*_: object) -> None:
        seen[0] += 1
        if seen[0] == 80:
            all_seen.set()

    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), config(tmp_path), lossless=True, consumers=[see]) as attachment:
            assert attachment.monitor is not None
            address = attachment.monitor.address
            assert not attachment.health().is_ready, "no frame has come"
            traces = Traces()
            attachment.trace(traces)
            pipeline.push(library.buffer(frames) for frames in traffic(40))
            assert all_seen.wait(60)
            ready = json.loads(get(address, "/readyz"))
            text = get(address, "/metrics")
            pipeline.finish()
    assert ready["ok"] is True
    assert ready["checks"]["sources"]["detail"] == "2 live"
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for source in ("north", "south"):
        assert found[f'countline_frames_processed_total{{source="{source}"}}'] in ("39.0", "40.0")
        assert found[f'countline_detections_total{{source="{source}"}}'] == "120.0"
        assert found[f'countline_tracks_total{{source="{source}"}}'] == "3.0"
        assert found[f'countline_source_state{{countline_source_state="live",source="{source}"}}'] == "1.0"
        crossings = [
            float(value)
            for key, value in found.items()
            if key.startswith("countline_events_total{") and source in key and "crossing" in key
        ]
        assert sum(crossings) == 3
    assert float(found['countline_frame_age_seconds_count{stage="outbox"}']) >= 78
    absent = {
        f.prometheus for f in FAMILIES if f"# HELP {f.prometheus} " not in text and f"# HELP {f.base} " not in text
    }
    assert absent - {"countline_output_connected"} == OF_VIDEO, "a file is open from its first message on"
    assert {span.name for span in traces.take(100)} >= {"process frame", "track and count"}
