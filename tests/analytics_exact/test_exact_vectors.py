"""The exact engine gives what NVIDIA's code gave, in every field of every frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from exact_vectors import config_of, load_lines, vector_folders

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules
from countline.errors import RuleError
from countline.record import read_tracks
from countline.types import FrameTracks

FOLDERS = vector_folders()


def frames_of(folder: Path) -> list[FrameTracks]:
    name = "frames.jsonl.gz" if (folder / "frames.jsonl.gz").exists() else "frames.jsonl"
    return list(read_tracks(folder / name))


def results(config: nvdsanalytics.NvdsAnalyticsConfig, frames: list[FrameTracks], batch: int) -> list[object]:
    engine = DeepStreamRules(config)
    out: list[object] = []
    for start in range(0, len(frames), batch):
        for analytics in engine.update(frames[start : start + batch]):
            assert isinstance(analytics, DeepStreamAnalytics)
            out.append(analytics.record())
    return out


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_every_field_of_every_frame_equals_nvidias(folder: Path) -> None:
    expected = load_lines(folder / "expected.jsonl")
    if expected == [{"error": "config rejected"}]:
        with pytest.raises(RuleError) as caught:
            nvdsanalytics.read(config_of(folder))
        assert config_of(folder).name in str(caught.value)
        return
    config = nvdsanalytics.read(config_of(folder))
    frames = frames_of(folder)
    for batch in (1, 7):
        got = results(config, frames, batch)
        for number, (mine, theirs) in enumerate(zip(got, expected)):
            assert mine == theirs, f"line {number + 1}, batches of {batch}"
        assert len(got) == len(expected)
