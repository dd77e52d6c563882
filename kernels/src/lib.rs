//! countline's rules and tracks for a whole frame in one call. See README.md.

mod assignment;
mod boundaries;
mod bytetrack;
mod geometry;
mod memory;
mod rules;
mod tracks;

use pyo3::prelude::*;

/// What both sides must agree on; `countline` uses the kernel only if it knows this number.
const INTERFACE: u32 = 1;

#[pymodule]
fn _kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<rules::Boundaries>()?;
    module.add_class::<rules::Columns>()?;
    module.add_class::<tracks::ByteTrack>()?;
    module.add_class::<tracks::LostTrack>()?;
    module.add_class::<tracks::Grades>()?;
    module.add_class::<tracks::TrackMemory>()?;
    module.add_function(wrap_pyfunction!(tracks::unclaimed, module)?)
}
