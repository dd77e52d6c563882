"""Makes ``contract`` and ``servers`` importable from the tests of every output, with their asserts explained."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("contract", "servers")
