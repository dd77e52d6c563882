//! Two tracks on one object, as `countline.track.twins` tells them. What is kept by pairs has no order, and nothing depends on one.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::geometry::{larger, smaller};
use crate::memory::{covering, Pixels};

const WINDOW: i64 = 1_000_000_000;
const EVERY: i64 = 90_000_000;
const LONG: i64 = 600_000_000;
const DOUBT: i64 = 2_400_000_000;
const STILL: i64 = 1_400_000_000;
const MOVED: f64 = 0.2;
const BORN: i64 = 200_000_000;
const MOST: f64 = 0.7;
const STILL_MOST: f64 = 0.4;
const FEWEST: usize = 3;
const STRAY: f64 = 0.15;
const STILL_STRAY: f64 = 0.4;
const GONE: i64 = 10_000_000_000;
/// Of an object without a track.
const UNTRACKED: u64 = u64::MAX;

/// Ids of two tracks, the older one's first.
type Key = (u64, u64);

/// pts, whether the two covered the same, and where they were to each other: see `twins._Pair.looks`.
struct Look {
    pts: i64,
    covers: bool,
    place: [f64; 8],
}

/// `twins._Pair`: two tracks that covered the same lately, or are twins.
struct Pair {
    apart: i64,
    born: bool,
    looks: VecDeque<Look>,
    since: Option<i64>,
    seen: i64,
    together: i64,
    twins: bool,
}

impl Pair {
    fn new(apart: i64) -> Self {
        Self { apart, born: apart <= BORN, looks: VecDeque::new(), since: None, seen: 0, together: 0, twins: false }
    }

    fn look(&mut self, pts: i64, covers: bool, older: &Pixels, younger: &Pixels) {
        let ([l0, t0, r0, b0], [l1, t1, r1, b1]) = (older.map(f64::from), younger.map(f64::from));
        let (x, y) = ((l0 + r0) / 2.0, (t0 + b0) / 2.0);
        let place = [l1 - l0, (l1 + r1) / 2.0 - x, r1 - r0, t1 - t0, (t1 + b1) / 2.0 - y, b1 - b0, x, y];
        self.looks.push_back(Look { pts, covers, place });
        while self.looks.front().is_some_and(|look| !(0..=WINDOW).contains(&(pts - look.pts))) {
            self.looks.pop_front();
        }
        let diagonal = smaller((r0 - l0).hypot(b0 - t0), (r1 - l1).hypot(b1 - t1));
        let share = self.looks.iter().filter(|look| look.covers).count() as f64 / self.looks.len() as f64;
        let (stray, moved) = self.ways();
        let young = self.twins && self.born && pts - self.looks[0].pts < LONG;
        let holds = if self.twins && !young {
            share >= STILL_MOST && stray <= STILL_STRAY * diagonal
        } else {
            share >= MOST && stray <= STRAY * diagonal
        };
        if !holds {
            (self.twins, self.since) = (false, None);
            self.born = self.born && covers && self.looks.len() < FEWEST;
        } else if !self.twins {
            self.twins = self.born || self.long_enough(pts, moved >= MOVED * diagonal);
        }
    }

    /// How far a column of the places spreads.
    fn spread(&self, column: usize) -> f64 {
        let mut values = self.looks.iter().map(|look| look.place[column]);
        let first = values.next().unwrap_or(0.0);
        let (least, most) = values.fold((first, first), |(a, b), value| (smaller(a, value), larger(b, value)));
        most - least
    }

    fn strays(&mut self, pts: i64, older: &Pixels, younger: &Pixels) -> bool {
        self.look(pts, false, older, younger);
        let length = |b: &Pixels| (b[2] - b[0]).hypot(b[3] - b[1]);
        let diagonal = length(older).min(length(younger));
        self.spread(1).hypot(self.spread(4)) > f64::from((2.0 * STRAY) as f32 * diagonal)
    }

    fn part(&mut self) {
        (self.twins, self.born, self.since, self.apart) = (false, false, None, DOUBT);
        self.looks.clear();
    }

    fn long_enough(&mut self, pts: i64, moves: bool) -> bool {
        if self.looks.len() < FEWEST {
            return false;
        }
        let since = *self.since.get_or_insert(self.looks[0].pts);
        pts - since >= LONG + self.apart.min(DOUBT) + if moves { 0 } else { STILL }
    }

    /// `_ways`: by how much the ways of the two differ at most, and by which the older one moved.
    fn ways(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else { return (0.0, 0.0) };
        if self.looks.len() < 2 {
            return (0.0, 0.0);
        }
        let least = |columns: [usize; 3]| {
            let [a, b, c] = columns.map(|column| self.spread(column));
            smaller(smaller(a, b), c)
        };
        let [x, y] = [6, 7].map(|column| last.place[column] - first.place[column]);
        (least([0, 1, 2]).hypot(least([3, 4, 5])), x.hypot(y))
    }
}

/// `twins.Twins` of one source.
pub struct Twins {
    pairs: HashMap<Key, Pair>,
    began: HashMap<u64, i64>,
    ids: Vec<u64>,
    beside: HashMap<Key, Pair>,
    looked: i64,
    found: HashMap<u64, u64>,
}

impl Default for Twins {
    fn default() -> Self {
        Self {
            pairs: HashMap::default(),
            began: HashMap::default(),
            ids: Vec::new(),
            beside: HashMap::default(),
            looked: i64::MIN,
            found: HashMap::default(),
        }
    }
}

impl Twins {
    /// `update`: by row, whose twin it is; None where nobody is.
    pub fn update(&mut self, ids: &[u64], boxes: &[Pixels], classes: &[i32], pts: i64) -> Option<Vec<u64>> {
        let fresh = self.ids != ids && self.greet(ids, pts);
        self.ids.clear();
        self.ids.extend_from_slice(ids);
        if fresh || !(0..EVERY).contains(&pts.saturating_sub(self.looked)) {
            if pts < self.looked {
                self.pairs.clear();
            }
            self.looked = pts;
            let covers = covering(boxes, classes);
            if !covers.is_empty() || !self.pairs.is_empty() {
                self.look(ids, boxes, &covers, pts);
            }
        }
        if self.found.is_empty() {
            return None;
        }
        let of: Vec<u64> = ids.iter().map(|id| self.found.get(id).copied().unwrap_or(UNTRACKED)).collect();
        of.iter().any(|one| *one != UNTRACKED).then_some(of)
    }

    /// Note who is new; whether anybody is.
    fn greet(&mut self, ids: &[u64], pts: i64) -> bool {
        if ids.iter().all(|id| self.began.contains_key(id)) {
            return false;
        }
        if self.began.len() > 4 * ids.len() + 256 {
            let mut kept: HashSet<u64> = ids.iter().copied().collect();
            kept.extend(self.pairs.keys().flat_map(|key| [key.0, key.1]));
            self.began.retain(|id, _| kept.contains(id));
        }
        for id in ids {
            self.began.entry(*id).or_insert(pts);
        }
        true
    }

    fn look(&mut self, ids: &[u64], boxes: &[Pixels], covers: &[(usize, usize)], pts: i64) {
        let rows: HashMap<u64, usize> =
            ids.iter().enumerate().filter(|(_, id)| **id != UNTRACKED).map(|(row, id)| (*id, row)).collect();
        let several = covers.iter().filter(|(a, b)| ids[*a] != ids[*b]);
        let now: HashSet<Key> = several.map(|(a, b)| key(&self.began, ids[*a], ids[*b])).collect();
        for (a, b) in &now {
            if *a != UNTRACKED && *b != UNTRACKED {
                let since = age(&self.began, *a).max(age(&self.began, *b));
                self.pairs.entry((*a, *b)).or_insert_with(|| Pair::new((pts - since).max(0)));
            }
        }
        let mut orphans: HashMap<u64, Vec<u64>> = HashMap::default();
        self.pairs.retain(|of, pair| {
            let (first, second) = (rows.get(&of.0), rows.get(&of.1));
            if let Some(second) = second {
                pair.seen = pts;
                if let Some(first) = first {
                    pair.together = pts;
                    pair.look(pts, now.contains(of), &boxes[*first], &boxes[*second]);
                } else if pair.twins && pts - pair.together > WINDOW {
                    orphans.entry(of.0).or_default().push(of.1);
                }
            }
            pair.looks.iter().any(|look| look.covers && pts - look.pts <= WINDOW) || (pair.twins && pts - pair.seen <= GONE)
        });
        for (gone, twins) in &orphans {
            self.sort(*gone, twins);
        }
        self.siblings(&rows, boxes, &now, pts);
        self.found = self.roots();
    }

    /// Twins of one that has been out of sight for long: see `_sort`.
    fn sort(&mut self, gone: u64, twins: &[u64]) {
        let Some(heir) = twins.iter().copied().min_by_key(|id| (age(&self.began, *id), *id)) else { return };
        for twin in twins.iter().copied().filter(|twin| *twin != heir) {
            let together = self.pairs.get(&key(&self.began, heir, twin)).is_some_and(|both| both.twins);
            if !together {
                if let Some(pair) = self.pairs.get_mut(&(gone, twin)) {
                    pair.part();
                }
            }
        }
    }

    /// Twins of one track that move apart are two: see `_siblings`.
    fn siblings(&mut self, rows: &HashMap<u64, usize>, boxes: &[Pixels], now: &HashSet<Key>, pts: i64) {
        let mut twins: HashMap<u64, Vec<u64>> = HashMap::default();
        for (older, younger) in self.pairs.iter().filter(|(_, pair)| pair.twins).map(|(of, _)| *of) {
            if rows.contains_key(&older) && rows.contains_key(&younger) {
                twins.entry(older).or_default().push(younger);
            }
        }
        let mut beside: HashMap<Key, Pair> = HashMap::default();
        for of in twins.values() {
            for (at, a) in of.iter().enumerate() {
                for b in &of[at + 1..] {
                    let both = key(&self.began, *a, *b);
                    if !now.contains(&both) && !beside.contains_key(&both) {
                        beside.insert(both, self.beside.remove(&both).unwrap_or_else(|| Pair::new(0)));
                    }
                }
            }
        }
        for ((first, second), pair) in &mut beside {
            if !pair.strays(pts, &boxes[rows[first]], &boxes[rows[second]]) {
                continue;
            }
            for (older, of) in &twins {
                if of.contains(first) && of.contains(second) {
                    if let Some(pair) = self.pairs.get_mut(&(*older, *second)) {
                        pair.part();
                    }
                }
            }
        }
        self.beside = beside;
    }

    /// Id of each twin and that of the oldest track of its object.
    fn roots(&self) -> HashMap<u64, u64> {
        let mut first: HashMap<u64, u64> = HashMap::default();
        for (older, younger) in self.pairs.iter().filter(|(_, pair)| pair.twins).map(|(of, _)| *of) {
            let oldest = first.get(&younger).map_or(older, |known| key(&self.began, *known, older).0);
            first.insert(younger, oldest);
        }
        let root = |twin: u64| {
            let mut root = twin;
            while let Some(older) = first.get(&root) {
                root = *older;
            }
            root
        };
        first.keys().map(|twin| (*twin, root(*twin))).collect()
    }
}

/// pts at which a track was seen first.
fn age(began: &HashMap<u64, i64>, id: u64) -> i64 {
    began.get(&id).copied().unwrap_or(0)
}

/// `_key`: the older one first.
fn key(began: &HashMap<u64, i64>, a: u64, b: u64) -> Key {
    if (age(began, a), a) <= (age(began, b), b) { (a, b) } else { (b, a) }
}
