//! The door from Python to `boundaries`.

use std::borrow::Cow;

use numpy::{Complex64, IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::boundaries::{follow, sound, Area, Columns as Held, Compiled, Edge, Findings, Found, Line, Objects, Plan, Widths};
use crate::geometry::{Band, Segment, Span};
use crate::guarded;

/// Objects from which the interpreter's lock is given up: below, to get it back from a thread that took it meanwhile costs
/// more than the work.
const MANY: usize = 512;

type GivenLine = (usize, Band, Vec<Segment>, Vec<Span>);
type GivenArea = (usize, Band, bool, Vec<Edge>, Vec<bool>);

/// The compiled lines and areas of all plans.
#[pyclass(frozen, module = "countline_kernels")]
pub struct Boundaries {
    compiled: Compiled,
}

/// Columns of a track table, which stay where they are.
#[pyclass(frozen, module = "countline_kernels")]
pub struct Columns {
    low: Py<PyArray2<f64>>,
    high: Py<PyArray2<f64>>,
    left: Py<PyArray2<bool>>,
    phase: Py<PyArray2<i8>>,
    net: Py<PyArray2<i8>>,
    begun: Py<PyArray2<bool>>,
    passed: Py<PyArray2<f32>>,
    entry: Py<PyArray2<Complex64>>,
    inside: Py<PyArray2<bool>>,
    last: Py<PyArray2<f64>>,
    looked: Py<PyArray1<i64>>,
    sample_clock: Py<PyArray2<i64>>,
    sample_box: Py<PyArray3<f64>>,
    samples: Py<PyArray1<i64>>,
    capacity: usize,
    widths: Widths,
}

#[pymethods]
impl Columns {
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        low: Py<PyArray2<f64>>,
        high: Py<PyArray2<f64>>,
        left: Py<PyArray2<bool>>,
        phase: Py<PyArray2<i8>>,
        net: Py<PyArray2<i8>>,
        begun: Py<PyArray2<bool>>,
        passed: Py<PyArray2<f32>>,
        entry: Py<PyArray2<Complex64>>,
        inside: Py<PyArray2<bool>>,
        last: Py<PyArray2<f64>>,
        looked: Py<PyArray1<i64>>,
        sample_clock: Py<PyArray2<i64>>,
        sample_box: Py<PyArray3<f64>>,
        samples: Py<PyArray1<i64>>,
    ) -> PyResult<Self> {
        let capacity = samples.bind(py).len();
        let widths = Widths {
            lines: phase.bind(py).dims()[1],
            segments: left.bind(py).dims()[1],
            areas: inside.bind(py).dims()[1],
            history: sample_clock.bind(py).dims()[1],
        };
        let rows = [
            low.bind(py).len() == 4 * capacity,
            high.bind(py).len() == 4 * capacity,
            last.bind(py).len() == 4 * capacity,
            left.bind(py).len() == capacity * widths.segments,
            phase.bind(py).len() == capacity * widths.lines,
            net.bind(py).len() == capacity * widths.lines,
            begun.bind(py).len() == capacity * widths.lines,
            passed.bind(py).len() == capacity * widths.lines,
            entry.bind(py).len() == capacity * widths.lines,
            inside.bind(py).len() == capacity * widths.areas,
            looked.bind(py).len() == capacity,
            sample_clock.bind(py).len() == capacity * widths.history,
            sample_box.bind(py).len() == 4 * capacity * widths.history,
        ];
        if rows.contains(&false) || widths.history == 0 {
            return Err(PyValueError::new_err("the columns are not those of one track table"));
        }
        Ok(Self {
            low,
            high,
            left,
            phase,
            net,
            begun,
            passed,
            entry,
            inside,
            last,
            looked,
            sample_clock,
            sample_box,
            samples,
            capacity,
            widths,
        })
    }
}

/// xyxy, class_id, slots, plan, aspect, width, height, clock, sample.
type Given<'py> = (
    PyReadonlyArray2<'py, f32>,
    PyReadonlyArray1<'py, i32>,
    PyReadonlyArray1<'py, isize>,
    usize,
    f64,
    f64,
    f64,
    i64,
    bool,
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

/// Plan, aspect, width, height, clock, sample.
type Facts = (usize, f64, f64, f64, i64, bool);

fn objects_of<'a>(given: &'a Given) -> Objects<'a> {
    let (boxes, classes, slots, plan, aspect, width, height, clock, sample) = given;
    Objects {
        boxes: elements!(boxes),
        classes: elements!(classes),
        slots: elements!(slots),
        plan: *plan,
        aspect: *aspect,
        scale: [*width, *height, *width, *height],
        clock: *clock,
        sample: *sample,
    }
}

impl Boundaries {
    /// What lies outside of the plans or of the memory is an error before anything is changed.
    fn check(&self, memory: &Columns, frames: &[Objects]) -> PyResult<()> {
        for frame in frames {
            let plan = self.compiled.plans.get(frame.plan).ok_or_else(|| PyIndexError::new_err("no such plan"))?;
            if plan.lines.len() > memory.widths.lines
                || plan.lines.len() * self.compiled.parts > memory.widths.segments
                || plan.areas.len() > memory.widths.areas
            {
                return Err(PyValueError::new_err("the track table is narrower than the plan"));
            }
            if frame.boxes.len() != 4 * frame.len() || frame.classes.len() != frame.len() {
                return Err(PyValueError::new_err("boxes, classes and slots must be of one length"));
            }
            if frame.slots.iter().any(|slot| usize::try_from(*slot).map_or(true, |at| at >= memory.capacity)) {
                return Err(PyIndexError::new_err("a slot lies outside of the track table"));
            }
        }
        Ok(())
    }
}

#[pymethods]
impl Boundaries {
    #[new]
    fn new(
        plans: Vec<(Vec<GivenLine>, Vec<GivenArea>)>,
        fractions: Vec<(f64, f64)>,
        slack: f64,
        parts: usize,
        all_admit: bool,
    ) -> PyResult<Self> {
        let mut made = Vec::with_capacity(plans.len());
        for (lines, areas) in plans {
            let lines: Vec<Line> = lines
                .into_iter()
                .map(|(anchor, band, segments, spans)| Line { anchor, band, segments, spans })
                .collect();
            let areas: Vec<Area> = areas
                .into_iter()
                .map(|(anchor, band, inverse, edges, admits)| Area { anchor, band, inverse, edges, admits })
                .collect();
            let sound = lines.iter().all(|l| l.anchor < fractions.len() && l.segments.len() == l.spans.len() && l.segments.len() <= parts)
                && areas.iter().all(|a| a.anchor < fractions.len() && !a.admits.is_empty());
            if !sound {
                return Err(PyValueError::new_err("a line or an area is not made as the tables make it"));
            }
            made.push(Plan { lines, areas });
        }
        Ok(Self { compiled: Compiled { plans: made, fractions, slack, parts, all_admit } })
    }

    /// Move all objects of a batch (at most one frame of each source) on by one frame.
    ///
    /// `frames`: for each its (n, 4) boxes in pixels, (n,) classes, (n,) slots, plan, aspect ratio, width and height in pixels,
    /// clock (ns), and whether samples are due. `keep`: whether the boxes become those of the frame before.
    /// Returns (crossings, passages), each of (row in the batch, index of the rule, value, how far along); None, and
    /// nothing is changed, where a box is no box.
    fn follow<'py>(
        &self,
        py: Python<'py>,
        memory: &Columns,
        frames: Vec<Given<'py>>,
        keep: bool,
    ) -> PyResult<Option<(Vec<Found>, Vec<Found>)>> {
        let objects: Vec<Objects> = frames.iter().map(objects_of).collect();
        Ok(self.run(py, memory, &objects, keep)?.map(|f| (f.crossings, f.passages)))
    }

    /// The same for one frame, whose boxes become those of the frame before; an empty tuple where nothing was found.
    fn follow_one<'py>(
        &self,
        py: Python<'py>,
        memory: &Columns,
        boxes: PyReadonlyArray2<'py, f32>,
        classes: PyReadonlyArray1<'py, i32>,
        slots: PyReadonlyArray1<'py, isize>,
        facts: Facts,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let (plan, aspect, width, height, clock, sample) = facts;
        let given = (boxes, classes, slots, plan, aspect, width, height, clock, sample);
        let Some(found) = self.run(py, memory, &[objects_of(&given)], true)? else { return Ok(None) };
        if found.crossings.is_empty() && found.passages.is_empty() {
            return Ok(Some(PyTuple::empty(py)));
        }
        (found.crossings, found.passages).into_pyobject(py).map(Some)
    }
}

impl Boundaries {
    fn run(&self, py: Python<'_>, memory: &Columns, objects: &[Objects], keep: bool) -> PyResult<Option<Findings>> {
        self.check(memory, objects)?;
        macro_rules! hold {
            ($($name:ident),*) => {$(
                let mut $name = memory.$name.bind(py).try_readwrite().map_err(|e| PyValueError::new_err(e.to_string()))?;
            )*};
        }
        hold!(low, high, left, phase, net, begun, passed, entry, inside, last, looked, sample_clock, sample_box, samples);
        let mut columns = Held {
            low: low.as_slice_mut()?,
            high: high.as_slice_mut()?,
            left: left.as_slice_mut()?,
            phase: phase.as_slice_mut()?,
            net: net.as_slice_mut()?,
            begun: begun.as_slice_mut()?,
            passed: passed.as_slice_mut()?,
            entry: entry.as_slice_mut()?,
            inside: inside.as_slice_mut()?,
            last: last.as_slice_mut()?,
            looked: looked.as_slice_mut()?,
            sample_clock: sample_clock.as_slice_mut()?,
            sample_box: sample_box.as_slice_mut()?,
            samples: samples.as_slice_mut()?,
            widths: memory.widths,
        };
        let compiled = &self.compiled;
        let work = || sound(compiled, &columns, objects).then(|| follow(compiled, &mut columns, objects, keep));
        let total: usize = objects.iter().map(Objects::len).sum();
        guarded(py, total >= MANY, work)
    }
}

type Known<'py> = (Bound<'py, PyList>, Bound<'py, PyArray1<isize>>, Vec<(usize, isize)>, Vec<isize>);

/// Slots of the objects of a frame, as a list and as an array; who of the frame before is gone, with their places there, and
/// who is back. None where an id has no slot, or is there twice.
///
/// `ids`: slots by track id; `present`: slots of the frame before.
#[pyfunction]
pub fn look_up<'py>(
    py: Python<'py>,
    ids: &Bound<'py, PyDict>,
    tracks: PyReadonlyArray1<'py, u64>,
    present: PyReadonlyArray1<'py, isize>,
) -> PyResult<Option<Known<'py>>> {
    let (tracks, present) = (tracks.as_array(), present.as_array());
    let mut objects = Vec::with_capacity(tracks.len());
    let mut slots = Vec::with_capacity(tracks.len());
    for track in tracks {
        let Some(slot) = ids.get_item(*track)? else { return Ok(None) };
        slots.push(slot.extract::<isize>()?);
        objects.push(slot);
    }
    let most = slots.iter().chain(present).copied().max().unwrap_or(0);
    let mut marks = vec![0_u8; usize::try_from(most).unwrap_or(0) + 1];
    let at = |slot: isize| usize::try_from(slot).map_err(|_| PyIndexError::new_err("slots are not negative"));
    for slot in present {
        marks[at(*slot)?] = 1;
    }
    let mut back = Vec::new();
    for slot in &slots {
        match std::mem::replace(&mut marks[at(*slot)?], 2) {
            0 => back.push(*slot),
            1 => {}
            _ => return Ok(None),
        }
    }
    let gone = present.iter().copied().enumerate().filter(|(_, slot)| marks[*slot as usize] == 1).collect();
    Ok(Some((PyList::new(py, objects)?, slots.into_pyarray(py), gone, back)))
}
