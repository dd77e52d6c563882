"""What sees every frame beside the messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from countline.types import Analytics

__all__ = ["Consumer"]

Consumer = Callable[[Any, Analytics], None]
"""Sees every frame with its analytics, in order, on the worker's thread (overlay, tests, a user's own code). The frame is
None where there are no pixels (a DeepStream probe)."""
