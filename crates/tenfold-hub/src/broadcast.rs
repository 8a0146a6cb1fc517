//! One tail behind listening sockets: each client that connects gets the messages.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tenfold::Listener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::accepting::{Host, accept};
use crate::acceptor::Acceptor;
use crate::block::Block;
use crate::deadline::within;
use crate::options::Options;
use crate::peer::Peer;
use crate::presence::{Presence, Present};
use crate::socket::Socket;
use crate::stats::{ClientEvent, Counters, Stats};
use crate::subscriber::{Drain, Subscriber};
use crate::tail::Tail;
use crate::tls_session::NoHandshake;
use crate::transport::Transport;

/// How long a client may take from its connection to the end of its handshake, where that is over TLS.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A server that sends the same stream to each client that connects.
///
/// Append to its [`tail`](Self::tail), and [`drain`](Self::drain) at the end. Nothing that a
/// client does reaches the source or another client, except that a slow one can hold the source
/// if [`WhenSlow::Wait`](crate::WhenSlow::Wait) says so.
///
/// ```
/// use std::net::TcpListener;
/// use tenfold_hub::{Block, Broadcast, Options};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let broadcast = Broadcast::start([listener.into()], Options::default())?;
/// broadcast.tail().append(Block::new("5         hello", 1)).await?;
/// let stats = broadcast.drain().await;
/// assert_eq!(stats.messages, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Broadcast {
    shared: Arc<BroadcastState>,
    accepting: JoinSet<()>,
}

#[derive(Debug)]
struct BroadcastState {
    tail: Tail,
    options: Options,
    counters: Arc<Counters>,
    clients: Present,
    places: Arc<Semaphore>,
}

impl Broadcast {
    /// Starts to accept clients. To be called inside a tokio runtime with I/O and time.
    pub fn start(
        listeners: impl IntoIterator<Item = Listener>,
        options: Options,
    ) -> io::Result<Self> {
        let shared = Arc::new(BroadcastState {
            tail: Tail::new(options.capacity, options.when_slow),
            counters: Arc::default(),
            clients: Present::default(),
            places: Arc::new(Semaphore::new(options.max_clients)),
            options,
        });
        let mut accepting = JoinSet::new();
        for listener in listeners {
            let acceptor = Arc::new(Acceptor::new(listener)?);
            let door = Door {
                shared: Arc::clone(&shared),
                acceptor: Arc::clone(&acceptor),
            };
            accepting.spawn(accept(acceptor, door));
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
            .read(shared.clients.count(), shared.tail.next_seq())
    }

    /// Waits until so many clients are connected.
    pub async fn wait_clients(&self, count: usize) {
        self.shared.clients.until(|now| now >= count).await;
    }

    /// Ends the broadcast: accepts no more clients, gives everything to every client, and closes
    /// each connection on a frame boundary. It takes as long as there is a client that keeps
    /// taking something.
    pub async fn drain(mut self) -> Stats {
        self.accepting.shutdown().await;
        self.shared.tail.close();
        self.shared.clients.until(|now| now == 0).await;
        self.stats()
    }
}

impl Drop for Broadcast {
    /// A source without its broadcast cannot append any more: the clients get what there is and are
    /// closed.
    fn drop(&mut self) {
        self.shared.tail.close();
    }
}

/// A broadcast, as the loop that accepts sees it.
struct Door {
    shared: Arc<BroadcastState>,
    acceptor: Arc<Acceptor>,
}

impl Host for Door {
    type Place = Option<OwnedSemaphorePermit>;

    async fn place(&self) -> Self::Place {
        // The semaphore is never closed.
        Arc::clone(&self.shared.places).acquire_owned().await.ok()
    }

    fn serve(&self, (transport, peer): (Transport, Peer), place: Self::Place) {
        transport.prepare(self.shared.options.send_buffer);
        let shared = Arc::clone(&self.shared);
        let Some(config) = self.acceptor.config() else {
            let subscriber = shared.subscriber(Socket::from(transport), peer);
            tokio::spawn(shared.serve(subscriber, place));
            return;
        };
        let socket = match Socket::over_tls(transport, Arc::clone(config)) {
            Ok(socket) => socket,
            Err(error) => return shared.failed(io::Error::other(error)),
        };
        tokio::spawn(async move {
            match within(HANDSHAKE, socket.handshake()).await {
                Some(Ok(())) => {
                    let subscriber = shared.subscriber(socket, peer);
                    shared.serve(subscriber, place).await;
                }
                Some(Err(NoHandshake::Failed(error))) => {
                    shared.failed(io::Error::new(io::ErrorKind::InvalidData, error));
                    socket.finish(false).await;
                }
                // It has gone, or it speaks something else, or nothing.
                Some(Err(NoHandshake::NotTls | NoHandshake::Gone(_))) | None => {}
            }
        });
    }

    fn failed(&self, error: io::Error) {
        self.shared.failed(error);
    }
}

impl BroadcastState {
    /// Enters a client; it is sent what comes from now on.
    fn subscriber(&self, socket: Socket, peer: Peer) -> (Subscriber, Presence) {
        let options = &self.options;
        options.observer.tell(ClientEvent::Connected(peer));
        let subscriber = Subscriber::new(
            (socket, peer),
            Block::new(options.welcome.clone(), 0),
            (self.tail.cursor(options.start), None),
            Drain::Silence(options.drain),
            Arc::clone(&self.counters),
        );
        self.counters.accepted();
        (subscriber, self.clients.enter())
    }

    /// Serves a client to its end.
    async fn serve(
        self: Arc<Self>,
        (subscriber, presence): (Subscriber, Presence),
        place: Option<OwnedSemaphorePermit>,
    ) {
        let report = subscriber.run().await;
        self.options.observer.tell(ClientEvent::Ended(report));
        drop(presence);
        drop(place);
    }

    fn failed(&self, error: io::Error) {
        self.counters.accept_failed();
        self.options.observer.tell(ClientEvent::AcceptFailed(error));
    }
}
