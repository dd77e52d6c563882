"""Where a picture lies in the view that rules refer to, when its camera moves. Re-exported by ``countline.types``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """How one picture lies in the view that the rules refer to."""

    matrix: Matrix
    """(2, 3) from pixels of the picture to pixels of the view: a similarity."""
    change: str = ""
    """'cut': the picture is of another view from here on, which rules refer to now; 'pan': the camera has turned, and rules
    follow the scene; '': neither."""
    lost: bool = False
    """The view is not found in this picture: nothing can be said of where its objects are."""

    @property
    def scale(self) -> float:
        """Pixels of the view for each pixel of the picture."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def points(self, pixels: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, 2) pixels of the view -> of the picture; as lines are drawn."""
        back = inverse(self.matrix)
        return np.asarray(pixels @ back[:, :2].T + back[:, 2], np.float32)

    def to_view(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) xyxy of the picture in pixels of the view: centres moved, sides scaled."""
        return _moved(boxes, self.matrix, self.scale)

    def to_picture(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) xyxy of the view in pixels of the picture; the inverse of :meth:`to_view`."""
        return _moved(boxes, inverse(self.matrix), 1 / self.scale)


def _moved(boxes: NDArray[np.float32], matrix: Matrix, scale: float) -> NDArray[np.float32]:
    """(n, 4) xyxy."""
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    centre = (boxes[:, :2] + half) @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(np.concatenate([centre - half * scale, centre + half * scale], 1), np.float32)


def inverse(matrix: Matrix) -> Matrix:
    turn = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turn, -turn @ matrix[:, 2:]], 1)
