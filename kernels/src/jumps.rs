//! Sightings that cannot be the track's, as `countline.track.jumps` tells them: in the same order of the same operations.

use std::collections::VecDeque;

use rustc_hash::FxHashMap as HashMap;

use crate::geometry::{larger, smaller};
use crate::memory::Pixels;

const NEAR: f64 = 0.35;
const FASTER: f64 = 1.5;
const MOST: f64 = 0.8;
const BEND: f64 = 0.5;
const ANY_WAY: f64 = 9.0;
const KNOWN: i64 = 150_000_000;
const BEFORE: i64 = 800_000_000;
const APART: i64 = 90_000_000;
const STAYS: i64 = 250_000_000;
const GONE: i64 = 150_000_000;
const QUICK: i64 = 250_000_000;
const AWAITED: f64 = 0.15;
const AGAIN: i64 = 60_000_000;

/// pts in ns, x and y of a foot in pixels.
type Place = (i64, f64, f64);

/// Which rows are told, and those of the others whose tracks show another object from now on.
pub type Verdict = (Vec<bool>, Vec<usize>);

/// `jumps._Way`: where a track was.
struct Way {
    places: VecDeque<Place>,
    size: f64,
    frame: i64,
    doubts: Option<(Place, Place)>,
}

impl Way {
    fn new(place: Place, size: f64, frame: i64) -> Self {
        Self { places: VecDeque::from([place]), size, frame, doubts: None }
    }

    fn ends(&self) -> (Place, Place) {
        (self.places[0], self.places[self.places.len() - 1])
    }

    fn go_on(&mut self, place: Place, size: f64, frame: i64) {
        let count = self.places.len();
        if count > 1 && self.places[count - 1].0 - self.places[count - 2].0 < APART {
            self.places.pop_back();
        }
        self.places.push_back(place);
        while place.0 - self.places[0].0 > BEFORE {
            self.places.pop_front();
        }
        (self.size, self.frame, self.doubts) = (size, frame, None);
    }

    fn doubt(&mut self, place: Place, size: f64) -> i64 {
        let (pts, x, y) = place;
        let first = match self.doubts {
            Some((first, (then, u, v))) => {
                let near = size * (NEAR + FASTER * ((pts - then) as f64 / 1e9));
                if (x - u) * (x - u) + (y - v) * (y - v) > near * near {
                    place
                } else {
                    first
                }
            }
            None => place,
        };
        self.doubts = Some((first, place));
        pts - first.0
    }
}

/// `jumps.Jumps` of one source.
pub struct Jumps {
    patience: i64,
    ways: HashMap<u64, Way>,
    full: usize,
    frame: i64,
    pts: i64,
}

impl Jumps {
    pub fn new(patience: i64) -> Self {
        Self { patience, ways: HashMap::default(), full: 256, frame: 0, pts: 0 }
    }

    pub fn clear(&mut self) {
        self.ways.clear();
    }

    /// `check`: what of the tracks of a frame is told; None: all of it.
    pub fn check(&mut self, ids: &[u64], boxes: &[Pixels], pts: i64, leaping: &[usize]) -> Option<Verdict> {
        self.frame += 1;
        let quick = pts - self.pts <= QUICK;
        self.pts = pts;
        let (mut told, mut others): (Option<Vec<bool>>, Vec<usize>) = (None, Vec::new());
        for (row, (id, bounds)) in ids.iter().zip(boxes).enumerate() {
            let [left, top, right, bottom] = bounds.map(f64::from);
            let (place, size) = ((pts, (left + right) / 2.0, bottom), larger(right - left, bottom - top));
            let Some(way) = self.ways.get_mut(id) else {
                self.ways.insert(*id, Way::new(place, size, self.frame));
                continue;
            };
            let (doubtful, jumped) = judge(way, place, quick, self.frame);
            if !doubtful || leaping.contains(&row) {
                way.go_on(place, size, self.frame);
                continue;
            }
            let seen = way.doubt(place, size);
            if jumped && seen >= STAYS {
                self.ways.remove(id);
                others.push(row);
            } else if !jumped && seen >= AGAIN {
                let first = way.doubts.map_or(place, |(first, _)| first);
                way.places.clear();
                way.places.push_back(first);
                way.go_on(place, size, self.frame);
                continue;
            }
            told.get_or_insert_with(|| vec![true; ids.len()])[row] = false;
        }
        if self.ways.len() > self.full {
            let oldest = pts - self.patience;
            self.ways.retain(|_, way| way.ends().1 .0 >= oldest);
            self.full = 2 * self.ways.len() + 256;
        }
        told.map(|told| (told, others))
    }
}

/// `_judge`: whether a sighting is doubtful, and whether since the track has jumped.
fn judge(way: &Way, place: Place, quick: bool, frame: i64) -> (bool, bool) {
    let ((first, a, b), (last, c, d)) = way.ends();
    let (pts, x, y) = place;
    let since = (pts - last) as f64 / 1e9;
    let long = way.size;
    let (x, y) = (x - c, y - d);
    let (off, jumped) = if last - first < KNOWN {
        let near = long * (NEAR + ANY_WAY * since);
        let off = x * x + y * y;
        (off, off > near * near)
    } else {
        let near = long * smaller(NEAR + FASTER * since, MOST);
        let (off, beyond_way) = beyond((x, y), (c - a, d - b), since, (last - first) as f64 / 1e9, near);
        let step = || {
            let (then, a, b) = way.places[way.places.len() - 2];
            beyond((x, y), (c - a, d - b), since, (last - then) as f64 / 1e9, near).1
        };
        (off, beyond_way && x * x + y * y > near * near && step())
    };
    if jumped {
        return (true, true);
    }
    let gone = quick && frame - way.frame > 1 && pts - last > GONE;
    (gone && off > AWAITED * AWAITED * long * long, false)
}

/// `_beyond`: by how much a step is another than one before that goes on (squared), and whether that is too much.
fn beyond((x, y): (f64, f64), (across, up): (f64, f64), since: f64, span: f64, near: f64) -> (f64, bool) {
    let (u, v) = (across / span * since, up / span * since);
    let far = near + BEND * (u * u + v * v).sqrt();
    let (x, y) = (x - u, y - v);
    let off = x * x + y * y;
    (off, off > far * far)
}
