"""How a whole run ends when its outbox could not be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from delivery_disk import fill

from countline import outbox
from countline.broker.embedded import free_port
from countline.pipeline.report import summary_text
from countline.pipeline.run import Run
from countline.types import Detections


def test_a_live_run_on_a_full_disk_ends_with_code_5_and_says_what_is_lost(small_disk: Path, clip: Path) -> None:
    path = small_disk / "run.outbox"
    config = {
        "sources": [{"name": "gate", "uri": str(clip), "live": True}],
        "rules": {"lines": [{"name": "line", "points": [[0.1, 0.5], [0.9, 0.5]]}]},
        "messages": [{"name": "frame", "on": "frame", "value": {"frame": "{frame}", "pad": "x" * 20_000}}],
        "outputs": [{"kafka": {"bootstrap": f"127.0.0.1:{free_port()}", "topic": "t"}}],
        "outbox": {"path": str(path)},
    }
    seen: list[int] = []

    def watch(_: Any, analytics: Any) -> None:
        seen.append(analytics.frame.number)
        if len(seen) == 10:
            run.delivery.writer.flush()
            fill(small_disk)
        if len(seen) > 10 and run.delivery.writer.trouble:
            run.stop()

    run = Run(config, detector=lambda images: [Detections.empty() for _ in images], consumers=[watch])
    summary = run.execute(drain_timeout=0.3)
    assert summary.exit_code == 5
    text = summary_text(summary)
    assert "messages of live sources could not be written before the end" in text
    assert "disk is full" in text
    lost = summary.outputs["kafka"].dropped_by["not-written"]
    assert lost > 0
    assert summary.pending == summary.messages - lost
    assert outbox.inspect(path).messages == summary.pending
