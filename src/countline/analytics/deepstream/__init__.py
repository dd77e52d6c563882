"""The ``deepstream`` engine: nvdsanalytics (DeepStream 9.1) reproduced bit for bit on arrays.

What it does and where the numbers come from is told in docs/deepstream-rules.md. Pure: no I/O, no clock, no threads.
"""

from countline.analytics.deepstream.engine import DeepStreamRules
from countline.analytics.deepstream.results import DeepStreamAnalytics

__all__ = ["DeepStreamAnalytics", "DeepStreamRules"]
