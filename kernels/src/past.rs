//! The last frames of a source, and what they tell of the next, as `countline.track.past`, `groups`, `motion` and `boxes_to_match`
//! do: operation by operation, so that both give the same bits.

use std::collections::VecDeque;

use rustc_hash::FxHashMap as HashMap;

use crate::hidden::{common, floor};
use crate::memory::{behind, several, Pixels};

/// Frames that are remembered.
const HISTORY: usize = 6;
/// ns between them at least, but for the last two.
const APART: i64 = 90_000_000;

const HELD: f32 = 0.8;
const SMALLER: f64 = 0.7;
const CRUMB: f64 = 0.2;
const OWN: f32 = 0.4;
const PASSING: f32 = 0.5;
const CLOSING: f32 = 0.25;
const LATELY: i64 = 500_000_000;

const SHORT: f64 = 0.8;
const LEAST: f64 = 0.999 / SHORT;
const HEAD: [f32; 2] = [0.35, 0.15];
const AWAITED: f32 = 0.5;

/// Pixels across and down.
type Way = [f32; 2];

/// The tracks of a frame.
pub struct Frame {
    pub pts: i64,
    pub ids: Vec<u64>,
    pub classes: Vec<i32>,
    pub boxes: Vec<Pixels>,
}

impl Frame {
    /// Row of a track, which mostly is the one that it had in another frame.
    fn row(&self, track: u64, near: usize) -> Option<usize> {
        if self.ids.get(near) == Some(&track) { Some(near) } else { self.ids.iter().position(|id| *id == track) }
    }
}

/// A track that was seen lately and is not in the last frame.
struct Gone {
    track: u64,
    class: i32,
    at: Pixels,
    pts: i64,
}

/// What is remembered of a source.
#[derive(Default)]
pub struct Past {
    /// The last frames, oldest first. Times apart, the last of them is `now`, unless all was forgotten since.
    frames: VecDeque<Frame>,
    now: Option<Frame>,
    gone: Vec<Gone>,
}

fn area(b: &Pixels) -> f32 {
    (b[2] - b[0]) * (b[3] - b[1])
}

fn beyond(now: i64, then: i64) -> f64 {
    now.saturating_sub(then) as f64
}

impl Past {
    /// `groups.Groups.remember` and `refound.remember`: the tracks of a frame.
    pub fn remember(&mut self, frame: Frame) {
        if let Some(before) = &self.now {
            if !self.gone.is_empty() || before.ids != frame.ids {
                let missing = |at: usize, track: u64| frame.row(track, at).is_none();
                for (at, track) in before.ids.iter().enumerate().filter(|(at, track)| missing(*at, **track)) {
                    let (class, place) = (before.classes[at], before.boxes[at]);
                    self.gone.push(Gone { track: *track, class, at: place, pts: before.pts });
                }
                let lately = |one: &Gone| (0..=LATELY).contains(&frame.pts.saturating_sub(one.pts));
                self.gone.retain(|one| missing(usize::MAX, one.track) && lately(one));
            }
        }
        let count = self.frames.len();
        if count > 1 && self.frames[count - 1].pts.saturating_sub(self.frames[count - 2].pts) < APART {
            self.frames.pop_back();
        }
        if self.frames.len() == HISTORY {
            self.frames.pop_front();
        }
        let (ids, boxes) = (frame.ids.clone(), frame.boxes.clone());
        self.frames.push_back(Frame { pts: frame.pts, ids, classes: Vec::new(), boxes });
        self.now = Some(frame);
    }

    /// Forget the frames. Who was there last is known all the same.
    pub fn clear(&mut self) {
        self.frames.clear();
    }

    /// `refound.foot_before`: bottom of the last box of a track; minus infinity where it is not remembered.
    pub fn foot(&self, track: u64, near: usize) -> f64 {
        let last = self.frames.iter().rev().find_map(|frame| frame.row(track, near).map(|row| frame.boxes[row][3]));
        last.map_or(f64::NEG_INFINITY, f64::from)
    }

    /// `motion.paces` of one track: pixels a second of its middle.
    fn pace(&self, track: u64, near: usize) -> Way {
        let seen = |frame: &Frame| frame.row(track, near).map(|row| (frame.pts, frame.boxes[row]));
        let (first, last) = (self.frames.iter().find_map(seen), self.frames.iter().rev().find_map(seen));
        match (first, last) {
            (Some((begin, from)), Some((end, to))) if end > begin => {
                let seconds = ((2 * (end - begin)) as f64 / 1e9) as f32;
                let moved = [to[0] - from[0], to[1] - from[1], to[2] - from[2], to[3] - from[3]];
                [(moved[0] + moved[2]) / seconds, (moved[1] + moved[3]) / seconds]
            }
            _ => [0.0; 2],
        }
    }

    /// `groups.Groups.find`: rows of boxes that are group boxes.
    pub fn groups(&self, boxes: &[Pixels], classes: &[i32], pts: i64, far: bool) -> Vec<usize> {
        let Some(now) = &self.now else { return Vec::new() };
        let here = now.ids.len();
        if here + self.gone.len() < 2 || boxes.is_empty() {
            return Vec::new();
        }
        let mut tracks: Vec<Pixels> = now.boxes.iter().copied().chain(self.gone.iter().map(|one| one.at)).collect();
        if !far && several(boxes, &tracks, here).is_empty() {
            return Vec::new();
        }
        let gone = self.gone.iter().map(|one| (one.track, one.class, one.pts));
        let present = now.ids.iter().zip(&now.classes).map(|(track, class)| (*track, *class, now.pts));
        let mut about: Vec<(i32, Way)> = Vec::with_capacity(tracks.len());
        for (at, (track, class, since)) in present.chain(gone).enumerate() {
            let (pace, seconds) = (self.pace(track, at), (beyond(pts, since) / 1e9) as f32);
            let (x, y) = (pace[0] * seconds, pace[1] * seconds);
            let t = &mut tracks[at];
            *t = [t[0] + x, t[1] + y, t[2] + x, t[3] + y];
            about.push((class, [x, y]));
        }
        let alike = |row: usize| {
            let both = tracks.iter().zip(&about).filter(move |(_, (class, _))| *class == classes[row]);
            both.map(|(t, (_, way))| (*t, *way)).collect::<Vec<_>>()
        };
        several(boxes, &tracks, here).into_iter().filter(|row| is_group(&boxes[*row], &alike(*row))).collect()
    }

    /// `boxes_to_match.boxes_to_match`: the boxes as they are to be matched; None: as they are. `usual`: tracks of more than a
    /// height, with their usual ones.
    pub fn matched(
        &self,
        boxes: &[Pixels],
        usual: impl FnOnce(f64) -> HashMap<u64, f64>,
        pts: i64,
        patience: i64,
    ) -> Option<Vec<Pixels>> {
        if self.frames.is_empty() || boxes.len() < 2 {
            return None;
        }
        let rows = behind(boxes);
        let least = rows.iter().map(|row| boxes[*row][3] - boxes[*row][1]).reduce(f32::min)?;
        let tall = usual(LEAST * f64::from(least));
        if tall.is_empty() {
            return None;
        }
        let lately = self.frames.iter().filter(|frame| (1..=patience).contains(&pts.saturating_sub(frame.pts)));
        let (mut at, mut seen): (HashMap<u64, usize>, Vec<Sighted>) = (HashMap::default(), Vec::new());
        for frame in lately {
            for (track, place) in frame.ids.iter().zip(&frame.boxes) {
                let Some(height) = tall.get(track) else { continue };
                let spot = *at.entry(*track).or_insert(seen.len());
                match seen.get_mut(spot) {
                    Some(one) => one.last = (frame.pts, *place),
                    None => {
                        let sighting = (frame.pts, *place);
                        seen.push(Sighted { first: sighting, last: sighting, usual: *height as f32 });
                    }
                }
            }
        }
        completed(boxes, &rows, &seen, pts)
    }
}

/// `groups._is_group`: tracks of its class, and by how much they moved.
fn is_group(b: &Pixels, tracks: &[(Pixels, Way)]) -> bool {
    if tracks.len() < 2 {
        return false;
    }
    let size = area(b);
    let (most, crumb) = ((SMALLER * f64::from(size)) as f32, (CRUMB * f64::from(size)) as f32);
    let mut parts: Vec<(&Pixels, f32, Way)> = Vec::new();
    let mut own = false;
    for (t, way) in tracks {
        let (shared, one) = (common(b, t), area(t));
        if shared >= HELD * one && one <= most && one >= crumb {
            parts.push((t, one, *way));
        } else {
            own |= shared >= OWN * (size + one - shared);
        }
    }
    if parts.len() < 2 || own {
        return false;
    }
    let narrow = parts.iter().map(|(t, _, _)| t[2] - t[0]).fold(f32::INFINITY, f32::min);
    parts.iter().any(|(a, large, way)| {
        parts.iter().any(|(b, small, other)| {
            common(a, b) < PASSING * large.min(*small)
                && !((way[0] - other[0]).hypot(way[1] - other[1]) > CLOSING * narrow)
        })
    })
}

/// First and last sighting of a track, and its usual height.
struct Sighted {
    first: (i64, Pixels),
    last: (i64, Pixels),
    usual: f32,
}

impl Sighted {
    /// `boxes_to_match._ahead`: where it is at `pts`, if it goes on.
    fn ahead(&self, pts: i64) -> Pixels {
        let ((begin, from), (end, to)) = (self.first, self.last);
        if begin == end {
            return to;
        }
        let part = beyond(pts, end) / (2 * (end - begin)) as f64;
        let (from, to) = (from.map(f64::from), to.map(f64::from));
        let across = (to[0] + to[2] - from[0] - from[2]) * part;
        let down = (to[1] + to[3] - from[1] - from[3]) * part;
        [to[0] + across, to[1] + down, to[2] + across, to[3] + down].map(|v| v as f32)
    }
}

/// `overlap.overlap` of two boxes.
fn overlap(a: &Pixels, b: &Pixels) -> f32 {
    let shared = common(a, b);
    shared / (area(a) + area(b) - shared)
}

/// `boxes_to_match._completed`.
fn completed(boxes: &[Pixels], rows: &[usize], seen: &[Sighted], pts: i64) -> Option<Vec<Pixels>> {
    let mut apart = vec![f32::INFINITY; rows.len() * seen.len()];
    let mut fitting = false;
    for (track, one) in seen.iter().enumerate() {
        let ahead = one.ahead(pts);
        let (wide, tall) = (2.0 * (ahead[2] - ahead[0]).max(1.0), one.usual.max(1.0));
        let mut near = rows.iter().enumerate().filter_map(|(at, row)| {
            let short = &boxes[*row];
            let across = (short[0] + short[2] - ahead[0] - ahead[2]).abs() / wide;
            let up = (short[1] - ahead[1]).abs() / tall;
            let fits = short[3] - short[1] < SHORT as f32 * one.usual && across < HEAD[0] && up < HEAD[1];
            fits.then_some((at, across / HEAD[0] + up / HEAD[1]))
        });
        let near: Vec<(usize, f32)> = near.by_ref().collect();
        if near.is_empty() || boxes.iter().any(|b| overlap(b, &ahead) > AWAITED) {
            continue;
        }
        fitting = true;
        near.into_iter().for_each(|(at, off)| apart[at * seen.len() + track] = off);
    }
    if !fitting {
        return None;
    }
    let mut result = boxes.to_vec();
    for (at, row) in rows.iter().enumerate() {
        let mine = &apart[at * seen.len()..(at + 1) * seen.len()];
        let nearest = mine.iter().copied().fold(f32::INFINITY, f32::min);
        for (track, off) in mine.iter().enumerate().filter(|(_, off)| off.is_finite()) {
            let nearest = apart.iter().skip(track).step_by(seen.len()).copied().fold(nearest, f32::min);
            let usual = seen[track].usual;
            if *off > nearest {
                continue;
            }
            if let Some(lowest) = floor(boxes, *row, f64::from(usual)) {
                result[*row][3] = (boxes[*row][1] + usual).min(lowest);
            }
        }
    }
    Some(result)
}
