//! Messages and bytes that come from Python.

use std::borrow::Cow;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The bytes of an object: those of a `bytes` where they are, those of another buffer copied, because
/// its owner could change them meanwhile.
pub(crate) fn bytes<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(
            "a message is bytes, and this is a str: give text.encode(), or use send_text(text) or \
             send_json(value) of a connection",
        ));
    }
    match PyBuffer::<u8>::get(object) {
        Ok(buffer) => buffer.to_vec(object.py()).map(Cow::Owned),
        Err(_) => Err(not_bytes(object)),
    }
}

#[cold]
fn not_bytes(object: &Bound<'_, PyAny>) -> PyErr {
    let kind = object.get_type().name();
    let kind = kind.map_or_else(|_| "another object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "a message is bytes, a bytearray or a memoryview of bytes, not {kind}"
    ))
}

/// Refuses one message where several are wanted.
pub(crate) fn refuse_single(messages: &Bound<'_, PyAny>) -> PyResult<()> {
    if messages.is_instance_of::<PyString>() || PyBuffer::<u8>::get(messages).is_ok() {
        return Err(PyTypeError::new_err(
            "these are to be several messages, in a list or another iterable; this is a single one",
        ));
    }
    Ok(())
}
