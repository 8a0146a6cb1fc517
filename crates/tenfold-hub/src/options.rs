//! How a broadcast treats its clients.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cursor::Start;
use crate::stats::ClientEvent;
use crate::transport::SEND_BUFFER;
use crate::when_slow::WhenSlow;

/// How a broadcast treats its clients.
///
/// ```
/// use tenfold_hub::{ClientEvent, Observer, Options, Start, WhenSlow};
///
/// let mut options = Options::new(WhenSlow::Close);
/// options.start = Start::First;
/// options.observer = Observer::new(|event| {
///     if let ClientEvent::Connected(peer) = event {
///         println!("{peer} connected");
///     }
/// });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How much of the stream is kept for clients that are behind, in bytes.
    pub capacity: usize,
    /// What happens to clients that are further behind.
    pub when_slow: WhenSlow,
    /// Where a new client starts.
    pub start: Start,
    /// Whole frames that each client gets before the first message; they are not in the tail.
    pub welcome: Bytes,
    /// How long a client may take nothing at the end, before it is cut.
    pub drain: Duration,
    /// How many clients are served at once. More have to wait until one goes.
    pub max_clients: usize,
    /// The size of each socket's send buffer. `None` leaves it to the system, which lets it grow
    /// with the speed of the connection.
    pub send_buffer: Option<usize>,
    /// Is told what happens to the clients.
    pub observer: Observer,
}

impl Options {
    /// The usual cap of a socket's send buffer, in bytes: one vectored write. More was slower when measured,
    /// and a client that never reads costs the system this much and no more.
    pub const SEND_BUFFER: usize = SEND_BUFFER;

    /// What is kept where the source waits for the slowest, in bytes: no more than the processor's cache
    /// holds. A larger tail gains nothing, because the source ends up waiting anyway, and is half
    /// as fast, because each client then reads it from main memory.
    pub const CAPACITY_WAIT: usize = 1024 * 1024;

    /// What is kept where a slow client loses its place, in bytes: several seconds of a fast stream.
    pub const CAPACITY: usize = 64 * 1024 * 1024;

    /// The usual options for a way to treat slow clients.
    pub fn new(when_slow: WhenSlow) -> Self {
        Self {
            capacity: match when_slow {
                WhenSlow::Wait(_) => Self::CAPACITY_WAIT,
                WhenSlow::Close | WhenSlow::Skip => Self::CAPACITY,
            },
            when_slow,
            start: Start::default(),
            welcome: Bytes::new(),
            drain: Duration::from_secs(5),
            max_clients: 10_000,
            send_buffer: Some(Self::SEND_BUFFER),
            observer: Observer::default(),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new(WhenSlow::default())
    }
}

/// A function that is told what happens to the clients. The engine calls it on its own threads, so
/// it must return soon.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(ClientEvent) + Send + Sync>);

impl Observer {
    /// An observer that calls a function.
    pub fn new(tell: impl Fn(ClientEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, event: ClientEvent) {
        (self.0)(event);
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
