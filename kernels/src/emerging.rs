//! Those who come out of hiding on somebody else's body, as in `countline.track.emerging`.

use crate::beside::part;
use crate::memory::Pixels;

const AWAY: i64 = 250_000_000;
const HERE: i64 = 150_000_000;
const BRIEFLY: i64 = 500_000_000;
const ALIKE: f64 = 0.1;
const STEADY: i64 = 1_000_000_000;

/// What is remembered of a track: when it was seen last, how high it was there, and since when it lies within somebody.
#[derive(Clone, Copy)]
pub struct Last {
    pub seen: i64,
    pub high: f64,
    pub part: Option<i64>,
}

/// `emerging.within`: whether each of the tracks comes back within somebody else's box; None: none does. `box_of` and `class_of` a track.
pub fn within<'b>(
    tracks: &[Option<Last>],
    box_of: impl Fn(usize) -> &'b Pixels,
    class_of: impl Fn(usize) -> i32,
    pts: i64,
) -> Option<Vec<bool>> {
    let since = |at: usize| tracks[at].map(|track| pts.saturating_sub(track.seen));
    let back: Vec<usize> = (0..tracks.len()).filter(|at| since(*at).is_some_and(|ns| ns > AWAY)).collect();
    if back.is_empty() {
        return None;
    }
    let here: Vec<usize> = (0..tracks.len()).filter(|at| since(*at).is_some_and(|ns| ns < HERE)).collect();
    let told = |at: usize| {
        let Some(Last { seen, high: was, part: first }) = tracks[at] else { return true };
        let high = f64::from(box_of(at)[3] - box_of(at)[1]);
        let flickers = pts.saturating_sub(seen) < BRIEFLY && (high - was).abs() <= ALIKE * was;
        flickers || first.is_some_and(|first| pts.saturating_sub(first) >= STEADY)
    };
    let mut hidden = vec![false; tracks.len()];
    for at in back {
        let on = |other: &usize| class_of(at) == class_of(*other) && part(box_of(at), box_of(*other));
        hidden[at] = here.iter().any(on) && !told(at);
    }
    hidden.contains(&true).then_some(hidden)
}
