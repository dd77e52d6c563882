"""Which of the two runs, kernel or NumPy, is found out once and told."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from countline import kernels
from countline.commands.check import _first
from countline.config import Config, TrackerConfig
from countline.pipeline import build
from countline.track import make
from countline.types import SourceInfo

LINE = {"name": "middle", "points": [[0.1, 0.5], [0.9, 0.5]]}


@pytest.fixture(autouse=True)
def _found_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(kernels.OFF, raising=False)
    kernels._find.cache_clear()
    yield
    kernels._find.cache_clear()


def installed(monkeypatch: pytest.MonkeyPatch, **facts: object) -> ModuleType:
    """A ``countline_kernels`` with these facts."""
    module = ModuleType("countline_kernels")
    vars(module).update(facts)
    monkeypatch.setitem(sys.modules, "countline_kernels", module)
    return module


def test_without_the_kernel_numpy_runs_and_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "countline_kernels", None)
    found = kernels.find()
    assert found.module is None
    assert not found.wrong
    assert "NumPy" in found.description


def test_a_kernel_of_the_right_version_is_used_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    module = installed(monkeypatch, INTERFACE=kernels.INTERFACE, __version__="0.9")
    assert kernels.find() == (module, "compiled kernel 0.9", False)


@pytest.mark.parametrize("facts", [{"INTERFACE": kernels.INTERFACE + 1, "__version__": "9.0"}, {}])
def test_a_kernel_of_another_version_is_left_aside_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, facts: dict[str, object]
) -> None:
    installed(monkeypatch, **facts)
    found = kernels.find()
    assert found.module is None
    assert found.wrong
    config = Config.model_validate({"sources": [{"name": "a", "uri": "a.mp4"}], "rules": {"lines": [LINE]}})
    with caplog.at_level(logging.WARNING):
        rules = build.rules(config, [SourceInfo("a")], ["person"])
    assert rules._compiled is None  # type: ignore[attr-defined]
    assert "pip install -U countline countline-kernels" in caplog.text


def test_a_kernel_that_cannot_be_loaded_is_left_aside_and_the_reason_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> ModuleType:
        raise ImportError("libc.so.6: version `GLIBC_2.99' not found")

    monkeypatch.setattr(kernels, "import_module", refuse)
    found = kernels.find()
    assert found.wrong
    assert "GLIBC_2.99" in found.description


@pytest.mark.parametrize("value", ["off", "0", "OFF"])
def test_a_variable_leaves_the_kernel_aside(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(kernels.OFF, value)
    found = kernels.find()
    assert found.module is None
    assert not found.wrong
    assert kernels.OFF in found.description
    assert make(TrackerConfig())._kernel is None  # type: ignore[attr-defined]


def test_check_tells_which_of_the_two_runs(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    config = Config.model_validate({"sources": [{"name": "a", "uri": str(clip)}], "rules": {"lines": [LINE]}})
    installed(monkeypatch, INTERFACE=kernels.INTERFACE, __version__="0.9")
    for told in ("compiled kernel 0.9", "NumPy (COUNTLINE_KERNELS leaves the compiled kernel aside)"):
        assert ("rules and tracks", True, told) in [(c.subject, c.ok, c.detail) for _, c in _first(config)]
        monkeypatch.setenv(kernels.OFF, "off")
