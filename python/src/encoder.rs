//! From messages to bytes.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::{errors, framing, message};

/// A buffer that is larger was needed for a large message, and is given back.
const KEPT: usize = 256 * 1024;

/// Frames messages for one side of a connection. It does no I/O.
#[pyclass(module = "tenfold")]
pub(crate) struct Encoder {
    encoder: tenfold_codec::Encoder,
    /// Where frames are put together.
    buffer: Vec<u8>,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (framing = None, *, side = None))]
    fn new(
        py: Python<'_>,
        framing: Option<&Bound<'_, PyAny>>,
        side: Option<&str>,
    ) -> PyResult<Self> {
        let side = framing::side(py, framing, side)?;
        Ok(Self {
            encoder: tenfold_codec::Encoder::new(&side),
            buffer: Vec::new(),
        })
    }

    /// The frame of a message.
    #[pyo3(signature = (message, /))]
    fn encode<'py>(
        &mut self,
        py: Python<'py>,
        message: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.append(message, None)?;
        Ok(self.take(py))
    }

    /// The frames of some messages, one after the other. If one cannot be framed, none is.
    #[pyo3(signature = (messages, /))]
    fn encode_all<'py>(
        &mut self,
        py: Python<'py>,
        messages: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let before = self.encoder.clone();
        let appended = match messages.cast::<PyList>() {
            Ok(list) => self.append_all(list.iter().map(Ok)),
            // A str or bytes is a sequence, too, but not one of messages.
            Err(_) => message::refuse_single(messages)
                .and_then(|()| messages.try_iter())
                .and_then(|messages| self.append_all(messages)),
        };
        if let Err(error) = appended {
            self.encoder = before;
            self.buffer.clear();
            return Err(error);
        }
        Ok(self.take(py))
    }

    /// A mark, in a framing that has them.
    #[pyo3(signature = (number, /))]
    fn mark<'py>(&mut self, py: Python<'py>, number: u64) -> PyResult<Bound<'py, PyBytes>> {
        let marked = self.encoder.mark(number, &mut self.buffer);
        marked.map_err(|error| errors::of_encoding(py, &error, None))?;
        Ok(self.take(py))
    }
}

impl Encoder {
    fn append_all<'py>(
        &mut self,
        messages: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<()> {
        for (index, message) in messages.enumerate() {
            self.append(&message?, Some(index))?;
        }
        Ok(())
    }

    fn append(&mut self, message: &Bound<'_, PyAny>, index: Option<usize>) -> PyResult<()> {
        let bytes = message::bytes(message)?;
        let encoded = self.encoder.encode(&bytes, &mut self.buffer);
        encoded.map_err(|error| errors::of_encoding(message.py(), &error, index))
    }

    /// What was put together.
    fn take<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = PyBytes::new(py, &self.buffer);
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        bytes
    }
}
