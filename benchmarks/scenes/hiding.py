"""Who hides whom: what shows of each object's box."""

from __future__ import annotations

import numpy as np

__all__ = ["visible"]

GRID = 8
"""Samples of a box in each direction."""


def visible(boxes: np.ndarray, size: tuple[int, int], cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) boxes of what shows of each, cut off from below where ``cut``, and (n,) the part that shows.

    Who stands farther down in the picture is nearer, and hides what is behind. A person fills the middle of the box.
    """
    steps = (np.arange(GRID) + 0.5) / GRID
    x = boxes[:, 0, None] + (0.15 + 0.7 * steps) * (boxes[:, 2] - boxes[:, 0])[:, None]
    y = boxes[:, 1, None] + steps * (boxes[:, 3] - boxes[:, 1])[:, None]
    front = boxes[None, :, 3] > boxes[:, None, 3]
    inner = 0.1 * (boxes[:, 2] - boxes[:, 0])
    over_x = (x[:, None] > (boxes[:, 0] + inner)[None, :, None]) & (x[:, None] < (boxes[:, 2] - inner)[None, :, None])
    over_y = (y[:, None] > boxes[None, :, 1, None]) & (y[:, None] < boxes[None, :, 3, None])
    hidden = (front[..., None, None] & over_y[..., :, None] & over_x[..., None, :]).any(
        axis=1
    )  # (n, GRID rows, GRID columns)
    outside = ((x < 0) | (x > size[0]))[:, None, :] | ((y < 0) | (y > size[1]))[:, :, None]
    shows = ~hidden & ~outside
    result = boxes.copy()
    rows = shows.sum(axis=2) >= 0.3 * GRID
    lowest = np.where(rows.any(axis=1), GRID - rows[:, ::-1].argmax(axis=1), GRID)
    short = cut & (lowest < GRID) & (boxes[:, 3] < size[1])
    result[short, 3] = (boxes[:, 1] + lowest / GRID * (boxes[:, 3] - boxes[:, 1]))[short]
    return result, shows.mean(axis=(1, 2))
