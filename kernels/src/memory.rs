//! What is remembered of tracks, as `countline.track.memory` and `countline.track.hidden` do, and how detections are graded, as
//! `countline.track.grades` does.

use std::collections::VecDeque;

use rustc_hash::FxHashMap as HashMap;

const SHORT: f64 = 0.8;
const SAMPLES: usize = 10;
const APART: i64 = 90_000_000;
const ENOUGH: usize = 3;
const ACROSS: f64 = 0.3;
const LOWER: f64 = 0.05;
const GAP: f64 = 0.1;
const EDGE: f64 = 0.03;

/// Left, top, right, bottom in pixels.
pub type Pixels = [f32; 4];

/// How high the boxes of a track were lately.
struct Height {
    values: VecDeque<f64>,
    usual: f64,
    least: f64,
    sampled: i64,
    whole: i64,
}

impl Height {
    fn new() -> Self {
        Self { values: VecDeque::with_capacity(SAMPLES), usual: 0.0, least: 0.0, sampled: -APART, whole: 0 }
    }

    fn sample(&mut self, height: f64, pts: i64) {
        self.sampled = pts;
        if self.values.len() == SAMPLES {
            self.values.pop_front();
        }
        self.values.push_back(height);
        if self.values.len() >= ENOUGH {
            let mut sorted = [0.0; SAMPLES];
            let sorted = &mut sorted[..self.values.len()];
            sorted.iter_mut().zip(&self.values).for_each(|(to, from)| *to = *from);
            sorted.sort_unstable_by(f64::total_cmp);
            self.usual = sorted[sorted.len() / 2];
            self.least = SHORT * self.usual;
        }
    }

    fn clear(&mut self) {
        self.values.clear();
        (self.usual, self.least) = (0.0, 0.0);
    }

    /// The box of a frame, completed downward where somebody in front hides its lower part.
    fn complete(&mut self, boxes: &[Pixels], row: usize, pts: i64, patience: i64) -> Pixels {
        let mut one = boxes[row];
        let height = f64::from(one[3] - one[1]);
        if height < self.least {
            if let Some(floor) = floor(boxes, row, self.usual) {
                if pts - self.whole <= patience {
                    let full = f64::from(one[1]) + self.usual;
                    one[3] = if floor < full { floor } else { full } as f32;
                    return one;
                }
                self.clear();
            }
        }
        self.whole = pts;
        if !(0..APART).contains(&(pts - self.sampled)) {
            self.sample(height, pts);
        }
        one
    }
}

/// Bottom of the lowest box that hides one from below. Bounds are of single precision, as NumPy compares them.
fn floor(boxes: &[Pixels], row: usize, usual: f64) -> Option<f64> {
    let [left, top, right, bottom] = boxes[row];
    if f64::from(top) < EDGE * usual {
        return None;
    }
    let (low, wide) = (f64::from(bottom), f64::from(right) - f64::from(left));
    let (beyond, begin, across) = ((low + LOWER * usual) as f32, (low + GAP * usual) as f32, (ACROSS * wide) as f32);
    let hides = |b: &&Pixels| b[3] > beyond && b[1] < begin && b[2].min(right) - b[0].max(left) > across;
    boxes.iter().filter(hides).map(|b| f64::from(b[3])).reduce(f64::max)
}

struct Known {
    public: u64,
    height: Height,
    seen: i64,
    best: i32,
    weight: f64,
    others: HashMap<i32, f64>,
}

impl Known {
    fn new(public: u64, class: i32) -> Self {
        Self { public, height: Height::new(), seen: 0, best: class, weight: 0.0, others: HashMap::default() }
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
}

impl Tracks {
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn knows(&self, number: i64) -> bool {
        self.known.contains_key(&number)
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

    pub fn clear(&mut self) {
        self.known.clear();
    }

    pub fn forget(&mut self, since: i64) {
        self.known.retain(|_, track| track.seen >= since);
    }

    /// Votes and heights of a frame: box, class and id of each sighting.
    pub fn remember(&mut self, seen: &[Sighting], boxes: &[Pixels], pts: i64, lost: i64) -> Vec<(Pixels, i32, u64)> {
        let mut found = Vec::with_capacity(seen.len());
        for (row, one) in seen.iter().enumerate() {
            if self.known.get(&one.number).map_or(true, |track| track.seen < pts - lost) {
                self.last += 1;
                self.known.insert(one.number, Known::new(self.last, one.class));
            }
            let Some(track) = self.known.get_mut(&one.number) else { continue };
            track.seen = pts;
            track.vote(one.class, f64::from(one.confidence));
            found.push((track.height.complete(boxes, row, pts, lost), track.best, track.public));
        }
        found
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
