//! The door from Python to `bytetrack`.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::bytetrack::Tracker;

/// Objects from which the interpreter's lock is given up; see `rules`.
const MANY: usize = 256;

type Taken<'py> = (Bound<'py, PyArray1<isize>>, Bound<'py, PyArray1<i64>>);

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
    /// `lost_for`: frames for which a track that is out of sight is kept.
    #[new]
    fn new(threshold: f64, most: f64, lost_for: i64) -> Self {
        Self { tracker: Tracker::new(threshold, most, lost_for) }
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

    /// One step, `steps` frames after the last, with (n, 5) rows of xyxy and a score whose low 40 bits are the number of the
    /// row. Returns the (k,) rows that tracks took, in ascending order, and the (k,) ids of these tracks.
    fn advance<'py>(&mut self, py: Python<'py>, table: PyReadonlyArray2<'py, f64>, steps: i64) -> PyResult<Taken<'py>> {
        if table.shape()[1] != 5 {
            return Err(PyValueError::new_err("rows must be left, top, right, bottom, score"));
        }
        let (count, rows) = (table.shape()[0], table.as_slice()?);
        let tracker = &mut self.tracker;
        let mut work = || {
            (1..steps).for_each(|_| tracker.predict());
            tracker.step(rows)
        };
        let taken = if count >= MANY { py.detach(work) } else { work() };
        if taken.iter().any(|(row, _)| *row >= count) {
            return Err(PyValueError::new_err("a score does not hold the number of its row"));
        }
        let rows: Vec<isize> = taken.iter().map(|(row, _)| *row as isize).collect();
        let ids: Vec<i64> = taken.iter().map(|(_, id)| *id).collect();
        Ok((rows.into_pyarray(py), ids.into_pyarray(py)))
    }
}
