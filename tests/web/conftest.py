"""A run with a page, and a browser that looks at it, for the tests that ask for no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pages import Browser, file_with_page, showing

import countline as cl


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Run]:
    folder = tmp_path_factory.mktemp("page")
    with showing(file_with_page(folder)) as made:
        yield made


@pytest.fixture
def browser(run: cl.Run) -> Iterator[Browser]:
    with Browser(run) as made:
        yield made
