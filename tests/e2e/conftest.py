"""Fixtures of the end-to-end tests; helpers are in conftest_e2e."""

from conftest_e2e import broker, few, quick, read_back, short, squares, topic  # noqa: F401
