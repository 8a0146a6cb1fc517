//! A client of a hub that receives, without I/O. Module `tenfold` drives it, and gives its messages to a program.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList, PyString};
use tenfold::client::core::{Advance, Core, Following, Subscription};
use tenfold::client::{Error, Follow, Subscribe};
use tenfold::protocol::{ChannelName, Epoch, Pattern, Place};

use crate::options::{self, Common, common};
use crate::{errors, events, message};

/// A subscriber, or a follower of many channels.
///
/// It is driven as `tenfold::client::core::Core` says, with the messages that come together in one list.
#[pyclass(module = "tenfold._tenfold", frozen)]
pub(crate) struct Receiving(Mutex<State>);

struct State {
    core: Box<dyn Receives>,
    /// What the core came to after the messages that were taken last, as long as it is still so.
    came: Option<Advance>,
}

/// What both kinds of core have, with Python's objects for messages and events.
trait Receives: Send + Sync {
    fn core(&mut self) -> &mut dyn AnyCore;
    /// Puts the message that the core has come to, and those that follow, into the list. What it came to then.
    fn take_messages(&mut self, list: &Bound<'_, PyList>) -> PyResult<Advance>;
    fn take_event<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>>;
    fn next_seq(&self) -> Option<u64>;
    fn epoch(&self) -> Option<Epoch>;
    fn end(&self) -> Option<u64>;
    fn places(&self) -> Option<Vec<Place>>;
}

/// [`Core`] without the type of its answer.
trait AnyCore {
    fn set_hubs(&mut self, count: usize);
    fn hub(&self) -> usize;
    fn has_answer(&self) -> bool;
    fn answer_timeout(&self) -> Duration;
    fn advance(&mut self) -> Advance;
    fn feed(&mut self, bytes: &[u8]);
    fn end(&mut self);
    fn lost(&mut self, error: Error);
    fn cut(&mut self, now: Duration) -> Result<Duration, Error>;
    fn attempt(&mut self, now: Duration) -> Duration;
    fn connected(&mut self, now: Duration) -> Vec<u8>;
    fn awaits_answer(&self) -> bool;
    fn stop(&mut self);
}

#[pymethods]
impl Receiving {
    /// A subscriber.
    #[staticmethod]
    #[pyo3(signature = (channel, *, start, epoch, on_gap, until_end, limit, common))]
    fn subscription(
        channel: &str,
        start: &str,
        epoch: Option<&str>,
        on_gap: &str,
        until_end: bool,
        limit: u64,
        common: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let given: Common = common.extract()?;
        let mut options = Subscribe::new(options::parse(channel)?)
            .from(options::parse(start)?)
            .on_gap(options::on_gap(on_gap)?)
            .limit(limit);
        if let Some(epoch) = options::parse_some(epoch)? {
            options = options.epoch(epoch);
        }
        if until_end {
            options = options.until_end();
        }
        Ok(Self::new(Subscription::new(common!(options, given))))
    }

    /// A follower.
    #[staticmethod]
    #[pyo3(signature = (patterns, *, start, resume, on_gap, until_end, limit, common))]
    fn following(
        patterns: Vec<String>,
        start: &str,
        resume: Option<Vec<(String, String, u64)>>,
        on_gap: &str,
        until_end: bool,
        limit: u64,
        common: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let given: Common = common.extract()?;
        let patterns: Vec<Pattern> = patterns
            .into_iter()
            .map(|text| options::parse(&text))
            .collect::<PyResult<_>>()?;
        let mut options = Follow::new(patterns)
            .from(options::parse(start)?)
            .on_gap(options::on_gap(on_gap)?)
            .limit(limit);
        if let Some(places) = resume {
            let place = |(channel, epoch, seq): (String, String, u64)| {
                let channel: ChannelName = options::parse(&channel)?;
                Ok(Place::new(channel, options::parse(&epoch)?, seq))
            };
            let places = places.into_iter().map(place);
            options = options.resume(places.collect::<PyResult<Vec<_>>>()?);
        }
        if until_end {
            options = options.until_end();
        }
        Ok(Self::new(Following::new(common!(options, given))))
    }

    /// Goes on to what there is: messages, in a list, or `"event"`, `"connection"`, `"bytes"`, `"cut"` or `"done"`.
    fn advance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut state = self.lock(py);
        let came = match state.came.take() {
            Some(came) => came,
            None => state.core.core().advance(),
        };
        let word = match came {
            Advance::Message => {
                let list = PyList::empty(py);
                state.came = Some(state.core.take_messages(&list)?);
                return Ok(list.into_any());
            }
            Advance::Notice => "event",
            Advance::NeedsConnection => "connection",
            Advance::NeedsBytes => "bytes",
            Advance::Cut => "cut",
            Advance::Done => "done",
        };
        Ok(PyString::intern(py, word).into_any())
    }

    /// What has happened, if it is not a message.
    fn take_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut state = self.lock(py);
        state.came = None;
        state.core.take_event(py)
    }

    /// There are so many hubs to connect to.
    fn set_hubs(&self, py: Python<'_>, count: usize) {
        let mut state = self.lock(py);
        state.core.core().set_hubs(count);
    }

    /// Which of them is to be connected to, counted from 0.
    #[getter]
    fn hub(&self, py: Python<'_>) -> usize {
        let mut state = self.lock(py);
        state.core.core().hub()
    }

    /// A connection is to be made now. How long that may take.
    fn attempt(&self, py: Python<'_>, now: f64) -> PyResult<f64> {
        let mut state = self.lock(py);
        let time = state.core.core().attempt(options::seconds(now)?);
        Ok(time.as_secs_f64())
    }

    /// A connection is there. The bytes to send.
    fn connected<'py>(&self, py: Python<'py>, now: f64) -> PyResult<Bound<'py, PyBytes>> {
        let mut state = self.lock(py);
        state.came = None;
        let request = state.core.core().connected(options::seconds(now)?);
        Ok(PyBytes::new(py, &request))
    }

    /// These bytes have come.
    fn feed(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut state = self.lock(py);
        let bytes = message::bytes(data)?;
        state.came = None;
        state.core.core().feed(&bytes);
        Ok(())
    }

    /// The hub has ended.
    fn ended(&self, py: Python<'_>) {
        let mut state = self.lock(py);
        state.came = None;
        state.core.core().end();
    }

    /// The connection could not be made, or failed.
    fn lost(&self, py: Python<'_>, error: &Bound<'_, PyAny>) {
        let mut state = self.lock(py);
        state.came = None;
        state.core.core().lost(errors::to_client(error));
    }

    /// The hub has not answered in time.
    fn timed_out(&self, py: Python<'_>) {
        let mut state = self.lock(py);
        state.came = None;
        let waited = state.core.core().answer_timeout();
        state.core.core().lost(Error::NoAnswer { waited });
    }

    /// The connection is let go of. When to make the next one; an error if it ends here.
    fn cut(&self, py: Python<'_>, now: f64) -> PyResult<f64> {
        let mut state = self.lock(py);
        state.came = None;
        let at = state.core.core().cut(options::seconds(now)?);
        at.map(|at| at.as_secs_f64())
            .map_err(|error| errors::of_client(py, &error))
    }

    /// Ends it now.
    fn stop(&self, py: Python<'_>) {
        let mut state = self.lock(py);
        state.came = None;
        state.core.core().stop();
    }

    /// There is a connection, and no answer yet.
    #[getter]
    fn awaits_answer(&self, py: Python<'_>) -> bool {
        let mut state = self.lock(py);
        state.core.core().awaits_answer()
    }

    /// How long the answer may take.
    #[getter]
    fn answer_timeout(&self, py: Python<'_>) -> f64 {
        let mut state = self.lock(py);
        state.core.core().answer_timeout().as_secs_f64()
    }

    /// There is a connection and its answer.
    #[getter]
    fn has_answer(&self, py: Python<'_>) -> bool {
        let mut state = self.lock(py);
        state.core.core().has_answer()
    }

    /// Of a subscriber: the seq after the last message that was taken.
    #[getter]
    fn next_seq(&self, py: Python<'_>) -> Option<u64> {
        let state = self.lock(py);
        state.core.next_seq()
    }

    /// Of a subscriber: the epoch of that seq.
    #[getter]
    fn epoch(&self, py: Python<'_>) -> Option<String> {
        let state = self.lock(py);
        state.core.epoch().map(|epoch| epoch.to_string())
    }

    /// Of a subscriber: the seq that the hub was going to commit next when it answered last.
    #[getter]
    fn end(&self, py: Python<'_>) -> Option<u64> {
        let state = self.lock(py);
        state.core.end()
    }

    /// Of a follower: where it is in each channel.
    #[getter]
    fn places<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let state = self.lock(py);
        let Some(places) = state.core.places() else {
            return Ok(None);
        };
        let list = PyList::empty(py);
        for place in &places {
            list.append(events::of_place(py, place)?)?;
        }
        Ok(Some(list))
    }
}

impl Receiving {
    fn new(core: impl Receives + 'static) -> Self {
        Self(Mutex::new(State {
            core: Box::new(core),
            came: None,
        }))
    }

    /// Other threads ask it where it is. Objects of Python are made meanwhile, and then another thread can have its turn: so
    /// whoever waits here lets the others run.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.0
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Core> AnyCore for C {
    fn set_hubs(&mut self, count: usize) {
        Core::set_hubs(self, count);
    }

    fn hub(&self) -> usize {
        Core::hub(self)
    }

    fn has_answer(&self) -> bool {
        self.current_answer().is_some()
    }

    fn answer_timeout(&self) -> Duration {
        Core::answer_timeout(self)
    }

    fn advance(&mut self) -> Advance {
        Core::advance(self)
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.received(count);
            bytes = &bytes[count..];
        }
    }

    fn end(&mut self) {
        self.received(0);
    }

    fn lost(&mut self, error: Error) {
        Core::lost(self, error);
    }

    fn cut(&mut self, now: Duration) -> Result<Duration, Error> {
        Core::cut(self, now)
    }

    fn attempt(&mut self, now: Duration) -> Duration {
        Core::attempt(self, now)
    }

    fn connected(&mut self, now: Duration) -> Vec<u8> {
        Core::connected(self, now)
    }

    fn awaits_answer(&self) -> bool {
        Core::awaits_answer(self)
    }

    fn stop(&mut self) {
        Core::stop(self);
    }
}

impl Receives for Subscription {
    fn core(&mut self) -> &mut dyn AnyCore {
        self
    }

    fn take_messages(&mut self, list: &Bound<'_, PyList>) -> PyResult<Advance> {
        while let Some(message) = self.message() {
            list.append(PyBytes::new(list.py(), message.bytes))?;
            let came = Core::advance(self);
            if came != Advance::Message {
                return Ok(came);
            }
        }
        Ok(Core::advance(self))
    }

    fn take_event<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let event = Subscription::take_event(self);
        event
            .map(|event| events::of_subscriber(py, &event))
            .transpose()
    }

    fn next_seq(&self) -> Option<u64> {
        Subscription::next_seq(self)
    }

    fn epoch(&self) -> Option<Epoch> {
        Subscription::epoch(self)
    }

    fn end(&self) -> Option<u64> {
        self.answer().map(|answer| answer.next)
    }

    fn places(&self) -> Option<Vec<Place>> {
        None
    }
}

impl Receives for Following {
    fn core(&mut self) -> &mut dyn AnyCore {
        self
    }

    fn take_messages(&mut self, list: &Bound<'_, PyList>) -> PyResult<Advance> {
        while let Some(message) = self.message() {
            list.append(events::of_channel_message(list.py(), &message)?)?;
            let came = Core::advance(self);
            if came != Advance::Message {
                return Ok(came);
            }
        }
        Ok(Core::advance(self))
    }

    fn take_event<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let event = Following::take_event(self);
        event
            .map(|event| events::of_follower(py, &event))
            .transpose()
    }

    fn next_seq(&self) -> Option<u64> {
        None
    }

    fn epoch(&self) -> Option<Epoch> {
        None
    }

    fn end(&self) -> Option<u64> {
        None
    }

    fn places(&self) -> Option<Vec<Place>> {
        Following::places(self)
    }
}
