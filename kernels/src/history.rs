//! The door from Python to `past` and `hidden`.

use std::borrow::Cow;

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

use crate::guarded;
use crate::hidden::{complete, Low};
use crate::memory::Pixels;
use crate::past::{Frame, Past as Remembered};
use crate::tracks::{elements, pixels, Boxes, TrackHeight, TrackMemory};

type Given<'py> = Bound<'py, PyArray2<f32>>;

fn array<'py>(py: Python<'py>, boxes: Option<Vec<Pixels>>) -> PyResult<Option<Given<'py>>> {
    let shaped = |boxes: Vec<Pixels>| {
        let values: Vec<f32> = boxes.iter().flatten().copied().collect();
        PyArray1::from_vec(py, values).reshape([boxes.len(), 4])
    };
    boxes.map(shaped).transpose()
}

/// The last frames of one source: `countline.track.past.Past`.
#[pyclass(module = "countline_kernels")]
#[derive(Default)]
pub struct Past {
    past: Remembered,
}

#[pymethods]
impl Past {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// The tracks of a frame: (n, 4) boxes, (n,) classes, (n,) ids.
    fn remember(
        &mut self,
        boxes: Boxes<'_>,
        classes: PyReadonlyArray1<'_, i32>,
        ids: PyReadonlyArray1<'_, u64>,
        pts: i64,
    ) -> PyResult<()> {
        let (of, tracks): (Cow<[i32]>, Cow<[u64]>) = (elements!(classes), elements!(ids));
        let frame = Frame { pts, boxes: pixels(&boxes)?, classes: of.into_owned(), ids: tracks.into_owned() };
        if frame.boxes.len() != frame.classes.len() || frame.boxes.len() != frame.ids.len() {
            return Err(PyValueError::new_err("boxes, classes and ids must be of one length"));
        }
        self.past.remember(frame);
        Ok(())
    }

    fn clear(&mut self) {
        self.past.clear();
    }

    /// Rows of (n, 4) boxes with (n,) classes at `pts` that are group boxes.
    fn groups(
        &self,
        py: Python<'_>,
        boxes: Boxes<'_>,
        classes: PyReadonlyArray1<'_, i32>,
        pts: i64,
        far: bool,
    ) -> PyResult<Vec<usize>> {
        let (given, of): (_, Cow<[i32]>) = (pixels(&boxes)?, elements!(classes));
        if given.len() != of.len() {
            return Err(PyValueError::new_err("boxes and classes must be of one length"));
        }
        guarded(py, false, || self.past.groups(&given, &of, pts, far))
    }

    /// (n, 4) boxes as they are to be matched; None: as they are.
    fn matched<'py>(
        &self,
        py: Python<'py>,
        boxes: Boxes<'py>,
        memory: PyRef<'py, TrackMemory>,
        pts: i64,
        patience: i64,
    ) -> PyResult<Option<Given<'py>>> {
        let (given, tracks) = (pixels(&boxes)?, &memory.tracks);
        let usual = |least: f64| tracks.heights().filter(|(_, usual)| *usual > least).collect();
        array(py, guarded(py, false, || self.past.matched(&given, usual, pts, patience))?)
    }

    /// (n, 4) boxes of tracks with (n,) ids, those of the `low` rows completed where something hides a part of them; None: as they are.
    fn complete<'py>(
        &self,
        py: Python<'py>,
        boxes: Boxes<'py>,
        low: Vec<(usize, Bound<'py, TrackHeight>)>,
        ids: PyReadonlyArray1<'py, u64>,
        pts: i64,
        patience: i64,
    ) -> PyResult<Option<Given<'py>>> {
        let (given, tracks): (_, Cow<[u64]>) = (pixels(&boxes)?, elements!(ids));
        if low.iter().any(|(row, _)| *row >= given.len().min(tracks.len())) {
            return Err(PyIndexError::new_err("a row lies outside of the boxes"));
        }
        let heights = low.iter().map(|(row, known)| {
            let before = self.past.foot(tracks[*row], *row);
            Low { row: *row, known: &known.get().height, before }
        });
        let low: Vec<Low> = heights.collect();
        array(py, guarded(py, false, || complete(&given, &low, pts, patience))?)
    }
}
