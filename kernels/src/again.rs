//! The door from Python to `refound`, `jumps`, `twins` and `beside`.

use std::borrow::Cow;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;

use crate::beside::{alone, singles};
use crate::guarded;
use crate::jumps::Jumps as Doubts;
use crate::memory::Pixels;
use crate::refound::{Refound as Found, Shown};
use crate::tracks::{elements, pixels, Boxes, Taken, TrackMemory, BEGINS};
use crate::twins::Twins as Pairs;

fn unlike() -> PyErr {
    PyValueError::new_err("columns must be of one length")
}

/// A row as an index.
fn place(row: isize, count: usize) -> PyResult<usize> {
    let at = usize::try_from(row).ok().filter(|at| *at < count);
    at.ok_or_else(|| PyIndexError::new_err("a row lies outside of the detections"))
}

/// Boxes, classes and public ids of `countline.types.Tracks`.
fn columns(tracks: &Bound<'_, PyAny>) -> PyResult<(Vec<Pixels>, Vec<i32>, Vec<u64>)> {
    let py = tracks.py();
    let boxes: Boxes<'_> = tracks.getattr(intern!(py, "xyxy"))?.extract()?;
    let classes: PyReadonlyArray1<'_, i32> = tracks.getattr(intern!(py, "class_id"))?.extract()?;
    let ids: PyReadonlyArray1<'_, u64> = tracks.getattr(intern!(py, "track_id"))?.extract()?;
    let (boxes, classes, ids) = (pixels(&boxes)?, elements!(classes).into_owned(), elements!(ids).into_owned());
    if boxes.len() != classes.len() || boxes.len() != ids.len() {
        return Err(unlike());
    }
    Ok((boxes, classes, ids))
}

/// Rows of detections that may begin a track, are in none of the `rows` and beside none of those; None where there is none.
#[pyfunction]
pub fn left_alone<'py>(
    py: Python<'py>,
    boxes: Boxes<'py>,
    grades: PyReadonlyArray1<'py, isize>,
    rows: PyReadonlyArray1<'py, isize>,
) -> PyResult<Option<Bound<'py, PyArray1<isize>>>> {
    let mut left: Vec<bool> = grades.as_array().iter().map(|grade| *grade == BEGINS).collect();
    let taken = rows.as_array().iter().map(|row| place(*row, left.len())).collect::<PyResult<Vec<usize>>>()?;
    taken.iter().for_each(|row| left[*row] = false);
    if !left.contains(&true) {
        return Ok(None);
    }
    let given = pixels(&boxes)?;
    if given.len() != left.len() {
        return Err(unlike());
    }
    let found = alone(&given, &left, &taken);
    Ok((!found.is_empty()).then(|| found.into_pyarray(py)))
}

/// Tells lost tracks of one source among those that begin: `countline.track.refound.Refound`.
#[pyclass(module = "countline_kernels")]
pub struct Refound {
    found: Found,
}

#[pymethods]
impl Refound {
    #[new]
    fn new(patience: i64, iou: f64) -> Self {
        Self { found: Found::new(patience, iou) }
    }

    fn clear(&mut self) {
        self.found.clear();
    }

    /// The tracks of a frame (`countline.types.Tracks`) and their (n,) numbers with the engine.
    fn remember(&mut self, tracks: &Bound<'_, PyAny>, numbers: PyReadonlyArray1<'_, i64>, pts: i64) -> PyResult<()> {
        let (boxes, classes, ids) = columns(tracks)?;
        let numbers = elements!(numbers).into_owned();
        if numbers.len() != boxes.len() {
            return Err(unlike());
        }
        self.found.remember(Shown { pts, boxes, classes, ids, numbers });
        Ok(())
    }

    /// Rows and numbers of the tracks that have a public id or get one now, by their rows of (n, 4) boxes and (n,) classes. Those
    /// that begin and are lost ones are `known` by their new number from now on, if they are to be `found`.
    #[allow(clippy::too_many_arguments)]
    fn admit<'py>(
        &self,
        py: Python<'py>,
        known: &Bound<'py, TrackMemory>,
        boxes: Boxes<'py>,
        classes: PyReadonlyArray1<'py, i32>,
        rows: PyReadonlyArray1<'py, isize>,
        numbers: PyReadonlyArray1<'py, i64>,
        pts: i64,
        found: bool,
    ) -> PyResult<Taken<'py>> {
        let (given, of): (_, Cow<[i32]>) = (pixels(&boxes)?, elements!(classes));
        let (rows, numbers): (Cow<[isize]>, Cow<[i64]>) = (elements!(rows), elements!(numbers));
        if given.len() != of.len() || rows.len() != numbers.len() {
            return Err(unlike());
        }
        let places = rows.iter().map(|row| place(*row, given.len())).collect::<PyResult<Vec<usize>>>()?;
        let mut memory = known.borrow_mut();
        let (bounds, kinds): (Vec<_>, Vec<_>) = places.iter().map(|at| (given[*at], of[*at])).unzip();
        let there: Vec<bool> = numbers.iter().map(|number| memory.tracks.knows(*number)).collect();
        let admitted = singles(&bounds, &kinds, &there);
        let kept: Vec<usize> = (0..rows.len()).filter(|at| admitted[*at]).collect();
        let mine: Vec<i64> = kept.iter().map(|at| numbers[*at]).collect();
        let begun: Vec<usize> = kept.iter().copied().filter(|at| !there[*at]).collect();
        if found && !begun.is_empty() {
            let (bounds, kinds): (Vec<_>, Vec<_>) = begun.iter().map(|at| (bounds[*at], kinds[*at])).unzip();
            let again = guarded(py, false, || self.found.find(&bounds, &kinds, &mine, pts))?;
            for (at, number) in again {
                memory.tracks.rename(number, numbers[begun[at]]);
            }
        }
        let rows: Vec<isize> = kept.iter().map(|at| rows[*at]).collect();
        Ok((rows.into_pyarray(py), mine.into_pyarray(py)))
    }
}

/// Tells the twins among the tracks of one source: `countline.track.twins.Twins`.
#[pyclass(module = "countline_kernels")]
#[derive(Default)]
pub struct Twins {
    pairs: Pairs,
}

#[pymethods]
impl Twins {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// `twin_of` of the tracks of a frame (`countline.types.Tracks`): (n,) ids, None where nobody is a twin.
    fn update<'py>(&mut self, tracks: &Bound<'py, PyAny>, pts: i64) -> PyResult<Option<Bound<'py, PyArray1<u64>>>> {
        let (boxes, classes, ids) = columns(tracks)?;
        let pairs = &mut self.pairs;
        let found = guarded(tracks.py(), false, || pairs.update(&ids, &boxes, &classes, pts))?;
        Ok(found.map(|found| found.into_pyarray(tracks.py())))
    }
}

/// A mask of the rows that are told, and rows whose tracks show another object.
type Verdict<'py> = (Bound<'py, PyArray1<bool>>, Vec<usize>);

/// Tells doubtful sightings of one source: `countline.track.jumps.Jumps`.
#[pyclass(module = "countline_kernels")]
pub struct Jumps {
    doubts: Doubts,
}

#[pymethods]
impl Jumps {
    #[new]
    fn new(patience: i64) -> Self {
        Self { doubts: Doubts::new(patience) }
    }

    fn clear(&mut self) {
        self.doubts.clear();
    }

    /// What of the tracks of a frame (`countline.types.Tracks`) is told; None: all of it.
    #[pyo3(signature = (tracks, pts, leaping = Vec::new()))]
    fn check<'py>(&mut self, tracks: &Bound<'py, PyAny>, pts: i64, leaping: Vec<usize>) -> PyResult<Option<Verdict<'py>>> {
        let (boxes, _, ids) = columns(tracks)?;
        let doubts = &mut self.doubts;
        let found = guarded(tracks.py(), false, || doubts.check(&ids, &boxes, pts, &leaping))?;
        Ok(found.map(|(told, others)| (told.into_pyarray(tracks.py()), others)))
    }
}
