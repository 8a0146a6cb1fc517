//! A client of a hub that publishes, without I/O. Module `tenfold` drives it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tenfold::client::core::{Outgoing, Patience};
use tenfold::client::{Error, Publish};

use crate::options::{self, Common, common};
use crate::{errors, events, message};

/// A publisher. It is driven as `tenfold::client::core::Publication` says, by several threads.
#[pyclass(module = "tenfold._tenfold", frozen)]
pub(crate) struct Publication(Mutex<State>);

/// It is locked while nothing of Python runs: another thread could have its turn then, and would wait here for this one.
struct State {
    core: tenfold::client::core::Publication,
    /// What the hub was to say or do when that was asked last, and how often it has become another thing.
    patience: Option<Patience>,
    changes: u64,
}

#[pymethods]
impl Publication {
    #[new]
    #[pyo3(signature = (channel, *, producer, start, acks, window, common))]
    fn new(
        channel: &str,
        producer: Option<&str>,
        start: &str,
        acks: Option<&str>,
        window: (usize, u64),
        common: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let given: Common = common.extract()?;
        let mut options = Publish::new(options::parse(channel)?)
            .start(options::start(start)?)
            .window(window.0, window.1);
        if let Some(producer) = options::parse_some(producer)? {
            options = options.producer(producer);
        }
        if let Some(acks) = options::parse_some(acks)? {
            options = options.acks(acks);
        }
        let core = tenfold::client::core::Publication::new(common!(options, given));
        Ok(Self(Mutex::new(State {
            core,
            patience: None,
            changes: 0,
        })))
    }

    /// Takes a message, if there is room for it. Whether it was taken; an error if it has ended.
    #[pyo3(signature = (message, /))]
    fn accept(&self, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let bytes = message::bytes(message)?;
        if self.check(message.py())? {
            return Err(errors::of_client(message.py(), &Error::Ended));
        }
        let accepted = {
            let core = &mut self.lock().core;
            if !core.is_room(bytes.len()) {
                return Ok(false);
            }
            core.accept(&bytes)
        };
        accepted.map_err(|error| errors::of_encoding(message.py(), &error, None))?;
        Ok(true)
    }

    /// No message will follow.
    fn begin_close(&self) {
        self.lock().core.begin_close();
    }

    /// Ends it now, without regard to what is not acknowledged.
    fn stop(&self) {
        self.lock().core.stop();
    }

    /// There are so many hubs to connect to.
    fn set_hubs(&self, count: usize) {
        self.lock().core.set_hubs(count);
    }

    /// Which of them is to be connected to, counted from 0.
    #[getter]
    fn hub(&self) -> usize {
        self.lock().core.hub()
    }

    /// A connection is to be made now. How long that may take.
    fn attempt(&self, now: f64) -> PyResult<f64> {
        let now = options::seconds(now)?;
        Ok(self.lock().core.attempt(now).as_secs_f64())
    }

    /// A connection is there. The bytes to send.
    fn connected<'py>(&self, py: Python<'py>, now: f64) -> PyResult<Bound<'py, PyBytes>> {
        let now = options::seconds(now)?;
        let mut state = self.lock();
        let request = state.core.connected(now);
        Ok(PyBytes::new(py, request.rest()))
    }

    /// The bytes to write next; `None` for now; empty: tell the hub that nothing will follow.
    fn outgoing<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match self.lock().core.outgoing() {
            Outgoing::Bytes(unwritten) => Some(PyBytes::new(py, unwritten.rest())),
            Outgoing::Shutdown => Some(PyBytes::new(py, b"")),
            Outgoing::Nothing => None,
        }
    }

    /// The connection has taken so many of these bytes. Whether messages are let go of.
    fn wrote(&self, count: usize) -> bool {
        self.lock().core.wrote(count)
    }

    /// How long the hub may take for what it is to say or do next, and a number for what that is.
    #[getter]
    fn patience(&self) -> Option<(f64, u64)> {
        let mut state = self.lock();
        let patience = state.core.patience();
        if patience != state.patience {
            state.patience = patience;
            state.changes += 1;
        }
        patience.map(|patience| (patience.time.as_secs_f64(), state.changes))
    }

    /// That time is over.
    fn timed_out(&self) {
        self.lock().core.timed_out();
    }

    /// These bytes have come.
    fn feed(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = message::bytes(data)?;
        self.lock().core.received(&bytes);
        Ok(())
    }

    /// The hub has ended.
    fn ended(&self) {
        self.lock().core.ended();
    }

    /// The connection could not be made, or failed.
    fn lost(&self, error: &Bound<'_, PyAny>) {
        let error = errors::to_client(error);
        self.lock().core.lost(error);
    }

    /// Whether the connection is of no use any more.
    #[getter]
    fn is_cut(&self) -> bool {
        self.lock().core.is_cut()
    }

    /// The connection is let go of. When to make the next one; `None` if it has ended.
    fn cut(&self, now: f64) -> PyResult<Option<f64>> {
        let now = options::seconds(now)?;
        let at = self.lock().core.cut(now);
        Ok(at.map(|at| at.as_secs_f64()))
    }

    /// What has happened to the connection.
    fn take_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let notice = self.lock().core.take_notice();
        notice
            .map(|notice| events::of_publisher(py, &notice))
            .transpose()
    }

    /// Whether it has ended; an error if that was not well.
    fn check(&self, py: Python<'_>) -> PyResult<bool> {
        let result = self.lock().core.result();
        match result {
            Some(Err(error)) => Err(errors::of_client(py, &error)),
            result => Ok(result.is_some()),
        }
    }

    /// Whether it has ended.
    #[getter]
    fn has_ended(&self) -> bool {
        self.lock().core.result().is_some()
    }

    /// Whether nothing is kept.
    #[getter]
    fn is_flushed(&self) -> bool {
        self.lock().core.is_flushed()
    }

    /// How many messages of the producer the hub had at first.
    #[getter]
    fn committed(&self) -> Option<u64> {
        self.lock().core.committed()
    }

    /// How many messages were given.
    #[getter]
    fn sent(&self) -> u64 {
        self.lock().core.given()
    }

    /// How many of those are known to be at the hub.
    #[getter]
    fn acknowledged(&self) -> u64 {
        self.lock().core.acknowledged()
    }
}

impl Publication {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
