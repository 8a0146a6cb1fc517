//! Values in messages, as JSON and back. Module `tenfold.payload` makes Python's values of it.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tenfold_payload::{ValueFormat, WritableFormat};

use crate::{errors, message};

/// The value of a message in one of `"cbor"`, `"msgpack"` and `"pickle"`, as JSON.
#[pyfunction]
pub(crate) fn payload_to_json(format: &str, data: &Bound<'_, PyAny>) -> PyResult<String> {
    let format = match format {
        "cbor" => ValueFormat::Cbor,
        "msgpack" => ValueFormat::Msgpack,
        "pickle" => ValueFormat::Pickle,
        _ => {
            return Err(errors::of_payload(
                data.py(),
                &format!("no value is read from {format:?}"),
            ));
        }
    };
    let bytes = message::bytes(data)?;
    let read = data
        .py()
        .detach(|| tenfold_payload::to_json(format, &bytes));
    read.map_err(|problem| errors::of_payload(data.py(), &problem.to_string()))
}

/// The message that says such a value, in `"cbor"` or `"msgpack"`.
#[pyfunction]
pub(crate) fn payload_from_json<'py>(
    py: Python<'py>,
    format: &str,
    text: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let format = match format {
        "cbor" => WritableFormat::Cbor,
        "msgpack" => WritableFormat::Msgpack,
        _ => {
            return Err(errors::of_payload(
                py,
                &format!("no value is written as {format:?}"),
            ));
        }
    };
    match tenfold_payload::from_json(format, text.as_bytes()) {
        Ok(bytes) => Ok(PyBytes::new(py, &bytes)),
        Err(problem) => Err(errors::of_payload(py, &problem.to_string())),
    }
}
