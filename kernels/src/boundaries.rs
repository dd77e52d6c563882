//! Lines and areas: who passed which. What `countline.analytics.native.boundaries` does, on the same memory.

use numpy::Complex64;

use crate::geometry::{anchor_of, beyond_of, half_width, larger, side_of, smaller, Band, Box4, Point, Segment, Span};
use crate::polylines::{follow_line, At, Way};

const ROUNDING: f64 = 1e-9;
const MOST_CLEARANCE: f64 = 100.0;
const MOST_EXTENT: f64 = 1e3;

/// A line of a plan.
pub struct Line {
    pub anchor: usize,
    pub band: Band,
    pub segments: Vec<Segment>,
    pub spans: Vec<Span>,
}

/// An edge of an area: its segment and the heights of its ends.
pub type Edge = (Segment, f64, f64);

/// An area of a plan.
pub struct Area {
    pub anchor: usize,
    pub band: Band,
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

pub fn four(values: &[f64], slot: usize) -> Box4 {
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
pub struct Moving {
    pub slot: usize,
    pub now: Box4,
    pub class: i32,
    pub row: usize,
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
