"""The recipes of CONTRIBUTING.md name all that there is to do: what stands in its folder is found, and no list names it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import countline

LAYOUT = """
from countline.detect.layouts.base import Form, Layout, Raw
from countline.detect.layouts.family import Family

def decode(layout, arrays, size, floor):
    return Raw(arrays[0][:, 4:].T, lambda index: arrays[0][index, :4])

def single(output, outputs):
    if outputs.wanted == "acme":
        yield Layout("acme", output.channels - 4, order=(output.at,))

FAMILY = Family((Form("acme", decode, corners=True),), single=single)
"""
MODEL = """
from countline.config.kinds.queue import QueueConfig

KEY = "benches"

class Config(QueueConfig):
    kind = "bench"
    events = ()
"""
KIND = """
from countline.analytics.native.kinds import queue
from countline.config.kinds.bench import Config

class Bench(type(queue.KIND)):
    key = "benches"
    config = Config
    events = ()

KIND = Bench()
"""
ASK = """
import numpy as np
from countline.config.detector import LayoutSchema
from countline.config.rules import RulesConfig
from countline.detect.layouts import FORMS, Layout
from countline.detect.recognise import recognise
assert "acme" in LayoutSchema.built_in()
(found,) = recognise([(1, 50, 7)], ["out"], (64, 64), 3, "acme")
raw = found.decode([np.ones((1, 50, 7), np.float32)], 0, (64, 64), 0.5)
assert raw.scores.shape == (3, 50)
from countline.analytics.native.kinds import kinds
rules = RulesConfig(benches=[{"name": "b", "points": [[0, 0], [1, 0], [1, 1]]}])
assert [rule.name for _, _, rule in rules.each()] == ["b"]
assert "benches" in [kind.key for kind in kinds()]
print("found")
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to which files can be added."""
    root = tmp_path_factory.mktemp("copy")
    here = Path(countline.__file__).parent
    shutil.copytree(here, root / "countline", ignore=shutil.ignore_patterns("*.onnx", "*.mp4", "__pycache__"))
    return root


def test_a_layout_and_a_kind_of_rule_are_found_by_standing_in_their_folders(copy: Path) -> None:
    package = copy / "countline"
    (package / "detect/layouts/acme.py").write_text(LAYOUT)
    (package / "config/kinds/bench.py").write_text(MODEL)
    (package / "analytics/native/kinds/bench.py").write_text(KIND)
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.strip() == "found", done.stderr
