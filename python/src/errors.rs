//! Errors of the codec and of the hub's clients as exceptions. Their classes are written in Python (`tenfold/_errors.py`).

use std::io;
use std::sync::Arc;

use pyo3::exceptions::{PyConnectionAbortedError, PyOSError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyModule};
use tenfold::client::{Error, HistoryMismatch};
use tenfold::protocol::{ChannelName, Code, Refusal};
use tenfold_codec::{DecodeError, EncodeError, ErrorKind, FramingError};

use crate::events;

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

/// A message that is not a value, or a value that is not a message.
pub(crate) fn of_payload(py: Python<'_>, words: &str) -> PyErr {
    make(py, "PayloadError", (words,))
}

/// Why a client of a hub ends, or its connection broke.
pub(crate) fn of_client(py: Python<'_>, error: &Error) -> PyErr {
    client(py, error, error.to_string(), None)
}

/// A failure of Python's in the place of one of the system's, for a client that goes on from it.
pub(crate) fn to_client(error: &Bound<'_, PyAny>) -> Error {
    Error::Io(Arc::new(io::Error::other(PyErr::from_value(error.clone()))))
}

fn client(py: Python<'_>, error: &Error, words: String, channel: Option<&ChannelName>) -> PyErr {
    match error {
        Error::Io(error) | Error::Start(error) | Error::Connect { error, .. } => {
            of_system(py, error, words)
        }
        Error::Closed | Error::Cut => PyConnectionAbortedError::new_err(words),
        Error::NoAnswer { .. } | Error::NoAck { .. } => PyTimeoutError::new_err(words),
        Error::Frame(error) => of_decoding(py, error),
        Error::Encode(error) => of_encoding(py, error, None),
        Error::Refused(refusal) => refused(py, refusal, words),
        Error::Gap(gap) => match events::of_gap(py, gap, channel) {
            Ok(gap) => make(py, "GapError", (words, gap)),
            Err(error) => error,
        },
        Error::History(mismatch) => history(py, mismatch, words),
        Error::InChannel { channel, error } => client(py, error, words, Some(channel)),
        Error::GaveUp { after, last } => {
            let last = of_client(py, last).into_value(py);
            make(py, "GaveUp", (words, after.as_secs_f64(), last))
        }
        _ => make(py, "HubError", (words,)),
    }
}

/// Most of these were exceptions before a client was told of them.
fn of_system(py: Python<'_>, error: &io::Error, words: String) -> PyErr {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<PyErr>());
    inner.map_or_else(|| PyOSError::new_err(words), |error| error.clone_ref(py))
}

fn refused(py: Python<'_>, refusal: &Refusal, words: String) -> PyErr {
    let fields = PyDict::new(py);
    for (key, value) in refusal.keys.iter() {
        if let Err(error) = fields.set_item(key, value) {
            return error;
        }
    }
    let code = refusal.code.map(Code::as_str);
    make(py, "Refused", (words, code, fields))
}

fn history(py: Python<'_>, mismatch: &HistoryMismatch, words: String) -> PyErr {
    let HistoryMismatch {
        producer,
        committed,
        acknowledged,
        sent,
        ..
    } = mismatch;
    let arguments = (words, producer.as_str(), *committed, *acknowledged, *sent);
    make(py, "HistoryError", arguments)
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
