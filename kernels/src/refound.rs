//! Those who come out of hiding, as `countline.track.refound` finds them: places in single precision, distances in double, as NumPy
//! computes them.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::beside::{most, overlap};
use crate::geometry::{larger, smaller};
use crate::memory::Pixels;

const APART: i64 = 90_000_000;
const BEFORE: i64 = 800_000_000;
const LEAST: i64 = 150_000_000;
const STRAY: (f64, f64) = (0.4, 0.12);
const MORE: (f64, f64) = (0.7, 0.2);
const MOST_NEARER: f64 = 0.5;
const ALIKE: f32 = 1.5;

/// What a frame showed: boxes, classes, public ids and numbers with the engine of its tracks.
pub struct Shown {
    pub pts: i64,
    pub boxes: Vec<Pixels>,
    pub classes: Vec<i32>,
    pub ids: Vec<u64>,
    pub numbers: Vec<i64>,
}

/// A track that is not in this frame, as it was seen last.
#[derive(Clone, Copy)]
struct Lost {
    id: u64,
    number: i64,
    bounds: Pixels,
    class: i32,
    pts: i64,
}

/// Tells lost tracks of one source among those that begin.
pub struct Refound {
    patience: i64,
    iou: f32,
    most: usize,
    past: VecDeque<Shown>,
}

impl Refound {
    pub fn new(patience: i64, iou: f64) -> Self {
        let most = 2 + patience.saturating_add(BEFORE).div_euclid(APART).max(0) as usize;
        Self { patience, iou: iou as f32, most, past: VecDeque::new() }
    }

    pub fn clear(&mut self) {
        self.past.clear();
    }

    pub fn remember(&mut self, shown: Shown) {
        let count = self.past.len();
        if count > 1 && self.past[count - 1].pts - self.past[count - 2].pts < APART {
            self.past.pop_back();
        }
        if self.past.len() == self.most {
            self.past.pop_front();
        }
        self.past.push_back(shown);
    }

    /// `_awaited`: in the order in which they were seen first.
    fn awaited(&self, present: &[i64], pts: i64) -> Vec<Lost> {
        let mut found: Vec<Lost> = Vec::new();
        let mut places: HashMap<u64, usize> = HashMap::default();
        for shown in self.past.iter().filter(|shown| (1..=self.patience).contains(&(pts - shown.pts))) {
            for (at, (id, number)) in shown.ids.iter().zip(&shown.numbers).enumerate() {
                let one = Lost { id: *id, number: *number, bounds: shown.boxes[at], class: shown.classes[at], pts: shown.pts };
                match places.get(id) {
                    Some(place) => found[*place] = one,
                    None => {
                        places.insert(*id, found.len());
                        found.push(one);
                    }
                }
            }
        }
        let here: HashSet<i64> = present.iter().copied().collect();
        found.retain(|one| !here.contains(&one.number));
        found
    }

    /// `_ahead`: where they are now if they go on as they went.
    fn ahead(&self, awaited: &[Lost], pts: i64) -> Vec<Pixels> {
        let places: HashMap<u64, usize> = awaited.iter().enumerate().map(|(at, one)| (one.id, at)).collect();
        let mut first: Vec<Option<(i64, Pixels)>> = vec![None; awaited.len()];
        for shown in &self.past {
            for (id, bounds) in shown.ids.iter().zip(&shown.boxes) {
                let Some(at) = places.get(id) else { continue };
                if first[*at].is_none() && (0..=BEFORE).contains(&(awaited[*at].pts - shown.pts)) {
                    first[*at] = Some((shown.pts, *bounds));
                }
            }
        }
        let go_on = |(one, from): (&Lost, Option<(i64, Pixels)>)| {
            let (then, bounds) = from.unwrap_or((one.pts, one.bounds));
            continued(one, then, &bounds, pts)
        };
        awaited.iter().zip(first).map(go_on).collect()
    }

    /// `find`: (index of the box, number of the lost track).
    pub fn find(&self, boxes: &[Pixels], classes: &[i32], present: &[i64], pts: i64) -> Vec<(usize, i64)> {
        if boxes.is_empty() {
            return Vec::new();
        }
        let lost = self.awaited(present, pts);
        if lost.is_empty() {
            return Vec::new();
        }
        let ahead = self.ahead(&lost, pts);
        let count = lost.len();
        let mut cost = Vec::with_capacity(boxes.len() * count);
        for (one, class) in boxes.iter().zip(classes) {
            cost.extend(lost.iter().zip(&ahead).map(|(of, place)| self.cost(one, *class, of, place, pts)));
        }
        let nearest = |row: usize| first_least((0..count).map(|at| cost[row * count + at]));
        let towards = |at: usize| first_least((0..boxes.len()).map(|row| cost[row * count + at]));
        let pairs = (0..boxes.len()).map(|row| (row, nearest(row)));
        let near = pairs.filter(|(row, at)| towards(*at) == *row && cost[row * count + at] < 1.0);
        near.map(|(row, at)| (row, lost[at].number)).collect()
    }

    /// `_cost` of one pair.
    fn cost(&self, one: &Pixels, class: i32, lost: &Lost, ahead: &Pixels, pts: i64) -> f64 {
        let since = (pts - lost.pts) as f64 / 1e9;
        let (wide, high) = (ahead[2] - ahead[0], ahead[3] - ahead[1]);
        let across = (one[0] + one[2] - ahead[0] - ahead[2]).abs() / (2.0 * wide);
        let up = (one[1] - ahead[1]).abs() / high;
        let ratio = (one[2] - one[0]) / wide;
        if class != lost.class || ratio > ALIKE || 1.0 / ratio > ALIKE {
            return f64::INFINITY;
        }
        // The feet may be hidden still.
        let completed = [one[0], one[1], one[2], most(one[3], one[1] + high)];
        if overlap(&completed, ahead) < self.iou {
            return f64::INFINITY;
        }
        (f64::from(across) / (STRAY.0 + MORE.0 * since)).hypot(f64::from(up) / (STRAY.1 + MORE.1 * since))
    }
}

/// `numpy.argmin`: the first of the least, or the first that is not a number.
fn first_least(values: impl Iterator<Item = f64>) -> usize {
    let (mut found, mut least) = (0, f64::NAN);
    for (at, value) in values.enumerate() {
        if at == 0 || (!least.is_nan() && (value < least || value.is_nan())) {
            (found, least) = (at, value);
        }
    }
    found
}

/// `_growth`: by how much somebody who came nearer has grown.
fn growth(before: &Pixels, after: &Pixels) -> f64 {
    let (wide, high) = (before[2] - before[0], before[3] - before[1]);
    let (wider, higher) = (after[2] - after[0], after[3] - after[1]);
    if !(wide > 0.0 && high > 0.0 && wider > 0.0 && higher > 0.0) {
        return 1.0;
    }
    let (across, up) = (f64::from(wider / wide), f64::from(higher / high));
    if smaller(across, up) > 1.0 {
        return smaller(across, up);
    }
    larger(smaller(larger(across, up), 1.0), 0.0)
}

/// `_continued`: where a track is at `pts` that was at `bounds` at `then`.
fn continued(one: &Lost, then: i64, bounds: &Pixels, pts: i64) -> Pixels {
    if one.pts - then < LEAST {
        return one.bounds;
    }
    let (last, growth) = (one.bounds, growth(bounds, &one.bounds));
    let share = (pts - one.pts) as f64 / (one.pts - then) as f64;
    let nearer = smaller((growth - 1.0) * share, MOST_NEARER);
    let scale = 1.0 / (1.0 - nearer);
    let mut part = share * growth / (1.0 - nearer);
    if nearer == MOST_NEARER {
        part = (scale - 1.0) * growth / (growth - 1.0);
    }
    let (part, scale) = (part as f32, scale as f32);
    let middle = (last[0] + last[2]) / 2.0;
    let across = middle + (middle - (bounds[0] + bounds[2]) / 2.0) * part;
    let top = last[1] + (last[1] - bounds[1]) * part;
    let (wide, high) = ((last[2] - last[0]) * scale, (last[3] - last[1]) * scale);
    [across - wide / 2.0, top, across + wide / 2.0, top + high]
}
