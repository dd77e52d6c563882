"""Every example in a docstring is run and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import countline


def modules() -> list[str]:
    found = pkgutil.walk_packages(countline.__path__, "countline.", onerror=lambda _: None)
    return ["countline", *(m.name for m in found if not m.name.endswith("__main__"))]


def may_have_examples(module: ModuleType) -> bool:
    """False where the prompt stands nowhere in the file: its docstrings need not be looked through one by one, which is slow."""
    assert module.__file__ is not None
    return ">>>" in Path(module.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(name)
    if may_have_examples(module):
        result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        assert result.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [m for m in map(importlib.import_module, modules()) if may_have_examples(m)]
    count = sum(bool(test.examples) for module in found for test in finder.find(module))
    assert count >= 20
