//! What a client of a hub is told when it is made.

use std::str::FromStr;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tenfold::client::{OnGap, Retry, Start};

/// Reads a value from its text: a name, a position, an epoch, a token.
pub(crate) fn parse<T: FromStr>(text: &str) -> PyResult<T>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| PyValueError::new_err(error.to_string()))
}

/// The same, where it may be left out.
pub(crate) fn parse_some<T: FromStr>(text: Option<&str>) -> PyResult<Option<T>>
where
    T::Err: std::fmt::Display,
{
    text.map(parse).transpose()
}

/// A time in seconds, as Python counts.
pub(crate) fn seconds(time: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(time)
        .map_err(|_| PyValueError::new_err(format!("{time} is not a number of seconds")))
}

/// How long to try again: 0 is not at all, and infinity is forever.
pub(crate) fn retry(time: f64) -> PyResult<Retry> {
    if time == 0.0 {
        return Ok(Retry::Never);
    }
    if time == f64::INFINITY {
        return Ok(Retry::Forever);
    }
    seconds(time).map(Retry::For)
}

pub(crate) fn on_gap(text: &str) -> PyResult<OnGap> {
    match text {
        "stop" => Ok(OnGap::Stop),
        "continue" => Ok(OnGap::Continue),
        _ => Err(PyValueError::new_err(format!(
            "on_gap is \"stop\" or \"continue\", not {text:?}"
        ))),
    }
}

pub(crate) fn start(text: &str) -> PyResult<Start> {
    match text {
        "append" => Ok(Start::Append),
        "history" => Ok(Start::History),
        "fresh" => Ok(Start::Fresh),
        _ => Err(PyValueError::new_err(format!(
            "start is \"append\", \"history\" or \"fresh\", not {text:?}"
        ))),
    }
}

/// What clients of every kind have: how long they try, how long they wait, and who they are.
macro_rules! common {
    ($options:expr, $given:expr) => {
        $options
            .until_connected(crate::options::retry($given.until_connected)?)
            .once_connected(crate::options::retry($given.once_connected)?)
            .connect_timeout(crate::options::seconds($given.connect_timeout)?)
            .answer_timeout(crate::options::seconds($given.answer_timeout)?)
            .token(crate::options::parse_some::<tenfold::protocol::Token>(
                $given.token.as_deref(),
            )?)
    };
}
pub(crate) use common;

/// The arguments for [`common`], as a dict of Python's.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Common {
    pub(crate) token: Option<String>,
    pub(crate) until_connected: f64,
    pub(crate) once_connected: f64,
    pub(crate) connect_timeout: f64,
    pub(crate) answer_timeout: f64,
}
