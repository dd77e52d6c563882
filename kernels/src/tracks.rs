//! The door from Python to `bytetrack` and `memory`.

use std::borrow::Cow;
use std::collections::HashMap;

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyIndexError, PyKeyError, PyValueError};
use pyo3::prelude::*;

use crate::bytetrack::Tracker;
use crate::emerging::within;
use crate::guarded;
use crate::memory::{grades, held, usable, Pixels, SharedHeight, Sighting, Tracks};

/// Objects from which the interpreter's lock is given up; see `rules`.
const MANY: usize = 256;
/// Scores of detections by grade; the bits of the row are added.
const SCORES: [f64; 4] = [1.0 / 32.0, 1.0 / 4.0, 9.0 / 16.0, 7.0 / 8.0];
/// The grade that may begin a track.
pub const BEGINS: isize = 3;

pub type Boxes<'py> = PyReadonlyArray2<'py, f32>;
pub type Taken<'py> = (Bound<'py, PyArray1<isize>>, Bound<'py, PyArray1<i64>>);
type Remembered<'py> = (
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<i32>>,
    Bound<'py, PyArray1<u64>>,
    Vec<(usize, TrackHeight)>,
);

/// An array's elements in order; a copy of them only where they do not lie so.
macro_rules! elements {
    ($array:expr) => {
        match $array.as_slice() {
            Ok(slice) => Cow::Borrowed(slice),
            Err(_) => Cow::Owned($array.as_array().iter().copied().collect()),
        }
    };
}
pub(crate) use elements;

pub fn pixels(boxes: &Boxes) -> PyResult<Vec<Pixels>> {
    if boxes.shape()[1] != 4 {
        return Err(PyValueError::new_err("boxes must be left, top, right, bottom"));
    }
    let values: Cow<[f32]> = elements!(boxes);
    Ok(values.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]).collect())
}

/// A track that is out of sight.
#[pyclass(frozen, get_all, module = "countline_kernels")]
pub struct LostTrack {
    tlbr: Py<PyArray1<f64>>,
    tlwh: Py<PyArray1<f64>>,
    track_id: i64,
}

/// ByteTrack of one source, in the stead of `pyxtrackers.BYTETracker`.
#[pyclass(module = "countline_kernels")]
pub struct ByteTrack {
    tracker: Tracker,
}

#[pymethods]
impl ByteTrack {
    /// `threshold`: scores above it take part in the first association; `most`: greatest distance (1 - IoU) there;
    /// `lost_for`: steps for which a track that is out of sight is kept; `pace`: length of a step in tenths of a second, at most 1;
    /// `crowds`: whether detections are paired as `countline.track.crowds` tells, in place of the first association.
    #[new]
    #[pyo3(signature = (threshold, most, lost_for, pace = 1.0, crowds = false))]
    fn new(threshold: f64, most: f64, lost_for: i64, pace: f64, crowds: bool) -> Self {
        Self { tracker: Tracker::new(threshold, most, lost_for, pace, crowds) }
    }

    /// Tracks that were begun so far.
    #[getter]
    fn track_id_counter(&self) -> i64 {
        self.tracker.count
    }

    /// Tracks that are out of sight.
    #[getter]
    fn lost_stracks(&self, py: Python<'_>) -> Vec<LostTrack> {
        let array = |values: [f64; 4]| PyArray1::from_slice(py, &values).unbind();
        let lost = self.tracker.out_of_sight().iter();
        lost.map(|t| LostTrack { tlbr: array(t.corners()), tlwh: array(t.extent()), track_id: t.id }).collect()
    }

    /// Rows of the last step that are boxes of two tracks, for crowds.
    #[getter]
    fn of_two(&self) -> Vec<usize> {
        self.tracker.of_two.clone()
    }

    /// One step, `steps` frames after the last, with (n, 5) rows of xyxy and a score whose low 40 bits are the number of the
    /// row. Returns the (k,) rows that tracks took, in ascending order, and the (k,) ids of these tracks.
    fn advance<'py>(&mut self, py: Python<'py>, table: PyReadonlyArray2<'py, f64>, steps: i64) -> PyResult<Taken<'py>> {
        if table.shape()[1] != 5 {
            return Err(PyValueError::new_err("rows must be left, top, right, bottom, score"));
        }
        let values: Cow<[f64]> = elements!(table);
        self.go_on(py, &values, steps)
    }

    /// The same with (n, 4) boxes and (n,) grades. Returns the table, too.
    fn follow<'py>(
        &mut self,
        py: Python<'py>,
        boxes: Boxes<'py>,
        grades: PyReadonlyArray1<'py, isize>,
        steps: i64,
    ) -> PyResult<(Bound<'py, PyArray2<f64>>, Taken<'py>)> {
        let (given, graded): (_, Cow<[isize]>) = (pixels(&boxes)?, elements!(grades));
        if given.len() != graded.len() {
            return Err(PyValueError::new_err("boxes and grades must be of one length"));
        }
        let mut table = Vec::with_capacity(5 * given.len());
        for (row, (one, grade)) in given.iter().zip(graded.iter()).enumerate() {
            let score = usize::try_from(*grade).ok().and_then(|grade| SCORES.get(grade));
            let score = score.ok_or_else(|| PyIndexError::new_err("no such grade"))?;
            table.extend(one.map(f64::from));
            table.push(f64::from_bits(score.to_bits() + row as u64));
        }
        let taken = self.go_on(py, &table, steps)?;
        let rows = given.len();
        let table = PyArray1::from_vec(py, table).reshape([rows, 5])?;
        Ok((table, taken))
    }
}

impl ByteTrack {
    fn go_on<'py>(&mut self, py: Python<'py>, table: &[f64], steps: i64) -> PyResult<Taken<'py>> {
        let tracker = &mut self.tracker;
        let count = table.len() / 5;
        let work = || {
            (1..steps).for_each(|_| tracker.predict());
            tracker.step(table)
        };
        let taken = guarded(py, count >= MANY, work)?;
        if taken.iter().any(|(row, _)| *row >= count) {
            return Err(PyValueError::new_err("a score does not hold the number of its row"));
        }
        let rows: Vec<isize> = taken.iter().map(|(row, _)| *row as isize).collect();
        let ids: Vec<i64> = taken.iter().map(|(_, id)| *id).collect();
        Ok((rows.into_pyarray(py), ids.into_pyarray(py)))
    }
}

/// Grades detections by the limits of each class.
#[pyclass(frozen, module = "countline_kernels")]
pub struct Grades {
    limits: Vec<[f64; 5]>,
    low: f32,
}

#[pymethods]
impl Grades {
    /// `limits`: by class, five ascending confidences; `low`: least confidence of a detection that is looked at.
    #[new]
    fn new(limits: Vec<[f64; 5]>, low: f64) -> Self {
        Self { limits, low: low as f32 }
    }

    /// (n,) grades of (n, 4) boxes with (n,) confidences and classes, given the boxes of the frame before; None where a
    /// detection cannot be followed or a class has no limits.
    fn of<'py>(
        &self,
        py: Python<'py>,
        boxes: Boxes<'py>,
        confidence: PyReadonlyArray1<'py, f32>,
        classes: PyReadonlyArray1<'py, i32>,
        before: Option<Boxes<'py>>,
    ) -> PyResult<Option<Bound<'py, PyArray1<isize>>>> {
        let (given, sure, of): (_, Cow<[f32]>, Cow<[i32]>) = (pixels(&boxes)?, elements!(confidence), elements!(classes));
        if given.len() != sure.len() || given.len() != of.len() {
            return Err(PyValueError::new_err("boxes, confidences and classes must be of one length"));
        }
        if !usable(&given, &sure, self.low) {
            return Ok(None);
        }
        let before = before.as_ref().map(pixels).transpose()?.unwrap_or_default();
        Ok(grades(&given, &sure, &of, &self.limits, &before).map(|found| found.into_pyarray(py)))
    }
}

/// How high the boxes of a track were: `countline.track.occlusion.Height`.
#[pyclass(frozen, module = "countline_kernels")]
pub struct TrackHeight {
    pub(crate) height: SharedHeight,
}

#[pymethods]
impl TrackHeight {
    #[getter]
    fn usual(&self) -> f64 {
        held(&self.height).usual
    }

    #[getter]
    fn whole(&self) -> i64 {
        held(&self.height).whole
    }

    #[getter]
    fn hidden(&self) -> i64 {
        held(&self.height).hidden
    }

    #[setter]
    fn set_hidden(&self, pts: i64) {
        held(&self.height).hidden = pts;
    }

    fn seen(&self, height: f64, pts: i64) {
        held(&self.height).seen(height, pts);
    }

    fn clear(&self) {
        held(&self.height).clear();
    }
}

/// What is remembered of the tracks of one source: `countline.track.memory.Memory`.
/// A row of so many detections. IndexError where it is none.
fn place(row: isize, count: usize) -> PyResult<usize> {
    let at = usize::try_from(row).ok().filter(|at| *at < count);
    at.ok_or_else(|| PyIndexError::new_err("a row lies outside of the detections"))
}

#[pyclass(module = "countline_kernels")]
#[derive(Default)]
pub struct TrackMemory {
    pub tracks: Tracks,
}

#[pymethods]
impl TrackMemory {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __len__(&self) -> usize {
        self.tracks.len()
    }

    fn __contains__(&self, number: i64) -> bool {
        self.tracks.knows(number)
    }

    fn known<'py>(&self, py: Python<'py>, numbers: PyReadonlyArray1<'py, i64>) -> Bound<'py, PyArray1<bool>> {
        let known: Vec<bool> = numbers.as_array().iter().map(|number| self.tracks.knows(*number)).collect();
        known.into_pyarray(py)
    }

    fn heights(&self, least: f64) -> HashMap<u64, f64> {
        self.tracks.heights().filter(|(_, usual)| *usual > least).collect()
    }

    fn within<'py>(
        &mut self,
        py: Python<'py>,
        boxes: Boxes<'py>,
        classes: PyReadonlyArray1<'py, i32>,
        rows: PyReadonlyArray1<'py, isize>,
        numbers: PyReadonlyArray1<'py, i64>,
        pts: i64,
    ) -> PyResult<Option<Bound<'py, PyArray1<bool>>>> {
        let (given, of): (_, Cow<[i32]>) = (pixels(&boxes)?, elements!(classes));
        let count = given.len().min(of.len());
        let rows: Vec<usize> = rows.as_array().iter().map(|row| place(*row, count)).collect::<PyResult<_>>()?;
        let tracks: Vec<_> = numbers.as_array().iter().map(|number| self.tracks.last_seen(*number)).collect();
        if tracks.len() != rows.len() {
            return Err(PyValueError::new_err("as many rows as numbers"));
        }
        let found = guarded(py, false, || within(&tracks, |at| &given[rows[at]], |at| of[rows[at]], pts))?;
        if let Some(hidden) = &found {
            let numbers = numbers.as_array();
            numbers.iter().zip(hidden).filter(|(_, is)| **is).for_each(|(number, _)| self.tracks.lies_within(*number, pts));
        }
        Ok(found.map(|hidden| hidden.into_pyarray(py)))
    }

    fn rename(&mut self, number: i64, to: i64) -> PyResult<()> {
        if self.tracks.rename(number, to) { Ok(()) } else { Err(PyKeyError::new_err(number)) }
    }

    fn renumber(&mut self, ids: PyReadonlyArray1<'_, u64>, numbers: PyReadonlyArray1<'_, i64>) -> PyResult<()> {
        let pairs: Vec<(u64, i64)> = ids.as_array().iter().copied().zip(numbers.as_array().iter().copied()).collect();
        if self.tracks.renumber(&pairs) { Ok(()) } else { Err(PyKeyError::new_err("a track that is not known")) }
    }

    fn clear(&mut self) {
        self.tracks.clear();
    }

    fn forget(&mut self, since: i64) {
        self.tracks.forget(since);
    }

    #[allow(clippy::too_many_arguments)]
    fn remember<'py>(
        &mut self,
        py: Python<'py>,
        boxes: Boxes<'py>,
        confidence: PyReadonlyArray1<'py, f32>,
        classes: PyReadonlyArray1<'py, i32>,
        rows: PyReadonlyArray1<'py, isize>,
        numbers: PyReadonlyArray1<'py, i64>,
        times: (i64, i64),
        new: bool,
    ) -> PyResult<Option<Remembered<'py>>> {
        let (rows, numbers) = (rows.as_array(), numbers.as_array());
        if !new && !numbers.iter().all(|number| self.tracks.knows(*number)) {
            return Ok(None);
        }
        let (given, sure, of): (_, Cow<[f32]>, Cow<[i32]>) = (pixels(&boxes)?, elements!(confidence), elements!(classes));
        let mut seen = Vec::with_capacity(rows.len());
        let mut shown = Vec::with_capacity(rows.len());
        let count = given.len().min(sure.len()).min(of.len());
        for (row, number) in rows.iter().zip(numbers.iter()) {
            let at = place(*row, count)?;
            seen.push(Sighting { number: *number, class: of[at], confidence: sure[at] });
            shown.push(given[at]);
        }
        let tracks = &mut self.tracks;
        let (found, low) = guarded(py, false, || tracks.remember(&seen, &shown, times.0, times.1))?;
        let boxes: Vec<f32> = shown.iter().flatten().copied().collect();
        let confidence: Vec<f32> = seen.iter().map(|one| one.confidence).collect();
        let best: Vec<i32> = found.iter().map(|(best, _)| *best).collect();
        let ids: Vec<u64> = found.iter().map(|(_, id)| *id).collect();
        let boxes = PyArray1::from_vec(py, boxes).reshape([shown.len(), 4])?;
        let low = low.into_iter().map(|(row, height)| (row, TrackHeight { height })).collect();
        Ok(Some((boxes, confidence.into_pyarray(py), best.into_pyarray(py), ids.into_pyarray(py), low)))
    }
}
