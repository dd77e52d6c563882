"""Suppression, overlap and the way back to the picture, against plain definitions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countline.detect.geometry import nms, pairwise_iou, to_picture
from countline.detect.preprocess import stretch

number = st.integers(0, 40)
box = st.tuples(number, number, st.integers(0, 20), st.integers(0, 20)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
objects = st.lists(st.tuples(box, st.integers(1, 9), st.integers(0, 2)), max_size=12)


def exact_iou(a: tuple[int, ...], b: tuple[int, ...]) -> Fraction:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0) * max(high, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return Fraction(common, union) if union else Fraction(0)


@given(objects)
def test_overlap_is_that_of_exact_arithmetic(rows: list[tuple[tuple[int, ...], int, int]]) -> None:
    boxes = np.array([r[0] for r in rows], np.float32).reshape(-1, 4)
    got = pairwise_iou(boxes, boxes)
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            assert abs(got[i, j] - float(exact_iou(a[0], b[0]))) < 1e-6


@given(objects, st.sampled_from([0.3, 0.55, 0.71]))
def test_suppression_is_that_of_the_definition(rows: list[tuple[tuple[int, ...], int, int]], limit: float) -> None:
    """Strongest first, each kept unless a kept one of its class overlaps it by more than the limit."""
    expected: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: -rows[i][1]):
        if all(rows[i][2] != rows[k][2] or exact_iou(rows[i][0], rows[k][0]) <= limit for k in expected):
            expected.append(i)
    boxes = np.array([r[0] for r in rows], np.float32).reshape(-1, 4)
    scores = np.array([r[1] for r in rows], np.float32)
    classes = np.array([r[2] for r in rows], np.int64)
    assert nms(boxes, scores, classes, limit, 100).tolist() == expected


def test_only_the_strongest_candidates_are_looked_at() -> None:
    boxes = np.array([[i * 10, 0, i * 10 + 5, 5] for i in range(20)], np.float32)
    keep = nms(boxes, np.arange(20, dtype=np.float32), np.zeros(20, int), 0.5, 4)
    assert keep.tolist() == [19, 18, 17, 16]


def test_boxes_are_scaled_back_and_clipped() -> None:
    boxes = np.array([[-5, 10, 50, 500], [0, 0, 1, 1]], np.float32)
    got = to_picture(boxes, (0.5, 0.25), 90, 800)
    np.testing.assert_array_equal(got, [[0, 40, 90, 800], [0, 0, 2, 4]])


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12))
def test_stretching_keeps_plain_pictures_and_ramps(rows: int, columns: int, height: int, width: int) -> None:
    plain = np.full((rows, columns, 3), 77, np.uint8)
    assert (stretch(plain, width, height) == 77).all()
    ramp = np.tile(np.arange(columns, dtype=np.uint8)[None, :, None] * 20, (rows, 1, 3))
    got = stretch(ramp, width, height)[0, :, 0].astype(float)
    exact = np.clip((np.arange(width) + 0.5) * columns / width - 0.5, 0, columns - 1) * 20
    assert np.abs(got - exact).max() <= 0.51
