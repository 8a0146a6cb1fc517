//! When the messages of a hub's channel were committed, for programs that wait.

use std::io::Write;

use super::reader::Reader;
use crate::client::{Error, Timeline, Times, answered};
use crate::deadline::Deadline;
use crate::dial::{Dial, Purpose};
use crate::hubs::Hubs;
use crate::protocol::{Committed, Epoch};
use crate::stream::Stream;

/// Tells when messages of a channel were committed, which the stream of messages does not say.
///
/// It asks the hub over a connection of its own, which it makes when it is first asked and again when that breaks. It is
/// made to be asked about the messages in the order in which they come: then one connection does for all of them.
///
/// ```no_run
/// use tenfold::blocking::{Subscriber, Timekeeper};
/// use tenfold::client::{Subscribe, Times};
/// use tenfold::protocol::Position;
///
/// let hub: tenfold::Address = "127.0.0.1:10010".parse()?;
/// let options = Subscribe::new("ticks".parse()?).from(Position::First);
/// let mut subscriber = Subscriber::new(&hub, options)?;
/// let mut timekeeper = Timekeeper::new(&hub, Times::new("ticks".parse()?));
/// while let Some(message) = subscriber.message()? {
///     println!("{} {}", timekeeper.of(message.seq)?.time, message.bytes.escape_ascii());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Timekeeper {
    hubs: Hubs,
    timeline: Timeline,
    lines: Option<Reader<Stream>>,
}

impl Timekeeper {
    /// One that connects when it is first asked.
    pub fn new(hubs: impl Into<Hubs>, options: Times) -> Self {
        Self {
            hubs: hubs.into(),
            timeline: Timeline::new(options),
            lines: None,
        }
    }

    /// Goes on in this history, or in whichever the hub has: after a subscriber has connected again.
    pub fn go_on_in(&mut self, epoch: Option<Epoch>) {
        self.timeline.go_on_in(epoch);
        self.lines = None;
    }

    /// When a message was committed, and the messages that were committed in the same millisecond.
    ///
    /// The message is one that is kept, and that the hub has committed: for one that is to come it waits no longer than
    /// for an answer, and fails with [`Error::NoAnswer`]. After an error it can be asked again.
    pub fn of(&mut self, seq: u64) -> Result<Committed, Error> {
        if let Some(known) = self.timeline.of(seq) {
            return Ok(known);
        }
        // A connection may have broken since it told something last.
        let mut attempts = self.hubs.addresses().len() + usize::from(self.lines.is_some());
        loop {
            attempts -= 1;
            match self.find(seq) {
                Err(error) if attempts > 0 && self.timeline.is_worth_another(&error, seq) => {}
                found => return found,
            }
        }
    }

    fn find(&mut self, seq: u64) -> Result<Committed, Error> {
        let found = self.read_to(seq);
        if found.is_err() {
            self.lines = None;
            self.hubs.turn_on();
        }
        match found {
            Err(Error::Io(error)) if crate::error::is_time_out(&error) => Err(Error::NoAnswer {
                waited: self.timeline.options().common.answer_timeout,
            }),
            found => found,
        }
    }

    fn read_to(&mut self, seq: u64) -> Result<Committed, Error> {
        if self.timeline.is_past(seq) {
            self.lines = None;
        }
        if self.lines.is_none() {
            self.lines = Some(self.ask(seq)?);
        }
        let Self {
            timeline, lines, ..
        } = self;
        let lines = lines.as_mut().ok_or(Error::Closed)?;
        let waited = timeline.options().common.answer_timeout;
        // Each read is bounded, and so are all of them: a peer can tell of earlier messages without end.
        let mut deadline = Deadline::after(waited);
        loop {
            if let Some(known) = timeline.told(lines.message(), seq)? {
                return Ok(known);
            }
            if deadline.as_mut().is_some_and(Deadline::is_over) {
                return Err(Error::NoAnswer { waited });
            }
        }
    }

    fn ask(&mut self, seq: u64) -> Result<Reader<Stream>, Error> {
        let (request, decoder) = self.timeline.begin(seq)?;
        let mut stream = self.connect()?;
        stream.write_all(&request).map_err(Error::io)?;
        stream.flush().map_err(Error::io)?;
        let mut lines = Reader::with_decoder(stream, decoder);
        answered(lines.message())?;
        Ok(lines)
    }

    fn connect(&self) -> Result<Stream, Error> {
        let common = &self.timeline.options().common;
        let made = || {
            let (tls, time) = (common.tls.as_ref(), Some(common.connect_timeout));
            let stream = Dial::begin(self.hubs.current(), tls, Purpose::Hub, time)?.wait()?;
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(common.answer_timeout))?;
            stream.set_write_timeout(Some(common.answer_timeout))?;
            Ok(stream)
        };
        made().map_err(|error| Error::connect(Some(self.hubs.current().clone()), error))
    }
}
