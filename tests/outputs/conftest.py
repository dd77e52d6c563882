"""Explains the asserts of ``servers``, and makes certificates."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("servers")

from servers import Certificates  # noqa: E402


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once; everything that they sign is for localhost and 127.0.0.1."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
