//! Lines and areas: who passed which. What `countline.analytics.native.boundaries` does, on the same memory.

use numpy::Complex64;

use crate::geometry::{
    along, anchor_of, beyond_of, half_width, larger, overshoot, side_of, sign, smaller, straight_way, Box4, Point,
    Segment, Span,
};

pub const OUTSIDE: i8 = 0;
pub const PENDING: i8 = 1;
pub const FIRST_SEEN_IN_BAND: i8 = 2;
pub const UNSEEN: i8 = 3;
/// `polylines.SIDE_KNOWN`.
const SIDE_KNOWN: f64 = 0.5;
const LONGER: f64 = 1.0 + 1e-9;
const ROUNDING: f64 = 1e-9;
const MOST_CLEARANCE: f64 = 100.0;
const MOST_EXTENT: f64 = 1e3;

/// A line of a plan.
pub struct Line {
    pub anchor: usize,
    pub band: [f64; 5],
    pub segments: Vec<Segment>,
    pub spans: Vec<Span>,
}

/// An edge of an area: its segment and the heights of its ends.
pub type Edge = (Segment, f64, f64);

/// An area of a plan.
pub struct Area {
    pub anchor: usize,
    pub band: [f64; 5],
    pub inverse: bool,
    pub edges: Vec<Edge>,
    /// By class; the last entry stands for classes without a label.
    pub admits: Vec<bool>,
}

/// The lines and areas of a source at an aspect ratio.
pub struct Plan {
    pub lines: Vec<Line>,
    pub areas: Vec<Area>,
}

/// All plans, as `tables.Tables`.
pub struct Compiled {
    pub plans: Vec<Plan>,
    pub fractions: Vec<Point>,
    pub slack: f64,
    /// Columns of `left` for each line.
    pub parts: usize,
    pub all_admit: bool,
}

/// Widths of the rows of the track table.
#[derive(Clone, Copy)]
pub struct Widths {
    pub lines: usize,
    pub segments: usize,
    pub areas: usize,
    pub history: usize,
}

/// The columns of the track table that boundaries use, as they lie in memory.
pub struct Columns<'a> {
    pub low: &'a mut [f64],
    pub high: &'a mut [f64],
    pub left: &'a mut [bool],
    pub phase: &'a mut [i8],
    pub net: &'a mut [i8],
    pub begun: &'a mut [bool],
    pub passed: &'a mut [f32],
    pub entry: &'a mut [Complex64],
    pub inside: &'a mut [bool],
    pub last: &'a mut [f64],
    pub looked: &'a mut [i64],
    pub sample_clock: &'a mut [i64],
    pub sample_box: &'a mut [f64],
    pub samples: &'a mut [i64],
    pub widths: Widths,
}

/// The objects of one frame.
pub struct Objects<'a> {
    pub boxes: std::borrow::Cow<'a, [f32]>,
    pub classes: std::borrow::Cow<'a, [i32]>,
    pub slots: std::borrow::Cow<'a, [isize]>,
    pub plan: usize,
    pub aspect: f64,
    pub scale: [f64; 4],
    pub clock: i64,
    /// Whether samples for the history are due.
    pub sample: bool,
}

/// (row in the micro-batch, index of the rule, value, how far along): what `arrays.Hit` holds.
pub type Found = (usize, usize, f64, f64);

/// Who passed which line, who entered or left which area.
#[derive(Default)]
pub struct Findings {
    pub crossings: Vec<Found>,
    pub passages: Vec<Found>,
}

fn four(values: &[f64], slot: usize) -> Box4 {
    let at = slot * 4;
    [values[at], values[at + 1], values[at + 2], values[at + 3]]
}

fn put(values: &mut [f64], slot: usize, one: &Box4) {
    values[slot * 4..slot * 4 + 4].copy_from_slice(one);
}

impl Objects<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    fn normalised(&self, row: usize) -> Box4 {
        let b = &self.boxes[row * 4..row * 4 + 4];
        let s = &self.scale;
        [f64::from(b[0]) / s[0], f64::from(b[1]) / s[1], f64::from(b[2]) / s[2], f64::from(b[3]) / s[3]]
    }
}

impl Columns<'_> {
    /// Whether the object has left its safe region, or has none. A box with NaN is in none.
    fn news(&self, compiled: &Compiled, slot: usize, one: &Box4, class: i32) -> bool {
        let (low, high) = (&self.low[slot * 4..slot * 4 + 4], &self.high[slot * 4..slot * 4 + 4]);
        let within = (0..4).all(|k| one[k] >= low[k] && one[k] <= high[k]);
        !within || (!compiled.all_admit && i64::from(class) != self.looked[slot])
    }
}

/// Whether all objects can be evaluated. Nothing is changed.
pub fn sound(compiled: &Compiled, columns: &Columns, frames: &[Objects]) -> bool {
    let fits = |extent: f64| (0.0..MOST_EXTENT).contains(&extent);
    frames.iter().all(|frame| {
        (0..frame.len()).all(|row| {
            let one = frame.normalised(row);
            let (width, height) = (one[2] - one[0], one[3] - one[1]);
            // Who is in a safe region has a box of sensible size, if its edges are in their order.
            !(one[2] < one[0] || one[3] < one[1])
                && (fits(width) && fits(height)
                    || !columns.news(compiled, frame.slots[row] as usize, &one, frame.classes[row]))
        })
    })
}

/// Move all objects on by one frame: `boundaries.follow`, then `history.take_samples`, and, if asked to, their last boxes.
pub fn follow(compiled: &Compiled, columns: &mut Columns, frames: &[Objects], keep: bool) -> Findings {
    let mut findings = Findings::default();
    let mut start = 0;
    for frame in frames {
        for row in 0..frame.len() {
            let slot = frame.slots[row] as usize;
            let one = Moving { slot, now: frame.normalised(row), class: frame.classes[row], row: start + row };
            if columns.news(compiled, slot, &one.now, one.class) {
                look(compiled, columns, frame, &one, &mut findings);
            }
            if frame.sample {
                take_sample(columns, slot, frame.clock, &one.now);
            }
            if keep {
                put(columns.last, slot, &one.now);
            }
        }
        start += frame.len();
    }
    findings
}

fn take_sample(columns: &mut Columns, slot: usize, clock: i64, one: &Box4) {
    let size = columns.widths.history;
    let at = slot * size + columns.samples[slot].rem_euclid(size as i64) as usize;
    columns.sample_clock[at] = clock;
    put(columns.sample_box, at, one);
    columns.samples[slot] += 1;
}

/// An object that is looked at.
struct Moving {
    slot: usize,
    now: Box4,
    class: i32,
    row: usize,
}

/// `boundaries._follow_one`, and its safe region.
fn look(compiled: &Compiled, columns: &mut Columns, frame: &Objects, one: &Moving, findings: &mut Findings) {
    let (slot, aspect) = (one.slot, frame.aspect);
    let [left, top, right, bottom] = one.now;
    let size = larger((right - left) * aspect, bottom - top);
    let plan = &compiled.plans[frame.plan];
    let mut clearance = f64::INFINITY;
    let last = four(columns.last, slot);
    for (index, line) in plan.lines.iter().enumerate() {
        let fraction = compiled.fractions[line.anchor];
        let way = Way { origin: anchor_of(&last, aspect, fraction), now: anchor_of(&one.now, aspect, fraction) };
        let first = slot * columns.widths.segments + index * compiled.parts;
        let at = At { slot, cell: slot * columns.widths.lines + index, first, fraction, aspect };
        let (gap, passed) = follow_line(columns, line, size, &way, &at, one);
        clearance = smaller(clearance, gap);
        if let Some((value, share)) = passed {
            findings.crossings.push((one.row, index, value, share));
        }
    }
    for (index, area) in plan.areas.iter().enumerate() {
        let cell = slot * columns.widths.areas + index;
        let point = anchor_of(&one.now, aspect, compiled.fractions[area.anchor]);
        let (gap, goes) = follow_area(area, size, point, columns.inside[cell]);
        clearance = smaller(clearance, gap);
        if let Some(goes_in) = goes {
            let last = area.admits.len() - 1;
            let known = usize::try_from(one.class).ok().filter(|class| *class < last).unwrap_or(last);
            if !goes_in || area.admits[known] {
                columns.inside[cell] = goes_in;
                findings.passages.push((one.row, index, if goes_in { 1.0 } else { -1.0 }, 1.0));
            }
        }
    }
    draw(compiled, columns, aspect, clearance, one);
    if !compiled.all_admit {
        columns.looked[slot] = i64::from(one.class);
    }
}

/// `safe_region.bounds`.
fn draw(compiled: &Compiled, columns: &mut Columns, aspect: f64, clearance: f64, one: &Moving) {
    let step = smaller(clearance / compiled.slack, MOST_CLEARANCE) - ROUNDING;
    let (mut low, mut high) = ([f64::INFINITY; 4], [f64::NEG_INFINITY; 4]);
    if !(step <= 0.0) {
        let across = step / aspect;
        let [left, top, right, bottom] = one.now;
        low = [left - across, top - step, right - across, bottom - step];
        high = [left + across, top + step, right + across, bottom + step];
    }
    put(columns.low, one.slot, &low);
    put(columns.high, one.slot, &high);
}

/// The movement of an anchor point in this frame.
struct Way {
    origin: Point,
    now: Point,
}

/// Where an object's columns of a line stand, and how its anchor point is found.
struct At {
    slot: usize,
    cell: usize,
    first: usize,
    fraction: Point,
    aspect: f64,
}

/// `polylines.follow_one`: (clearance, crossing with how far along).
fn follow_line(
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

/// `areas.follow_one`: (clearance, whether it may enter (true) or leave (false)).
fn follow_area(area: &Area, size: f64, point: Point, was: bool) -> (f64, Option<bool>) {
    let (x, y) = point;
    let mut near = f64::INFINITY;
    let mut inside = area.inverse;
    for (segment, y1, y2) in &area.edges {
        let side = side_of(segment, x, y);
        let mut square = side * side;
        if square < near {
            let beyond = beyond_of(segment, x, y);
            square += beyond * beyond;
            if square < near {
                near = square;
            }
        }
        if (*y1 <= y) != (*y2 <= y) && (side < 0.0) == (y2 > y1) {
            inside = !inside;
        }
    }
    let gap = near.sqrt();
    if inside == was {
        return (gap, None);
    }
    if !inside {
        // It has left when out of the band as well.
        let width = half_width(&area.band, size);
        if near <= width * width {
            return (smaller(gap, width - gap), None);
        }
    }
    (gap, Some(inside))
}
