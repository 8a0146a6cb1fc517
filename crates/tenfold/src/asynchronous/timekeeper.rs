//! When the messages of a hub's channel were committed, for programs with a runtime.

use std::fmt;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::connect::{Connect, Transport, begin};
use super::reader::Reader;
use crate::client::{Error, Timeline, Times, answered, is_break};
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
    timeline: Timeline,
    lines: Option<Reader<Box<dyn Transport>>>,
}

impl Timekeeper {
    /// One that connects when it is first asked.
    pub fn new(hub: impl Connect + 'static, options: Times) -> Self {
        Self {
            connect: Box::new(hub),
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
        let was_connected = self.lines.is_some();
        match self.find(seq).await {
            Err(error) if was_connected && is_break(&error) => self.find(seq).await,
            found => found,
        }
    }

    async fn find(&mut self, seq: u64) -> Result<Committed, Error> {
        let waited = self.timeline.options().common.answer_timeout;
        let read = timeout(waited, self.read_to(seq)).await;
        let found = read.unwrap_or(Err(Error::NoAnswer { waited }));
        if found.is_err() {
            self.lines = None;
        }
        found
    }

    async fn read_to(&mut self, seq: u64) -> Result<Committed, Error> {
        if self.timeline.is_past(seq) {
            self.lines = None;
        }
        if self.lines.is_none() {
            self.lines = Some(self.ask(seq).await?);
        }
        let Self {
            timeline, lines, ..
        } = self;
        let lines = lines.as_mut().ok_or(Error::Closed)?;
        loop {
            timeline.told(lines.message().await)?;
            if let Some(known) = timeline.of(seq) {
                return Ok(known);
            }
        }
    }

    async fn ask(&mut self, seq: u64) -> Result<Reader<Box<dyn Transport>>, Error> {
        let (request, decoder) = self.timeline.begin(seq)?;
        let connecting = begin(self.connect.as_mut(), &self.timeline.options().common);
        let failed = |error| Error::connect(self.connect.address(), error);
        let mut stream = connecting.await.map_err(failed)?;
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
