//! `countline.track.crowds`, operation by operation: which track takes which detection where people hide each other.

const DOUBTFUL: f64 = 0.4;
const UNSEEN: f64 = 0.05;
const COVERED: f64 = 0.1;
const CONTINUES: f64 = 0.5;
const BESIDE: f64 = 0.1;
const BOTH: f64 = 0.7;
const ALONE: f64 = 0.15;
const PASSING: f64 = 0.6;
const SAME: f64 = 0.35;
const LOWER: f64 = 0.03;
const GAP: f64 = 0.2;

/// Where detections and tracks lie: left, top, right, bottom.
pub type Corners = [f64; 4];

/// What pairs of tracks (rows) and detections (columns) cost, row by row; which may be; which detections are boxes of two tracks.
pub struct Pairing {
    pub cost: Vec<f64>,
    pub allowed: Vec<bool>,
    pub both: Vec<bool>,
}

/// `tracks` are where they are awaited, the first `seen` of which were seen a step ago; `late`: which were lately. Of the `detections` the
/// first `sure` are sure. `most`: greatest distance (1 - IoU) of a pair.
pub fn pairing(
    tracks: &[Corners],
    seen: usize,
    late: &[bool],
    detections: &[Corners],
    sure: usize,
    most: f64,
) -> Pairing {
    let columns = detections.len();
    let mut cost = distances(tracks, detections);
    let both = of_both(tracks, late, detections, &cost);
    let mut allowed = vec![false; cost.len()];
    for (i, track) in tracks.iter().enumerate() {
        let (crowded, covered) = hidden(tracks, i);
        for (j, detection) in detections.iter().enumerate() {
            let at = i * columns + j;
            let distance = cost[at];
            let height = heights(track, detection);
            let alike = (1.0 - distance) * height;
            let mut unlike = 1.0 - alike * height;
            let near = if j < sure { distance <= most } else { i < seen && distance <= CONTINUES };
            allowed[at] = near && !(crowded && 1.0 - alike > most) && !both[j];
            if j >= sure {
                unlike += DOUBTFUL;
            }
            if i >= seen {
                unlike += UNSEEN;
            }
            unlike += COVERED * covered;
            cost[at] = if allowed[at] { unlike.min(1.0) } else { 1.0 };
        }
    }
    Pairing { cost, allowed, both }
}

/// The detection of each track that took one, where tracks with a doubtful one have the sure one that covers the same and that nobody took.
pub fn surer(taken: &mut [Option<usize>], pairs: &Pairing, detections: &[Corners], sure: usize) {
    let columns = detections.len();
    let mut free: Vec<bool> = pairs.both[..sure].iter().map(|both| !both).collect();
    taken.iter().flatten().filter(|j| **j < sure).for_each(|j| free[*j] = false);
    for (i, took) in taken.iter_mut().enumerate() {
        let Some(doubtful) = took.filter(|j| *j >= sure) else { continue };
        let mut least = f64::INFINITY;
        for j in (0..sure).filter(|j| free[*j] && pairs.allowed[i * columns + j]) {
            let cost = pairs.cost[i * columns + j];
            if cost < least && distances(&detections[doubtful..=doubtful], &detections[j..=j])[0] <= 1.0 - SAME {
                (least, *took) = (cost, Some(j));
            }
        }
        if let Some(j) = took.filter(|j| *j < sure) {
            free[j] = false;
        }
    }
}

/// Part of the height that both reach over which they have in common.
fn heights(one: &Corners, other: &Corners) -> f64 {
    let common = one[3].min(other[3]) - one[1].max(other[1]);
    let reach = one[3].max(other[3]) - one[1].min(other[1]);
    (common / reach.max(1e-9)).max(0.0).min(1.0)
}

fn shared(one: &Corners, other: &Corners) -> f64 {
    let width = one[2].min(other[2]) - one[0].max(other[0]);
    let height = one[3].min(other[3]) - one[1].max(other[1]);
    width.max(0.0) * height.max(0.0)
}

fn area(one: &Corners) -> f64 {
    (one[2] - one[0]) * (one[3] - one[1])
}

/// Whether another track overlaps this one, and the part of it that the one which covers it most has in common with it, of those that
/// stand nearer.
fn hidden(tracks: &[Corners], at: usize) -> (bool, f64) {
    let mine = &tracks[at];
    let size = area(mine).max(1e-9);
    let lower = mine[3] + LOWER * (mine[3] - mine[1]);
    let (mut crowded, mut covered) = (false, 0.0_f64);
    for (_, other) in tracks.iter().enumerate().filter(|(other, _)| *other != at) {
        let part = shared(mine, other) / size;
        crowded |= part > BESIDE;
        if other[3] > lower {
            covered = covered.max(part);
        }
    }
    (crowded, covered.min(1.0))
}

/// Which detections are boxes of two of the tracks.
fn of_both(tracks: &[Corners], late: &[bool], detections: &[Corners], distance: &[f64]) -> Vec<bool> {
    let there: Vec<&Corners> = tracks.iter().zip(late).filter(|(_, late)| **late).map(|(track, _)| track).collect();
    let mut round_both: Vec<Corners> = Vec::new();
    for (at, a) in there.iter().enumerate() {
        for b in &there[at + 1..] {
            let apart = a[0].max(b[0]) - a[2].min(b[2]);
            let near = apart < GAP * (a[2] - a[0]).min(b[2] - b[0])
                && a[3].min(b[3]) > a[1].max(b[1])
                && shared(a, b) < PASSING * area(a).min(area(b));
            if near {
                round_both.push([a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
            }
        }
    }
    if round_both.is_empty() {
        return vec![false; detections.len()];
    }
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
    let columns = detections.len();
    let is_both = |j: usize| {
        let alone = 1.0 - least(&mut (0..tracks.len()).map(|i| distance[i * columns + j]));
        if alone + ALONE >= 1.0 {
            return false;
        }
        let overlap = 1.0 - least(&mut distances(&round_both, &detections[j..=j]).into_iter());
        overlap > BOTH && overlap > alone + ALONE
    };
    (0..columns).map(is_both).collect()
}

/// 1 - IoU of each pair, with a pixel added to each side as in PASCAL VOC; (len(a) x len(b)), row by row.
pub fn distances(a: &[Corners], b: &[Corners]) -> Vec<f64> {
    let area = |c: &Corners| (c[2] - c[0] + 1.0) * (c[3] - c[1] + 1.0);
    let areas: Vec<f64> = b.iter().map(area).collect();
    let mut found = Vec::with_capacity(a.len() * b.len());
    for one in a {
        let mine = area(one);
        for (other, theirs) in b.iter().zip(&areas) {
            let width = 0.0_f64.max(one[2].min(other[2]) - one[0].max(other[0]) + 1.0);
            let height = 0.0_f64.max(one[3].min(other[3]) - one[1].max(other[1]) + 1.0);
            let shared = width * height;
            // Most do not overlap, and nothing divided by something is nothing.
            found.push(if shared == 0.0 { 1.0 } else { 1.0 - shared / (mine + theirs - shared + 1e-9) });
        }
    }
    found
}
