"""From recorded tracks to counts, data frames, figures and reports.

>>> from countline import analysis
>>> found = analysis.replay("countline.yaml", "recorded", workers=4)  # doctest: +SKIP
>>> analysis.counts(found)  # doctest: +SKIP
>>> analysis.counts_figure(found, "entrance", "straight").savefig("counts.png")  # doctest: +SKIP
"""

from countline.analysis.comparison import Comparison, Difference, compare
from countline.analysis.figures import (
    counts_figure,
    dwell_figure,
    heat_figure,
    journeys_figure,
    paths_figure,
    speeds_figure,
)
from countline.analysis.frames import counts, data_frame, dwell, events, gaps, journeys, speeds, tracks
from countline.analysis.replay import Findings, replay
from countline.analysis.report import Figure, figures_of, html_report, tables_of
from countline.analysis.scenes import Scene, scenes

__all__ = [
    "Comparison",
    "Difference",
    "Figure",
    "Findings",
    "Scene",
    "compare",
    "counts",
    "counts_figure",
    "data_frame",
    "dwell",
    "dwell_figure",
    "events",
    "figures_of",
    "gaps",
    "heat_figure",
    "html_report",
    "journeys",
    "journeys_figure",
    "paths_figure",
    "replay",
    "scenes",
    "speeds",
    "speeds_figure",
    "tables_of",
    "tracks",
]
