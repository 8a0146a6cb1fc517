//! The messages of a hub's channel, for programs that wait.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::client::{Error, Event, Message, Progress, Subscribe, Subscription};
use crate::error::is_time_out;
use crate::protocol::Epoch;
use crate::stream::Stream;

/// Receives the messages of a channel of a hub: each once and in order, over as many connections as
/// it takes.
///
/// [`message`](Self::message) lends the next message; [`next_event`](Self::next_event) also tells
/// what happens to the connection. As an iterator it gives owned messages.
///
/// ```no_run
/// use tenfold::blocking::Subscriber;
/// use tenfold::client::Subscribe;
///
/// let hub = "127.0.0.1:10010".parse()?;
/// let mut subscriber = Subscriber::new(&hub, Subscribe::new("ticks".parse()?));
/// while let Some(message) = subscriber.message()? {
///     println!("{} {}", message.seq, message.bytes.escape_ascii());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After an error, and at the end that was asked for, there is nothing more: `None`.
#[derive(Debug)]
pub struct Subscriber {
    address: Address,
    core: Subscription,
    stream: Option<Stream>,
    /// Whether the stream's reads are bounded by what is left for the answer.
    bounded: bool,
    /// When to connect, since `started`.
    connect_at: Duration,
    asked_at: Instant,
    started: Instant,
}

impl Subscriber {
    /// A subscriber that connects when it is first asked for something.
    pub fn new(hub: &Address, options: Subscribe) -> Self {
        let now = Instant::now();
        Self {
            address: hub.clone(),
            core: Subscription::new(options),
            stream: None,
            bounded: false,
            connect_at: Duration::ZERO,
            asked_at: now,
            started: now,
        }
    }

    /// The next message, lent until the next call.
    #[inline]
    pub fn message(&mut self) -> Result<Option<Message<&[u8]>>, Error> {
        let is_there = self.go_on_to_message()?;
        Ok(if is_there { self.core.message() } else { None })
    }

    /// The next thing that happens, lent until the next call.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self.go_on()? {
            Progress::Done => Ok(None),
            _ => Ok(self.core.take_event()),
        }
    }

    /// The next event, if it is there already; does not wait. `None` is the time to flush what was
    /// made of the events before.
    #[inline]
    pub fn buffered_event(&mut self) -> Option<Event<'_>> {
        match self.core.advance() {
            Progress::Message | Progress::Notice => self.core.take_event(),
            _ => None,
        }
    }

    /// The seq of the next message: where to go on, in another run. `None` while it is not known.
    pub fn next_seq(&self) -> Option<u64> {
        self.core.next_seq()
    }

    /// The epoch of that seq. `None` while it is not known.
    pub fn epoch(&self) -> Option<Epoch> {
        self.core.epoch()
    }

    /// The seq that the hub was going to commit next when it answered last. `None` before.
    pub fn end(&self) -> Option<u64> {
        self.core.answer().map(|answer| answer.next)
    }

    fn go_on_to_message(&mut self) -> Result<bool, Error> {
        loop {
            match self.go_on()? {
                Progress::Message => return Ok(true),
                Progress::Done => return Ok(false),
                _ => drop(self.core.take_event()),
            }
        }
    }

    /// Goes on to an event or the end.
    #[inline]
    fn go_on(&mut self) -> Result<Progress, Error> {
        loop {
            match self.core.advance() {
                Progress::NeedsBytes => self.read(),
                Progress::NeedsConnection => self.connect(),
                Progress::Cut => {
                    self.stream = None;
                    self.connect_at = self.core.cut(self.started.elapsed())?;
                }
                there => return Ok(there),
            }
        }
    }

    fn connect(&mut self) {
        let wait = self.connect_at.saturating_sub(self.started.elapsed());
        std::thread::sleep(wait);
        let time = self.core.options().common.connect_timeout;
        match self.address.connect_blocking(Some(time)) {
            Ok(stream) => self.ask(stream).unwrap_or_else(|error| self.lost(error)),
            Err(error) => self.core.lost(Error::connect(error)),
        }
    }

    fn ask(&mut self, mut stream: Stream) -> io::Result<()> {
        let request = self.core.connected(self.started.elapsed());
        self.asked_at = Instant::now();
        stream.set_write_timeout(Some(self.core.options().common.answer_timeout))?;
        stream.write_all(&request)?;
        self.stream = Some(stream);
        Ok(())
    }

    fn lost(&mut self, error: io::Error) {
        self.core.lost(Error::io(error));
    }

    fn read(&mut self) {
        match self.read_once() {
            Ok(n) => self.core.received(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_time_out(&error) && self.bounded => {
                let waited = self.core.options().common.answer_timeout;
                self.core.lost(Error::NoAnswer { waited });
            }
            Err(error) => self.lost(error),
        }
    }

    fn read_once(&mut self) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if self.core.awaits_answer() {
            let time = self.core.options().common.answer_timeout;
            let left = time.saturating_sub(self.asked_at.elapsed());
            self.bounded = true;
            // A time-out of zero would be none.
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        } else if self.bounded {
            self.bounded = false;
            stream.set_read_timeout(None)?;
        }
        stream.read(self.core.space())
    }
}

impl Iterator for Subscriber {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.go_on_to_message() {
            Ok(true) => self.core.take_message().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
