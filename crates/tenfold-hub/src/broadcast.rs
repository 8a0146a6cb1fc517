//! One tail behind listening sockets: who connects gets the messages.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenfold::Listener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::accepting::{Host, accept};
use crate::acceptor::Acceptor;
use crate::cursor::Start;
use crate::socket::{Peer, Socket};
use crate::stats::{Counters, Event, Stats};
use crate::subscriber::{Drain, Subscriber};
use crate::{Block, Tail, WhenSlow};

/// How a broadcast treats its clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How much of the stream is kept for clients that are behind, in bytes.
    pub capacity: usize,
    /// What happens to those that are further behind.
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
    /// The usual cap of a socket's send buffer: one vectored write. More was slower when measured,
    /// and a client that never reads costs the system this much and no more.
    pub const SEND_BUFFER: usize = 512 * 1024;

    /// What is kept where the source waits for the slowest: no more than the processor's cache
    /// holds. A larger tail gains nothing, because the source ends up waiting anyway, and is half
    /// as fast, because each client then reads it from main memory.
    pub const CAPACITY_WAIT: usize = 1024 * 1024;

    /// What is kept where a slow client loses its place: several seconds of a fast stream.
    pub const CAPACITY: usize = 64 * 1024 * 1024;

    /// The usual treatment under a policy.
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

/// Somebody who is told what happens to the clients. It is called on the engine's threads, so it
/// must return soon.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(Event) + Send + Sync>);

impl Observer {
    /// Tells a function.
    pub fn new(tell: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
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

/// A server that sends the same stream to everybody who connects.
///
/// Append to its [`tail`](Self::tail), and [`drain`](Self::drain) at the end. Nothing that a
/// client does reaches the source or another client, except that a slow one can hold the source
/// if [`WhenSlow::Wait`] says so.
#[derive(Debug)]
pub struct Broadcast {
    shared: Arc<Shared>,
    accepting: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    tail: Tail,
    options: Options,
    counters: Arc<Counters>,
    clients: watch::Sender<usize>,
    places: Arc<Semaphore>,
}

impl Broadcast {
    /// Starts to accept clients. To be called inside a tokio runtime with I/O and time.
    pub fn start(
        listeners: impl IntoIterator<Item = Listener>,
        options: Options,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            tail: Tail::new(options.capacity, options.when_slow),
            counters: Arc::default(),
            clients: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(options.max_clients)),
            options,
        });
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(
                Acceptor::new(listener)?,
                Some(Arc::clone(&shared.places)),
                Door(Arc::clone(&shared)),
            ));
        }
        Ok(Self { shared, accepting })
    }

    /// Where the messages are appended.
    pub fn tail(&self) -> &Tail {
        &self.shared.tail
    }

    /// Its numbers now.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        shared
            .counters
            .read(*shared.clients.borrow(), shared.tail.next_seq())
    }

    /// Waits until so many clients are connected.
    pub async fn wait_clients(&self, count: usize) {
        self.shared.wait_clients(|now| now >= count).await;
    }

    /// Ends the broadcast: accepts nobody any more, gives everything to every client, and closes
    /// each connection on a frame boundary. It takes as long as there is a client that keeps
    /// taking something.
    pub async fn drain(mut self) -> Stats {
        self.accepting.shutdown().await;
        self.shared.tail.close();
        self.shared.wait_clients(|now| now == 0).await;
        self.stats()
    }
}

impl Drop for Broadcast {
    /// Without somebody to append, the clients get what there is and are closed.
    fn drop(&mut self) {
        self.shared.tail.close();
    }
}

impl Shared {
    async fn wait_clients(&self, met: impl Fn(usize) -> bool) {
        // An error would mean that the sender is gone, and it is here.
        let _ = self.clients.subscribe().wait_for(|now| met(*now)).await;
    }
}

/// A broadcast, for those who accept.
struct Door(Arc<Shared>);

impl Host for Door {
    fn serve(&self, client: (Socket, Peer), place: Option<OwnedSemaphorePermit>) {
        let Self(shared) = self;
        let options = &shared.options;
        client.0.prepare(options.send_buffer);
        (options.observer.0)(Event::Connected(client.1));
        let subscriber = Subscriber::new(
            client,
            Block::new(options.welcome.clone(), 0),
            (shared.tail.cursor(options.start), None),
            Drain::Silence(options.drain),
            Arc::clone(&shared.counters),
        );
        let presence = Presence::new(Arc::clone(shared));
        tokio::spawn(async move {
            let report = subscriber.run().await;
            (presence.0.options.observer.0)(Event::Ended(report));
            drop(presence);
            drop(place);
        });
    }

    fn failed(&self, error: io::Error) {
        self.0.counters.accept_failed();
        (self.0.options.observer.0)(Event::AcceptFailed(error));
    }
}

/// Counts a client as long as it is there, however its task ends.
struct Presence(Arc<Shared>);

impl Presence {
    fn new(shared: Arc<Shared>) -> Self {
        shared.counters.accepted();
        shared.clients.send_modify(|clients| *clients += 1);
        Self(shared)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.clients.send_modify(|clients| *clients -= 1);
    }
}
