"""Fixtures of the end-to-end tests that serve here, too."""

from conftest_e2e import quick  # noqa: F401
