"""A camera that shakes, pans or cuts to another view: where the picture lies in the view that the rules were drawn on.

Corners of the scene outside the tracked objects (Shi and Tomasi 1994) are followed by pyramidal Lucas-Kanade (Bouguet 2001) from
a picture of the view, and what most of them did (RANSAC) is a similarity: shift, turn and one scale. The first picture of a view
is looked at first, so that a shaking camera gathers no drift; where it is out of sight, the last picture that was found, and then
the last one of all: so a pan is followed from picture to picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline._views import View, inverse
from countline.errors import MissingExtra
from countline.types import Frame

__all__ = ["CameraMotion"]

Matrix = NDArray[np.float64]
Gray = NDArray[np.uint8]

WIDTH = 320
"""Width in pixels to which pictures are brought."""
CORNERS = 200
LEAST_CORNERS = 12
"""Fewer corners than this tell nothing: the view stays what it was."""
AGREE = 1.5
"""Pixels of the small picture by which a corner may be off the common motion."""
LEAST_SHARE = 0.35
"""Share of the corners that must follow one motion for the view to be found."""
LOST = 0.5
"""Seconds without a match after which the picture is another view."""
MOVED = 0.25
"""Part of the picture's width by which the view must have moved to be reported as a pan."""
SETTLED = 1.0
"""Seconds for which it must have stood still by then."""


def _chained(first: Matrix, then: Matrix) -> Matrix:
    """``first``, and ``then`` behind it."""
    return np.concatenate([then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2:] + then[:, 2:]], 1)


def _still() -> Matrix:
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


class _Anchor:
    """A picture whose place in the view is known. Its corners are looked for when somebody asks."""

    def __init__(self, cv: Any, gray: Gray, mask: Gray, matrix: Matrix) -> None:
        self._cv = cv
        self.gray, self._mask = gray, mask
        self.matrix = matrix
        """From its pixels to those of the view, both small."""
        self._corners: NDArray[np.float32] | None = None

    @property
    def corners(self) -> NDArray[np.float32]:
        """(n, 2)."""
        if self._corners is None:
            found = self._cv.goodFeaturesToTrack(self.gray, CORNERS, 0.01, 7, mask=self._mask)
            self._corners = np.asarray(np.empty((0, 2)) if found is None else found, np.float32).reshape(-1, 2)
        return self._corners


class CameraMotion:
    """Follows the camera of one source. Raises MissingExtra without OpenCV.

    >>> camera = CameraMotion()
    """

    def __init__(self) -> None:
        try:
            import cv2
        except ImportError:
            raise MissingExtra("opencv-python-headless", "stabilize", what_for="following a moving camera") from None
        self._cv: Any = cv2
        self._anchors: list[_Anchor] = []
        """The first picture of the view, the last that was found, the last of all."""
        self._matrix = _still()
        self._boxes: NDArray[np.float32] = np.empty((0, 4), np.float32)
        self._last: _Anchor | None = None
        """The last picture, found or not, where what it shows is not known to be of the view."""
        self._lost_since: int | None = None
        self._reported = _still()
        """Where the view was when a pan was reported last."""
        self._moved_at: int | None = None
        self._rest = _still()
        """Where it was seen to be elsewhere, at that time."""

    def begin(self) -> None:
        """A stream begins: its first picture is the view."""
        self.__init__()  # type: ignore[misc]

    def see(self, frame: Frame, boxes: NDArray[np.float32]) -> View:
        """Where this picture lies. ``boxes`` (n, 4): objects in it, whose motion is not the camera's, in pixels."""
        gray, scale = self._small(frame)
        mask = self._mask(gray.shape, boxes * scale)
        now = frame.info.pts
        if not self._anchors:
            self._anchor(gray, mask, _still())
            return View(_still())
        found = self._found(gray)
        change = ""
        if found is None and self._lost_since is None:
            self._lost_since = now
        if found is None and now - (self._lost_since or now) >= LOST * 1e9 and self._steady(gray):
            self._anchors.clear()
            self._matrix = self._reported = found = _still()
            change = "cut"
        if found is None:
            self._last = _Anchor(self._cv, gray, mask, _still())
            return View(self._big(scale), lost=True)
        self._lost_since, self._last, self._matrix = None, None, found
        self._anchor(gray, mask, found)
        return View(self._big(scale), change or self._pan(gray.shape[1], now))

    def _small(self, frame: Frame) -> tuple[Gray, float]:
        width = min(WIDTH, frame.info.width)
        height = max(1, round(width * frame.info.height / frame.info.width))
        picture, scale = frame.picture.letterbox(width, height)
        return self._cv.cvtColor(np.ascontiguousarray(picture), self._cv.COLOR_BGR2GRAY), scale

    def _big(self, scale: float) -> Matrix:
        """The present place in pixels of whole pictures."""
        return np.concatenate([self._matrix[:, :2], self._matrix[:, 2:] / scale], 1)

    @staticmethod
    def _mask(shape: tuple[int, ...], boxes: NDArray[np.floating]) -> Gray:
        """255 where no object is."""
        mask = np.full(shape, 255, np.uint8)
        for left, top, right, bottom in np.nan_to_num(boxes).clip(-2, 10_000).astype(int).tolist():
            mask[max(0, top - 2) : max(0, bottom + 3), max(0, left - 2) : max(0, right + 3)] = 0
        return mask

    def _anchor(self, gray: Gray, mask: Gray, matrix: Matrix) -> None:
        """Keep this picture as the one to look from: for good as the first of its view."""
        self._anchors = [*self._anchors[:1], _Anchor(self._cv, gray, mask, matrix)]

    def _found(self, gray: Gray) -> Matrix | None:
        """Where the picture lies, small; None: it is not of the view, or nothing can be seen of it."""
        sparse = True
        for anchor in self._anchors:
            if len(anchor.corners) < LEAST_CORNERS:
                continue
            sparse = False
            matrix = self._match(anchor, gray)
            if matrix is not None:
                return _chained(inverse(matrix), anchor.matrix)
        return self._matrix if sparse else None

    def _match(self, anchor: _Anchor, gray: Gray) -> Matrix | None:
        """(2, 3) from the anchor's pixels to those of ``gray``."""
        cv = self._cv
        guess = _chained(anchor.matrix, inverse(self._matrix))
        begin = anchor.corners
        near = np.asarray(begin @ guess[:, :2].T + guess[:, 2], np.float32)
        how = {
            "winSize": (15, 15),
            "maxLevel": 3,
            "criteria": (cv.TERM_CRITERIA_COUNT | cv.TERM_CRITERIA_EPS, 12, 0.03),
        }
        how["flags"] = cv.OPTFLOW_USE_INITIAL_FLOW
        after, seen, _ = cv.calcOpticalFlowPyrLK(anchor.gray, gray, begin[:, None], near[:, None].copy(), **how)
        back, seen_back, _ = cv.calcOpticalFlowPyrLK(gray, anchor.gray, after, begin[:, None].copy(), **how)
        good = (seen[:, 0] == 1) & (seen_back[:, 0] == 1) & (np.abs(back[:, 0] - begin).max(axis=1) < 1.0)
        if good.sum() < LEAST_CORNERS:
            return None
        cv.setRNGSeed(1)  # the same pictures give the same view
        matrix, inliers = cv.estimateAffinePartial2D(
            begin[good], after[good, 0], method=cv.RANSAC, ransacReprojThreshold=AGREE
        )
        if matrix is None or inliers.sum() < max(LEAST_CORNERS, LEAST_SHARE * len(begin)):
            return None
        return np.asarray(matrix, np.float64)

    def _steady(self, gray: Gray) -> bool:
        """Whether the picture goes on from the one before: a new view, not a picture that is broken."""
        if self._last is None or len(self._last.corners) < LEAST_CORNERS:
            return True
        kept, self._matrix = self._matrix, _still()
        steady = self._match(self._last, gray) is not None
        self._matrix = kept
        return steady

    def _pan(self, width: int, now: int) -> str:
        """'pan' once the camera stands still in another place than where it was reported last."""
        step = np.abs(self._matrix[:, 2] - self._reported[:, 2]).max()
        if step < MOVED * width and abs(np.hypot(*self._matrix[:, 0]) - np.hypot(*self._reported[:, 0])) < MOVED:
            self._moved_at = None
            return ""
        if self._moved_at is None or np.abs(self._matrix[:, 2] - self._rest[:, 2]).max() > AGREE * 2:
            self._moved_at, self._rest = now, self._matrix
            return ""
        if now - self._moved_at < SETTLED * 1e9:
            return ""
        self._reported, self._moved_at = self._matrix, None
        return "pan"
