"""The ``deepstream`` engine: nvdsanalytics (DeepStream 9.1) reproduced bit for bit on arrays.

What it does and where the numbers come from is described in docs/deepstream-rules.md. Pure: no I/O, no clock, no threads.
"""

from countline.compat.deepstream.rules.engine import DeepStreamRules
from countline.compat.deepstream.rules.results import DeepStreamAnalytics

__all__ = ["DeepStreamAnalytics", "DeepStreamRules"]
