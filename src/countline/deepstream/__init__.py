"""countline inside a DeepStream pipeline, without rebuilding anything of it.

>>> import countline.deepstream
>>> tracker = pipeline.get_by_name("tracker")  # doctest: +SKIP
>>> attachment = countline.deepstream.attach(tracker, "countline.yaml")  # doctest: +SKIP
"""

from __future__ import annotations

from countline.deepstream.attachment import Attachment, ProbeCounts, attach
from countline.deepstream.errors import DeepStreamError
from countline.deepstream.servicemaker import operator

__all__ = ["Attachment", "DeepStreamError", "ProbeCounts", "attach", "operator"]
