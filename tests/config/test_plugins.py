"""Outputs of other distributions are found by their own configuration class, however their packages are called."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from countline.config import Config, outputs
from countline.pipeline import build

CONFIG = "from countline.config.base import OutputConfig\n\n\nclass Config(OutputConfig):\n    to: str = ''\n"
OUTPUT = """
class Output:
    def __init__(self, config):
        self.name, self.package = config.name, __package__


def make(config):
    return Output(config)
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("acme", "acme_pro", "acme_pro_max")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "config.py").write_text(CONFIG)
        (tmp_path / name / "output.py").write_text(OUTPUT)
    monkeypatch.syspath_prepend(str(tmp_path))
    entries = [EntryPoint(name, name, "countline.outputs") for name in names]
    monkeypatch.setattr(outputs, "entry_points", lambda group: entries if group == "countline.outputs" else [])
    yield
    for name in [m for m in sys.modules if m.split(".")[0] in names]:
        del sys.modules[name]


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("order", [("acme", "acme_pro", "acme_pro_max"), ("acme_pro_max", "acme_pro", "acme")])
def test_packages_whose_names_begin_alike_are_told_apart(order: tuple[str, ...]) -> None:
    config = Config.model_validate(
        {"sources": [{"name": "a", "uri": "b"}], "outputs": [{kind: {"to": "x"}} for kind in order]}
    )
    assert [made.package for made in build.outputs(config)] == list(order)  # type: ignore[attr-defined]
