//! `countline.track.perspective`, operation by operation: how high things of a class are by where they are in the picture.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::geometry::{larger, smaller};

const KEEPS: f64 = 1.0 - 1.0 / 5000.0;
const PRIOR: f64 = 50.0;
const LEAST: f64 = 0.25;
const SPAN: f64 = 4.0;

/// Of one class, for one source.
#[derive(Default)]
pub struct Perspective {
    count: f64,
    tops: f64,
    highs: f64,
    square: f64,
    product: f64,
    top: f64,
    high: f64,
    slope: f64,
}

/// Shared by the tracks of a class.
pub type SharedPerspective = Arc<Mutex<Perspective>>;

/// Nothing that holds one panics half-way.
pub fn learnt(perspective: &SharedPerspective) -> MutexGuard<'_, Perspective> {
    perspective.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Perspective {
    /// A box that was seen whole: its upper edge and its height.
    pub fn learn(&mut self, top: f64, high: f64) {
        self.count = self.count * KEEPS + 1.0;
        self.tops = self.tops * KEEPS + top;
        self.highs = self.highs * KEEPS + high;
        self.square = self.square * KEEPS + top * top;
        self.product = self.product * KEEPS + top * high;
        (self.top, self.high) = (self.tops / self.count, self.highs / self.count);
        let spread = self.square - self.tops * self.top;
        self.slope = (self.product - self.tops * self.high) / (spread + PRIOR * self.high * self.high);
    }

    /// A height of somebody, with the upper edge that he had with it, as it is with the upper edge `here`.
    pub fn scaled(&self, (height, there): (f64, f64), here: f64) -> f64 {
        if self.slope == 0.0 {
            return height;
        }
        height * smaller(larger(self.at(here) / self.at(there), 1.0 / SPAN), SPAN)
    }

    fn at(&self, top: f64) -> f64 {
        larger(self.high + self.slope * (top - self.top), LEAST * self.high)
    }
}
