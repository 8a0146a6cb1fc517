//! From bytes to messages.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tenfold_codec::{Chunk, DEFAULT_LIMIT, DecodeError, Event};

use crate::{errors, framing, message};

/// Finds the messages in the bytes of one side of a connection. It does no I/O.
#[pyclass(module = "tenfold")]
pub(crate) struct Decoder {
    decoder: tenfold_codec::Decoder,
    /// What is wrong with the stream, once it is; the messages before it were given.
    failure: Option<DecodeError>,
}

/// A number that stands where a length could be and is too small for one, in a framing with `marks`.
#[pyclass(module = "tenfold", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    /// The number.
    #[pyo3(get)]
    number: u64,
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (framing = None, *, side = None, limit = DEFAULT_LIMIT))]
    fn new(
        py: Python<'_>,
        framing: Option<&Bound<'_, PyAny>>,
        side: Option<&str>,
        limit: u64,
    ) -> PyResult<Self> {
        let side = framing::side(py, framing, side)?;
        Ok(Self {
            decoder: tenfold_codec::Decoder::new(&side).with_limit(limit),
            failure: None,
        })
    }

    /// The messages that are complete with these bytes. (Marks are passed over.)
    #[pyo3(signature = (data, /))]
    fn feed<'py>(
        &mut self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        // A list that is made whole costs less than one that grows.
        let mut found = Vec::new();
        let give = |event: Event<'_>| {
            if let Event::Message(message) = event {
                found.push(PyBytes::new(py, message));
            }
            Ok(())
        };
        self.decode(py, data, give)?;
        self.give(py, PyList::new(py, found)?)
    }

    /// Calls `read` for the next bytes, and adds the messages that are complete with them. Whether the stream has ended.
    ///
    /// Nothing of Python's runs between reading and adding, so Ctrl-C cannot come there and lose what was read.
    #[pyo3(signature = (read, messages, /))]
    fn feed_from(
        &mut self,
        py: Python<'_>,
        read: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let data = read.call0()?;
        if data.is_empty()? {
            return Ok(true);
        }
        let found = self.feed(py, &data)?;
        messages.call_method1(intern!(py, "extend"), (found,))?;
        Ok(false)
    }

    /// The same with the marks, in their places.
    #[pyo3(signature = (data, /))]
    fn feed_with_marks<'py>(
        &mut self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let give = |event: Event<'_>| match event {
            Event::Message(message) => list.append(PyBytes::new(py, message)),
            Event::Mark(number) => list.append(Mark { number }),
            _ => Ok(()),
        };
        self.decode(py, data, give)?;
        self.give(py, list)
    }

    /// Says that the stream has ended after these bytes. An error if it may not end here.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        self.check(py)?;
        self.decoder.finish();
        // `feed` has given all messages, so there is only an error or the end.
        if let Err(error) = self.decoder.next_event() {
            self.failure = Some(error);
        }
        self.check(py)
    }

    /// Offset in the stream of the first byte after the messages given so far.
    #[getter]
    fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// How many messages were given so far.
    #[getter]
    fn index(&self) -> u64 {
        self.decoder.index()
    }

    /// The bytes that were fed and are in no message yet (of a message under way, without its header).
    #[getter]
    fn rest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.decoder.rest())
    }
}

impl Decoder {
    /// Gives what is found in the data.
    fn decode(
        &mut self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        give: impl FnMut(Event<'_>) -> PyResult<()>,
    ) -> PyResult<()> {
        self.check(py)?;
        let bytes = message::bytes(data)?;
        let found = give_all(self.decoder.chunk(&bytes), give)?;
        if found.is_err() {
            // The rest of the data has made the description better.
            self.failure = self.decoder.next_event().err();
        }
        Ok(())
    }

    /// Messages before an error are given, and then the error is raised: at the next call.
    fn give<'py>(&self, py: Python<'py>, list: Bound<'py, PyList>) -> PyResult<Bound<'py, PyList>> {
        if list.is_empty() {
            self.check(py)?;
        }
        Ok(list)
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        match &self.failure {
            Some(error) => Err(errors::of_decoding(py, error)),
            None => Ok(()),
        }
    }
}

fn give_all(
    mut chunk: Chunk<'_>,
    mut give: impl FnMut(Event<'_>) -> PyResult<()>,
) -> PyResult<Result<(), DecodeError>> {
    loop {
        match chunk.next_event() {
            Ok(Some(event)) => give(event)?,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

#[pymethods]
impl Mark {
    #[new]
    #[pyo3(signature = (number, /))]
    fn new(number: u64) -> Self {
        Self { number }
    }

    fn __repr__(&self) -> String {
        format!("Mark({})", self.number)
    }
}
