"""Every example in a docstring is run and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import countline


def modules() -> list[str]:
    found = pkgutil.walk_packages(countline.__path__, "countline.", onerror=lambda _: None)
    return ["countline", *(m.name for m in found if not m.name.endswith("__main__"))]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    count = sum(bool(test.examples) for name in modules() for test in finder.find(importlib.import_module(name)))
    assert count >= 20
