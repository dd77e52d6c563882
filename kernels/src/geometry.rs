//! Points, segments and bands: each function does what its namesake in `countline.analytics.native` does, operation by
//! operation, so that both give the same bits. Rust never fuses a multiplication with an addition.

/// A point in picture heights.
pub type Point = (f64, f64);

/// Left, top, right, bottom, normalised.
pub type Box4 = [f64; 4];

/// a, b, c, d, e, f, l: `a x + b y - c` is the distance to the left of the segment's line, `d x + e y - f` the way along it,
/// l its length.
pub type Segment = [f64; 7];

/// Begin and end of a segment: ax, ay, bx, by.
pub type Span = [f64; 4];

/// Python's `max(a, b)`: the first unless the second is greater.
#[inline]
pub fn larger(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

/// Python's `min(a, b)`: the first unless the second is less.
#[inline]
pub fn smaller(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

/// `band.Band`: of the longer side of the box, at least, at most.
pub type Band = [f64; 3];

/// `band.half_width`: of the band for an object of this size.
#[inline]
pub fn half_width(band: &Band, size: f64) -> f64 {
    let [factor, least, most] = *band;
    smaller(larger(size * factor, least), most)
}

/// `polylines.anchor_of`: anchor point of a box.
#[inline]
pub fn anchor_of(one: &Box4, aspect: f64, fraction: Point) -> Point {
    let [left, top, right, bottom] = *one;
    ((left + (right - left) * fraction.0) * aspect, top + (bottom - top) * fraction.1)
}

/// Distance to the left of a segment's line.
#[inline]
pub fn side_of(segment: &Segment, x: f64, y: f64) -> f64 {
    x * segment[0] + y * segment[1] - segment[2]
}

/// How far beyond the segment's ends a point lies along it.
#[inline]
pub fn beyond_of(segment: &Segment, x: f64, y: f64) -> f64 {
    let along = x * segment[3] + y * segment[4] - segment[5];
    if along > 0.0 {
        if along > segment[6] { along - segment[6] } else { 0.0 }
    } else {
        along
    }
}

/// `polylines._sign`: +1 where the movement passes through the segment to its left-hand side, -1 to its right, else 0.
pub fn sign(origin: Point, now: Point, span: &Span, before: bool, after: bool) -> i64 {
    if before == after {
        return 0;
    }
    let ((px, py), (qx, qy), [ax, ay, bx, by]) = (origin, now, *span);
    let (mx, my) = (qx - px, qy - py);
    let a_left = mx * (ay - py) - my * (ax - px) >= 0.0;
    let b_left = mx * (by - py) - my * (bx - px) >= 0.0;
    if a_left == b_left {
        0
    } else if after {
        1
    } else {
        -1
    }
}

/// `polylines._along`: how far along its movement an object passed the first of the segments that it passed.
pub fn along(origin: Point, now: Point, spans: &[Span], signs: impl Iterator<Item = i64>) -> f64 {
    let ((px, py), (qx, qy)) = (origin, now);
    for (sign, [ax, ay, bx, by]) in signs.zip(spans.iter().copied()) {
        if sign != 0 {
            let start = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)).abs();
            let end = ((bx - ax) * (qy - ay) - (by - ay) * (qx - ax)).abs();
            return if start + end != 0.0 { start / (start + end) } else { 0.0 };
        }
    }
    0.0
}

/// `polylines._overshoot`: how far beyond the segment's ends the movement meets the segment's line.
pub fn overshoot(origin: Point, now: Point, span: &Span) -> f64 {
    let ((px, py), (qx, qy), [ax, ay, bx, by]) = (origin, now, *span);
    let (dx, dy, mx, my) = (bx - ax, by - ay, qx - px, qy - py);
    let det = dx * my - dy * mx;
    if det == 0.0 {
        return f64::INFINITY;
    }
    let t = ((px - ax) * my - (py - ay) * mx) / det;
    larger(larger(-t, t - 1.0), 0.0) * (dx * dx + dy * dy).sqrt()
}

/// `polylines.straight_way`: passages of the straight way from where the object last was outside to where it is again.
pub fn straight_way(entry: Point, now: Point, spans: &[Span], after: &[bool]) -> i64 {
    let mut total = 0;
    for (span, left) in spans.iter().zip(after) {
        let [ax, ay, bx, by] = *span;
        let was_left = (bx - ax) * (entry.1 - ay) - (by - ay) * (entry.0 - ax) <= 0.0;
        total += sign(entry, now, span, was_left, *left);
    }
    total
}
