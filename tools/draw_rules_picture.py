"""Draws docs/img/line-sides.png: which side of a line is `in` and which is `out`, and the band around it.

python tools/draw_rules_picture.py [docs/img/line-sides.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

SIZE = 420
GAP = 20
LINE, IN, OUT, BAND, TEXT = (40, 40, 40), (60, 150, 40), (40, 60, 210), (225, 236, 250), (60, 60, 60)
FONT = cv2.FONT_HERSHEY_SIMPLEX
Point = tuple[int, int]


def left_normal(a: Point, b: Point) -> np.ndarray:
    """Unit vector to the left-hand side on screen, walking from a to b."""
    d = np.subtract(b, a).astype(float)
    return np.array([d[1], -d[0]]) / np.hypot(*d)


def arrow(image: np.ndarray, middle: np.ndarray, normal: np.ndarray, colour: tuple[int, int, int], word: str) -> None:
    start, end = middle - 20 * normal, middle + 80 * normal
    cv2.arrowedLine(image, tuple(start.astype(int)), tuple(end.astype(int)), colour, 4, cv2.LINE_AA, tipLength=0.25)
    (w, h), _ = cv2.getTextSize(word, FONT, 1.0, 2)
    at = end + normal * 34 + np.array([-w / 2, h / 2])
    cv2.putText(image, word, tuple(at.astype(int)), FONT, 1.0, colour, 2, cv2.LINE_AA)


def panel(points: list[Point], caption: str, shown: int) -> np.ndarray:
    """One line with both directions at its segment number ``shown``."""
    image = np.full((SIZE, SIZE, 3), 255, np.uint8)
    pieces = np.array(points, np.int32).reshape(-1, 1, 2)
    cv2.polylines(image, [pieces], False, BAND, 44, cv2.LINE_AA)
    cv2.polylines(image, [pieces], False, LINE, 4, cv2.LINE_AA)
    for i, p in enumerate(points):
        cv2.circle(image, p, 8, LINE, -1, cv2.LINE_AA)
        cv2.putText(image, f"P{i + 1}", (p[0] + 10, p[1] - 18), FONT, 0.7, LINE, 2, cv2.LINE_AA)
    a, b = points[shown], points[shown + 1]
    normal = left_normal(a, b)
    arrow(image, np.add(a, np.subtract(b, a) * 0.38), normal, IN, "in")
    arrow(image, np.add(a, np.subtract(b, a) * 0.62), -normal, OUT, "out")
    cv2.putText(image, caption, (14, SIZE - 14), FONT, 0.5, TEXT, 1, cv2.LINE_AA)
    cv2.rectangle(image, (0, 0), (SIZE - 1, SIZE - 1), (200, 200, 200), 1)
    return image


def picture() -> np.ndarray:
    panels = [
        panel([(50, 210), (370, 210)], "left to right: in is up, out is down", 0),
        panel([(210, 350), (210, 50)], "bottom to top: in is left, out is right", 0),
        panel([(40, 120), (210, 250), (380, 120)], "polyline: its left-hand side is in", 0),
    ]
    gap = np.full((SIZE, GAP, 3), 255, np.uint8)
    return np.hstack([panels[0], gap, panels[1], gap, panels[2]])


if __name__ == "__main__":
    target = Path(
        sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "img" / "line-sides.png"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(target), picture()):
        sys.exit(f"cannot write {target}")
    print(target)
