//! Lines: who passes them. What `countline.analytics.native.polylines` does, on the same memory.

use numpy::Complex64;

use crate::boundaries::{four, Columns, Line, Moving};
use crate::geometry::{
    along, anchor_of, beyond_of, half_width, overshoot, side_of, sign, smaller, straight_way, Point,
};

const OUTSIDE: i8 = 0;
const PENDING: i8 = 1;
const FIRST_SEEN_IN_BAND: i8 = 2;
const UNSEEN: i8 = 3;
/// `polylines.SIDE_KNOWN`.
const SIDE_KNOWN: f64 = 0.5;
const LONGER: f64 = 1.0 + 1e-9;

/// The movement of an anchor point in this frame.
pub struct Way {
    pub origin: Point,
    pub now: Point,
}

/// Where an object's columns of a line stand, and how its anchor point is found.
pub struct At {
    pub slot: usize,
    pub cell: usize,
    pub first: usize,
    pub fraction: Point,
    pub aspect: f64,
}

/// `polylines.follow_one`: (clearance, crossing with how far along).
pub fn follow_line(
    columns: &mut Columns,
    line: &Line,
    size: f64,
    way: &Way,
    at: &At,
    one: &Moving,
) -> (f64, Option<(f64, f64)>) {
    let ((u, v), (x, y)) = (way.origin, way.now);
    let count = line.segments.len();
    let mut near = f64::INFINITY;
    let mut short = [false; 8];
    let mut long = Vec::new();
    let after: &mut [bool] = if count <= short.len() {
        &mut short[..count]
    } else {
        long.resize(count, false);
        &mut long
    };
    for (segment, left) in line.segments.iter().zip(after.iter_mut()) {
        let (side, beyond) = (side_of(segment, x, y), beyond_of(segment, x, y));
        let square = side * side + beyond * beyond;
        if square < near {
            near = square;
        }
        *left = side >= 0.0;
    }
    let after = &*after;
    let width = half_width(&line.band, size);
    let gap = near.sqrt();
    let outside = near > width * width;
    let clearance = if outside {
        gap - width
    } else if width - gap < gap {
        width - gap
    } else {
        gap
    };
    let seen = at.first..at.first + count;
    let phase = columns.phase[at.cell];
    if phase == UNSEEN {
        first_seen(columns, at, outside, gap > SIDE_KNOWN * width, way.now);
        columns.left[seen].copy_from_slice(after);
        return (clearance, None);
    }
    // Else its way was too short to pass anything.
    let far = near <= ((x - u) * (x - u) + (y - v) * (y - v)) * LONGER;
    let was = |k: usize| if far { side_of(&line.segments[k], u, v) >= 0.0 } else { after[k] };
    let turned = far && (0..count).any(|k| was(k) != after[k]);
    let mut passed = None;
    if turned || outside != (phase == OUTSIDE) {
        passed = cross(columns, line, way, at, outside, &was, after);
    }
    if columns.left[seen.clone()] != *after {
        stray(columns, line, at, one);
        columns.left[seen].copy_from_slice(after);
    }
    (clearance, passed)
}

/// The phase of an object that is new to a line.
fn first_seen(columns: &mut Columns, at: &At, outside: bool, known: bool, now: Point) {
    columns.phase[at.cell] = match (outside, known) {
        (true, _) => OUTSIDE,
        (false, true) => PENDING,
        (false, false) => FIRST_SEEN_IN_BAND,
    };
    if !outside {
        columns.begun[at.cell] |= !known;
        if known {
            columns.entry[at.cell] = Complex64::new(now.0, now.1);
        }
    }
}

/// `polylines.cross`.
fn cross(
    columns: &mut Columns,
    line: &Line,
    way: &Way,
    at: &At,
    outside: bool,
    before: &dyn Fn(usize) -> bool,
    after: &[bool],
) -> Option<(f64, f64)> {
    let cell = at.cell;
    let was = columns.phase[cell];
    let signed = |k: usize| sign(way.origin, way.now, &line.spans[k], before(k), after[k]);
    let step: i64 = (0..after.len()).map(signed).sum();
    let mut total = if was == FIRST_SEEN_IN_BAND { 0 } else { i64::from(columns.net[cell]) + step };
    if was == OUTSIDE && !outside {
        columns.entry[cell] = Complex64::new(way.origin.0, way.origin.1);
    }
    if was == PENDING && outside && total == 0 {
        let entry = columns.entry[cell];
        total = straight_way((entry.re, entry.im), way.now, &line.spans, after);
    }
    columns.phase[cell] = if outside {
        OUTSIDE
    } else if was == FIRST_SEEN_IN_BAND {
        FIRST_SEEN_IN_BAND
    } else {
        PENDING
    };
    columns.net[cell] = if outside { 0 } else { total.clamp(-100, 100) as i8 };
    if !outside || total == 0 {
        return None;
    }
    let share = along(way.origin, way.now, &line.spans, (0..after.len()).map(signed));
    Some((if total > 0 { 1.0 } else { -1.0 }, share))
}

/// `polylines.stray`.
fn stray(columns: &mut Columns, line: &Line, at: &At, one: &Moving) {
    let (low, high) = (four(columns.low, at.slot), four(columns.high, at.slot));
    // It was looked at in the middle of its safe region; without one, in the frame before.
    let was = if low[0] < high[0] && high[0] < f64::INFINITY {
        [0, 1, 2, 3].map(|k| (low[k] + high[k]) / 2.0)
    } else {
        four(columns.last, at.slot)
    };
    let origin = anchor_of(&was, at.aspect, at.fraction);
    let now = anchor_of(&one.now, at.aspect, at.fraction);
    let beyond = line.spans.iter().map(|span| overshoot(origin, now, span)).reduce(smaller);
    if let Some(beyond) = beyond.filter(|beyond| *beyond > 0.0) {
        columns.passed[at.cell] = beyond as f32;
    }
}
