"""Fixtures of the tests of models on inference servers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_helpers import Server, bright_model, processes, serving

pytest.importorskip("grpc")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bright_model(tmp_path_factory.mktemp("models") / "bright.onnx")


@pytest.fixture(scope="session", autouse=True)
def _no_server_is_left() -> Iterator[None]:
    yield
    if processes.cache_info().currsize:
        with processes() as forked:
            shutil.rmtree(forked.folder)


@pytest.fixture(scope="session")
def server(model: Path) -> Iterator[Server]:
    """One that is well all the time, with Triton's extension."""
    with serving(model, "--max-batch", "8") as running:
        yield running
