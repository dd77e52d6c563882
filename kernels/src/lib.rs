//! countline's rules and tracks for a whole frame in one call. See README.md.

mod again;
mod assignment;
mod beside;
mod boundaries;
mod bytetrack;
mod crowds;
mod emerging;
mod geometry;
mod hidden;
mod history;
mod jumps;
mod memory;
mod past;
mod perspective;
mod polylines;
mod refound;
mod rules;
mod tracks;
mod twins;

use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// What both sides must agree on; `countline` uses the kernel only if it knows this number.
const INTERFACE: u32 = 8;

/// Work whose panic is an ordinary Python exception. (PyO3's own is none that `except Exception` catches.) Without the
/// interpreter's lock where there is `much` to do.
fn guarded<T: Send>(py: Python<'_>, much: bool, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let guarded = || catch_unwind(AssertUnwindSafe(work));
    let done = if much { py.detach(guarded) } else { guarded() };
    done.map_err(|panic| {
        let words = panic.downcast_ref::<&str>().map(ToString::to_string);
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        PyRuntimeError::new_err(format!("the compiled kernel has failed: {words}"))
    })
}

#[pymodule]
fn _kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<rules::Boundaries>()?;
    module.add_class::<rules::Columns>()?;
    module.add_function(wrap_pyfunction!(rules::look_up, module)?)?;
    module.add_class::<tracks::ByteTrack>()?;
    module.add_class::<tracks::LostTrack>()?;
    module.add_class::<tracks::Grades>()?;
    module.add_class::<history::Past>()?;
    module.add_class::<tracks::TrackHeight>()?;
    module.add_class::<tracks::TrackMemory>()?;
    module.add_class::<again::Refound>()?;
    module.add_class::<again::Jumps>()?;
    module.add_class::<again::Twins>()?;
    module.add_function(wrap_pyfunction!(again::left_alone, module)?)
}
