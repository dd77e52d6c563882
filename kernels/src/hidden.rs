//! Feet that somebody in front hides, as `countline.track.occlusion` completes them.

use crate::memory::{held, Pixels, SharedHeight};

const ACROSS: f64 = 0.3;
const LOWER: f64 = 0.05;
const GAP: f64 = 0.1;
const LINGERS: i64 = 500_000_000;
const SUDDEN: i64 = 200_000_000;
const ROSE: f64 = 0.5;
const EDGE: f64 = 0.03;
const STAYS: i64 = 2;

/// Area that two boxes have in common.
pub fn common(a: &Pixels, b: &Pixels) -> f32 {
    (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0)
}

/// `occlusion.floor`: bottom of the lowest box that hides this one from below; None if none does.
pub fn floor(boxes: &[Pixels], row: usize, usual: f64) -> Option<f32> {
    let b = &boxes[row];
    let [left, top, right, bottom] = b.map(f64::from);
    if top < EDGE * usual {
        return None;
    }
    let beyond = (bottom + LOWER * usual) as f32;
    let begin = (bottom + GAP * usual) as f32;
    let across = (ACROSS * (right - left)) as f32;
    let front = boxes.iter().filter(|f| f[3] > beyond && f[1] < begin && f[2].min(b[2]) - f[0].max(b[0]) > across);
    front.map(|f| f[3]).reduce(f32::max)
}

/// A box that is lower than a part of it may be hidden: its row, what is remembered of its track, and the bottom of its last one.
pub struct Low<'a> {
    pub row: usize,
    pub known: &'a SharedHeight,
    pub before: f64,
}

/// `occlusion.complete`; None: the boxes stay as they are.
pub fn complete(boxes: &[Pixels], low: &[Low], pts: i64, patience: i64) -> Option<Vec<Pixels>> {
    let mut result: Option<Vec<Pixels>> = None;
    let mut nearest: Vec<(f64, &Low)> =
        low.iter().map(|one| (f64::from(boxes[one.row][1]) + held(one.known).usual, one)).collect();
    nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, one) in nearest {
        let (b, mut known) = (&boxes[one.row], held(one.known));
        let (top, high) = (f64::from(b[1]), f64::from(b[3] - b[1]));
        let since = pts.saturating_sub(known.whole);
        let mut lowest = floor(result.as_deref().unwrap_or(boxes), one.row, known.usual).map(f64::from);
        let suddenly = || {
            let lost = known.usual - high;
            (1..=SUDDEN).contains(&since) && one.before - f64::from(b[3]) > ROSE * lost
        };
        if lowest.is_some() || suddenly() {
            known.hidden = pts;
        }
        let lingers = (0..=LINGERS).contains(&pts.saturating_sub(known.hidden));
        if lowest.is_none() && lingers && top >= EDGE * known.usual {
            lowest = Some(f64::INFINITY);
        }
        if let Some(lowest) = lowest {
            let limit = if lowest == f64::INFINITY { patience } else { patience.saturating_mul(STAYS) };
            if since <= limit {
                let bottom = (top + known.usual).min(lowest);
                result.get_or_insert_with(|| boxes.to_vec())[one.row][3] = bottom as f32;
                continue;
            }
            known.clear();
        }
        known.seen(high, pts);
    }
    result
}
