//! Which boxes lie beside which, as `countline.track.overlap` has it, operation by operation in single precision.

use crate::memory::Pixels;

/// Overlap (IoU) from which a detection is beside another.
const BESIDE: f32 = 0.1;
const SAME: f32 = 0.45;
const WITHIN: f32 = 0.85;
const LOWER: f32 = 0.03;
const CRUMB: f32 = 0.1;

/// `numpy.minimum`: what is not a number wins.
#[inline]
pub fn least(a: f32, b: f32) -> f32 {
    if a < b || a.is_nan() { a } else { b }
}

/// `numpy.maximum`: what is not a number wins.
#[inline]
pub fn most(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// `overlap.overlap` of one pair.
pub fn overlap(a: &Pixels, b: &Pixels) -> f32 {
    let wide = most(least(a[2], b[2]) - most(a[0], b[0]), 0.0);
    let high = most(least(a[3], b[3]) - most(a[1], b[1]), 0.0);
    let common = wide * high;
    common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
}

/// `overlap.parts` of one pair: whether `a` looks like a part of `b`.
pub fn part(a: &Pixels, b: &Pixels) -> bool {
    let wide = most(least(a[2], b[2]) - most(a[0], b[0]), 0.0);
    let high = most(least(a[3], b[3]) - most(a[1], b[1]), 0.0);
    let area = (a[2] - a[0]) * (a[3] - a[1]);
    let (b_wide, b_high) = (b[2] - b[0], b[3] - b[1]);
    wide * high >= WITHIN * area && area >= CRUMB * b_wide * b_high && a[3] <= b[3] + LOWER * b_high
}

/// `overlap.singles`: False for boxes that are not `known` and lie on one that is.
pub fn singles(boxes: &[Pixels], classes: &[i32], known: &[bool]) -> Vec<bool> {
    let second = |at: usize| {
        (0..boxes.len()).any(|other| {
            known[other]
                && (overlap(&boxes[at], &boxes[other]) > SAME
                    || (classes[at] == classes[other] && part(&boxes[at], &boxes[other])))
        })
    };
    (0..boxes.len()).map(|at| known[at] || !second(at)).collect()
}

/// `tracker._left`: rows of those that are `left` and beside none of the `taken`.
pub fn alone(boxes: &[Pixels], left: &[bool], taken: &[usize]) -> Vec<isize> {
    let beside = |row: usize| taken.iter().any(|other| !(overlap(&boxes[row], &boxes[*other]) <= BESIDE));
    (0..boxes.len()).filter(|row| left[*row] && !beside(*row)).map(|row| row as isize).collect()
}
