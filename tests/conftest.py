"""Fixtures that more than one room uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from countline import redaction

settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test works in a folder of its own, so that no outbox or output lands in the source tree."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> None:
    """What one test keeps secret another may say."""
    redaction.forget_all()


@pytest.fixture(scope="session")
def clip() -> Path:
    """The street clip of the demo: 300 frames, 10 frames/s, 768x576."""
    from countline.demo import clip_path

    return clip_path()


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> None:
    """Clients must not pick up a proxy of the machine."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        os.environ.pop(name, None)
