"""What can go wrong on the way into a DeepStream pipeline."""

from __future__ import annotations

from countline.errors import SourceError

__all__ = ["DeepStreamError"]


class DeepStreamError(SourceError):
    """DeepStream, GStreamer or a part of them is absent, or of a version that is not known."""
