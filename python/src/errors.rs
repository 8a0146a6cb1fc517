//! Errors of the codec as exceptions. Their classes are written in Python (`tenfold/_errors.py`).

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyModule};
use tenfold_codec::{DecodeError, EncodeError, ErrorKind, FramingError};

static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// A stream that cannot be decoded.
pub(crate) fn of_decoding(py: Python<'_>, error: &DecodeError) -> PyErr {
    let class = match error.kind() {
        ErrorKind::Truncated { .. } => "TruncatedError",
        ErrorKind::TooLarge { .. } => "TooLargeError",
        _ => "FrameError",
    };
    let looks_like = error.looks_like().map(|guess| guess.to_string());
    let header = PyBytes::new(py, error.header());
    let arguments = (
        error.to_string(),
        error.offset(),
        error.index(),
        header,
        looks_like,
    );
    make(py, class, arguments)
}

/// A message that cannot be framed; the one of this index, where there are several.
pub(crate) fn of_encoding(py: Python<'_>, error: &EncodeError, index: Option<usize>) -> PyErr {
    let words = match index {
        Some(index) => format!("message {index}: {error}"),
        None => error.to_string(),
    };
    make(py, "EncodeError", (words, index))
}

/// A line that is not a framing.
pub(crate) fn of_framing(py: Python<'_>, error: &FramingError) -> PyErr {
    make(py, "FramingError", (error.to_string(), error.at()))
}

/// An instance of a class of `tenfold._errors`; what goes wrong in making it is the error instead.
fn make<'py>(py: Python<'py>, class: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    let module = MODULE.get_or_try_init(py, || py.import("tenfold._errors").map(Bound::unbind));
    let instance = module.and_then(|module| module.bind(py).getattr(class)?.call1(arguments));
    match instance {
        Ok(instance) => PyErr::from_value(instance),
        Err(error) => error,
    }
}
