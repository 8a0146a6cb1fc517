//! When the messages of a hub's channel were committed, for programs with a runtime.

use std::{fmt, io};

use tokio::io::AsyncWriteExt;

use super::connect::{Connect, Transport, begin};
use super::reader::Reader;
use crate::client::{Error, Timeline, Times, answered};
use crate::deadline::within;
use crate::protocol::{Committed, Epoch};

/// Tells when messages of a channel were committed, which the stream of messages does not say.
///
/// It asks the hub over a connection of its own, which it makes when it is first asked and again when that breaks. It is
/// made to be asked about the messages in the order in which they come: then one connection does for all of them.
///
/// ```no_run
/// use tenfold::asynchronous::Timekeeper;
/// use tenfold::client::Times;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let hub: tenfold::Address = "127.0.0.1:10010".parse()?;
/// let mut timekeeper = Timekeeper::new(hub, Times::new("ticks".parse()?));
/// println!("message 7 was committed at {}", timekeeper.of(7).await?.time);
/// # Ok(()) }
/// ```
pub struct Timekeeper {
    connect: Box<dyn Connect>,
    /// Whose turn it is, of the hubs that it may connect to.
    hub: usize,
    timeline: Timeline,
    lines: Option<Reader<Box<dyn Transport>>>,
}

impl Timekeeper {
    /// One that connects when it is first asked.
    pub fn new(hub: impl Connect + 'static, options: Times) -> Self {
        Self {
            connect: Box::new(hub),
            hub: 0,
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
    pub async fn of(&mut self, seq: u64) -> Result<Committed, Error> {
        if let Some(known) = self.timeline.of(seq) {
            return Ok(known);
        }
        // A connection may have broken since it told something last.
        let mut attempts = self.connect.hubs() + usize::from(self.lines.is_some());
        loop {
            attempts -= 1;
            match self.find(seq).await {
                Err(error) if attempts > 0 && self.timeline.is_worth_another(&error, seq) => {}
                found => return found,
            }
        }
    }

    async fn find(&mut self, seq: u64) -> Result<Committed, Error> {
        let found = self.find_over_one(seq).await;
        if found.is_err() {
            self.lines = None;
            self.hub = (self.hub + 1) % self.connect.hubs().max(1);
            self.connect.turn_to(self.hub);
        }
        found
    }

    /// Over the connection that there is, or over a new one.
    async fn find_over_one(&mut self, seq: u64) -> Result<Committed, Error> {
        if self.timeline.is_past(seq) {
            self.lines = None;
        }
        let made = match self.lines {
            Some(_) => None,
            None => Some(self.connect().await?),
        };
        let waited = self.timeline.options().common.answer_timeout;
        let read = within(waited, self.read_to(seq, made)).await;
        read.unwrap_or(Err(Error::NoAnswer { waited }))
    }

    async fn connect(&mut self) -> Result<Box<dyn Transport>, Error> {
        let common = &self.timeline.options().common;
        let connecting = begin(self.connect.as_mut(), common.tls.as_ref());
        let made = within(common.connect_timeout, connecting).await;
        let made = made.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
        made.map_err(|error| Error::connect(self.connect.address(), error))
    }

    async fn read_to(
        &mut self,
        seq: u64,
        made: Option<Box<dyn Transport>>,
    ) -> Result<Committed, Error> {
        if let Some(stream) = made {
            self.lines = Some(self.ask(seq, stream).await?);
        }
        let Self {
            timeline, lines, ..
        } = self;
        let lines = lines.as_mut().ok_or(Error::Closed)?;
        loop {
            if let Some(known) = timeline.told(lines.message().await, seq)? {
                return Ok(known);
            }
        }
    }

    async fn ask(
        &mut self,
        seq: u64,
        mut stream: Box<dyn Transport>,
    ) -> Result<Reader<Box<dyn Transport>>, Error> {
        let (request, decoder) = self.timeline.begin(seq)?;
        stream.write_all(&request).await.map_err(Error::io)?;
        stream.flush().await.map_err(Error::io)?;
        let mut lines = Reader::with_decoder(stream, decoder);
        answered(lines.message().await)?;
        Ok(lines)
    }
}

impl fmt::Debug for Timekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timekeeper")
            .field("timeline", &self.timeline)
            .finish_non_exhaustive()
    }
}
