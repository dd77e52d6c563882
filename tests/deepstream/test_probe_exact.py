"""With the user's own nvdsanalytics file the results behind a probe are nvdsanalytics's: every recorded case, as real metadata
through a real pipeline."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nvds_metas import UNTRACKED, Frm, Library, Obj
from nvds_pipeline import Pipeline

from countline.deepstream import attach
from countline.errors import RuleError

VECTORS = Path(__file__).parents[1] / "analytics_exact" / "vectors"
CASES = sorted(path for path in VECTORS.iterdir() if path.is_dir())


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def frame(record: dict[str, Any]) -> Frm:
    objects = [
        Obj(
            UNTRACKED if o["id"] is None else o["id"],
            (o["left"], o["top"], o["width"], o["height"]),
            o["class_id"],
            f"class {o['class_id']}",
        )
        for o in record["objects"]
    ]
    pts = record.get("pts", record["frame"] * 33_333_333) % 2**64
    return Frm(record["stream"], record["frame"], pts, 1, (record["width"], record["height"]), objects)


def batches(frames: list[Frm]) -> Iterator[list[Frm]]:
    """As a stream muxer makes them: a batch holds one frame of a stream."""
    batch: list[Frm] = []
    for one in frames:
        if any(other.pad == one.pad for other in batch):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_results_behind_a_probe_equal_nvdsanalytics(case: Path) -> None:
    file = next(case.glob("config.*"))
    expected = lines(case / "expected.jsonl.gz")
    config = {"rules": {"file": str(file)}, "outbox": "memory"}
    library, got = Library(), []
    if expected == [{"error": "config rejected"}]:
        with Pipeline() as pipeline, pytest.raises(RuleError):
            attach(pipeline.element("here"), config)
        return
    frames = [frame(record) for record in lines(case / "frames.jsonl.gz")]
    config["sources"] = [{"name": f"camera {i}"} for i in range(max(f.pad for f in frames) + 1)]
    with Pipeline() as pipeline:
        with attach(
            pipeline.element("here"), config, lossless=True, consumers=[lambda _, found: got.append(found.record())]
        ) as attachment:
            pipeline.push(library.buffer(batch) for batch in batches(frames))
            pipeline.finish()
        assert attachment.counts.frames == len(frames)
        assert attachment.counts.dropped == attachment.counts.errors == 0
    for number, (mine, theirs) in enumerate(zip(got, expected)):
        assert mine == theirs, f"line {number + 1}"
    assert len(got) == len(expected)
