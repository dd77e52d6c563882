"""Draws what the rules see: boxes, ids, lines with both directions named, regions, counts.

An overlay is a consumer of frames and analytics like any other; nothing in the main path knows it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.errors import MissingExtra
from countline.types import UNTRACKED, Analytics, RuleInfo

__all__ = ["Overlay", "cv2_module"]

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

LINE: Colour = (60, 200, 60)
REGION: Colour = (0, 200, 230)
FLASH: Colour = (60, 60, 255)
TEXT: Colour = (255, 255, 255)
DARK: Colour = (20, 20, 20)

# Distinguishable hues in BGR; a track keeps its colour for life.
PALETTE: Sequence[Colour] = (
    (255, 170, 60), (80, 220, 255), (180, 120, 255), (120, 230, 120), (240, 200, 200),
    (90, 140, 255), (230, 230, 90), (200, 90, 230), (150, 200, 60), (255, 130, 180),
)  # fmt: skip


def cv2_module() -> Any:
    """OpenCV; raises MissingExtra naming the extra."""
    try:
        import cv2
    except ImportError:
        raise MissingExtra("opencv-python-headless", "view", what_for="drawing") from None
    return cv2


class Overlay:
    """Draws analytics onto pictures.

    Parameters
    ----------
    rules: geometry, from ``RuleSet.rules``.
    labels: class name for each class id.
    trail: most positions (frames) of the bottom centre of a track's box that are drawn behind it.
    """

    def __init__(self, rules: Sequence[RuleInfo], labels: Sequence[str], *, trail: int = 25) -> None:
        self.cv2 = cv2_module()
        self.rules = rules
        self.labels = labels
        self._trail = trail
        self._trails: OrderedDict[int, list[tuple[int, int]]] = OrderedDict()
        self._flash: dict[str, int] = {}

    def draw(self, image: Image, analytics: Analytics) -> Image:
        """A copy of the picture ((height, width, 3) uint8 BGR) with everything drawn in."""
        canvas: Image = np.ascontiguousarray(image).copy()
        scale = max(0.45, canvas.shape[1] / 1600)
        for event in analytics.events:
            self._flash[event.rule] = 8
        self._tracks(canvas, analytics, scale)
        for rule in self.rules:
            if rule.source is None or rule.source == analytics.frame.source.name:
                self._rule(canvas, rule, analytics, scale)
        self._flash = {k: n - 1 for k, n in self._flash.items() if n > 1}
        info = analytics.frame
        self._label(canvas, f"{info.source.name}  frame {info.number}", (8, 8), scale, DARK)
        return canvas

    def _tracks(self, canvas: Image, analytics: Analytics, scale: float) -> None:
        tracks = analytics.tracks
        flashing = {e.track_id for e in analytics.events}
        thick = 2 if scale > 0.6 else 1
        for i in range(len(tracks)):
            track = int(tracks.track_id[i])
            x1, y1, x2, y2 = (round(float(v)) for v in tracks.xyxy[i])
            colour = PALETTE[track % len(PALETTE)] if track != UNTRACKED else (128, 128, 128)
            points = self._trails.setdefault(track, [])
            self._trails.move_to_end(track)
            points.append(((x1 + x2) // 2, y2))
            del points[: -self._trail]
            if len(points) > 1:
                self.cv2.polylines(canvas, [np.array(points, np.int32)], False, colour, thick, self.cv2.LINE_AA)
            hit = track in flashing
            self.cv2.rectangle(canvas, (x1, y1), (x2, y2), FLASH if hit else colour, thick + (2 if hit else 0))
            class_id = int(tracks.class_id[i])
            name = self.labels[class_id] if 0 <= class_id < len(self.labels) else str(class_id)
            self._label(
                canvas, f"{name} {track}" if track != UNTRACKED else name, (x1, y1), scale * 0.8, colour, above=True
            )
        while len(self._trails) > 512:
            self._trails.popitem(last=False)

    def _rule(self, canvas: Image, rule: RuleInfo, analytics: Analytics, scale: float) -> None:
        if not rule.points:
            return
        height, width = canvas.shape[:2]
        points = np.array([(x * width, y * height) for x, y in rule.points])
        if analytics.view is not None:
            points = analytics.view.points(points)
        area = rule.kind == "region" or rule.shape == "area"
        colour = FLASH if rule.name in self._flash else (REGION if area else LINE)
        closed = area or rule.kind == "speed"  # a speed's quadrangle has four sides
        self.cv2.polylines(canvas, [np.round(points).astype(np.int32)], closed, colour, 2, self.cv2.LINE_AA)
        if rule.kind == "line":
            self._sides(canvas, rule, points, scale, colour)
        if rule.arrow:
            self._arrow(canvas, rule, points.mean(axis=0), colour)
        first = points[0]
        self._label(
            canvas, self._count_text(rule, analytics), (int(first[0]), int(first[1])), scale, colour, above=True
        )

    def _sides(self, canvas: Image, rule: RuleInfo, points: NDArray[Any], scale: float, colour: Colour) -> None:
        """An arrow to either side, with the name of the direction that goes there."""
        if len(rule.directions) != 2:
            return
        i = (len(points) - 1) // 2
        a, b = points[i], points[i + 1]
        along = b - a
        length = float(np.hypot(*along))
        if length < 1:
            return
        middle = (a + b) / 2
        # Walking a -> b on screen (y down), the left-hand side is at (along.y, -along.x).
        left = np.array([along[1], -along[0]]) / length * max(24.0, 40 * scale)
        for name, tip in ((rule.directions[0], middle + left), (rule.directions[1], middle - left)):
            self.cv2.arrowedLine(
                canvas, tuple(np.round(middle).astype(int).tolist()), tuple(np.round(tip).astype(int).tolist()),
                colour, 2, self.cv2.LINE_AA, 0, 0.3,
            )  # fmt: skip
            self._label(canvas, name, (int(tip[0]), int(tip[1])), scale * 0.8, colour)

    def _arrow(self, canvas: Image, rule: RuleInfo, middle: NDArray[Any], colour: Colour) -> None:
        """The arrow that belongs to an area, in the middle of its corners, so that it need not stand there itself."""
        height, width = canvas.shape[:2]
        tail, head = (np.array([x * width, y * height]) for x, y in rule.arrow)
        half = (head - tail) / max(float(np.hypot(*(head - tail))), 1e-9) * height / 16
        ends = [tuple(np.round(end).astype(int).tolist()) for end in (middle - half, middle + half)]
        self.cv2.arrowedLine(canvas, ends[0], ends[1], colour, 2, self.cv2.LINE_AA, 0, 0.3)

    @staticmethod
    def _count_text(rule: RuleInfo, analytics: Analytics) -> str:
        line = analytics.lines.get(rule.name)
        if line is not None:
            apart = "  ".join(f"{name} {count.cumulative}" for name, count in line.directions.items())
            return f"{rule.name}: {apart or line.cumulative}"
        region = analytics.regions.get(rule.name)
        if region is not None:
            return f"{rule.name}: {region.occupancy} inside" + ("  CROWDED" if region.crowded else "")
        state = analytics.states.get(rule.key, {}).get(rule.name)
        return rule.name if state is None else f"{rule.name}: {state.summary()}"

    def _label(
        self, canvas: Image, text: str, at: tuple[int, int], scale: float, colour: Colour, *, above: bool = False
    ) -> None:
        """Text on a filled box, kept inside the picture. OpenCV's fonts know ASCII only; other signs become '?'."""
        text = text.encode("ascii", "replace").decode()
        font = self.cv2.FONT_HERSHEY_SIMPLEX
        (width, height), base = self.cv2.getTextSize(text, font, scale, 1)
        x = min(max(at[0], 0), max(0, canvas.shape[1] - width - 4))
        y = at[1] - height - base - 2 if above else at[1]
        y = min(max(y, 0), max(0, canvas.shape[0] - height - base - 4))
        self.cv2.rectangle(canvas, (x, y), (x + width + 4, y + height + base + 2), colour, -1)
        ink = TEXT if sum(colour) < 380 else DARK
        self.cv2.putText(canvas, text, (x + 2, y + height + 2), font, scale, ink, 1, self.cv2.LINE_AA)
