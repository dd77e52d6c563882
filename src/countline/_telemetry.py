"""Keeps the libraries that countline loads from reporting to their makers.

countline itself reports nothing to anybody. Whoever adds a library that would: bar it here, before its first import.
"""

from __future__ import annotations

import os
import sys

__all__ = ["bar"]


def bar() -> None:
    """Call before onnxruntime or openvino is imported; harmless when called again."""
    # ONNX Runtime would look up its maker's host, and keep a device id and a database under the user's cache.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # OpenVINO would report its use from a forked process; with this module barred it uses its own silent stand-in.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
