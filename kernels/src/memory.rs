//! What is remembered of tracks, as `countline.track.memory` and `countline.track.occlusion` do, and how detections are graded, as
//! `countline.track.tracker` does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap as HashMap;

use crate::emerging::Last;
use crate::perspective::{learnt, SharedPerspective};

const SHORT: f64 = 0.8;
const SAMPLES: usize = 10;
const APART: i64 = 90_000_000;
const ENOUGH: usize = 3;
const ACROSS: f64 = 0.3;
const LOWER: f64 = 0.05;
const GAP: f64 = 0.1;

/// Left, top, right, bottom in pixels.
pub type Pixels = [f32; 4];

/// How high the boxes of a track were lately.
pub struct Height {
    /// Heights, and where the upper edge was.
    values: VecDeque<(f64, f64)>,
    top: f64,
    /// Of its class, which learns from what is seen whole.
    perspective: SharedPerspective,
    /// The middle one of the heights, when the last was remembered, and the upper edge at that moment.
    known: (f64, f64),
    pub usual: f64,
    least: f64,
    sampled: i64,
    pub hidden: i64,
    pub whole: i64,
}

impl Height {
    fn new() -> Self {
        let values = VecDeque::with_capacity(SAMPLES);
        let perspective = SharedPerspective::default();
        let known = (0.0, 0.0);
        Self { values, top: 0.0, perspective, known, usual: 0.0, least: 0.0, sampled: -APART, hidden: -(1 << 62), whole: 0 }
    }

    /// `Height.look`: its box has its upper edge here.
    fn look(&mut self, top: f64, perspective: &SharedPerspective) {
        self.top = top;
        if !Arc::ptr_eq(&self.perspective, perspective) {
            self.perspective = Arc::clone(perspective);
        }
        if self.usual != 0.0 {
            self.usual = learnt(perspective).scaled(self.known, top);
            self.least = SHORT * self.usual;
        }
    }

    pub fn clear(&mut self) {
        self.values.clear();
        (self.usual, self.least) = (0.0, 0.0);
    }

    /// `Height.seen`: it was seen whole.
    pub fn seen(&mut self, height: f64, pts: i64) {
        self.whole = pts;
        if (0..APART).contains(&pts.saturating_sub(self.sampled)) {
            return;
        }
        self.sampled = pts;
        if self.values.len() == SAMPLES {
            self.values.pop_front();
        }
        self.values.push_back((height, self.top));
        let mut perspective = learnt(&self.perspective);
        perspective.learn(self.top, height);
        if self.values.len() >= ENOUGH {
            let mut sorted = [0.0; SAMPLES];
            let sorted = &mut sorted[..self.values.len()];
            let scaled = self.values.iter().map(|seen| perspective.scaled(*seen, self.top));
            sorted.iter_mut().zip(scaled).for_each(|(to, from)| *to = from);
            sorted.sort_unstable_by(f64::total_cmp);
            self.usual = sorted[sorted.len() / 2];
            self.least = SHORT * self.usual;
            self.known = (self.usual, self.top);
        }
    }
}

/// Shared with what Python holds of it.
pub type SharedHeight = Arc<Mutex<Height>>;

/// Nothing that holds a height panics half-way.
pub fn held(height: &SharedHeight) -> MutexGuard<'_, Height> {
    height.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `whole.behind`: rows of boxes that another one, which reaches farther down, may hide from below.
pub fn behind(boxes: &[Pixels]) -> Vec<usize> {
    let hidden = |b: &Pixels| {
        let (high, wide) = (b[3] - b[1], b[2] - b[0]);
        let (beyond, begin, across) = (b[3] + LOWER as f32 * high, b[3] + GAP as f32 * high, ACROSS as f32 * wide);
        boxes.iter().any(|f| f[3] > beyond && f[1] < begin && f[2].min(b[2]) - f[0].max(b[0]) > across)
    };
    (0..boxes.len()).filter(|row| hidden(&boxes[*row])).collect()
}

struct Known {
    public: u64,
    height: SharedHeight,
    seen: i64,
    /// Height of its box there.
    high: f64,
    /// Since when it lies within somebody, and is not told.
    part: Option<i64>,
    best: i32,
    weight: f64,
    others: HashMap<i32, f64>,
}

impl Known {
    fn new(public: u64, class: i32) -> Self {
        let height = Arc::new(Mutex::new(Height::new()));
        Self { public, height, seen: 0, high: 0.0, part: None, best: class, weight: 0.0, others: HashMap::default() }
    }

    fn vote(&mut self, class: i32, weight: f64) {
        if class == self.best {
            self.weight += weight;
            return;
        }
        let total = self.others.get(&class).copied().unwrap_or(0.0) + weight;
        if total > self.weight {
            self.others.remove(&class);
            self.others.insert(self.best, self.weight);
            (self.best, self.weight) = (class, total);
        } else {
            self.others.insert(class, total);
        }
    }
}

/// Row of a box and what is remembered of its track's height.
pub type Low = (usize, SharedHeight);

/// One sighting of a track.
pub struct Sighting {
    pub number: i64,
    pub class: i32,
    pub confidence: f32,
}

/// Tracks by the engine's numbers.
#[derive(Default)]
pub struct Tracks {
    known: HashMap<i64, Known>,
    last: u64,
    /// By class.
    perspectives: HashMap<i32, SharedPerspective>,
}

impl Tracks {
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn knows(&self, number: i64) -> bool {
        self.known.contains_key(&number)
    }

    /// What is remembered of its last sighting.
    pub fn last_seen(&self, number: i64) -> Option<Last> {
        self.known.get(&number).map(|track| Last { seen: track.seen, high: track.high, part: track.part })
    }

    /// A track lies within somebody, and is not told.
    pub fn lies_within(&mut self, number: i64, pts: i64) {
        if let Some(track) = self.known.get_mut(&number) {
            track.part.get_or_insert(pts);
        }
    }

    /// Usual height by public id.
    pub fn heights(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        self.known.values().map(|track| (track.public, held(&track.height).usual))
    }

    /// False: it is not known.
    pub fn rename(&mut self, number: i64, to: i64) -> bool {
        match self.known.remove(&number) {
            Some(track) => {
                self.known.insert(to, track);
                true
            }
            None => false,
        }
    }

    /// Tracks with these public ids go by these numbers from now on; all others are forgotten. False, and nothing is changed,
    /// where an id is not known.
    pub fn renumber(&mut self, pairs: &[(u64, i64)]) -> bool {
        let numbers: HashMap<u64, i64> = self.known.iter().map(|(number, track)| (track.public, *number)).collect();
        let found: Option<Vec<(i64, i64)>> =
            pairs.iter().map(|(id, to)| numbers.get(id).map(|number| (*number, *to))).collect();
        let Some(found) = found else { return false };
        let mut old = std::mem::take(&mut self.known);
        self.known = found.into_iter().filter_map(|(number, to)| old.remove(&number).map(|track| (to, track))).collect();
        true
    }

    pub fn clear(&mut self) {
        self.known.clear();
        self.perspectives.clear();
    }

    pub fn forget(&mut self, since: i64) {
        self.known.retain(|_, track| track.seen >= since);
    }

    /// Votes and heights of a frame: class and id of each sighting; rows of boxes that are so low that something may hide a part of
    /// them, with the heights of their tracks.
    pub fn remember(&mut self, seen: &[Sighting], boxes: &[Pixels], pts: i64, lost: i64) -> (Vec<(i32, u64)>, Vec<Low>) {
        let (mut found, mut low) = (Vec::with_capacity(seen.len()), Vec::new());
        for (row, (one, shown)) in seen.iter().zip(boxes).enumerate() {
            if self.known.get(&one.number).map_or(true, |track| track.seen < pts - lost) {
                self.last += 1;
                self.known.insert(one.number, Known::new(self.last, one.class));
            }
            let Some(track) = self.known.get_mut(&one.number) else { continue };
            track.seen = pts;
            track.vote(one.class, f64::from(one.confidence));
            found.push((track.best, track.public));
            let (top, height) = (f64::from(shown[1]), f64::from(shown[3] - shown[1]));
            track.high = height;
            track.part = None;
            let perspective = self.perspectives.entry(track.best).or_default();
            let mut usual = held(&track.height);
            usual.look(top, perspective);
            if height < usual.least {
                low.push((row, Arc::clone(&track.height)));
            } else {
                usual.seen(height, pts);
            }
        }
        (found, low)
    }
}

/// Grades by the number of limits that a confidence passed, and what some of them become beside somebody.
const GRADES: [isize; 6] = [0, 1, 2, 3, 3, 3];
const CONTINUES: isize = 1;
const FINDS: isize = 2;
const WEAK: usize = 2;
const DOUBTFUL: usize = 4;
const BESIDE: f32 = 0.1;
const WIDEST: f32 = 1e7;

/// Whether all detections can be followed.
pub fn usable(boxes: &[Pixels], confidence: &[f32], low: f32) -> bool {
    let fits = |b: &Pixels| b[2] > b[0] && b[3] > b[1] && b.iter().all(|v| v.abs() < WIDEST);
    boxes.iter().all(fits) && confidence.iter().all(|c| *c > 0.0 && *c >= low)
}

/// Whether two boxes overlap (IoU) by more than `BESIDE`.
fn beside(a: &Pixels, b: &Pixels) -> bool {
    let wide = a[2].min(b[2]) - a[0].max(b[0]);
    let high = a[3].min(b[3]) - a[1].max(b[1]);
    if wide <= 0.0 || high <= 0.0 {
        return false;
    }
    let area = |c: &Pixels| (c[2] - c[0]) * (c[3] - c[1]);
    let common = wide * high;
    common / (area(a) + area(b) - common) > BESIDE
}

/// The engine's grade of each detection; None where a class has no limits. `before`: boxes of the frame before.
pub fn grades(
    boxes: &[Pixels],
    confidence: &[f32],
    classes: &[i32],
    limits: &[[f64; 5]],
    before: &[Pixels],
) -> Option<Vec<isize>> {
    let stronger = |row: usize| {
        (0..boxes.len()).any(|k| confidence[k] > confidence[row] && beside(&boxes[row], &boxes[k]))
    };
    let mut found = Vec::with_capacity(boxes.len());
    for row in 0..boxes.len() {
        let class = i64::from(classes[row]).min(limits.len() as i64 - 1);
        // Python counts negative indices from the end.
        let class = if class < 0 { class + limits.len() as i64 } else { class };
        let limit = limits.get(usize::try_from(class).ok()?)?;
        let passed = limit.iter().filter(|bound| **bound <= f64::from(confidence[row])).count();
        let grade = match passed {
            WEAK if stronger(row) => CONTINUES,
            DOUBTFUL if before.iter().any(|b| beside(&boxes[row], b)) || stronger(row) => FINDS,
            _ => GRADES[passed],
        };
        found.push(grade);
    }
    Some(found)
}

/// Area of a track's box, as a part of a detection's, up to which it is clearly smaller.
const CLEARLY_SMALLER: f32 = 0.7;

/// `groups.Groups.several`: rows of boxes that hold the middles of several smaller tracks, of which the first `now` are near to
/// where they are said to be.
pub fn several(boxes: &[Pixels], tracks: &[Pixels], now: usize) -> Vec<usize> {
    let holds = |b: &Pixels, (at, t): (usize, &Pixels)| {
        let (wide, high) = (t[2] - t[0], t[3] - t[1]);
        if !(wide * high <= CLEARLY_SMALLER * (b[2] - b[0]) * (b[3] - b[1])) {
            return false;
        }
        let (u, v) = ((t[0] + t[2]) * 0.5, (t[1] + t[3]) * 0.5);
        // Those out of sight may have come nearer by their own size.
        let (x, y) = if at < now { (0.0, 0.0) } else { (wide, high) };
        b[0] - x < u && u < b[2] + x && b[1] - y < v && v < b[3] + y
    };
    let count = |b: &Pixels| tracks.iter().enumerate().filter(|t| holds(b, *t)).take(2).count();
    (0..boxes.len()).filter(|row| count(&boxes[*row]) > 1).collect()
}

const EQUAL: f64 = 0.8;
const SAME: f64 = 0.6;
const ALIKE: f64 = 0.85;
const WITHIN: f64 = 0.9;
const PART: f64 = 0.7;
const CRUMB: f64 = 0.1;
const FOOT: f64 = 0.02;

/// `twins._cover`: whether two boxes that overlap cover the same.
fn cover(one: &Pixels, other: &Pixels) -> bool {
    let ([l0, t0, r0, b0], [l1, t1, r1, b1]) = (one.map(f64::from), other.map(f64::from));
    let (w0, h0, w1, h1) = (r0 - l0, b0 - t0, r1 - l1, b1 - t1);
    let (wide, high) = (r0.min(r1) - l0.max(l1), b0.min(b1) - t0.max(t1));
    if 2.0 * wide < w0.min(w1) || 2.0 * high < h0.min(h1) {
        return false;
    }
    let (shared, size0, size1) = (wide * high, w0 * h0, w1 * h1);
    let overlap = shared / (size0 + size1 - shared);
    if overlap >= EQUAL {
        return true;
    }
    if overlap >= SAME && (w0.min(w1) < ALIKE * w0.max(w1) || h0.min(h1) < ALIKE * h0.max(h1)) {
        return true;
    }
    let (small, large, lower, tall) =
        if size0 < size1 { (size0, size1, b0 - b1, h1) } else { (size1, size0, b1 - b0, h0) };
    shared >= WITHIN * small && CRUMB * large <= small && small <= PART * large && lower <= FOOT * tall
}

/// `twins.covering`: pairs of rows, the lower first, of boxes of one class that cover the same.
pub fn covering(boxes: &[Pixels], classes: &[i32]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (a, one) in boxes.iter().enumerate() {
        for (b, other) in boxes.iter().enumerate().skip(a + 1) {
            let meets = one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
            if meets && classes[a] == classes[b] && cover(one, other) {
                found.push((a, b));
            }
        }
    }
    found
}
