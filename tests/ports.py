"""Ports of loopback for the servers of tests, from where tests of other packages have them, too."""

from __future__ import annotations

from countline.testing.ports import free_port

__all__ = ["free_port"]
