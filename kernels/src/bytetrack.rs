//! ByteTrack (Zhang et al., ECCV 2022), as `pyxtrackers` computes it: constant-velocity Kalman filters on centre, aspect ratio
//! and height, whose four axes do not mix, association by overlap. Every sum is in the order in which it is there, so that
//! boxes, ids and ties are the same to the bit. Where a step is shorter than the tenth of a second for which its figures are, it is
//! `countline.track.timed_bytetrack` that it equals: the motion's noise is by time, and who was seen a step ago is looked for
//! where that was, too.

use crate::assignment::Solver;
use crate::crowds::{distances, pairing, surer, Corners};

const POSITION: f64 = 1.0 / 20.0;
const VELOCITY: f64 = 1.0 / 160.0;
/// Distance (1 - IoU) up to which a detection lies where a track was a step ago.
const NEAR: f64 = 0.7;
/// Tenths of a second for which a track that is not seen may be in a box that is that of two.
const LATE: f64 = 5.0;
const ASPECT: usize = 2;
const HEIGHT: usize = 3;

/// The bits of a score that hold the number of the row.
const ROW: u64 = (1 << 40) - 1;

/// Value and velocity of one axis with their covariance.
#[derive(Clone, Copy, Default)]
struct Axis {
    x: f64,
    v: f64,
    p00: f64,
    p01: f64,
    p10: f64,
    p11: f64,
}

impl Axis {
    fn begin(x: f64, position: f64, velocity: f64) -> Self {
        Self { x, p00: position * position, p11: velocity * velocity, ..Self::default() }
    }

    fn predict(&mut self, position: f64, velocity: f64) {
        self.x = 0.0 + self.x + self.v;
        let (t00, t01) = (self.p00 + self.p10, self.p01 + self.p11);
        let t10 = self.p10;
        self.p00 = t00 + t01 + position * position;
        self.p01 = t01;
        self.p10 = t10 + self.p11;
        self.p11 += velocity * velocity;
    }

    fn correct(&mut self, measured: f64, noise: f64) {
        let spread = self.p00 + noise * noise;
        let inverse = 1.0 / (spread + 1e-9); // the library's wheels multiply by it
        let (g0, g1) = (self.p00 * inverse, self.p10 * inverse);
        let innovation = measured - self.x;
        self.x += g0 * innovation;
        self.v += g1 * innovation;
        let (c0, c1) = (g0 * spread, g1 * spread);
        self.p00 -= c0 * g0;
        self.p01 -= c0 * g1;
        self.p10 -= c1 * g0;
        self.p11 -= c1 * g1;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Tracked,
    Lost,
    Removed,
}

/// A track, or a detection that may become one.
#[derive(Clone, Copy)]
pub struct Track {
    axes: [Axis; 4],
    /// Left, top, width, height where it began.
    origin: [f64; 4],
    score: f64,
    state: State,
    activated: bool,
    pub id: i64,
    frame: i64,
    start: i64,
    /// Where it was seen last.
    seen: Corners,
}

impl Track {
    fn new(row: &[f64]) -> Self {
        let origin = [row[0], row[1], row[2] - row[0], row[3] - row[1]];
        let axes = [Axis::default(); 4];
        let seen = [origin[0], origin[1], origin[0] + origin[2], origin[1] + origin[3]];
        Self { axes, origin, score: row[4], state: State::New, activated: false, id: -1, frame: 0, start: 0, seen }
    }

    /// Left, top, width, height.
    pub fn extent(&self) -> [f64; 4] {
        let [x, y, a, h] = self.axes.map(|axis| axis.x);
        if x == 0.0 && y == 0.0 {
            return self.origin;
        }
        let width = a * h;
        [x - width / 2.0, y - h / 2.0, width, h]
    }

    pub fn corners(&self) -> Corners {
        let [left, top, width, height] = self.extent();
        [left, top, left + width, top + height]
    }

    fn deviations(&self) -> [(f64, f64); 4] {
        let h = self.axes[HEIGHT].x;
        let other = (POSITION * h, VELOCITY * h);
        [other, other, (1e-2, 1e-5), other]
    }

    /// `noise`: of position and velocity, as parts of what they are in a tenth of a second.
    fn predict(&mut self, noise: (f64, f64)) {
        if self.state != State::Tracked {
            self.axes[HEIGHT].v = 0.0;
        }
        let deviations = self.deviations();
        for (axis, (position, velocity)) in self.axes.iter_mut().zip(deviations) {
            axis.predict(position * noise.0, velocity * noise.1);
        }
    }

    fn activate(&mut self, frame: i64, id: i64) {
        let measured = measure(self.origin);
        let h = measured[HEIGHT];
        let (position, velocity) = (2.0 * POSITION * h, 10.0 * VELOCITY * h);
        for (k, axis) in self.axes.iter_mut().enumerate() {
            let (p, v) = if k == ASPECT { (1e-2, 1e-5) } else { (position, velocity) };
            *axis = Axis::begin(measured[k], p, v);
        }
        self.id = id;
        self.state = State::Tracked;
        self.activated = frame == 1;
        (self.frame, self.start) = (frame, frame);
    }

    fn sight(&mut self, detection: &Track, frame: i64) {
        let measured = measure(detection.extent());
        let h = self.axes[HEIGHT].x;
        for (k, axis) in self.axes.iter_mut().enumerate() {
            axis.correct(measured[k], if k == ASPECT { 1e-1 } else { POSITION * h });
        }
        self.seen = detection.seen;
        self.frame = frame;
        self.state = State::Tracked;
        self.activated = true;
        self.score = detection.score;
    }
}

/// Centre, aspect ratio and height of left, top, width and height.
fn measure(extent: [f64; 4]) -> [f64; 4] {
    let [left, top, width, height] = extent;
    [left + width / 2.0, top + height / 2.0, width / height, height]
}

/// Pairs of (index of a, index of b), in the order of a.
type Pairs = Vec<(usize, usize)>;

/// The tracker of one source.
#[derive(Default)]
pub struct Tracker {
    threshold: f64,
    most: f64,
    lost_for: i64,
    /// Length of a step in tenths of a second, at most 1.
    pace: f64,
    /// Whether detections are paired as `crowds` tells.
    crowds: bool,
    frame: i64,
    pub count: i64,
    tracked: Vec<Track>,
    lost: Vec<Track>,
    /// Rows of the last step that are boxes of two tracks.
    pub of_two: Vec<usize>,
    solver: Solver,
}

impl Tracker {
    pub fn new(threshold: f64, most: f64, lost_for: i64, pace: f64, crowds: bool) -> Self {
        Self { threshold, most, lost_for, pace, crowds, ..Self::default() }
    }

    /// Tracks that are out of sight.
    pub fn out_of_sight(&self) -> &[Track] {
        &self.lost
    }

    /// Advance all filters but those of tracks that are not confirmed.
    pub fn predict(&mut self) {
        let noise = (self.pace, self.pace * self.pace.sqrt());
        self.tracked.iter_mut().filter(|track| track.activated).for_each(|track| track.predict(noise));
        self.lost.iter_mut().for_each(|track| track.predict(noise));
    }

    fn pairs(&mut self, a: &[Corners], b: &[Corners], most: f64) -> Pairs {
        if a.is_empty() || b.is_empty() {
            return Vec::new();
        }
        let cost = distances(a, b);
        let found = self.solver.solve(&cost, a.len(), b.len());
        let near = |(i, j): &(usize, usize)| cost[i * b.len() + j] <= most;
        found.iter().enumerate().filter_map(|(i, j)| j.map(|j| (i, j))).filter(near).collect()
    }

    /// One step with (n, 5) rows of xyxy and score. Returns (row, id) of the tracks that took one, by row.
    pub fn step(&mut self, table: &[f64]) -> Vec<(usize, i64)> {
        self.frame += 1;
        let frame = self.frame;
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        for row in table.chunks_exact(5) {
            if row[4] > self.threshold {
                strong.push(Track::new(row));
            } else if row[4] > 0.1 {
                weak.push(Track::new(row));
            }
        }
        self.predict();
        let mut free = if self.crowds {
            let mut free = self.find_in_crowd(&strong, &weak, frame);
            let mut rest = free.split_off(strong.len()).into_iter();
            weak.retain(|_| rest.next() == Some(true));
            free
        } else {
            self.find_confirmed(&strong, frame)
        };
        if self.pace < 1.0 {
            self.find_where_seen(&strong, &mut free, frame);
        }
        self.continue_seen(&weak, frame);
        let left = (0..strong.len()).filter(|j| free[*j]).collect();
        let begun = self.confirm(&strong, left, frame);
        self.sort_out(begun, frame);
        let confirmed = self.tracked.iter().filter(|track| track.activated);
        let mut found: Vec<_> = confirmed.map(|track| ((track.score.to_bits() & ROW) as usize, track.id)).collect();
        found.sort_unstable_by_key(|(row, _)| *row);
        found
    }

    /// Which tracks are looked for: indices of the confirmed ones, and where they and the lost ones are awaited.
    fn awaited(&self) -> (Vec<usize>, Vec<Corners>) {
        let confirmed: Vec<usize> = (0..self.tracked.len()).filter(|at| self.tracked[*at].activated).collect();
        let seen = confirmed.iter().map(|at| self.tracked[*at].corners());
        let pool = seen.chain(self.lost.iter().map(Track::corners)).collect();
        (confirmed, pool)
    }

    /// The track at this place of those that are looked for.
    fn pooled(&mut self, confirmed: &[usize], at: usize) -> &mut Track {
        match confirmed.get(at) {
            Some(at) => &mut self.tracked[*at],
            None => &mut self.lost[at - confirmed.len()],
        }
    }

    /// First association: strong detections with confirmed and lost tracks. Returns which detections are left.
    fn find_confirmed(&mut self, strong: &[Track], frame: i64) -> Vec<bool> {
        let (confirmed, pool) = self.awaited();
        let detected: Vec<Corners> = strong.iter().map(Track::corners).collect();
        let mut free = vec![true; strong.len()];
        for (i, j) in self.pairs(&pool, &detected, self.most) {
            free[j] = false;
            self.pooled(&confirmed, i).sight(&strong[j], frame);
        }
        free
    }

    /// In its place: strong detections with confirmed and lost tracks, and weak ones with confirmed ones. Returns which of the strong and
    /// the weak detections are left.
    fn find_in_crowd(&mut self, strong: &[Track], weak: &[Track], frame: i64) -> Vec<bool> {
        let (confirmed, pool) = self.awaited();
        let found: Vec<&Track> = strong.iter().chain(weak).collect();
        self.of_two.clear();
        if pool.is_empty() || found.is_empty() {
            return vec![true; found.len()];
        }
        let last = confirmed.iter().map(|at| self.tracked[*at].frame).chain(self.lost.iter().map(|track| track.frame));
        let late: Vec<bool> = last.map(|last| (frame - last) as f64 * self.pace <= LATE).collect();
        let detected: Vec<Corners> = found.iter().map(|one| one.corners()).collect();
        let pairs = pairing(&pool, confirmed.len(), &late, &detected, strong.len(), self.most);
        let of_two = found.iter().zip(&pairs.both).filter(|(_, both)| **both);
        self.of_two.extend(of_two.map(|(one, _)| (one.score.to_bits() & ROW) as usize));
        let mut free: Vec<bool> = pairs.both.iter().map(|both| !both).collect();
        let solved = self.solver.solve(&pairs.cost, pool.len(), found.len());
        let allowed = |(i, j): (usize, &Option<usize>)| j.filter(|j| pairs.allowed[i * found.len() + j]);
        let mut taken: Vec<Option<usize>> = solved.iter().enumerate().map(allowed).collect();
        taken.iter().flatten().for_each(|j| free[*j] = false);
        surer(&mut taken, &pairs, &detected, strong.len());
        for (i, j) in taken.iter().enumerate().filter_map(|(i, j)| j.map(|j| (i, j))) {
            free[j] = false;
            self.pooled(&confirmed, i).sight(found[j], frame);
        }
        free
    }

    /// After the first where steps are short: detections that are left with tracks that are not where they were to be, but where
    /// they were a step ago, or near it.
    fn find_where_seen(&mut self, strong: &[Track], free: &mut [bool], frame: i64) {
        let waiting = |track: &Track| track.activated && track.frame != frame;
        let open: Vec<usize> = (0..self.tracked.len()).filter(|at| waiting(&self.tracked[*at])).collect();
        let pool: Vec<Corners> = open.iter().map(|at| self.tracked[*at].seen).collect();
        let left: Vec<usize> = (0..strong.len()).filter(|j| free[*j]).collect();
        let boxes: Vec<Corners> = left.iter().map(|j| strong[*j].corners()).collect();
        for (i, j) in self.pairs(&pool, &boxes, NEAR) {
            free[left[j]] = false;
            self.tracked[open[i]].sight(&strong[left[j]], frame);
        }
    }

    /// Second association: weak detections with tracks of the frame before. Who gets none is out of sight.
    fn continue_seen(&mut self, weak: &[Track], frame: i64) {
        let waiting = |track: &Track| track.activated && track.frame != frame;
        let open: Vec<usize> = (0..self.tracked.len()).filter(|at| waiting(&self.tracked[*at])).collect();
        let pool: Vec<Corners> = open.iter().map(|at| self.tracked[*at].corners()).collect();
        let detected: Vec<Corners> = weak.iter().map(Track::corners).collect();
        for (i, j) in self.pairs(&pool, &detected, 0.5) {
            self.tracked[open[i]].sight(&weak[j], frame);
        }
        for at in open {
            if self.tracked[at].frame != frame {
                self.tracked[at].state = State::Lost;
            }
        }
    }

    /// Third: strong detections that are left with tracks of one sighting. What is left then begins tracks.
    fn confirm(&mut self, strong: &[Track], left: Vec<usize>, frame: i64) -> Vec<Track> {
        let fresh: Vec<usize> = (0..self.tracked.len()).filter(|at| !self.tracked[*at].activated).collect();
        let pool: Vec<Corners> = fresh.iter().map(|at| self.tracked[*at].corners()).collect();
        let detected: Vec<Corners> = left.iter().map(|j| strong[*j].corners()).collect();
        let mut free = vec![true; left.len()];
        let mut gone = vec![true; fresh.len()];
        for (i, j) in self.pairs(&pool, &detected, 0.7) {
            (gone[i], free[j]) = (false, false);
            self.tracked[fresh[i]].sight(&strong[left[j]], frame);
        }
        for (at, _) in fresh.iter().zip(gone).filter(|(_, gone)| *gone) {
            self.tracked[*at].state = State::Removed;
        }
        let mut begun = Vec::new();
        for (j, _) in left.iter().zip(free).filter(|(_, free)| *free) {
            if strong[*j].score >= self.threshold + 0.1 {
                self.count += 1;
                let mut track = strong[*j];
                track.activate(frame, self.count);
                begun.push(track);
            }
        }
        begun
    }

    /// Who is tracked and who is lost from now on.
    fn sort_out(&mut self, begun: Vec<Track>, frame: i64) {
        let (found, mut lost): (Vec<Track>, Vec<Track>) = self.lost.drain(..).partition(|t| t.state == State::Tracked);
        lost.retain(|track| frame - track.frame <= self.lost_for);
        lost.extend(self.tracked.iter().filter(|track| track.state == State::Lost));
        self.tracked.retain(|track| track.state == State::Tracked);
        self.tracked.extend(begun);
        self.tracked.extend(found);
        self.lost = lost;
        self.drop_doubles();
    }

    /// Of a tracked and a lost one that cover the same, the one that lived longer stays.
    fn drop_doubles(&mut self) {
        if self.tracked.is_empty() || self.lost.is_empty() {
            return;
        }
        let mine: Vec<Corners> = self.tracked.iter().map(Track::corners).collect();
        let theirs: Vec<Corners> = self.lost.iter().map(Track::corners).collect();
        let cost = distances(&mine, &theirs);
        let (mut keep, mut keep_lost) = (vec![true; mine.len()], vec![true; theirs.len()]);
        for (i, one) in self.tracked.iter().enumerate() {
            for (j, other) in self.lost.iter().enumerate() {
                if cost[i * theirs.len() + j] < 0.15 {
                    if one.frame - one.start > other.frame - other.start {
                        keep_lost[j] = false;
                    } else {
                        keep[i] = false;
                    }
                }
            }
        }
        let mut kept = keep.into_iter();
        self.tracked.retain(|_| kept.next() == Some(true));
        let mut kept = keep_lost.into_iter();
        self.lost.retain(|_| kept.next() == Some(true));
    }
}
