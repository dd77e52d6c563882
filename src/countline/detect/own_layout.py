"""Layouts that other distributions bring: how the outputs of a network unknown to this package are decoded.

It is found by the entry-point group ``countline.layouts`` (a module with ``LAYOUT``), and used where the configuration says
``detector: {layout: NAME}``; it is never recognised by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from countline.detect.layouts import Raw
from countline.detect.preprocess import Preprocess
from countline.registry.kinds import LAYOUTS

__all__ = ["OwnLayout", "own_layout"]


class OwnLayout(ABC):
    """Says whether a network's outputs have this layout, and reads them. One object serves all detectors: it keeps nothing."""

    preprocess = Preprocess()
    """What the network was trained with: RGB, 0..1, keeping the aspect ratio, picture top left, unless set."""
    corners = False
    """Whether boxes are left, top, right, bottom in the outputs. Of others (centre, width, height) corners that look like
    them are refused."""
    unbatched = False
    """Whether the outputs have no dimension for the frames of a batch."""

    @abstractmethod
    def classes(self, outputs: Mapping[str, tuple[int, ...]], size: tuple[int, int], labels: int | None) -> int | None:
        """Number of classes; None if the outputs do not have this layout.

        ``outputs``: name -> shape, with the dimension of the batch, in the model's order; ``size``: width and height of the
        input; ``labels``: number of class names, None where they are not known.
        """

    @abstractmethod
    def decode(self, outputs: Sequence[NDArray[np.float32]], classes: int, size: tuple[int, int], floor: float) -> Raw:
        """Scores and boxes of one frame; ``outputs`` in the model's order, without the dimension of the batch.

        ``Raw(scores, boxes)``: scores (classes, cells) in 0..1; ``boxes`` is called with an array of n cell numbers and
        returns (n, 4) left, top, right, bottom in pixels of the input. Cells that cannot reach ``floor`` may be left out.
        """


def own_layout(name: str) -> OwnLayout | None:
    """The layout that a distribution brings under this name; None if none does. Raises PluginError if it cannot be used."""
    if name not in LAYOUTS.brought():
        return None
    found = LAYOUTS.get(name, "", "LAYOUT")
    if not isinstance(found, OwnLayout):
        raise LAYOUTS.fault(name, "its LAYOUT is no countline.detect.OwnLayout")
    return found
