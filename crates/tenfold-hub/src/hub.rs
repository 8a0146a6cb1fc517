//! Named channels behind listening sockets.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenfold::Listener;
use tenfold::protocol::{ChannelName, Epoch};
use tenfold_log::{Health, Log, Numbers};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::accepting::{Host, accept};
use crate::acceptor::Acceptor;
use crate::connection::Connection;
use crate::draining::Draining;
use crate::publisher::{Means, UNIT};
use crate::registry::Registry;
use crate::socket::{Peer, Socket};
use crate::stats::Counters;
use crate::{HubOptions, Intake};

/// Where clients connect, and what they can do there.
#[derive(Debug)]
pub struct Port {
    listener: Listener,
    kind: PortKind,
}

/// What clients can do at a port.
#[derive(Clone, Debug)]
pub(crate) enum PortKind {
    /// Whatever they ask for.
    Protocol,
    /// One thing, without asking.
    Plain(Arc<Plain>),
}

/// A port that belongs to one channel and needs no request.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The channel.
    pub channel: ChannelName,
    /// Who gets messages.
    pub direction: Direction,
    /// How many of the last messages who connects gets first.
    pub replay: Option<u64>,
    /// Whole frames that come before everything else; they are not in the channel.
    pub welcome: Bytes,
}

/// Who gets messages at a plain port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Who connects.
    #[default]
    Out,
    /// The channel.
    In,
    /// Both.
    Both,
}

impl Port {
    /// A port for the hub's protocol.
    pub fn protocol(listener: impl Into<Listener>) -> Self {
        Self {
            listener: listener.into(),
            kind: PortKind::Protocol,
        }
    }

    /// A port that belongs to one channel.
    pub fn plain(listener: impl Into<Listener>, plain: Plain) -> Self {
        Self {
            listener: listener.into(),
            kind: PortKind::Plain(Arc::new(plain)),
        }
    }
}

/// A server of named channels: `docs/hub-protocol.md`.
///
/// It runs until it is [drained](Self::drain). Nothing that one client does reaches another, except
/// through the channels.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    accepting: JoinSet<()>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Arc<HubOptions>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) means: Arc<Means>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) started: Instant,
    /// Places for connections that are served.
    pub(crate) places: Arc<Semaphore>,
    /// Connections that are there.
    pub(crate) connections: watch::Sender<usize>,
    /// Publishers that may still append.
    pub(crate) appending: watch::Sender<usize>,
    pub(crate) draining: Arc<Draining>,
}

/// A hub's numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// Connections that are there now.
    pub connections: usize,
    /// Connections that ever were.
    pub connections_total: u64,
    /// Channels that are there now.
    pub channels: usize,
    /// Messages committed since the start.
    pub messages: u64,
    /// Bytes of messages that are kept.
    pub bytes: u64,
    /// Messages given to the system for sending, over all subscribers.
    pub delivered: u64,
    /// Subscribers closed because their place was no longer kept.
    pub closed_slow: u64,
    /// Attempts to accept a client that the system refused.
    pub accept_errors: u64,
    /// How long it runs.
    pub uptime: Duration,
}

impl Hub {
    /// Starts to accept clients. To be called inside a tokio runtime with I/O and time.
    pub fn start(ports: impl IntoIterator<Item = Port>, options: HubOptions) -> io::Result<Self> {
        let doors = ports
            .into_iter()
            .map(|port| Ok((Acceptor::new(port.listener)?, port.kind)))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self::open(doors, options, random_epoch()?, None))
    }

    /// [`start`](Self::start) with a log, in which all channels are kept. Whoever runs the log ends it
    /// after the hub.
    pub fn with_log(
        ports: impl IntoIterator<Item = Port>,
        options: HubOptions,
        log: Log,
    ) -> io::Result<Self> {
        let doors = ports
            .into_iter()
            .map(|port| Ok((Acceptor::new(port.listener)?, port.kind)))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self::open(doors, options, random_epoch()?, Some(log)))
    }

    pub(crate) fn open(
        doors: Vec<(Acceptor, PortKind)>,
        options: HubOptions,
        epoch: Epoch,
        log: Option<Log>,
    ) -> Self {
        let shared = Arc::new(Shared::new(options, epoch, log));
        let most = shared.options.max_pending.clamp(1, Semaphore::MAX_PERMITS);
        let pending = Arc::new(Semaphore::new(most));
        let mut accepting = JoinSet::new();
        for (acceptor, kind) in doors {
            let places = matches!(kind, PortKind::Protocol).then(|| Arc::clone(&pending));
            let door = Door {
                shared: Arc::clone(&shared),
                kind,
            };
            accepting.spawn(accept(acceptor, places, door));
        }
        if shared.registry.on_disk().is_some() {
            accepting.spawn(hold(Arc::clone(&shared)));
        }
        Self { shared, accepting }
    }

    /// Its numbers now.
    pub fn stats(&self) -> HubStats {
        self.shared.stats()
    }

    /// Ends the hub: accepts nobody and receives nothing any more, commits and acknowledges what
    /// was received whole, gives subscribers the committed messages to the end, and closes each
    /// connection on a frame boundary. Who is left after the time of the options is cut: how many
    /// these are can be seen in [`connections`](HubStats::connections).
    pub async fn drain(mut self) -> HubStats {
        let shared = &self.shared;
        let start = Instant::now();
        let end = start + shared.options.drain;
        self.accepting.shutdown().await;
        shared.draining.raise();
        // What can still be appended is appended before the channels end; but nobody may hold them
        // open until there is no time left to deliver.
        let half = start + shared.options.drain / 2;
        let _ = timeout_at(half, none_left(&shared.appending)).await;
        shared.registry.close();
        let _ = timeout_at(end, none_left(&shared.connections)).await;
        self.stats()
    }
}

impl Drop for Hub {
    /// Without a hub the clients get what there is and are closed.
    fn drop(&mut self) {
        self.shared.draining.raise();
        self.shared.registry.close();
    }
}

/// How often it is looked where the slow subscribers stand.
const LOOK: Duration = Duration::from_millis(250);

/// Keeps what slow subscribers need, where publishers wait for them.
async fn hold(shared: Arc<Shared>) {
    struct End(Arc<Shared>);

    impl Drop for End {
        fn drop(&mut self) {
            for history in self.0.registry.holding() {
                if let Some(holding) = &history.holding {
                    holding.end(&*history.channel);
                }
            }
        }
    }

    let end = End(shared);
    loop {
        for history in end.0.registry.holding() {
            if let Some(holding) = &history.holding {
                holding.look(&*history.channel, Instant::now());
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn none_left(count: &watch::Sender<usize>) {
    // An error would mean that the sender is gone, and it is here.
    let _ = count.subscribe().wait_for(|count| *count == 0).await;
}

fn random_epoch() -> io::Result<Epoch> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Epoch(u64::from_ne_bytes(bytes)))
}

impl Shared {
    fn new(options: HubOptions, epoch: Epoch, log: Option<Log>) -> Self {
        let options = Arc::new(options);
        let places =
            |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        let largest = usize::try_from(options.max_message).unwrap_or(usize::MAX);
        // What is held is a message, and what came behind it in the same read.
        let least = largest.saturating_add(2 * Intake::MAX_ROOM);
        let units = options.max_uncommitted.max(least) / UNIT;
        Self {
            registry: Arc::new(match log {
                Some(log) => Registry::durable(epoch, Arc::clone(&options), log),
                None => Registry::new(epoch, Arc::clone(&options)),
            }),
            means: Arc::new(Means {
                uncommitted: places(units),
                large: places(options.max_large),
                drain: options.drain,
                patience: options.stall_timeout,
            }),
            counters: Arc::default(),
            started: Instant::now(),
            places: places(options.max_connections),
            connections: watch::Sender::new(0),
            appending: watch::Sender::new(0),
            draining: Arc::default(),
            options,
        }
    }

    /// What `HEALTH` says.
    pub(crate) fn health(&self) -> String {
        let HubStats {
            connections,
            channels,
            messages,
            bytes,
            uptime,
            ..
        } = self.stats();
        let log = self.registry.on_disk().map(|durable| &durable.log);
        let status = match log.map(Log::health) {
            None | Some(Health::Ok) => "ok",
            Some(Health::Full) => "full",
            Some(_) => "read-only",
        };
        let mut line = format!(
            "OK status={status} version={} uptime={} connections={connections} channels={channels} messages={messages} bytes={bytes}",
            env!("CARGO_PKG_VERSION"),
            uptime.as_secs(),
        );
        if let Some(log) = log {
            let Numbers {
                batches,
                checkpoints,
                removed,
                ..
            } = log.numbers();
            let _ = write!(
                line,
                " batches={batches} checkpoints={checkpoints} removed={removed}"
            );
        }
        line
    }

    pub(crate) fn stats(&self) -> HubStats {
        let connections = *self.connections.borrow();
        let numbers = self.counters.read(connections, 0);
        let (mut messages, mut bytes) = (0, 0);
        let channels = self.registry.channels();
        for channel in &channels {
            let (committed, kept) = channel.size();
            messages += committed;
            bytes += kept;
        }
        HubStats {
            connections,
            connections_total: numbers.clients_total,
            channels: channels.len(),
            messages,
            bytes,
            delivered: numbers.delivered,
            closed_slow: numbers.closed_slow,
            accept_errors: numbers.accept_errors,
            uptime: self.started.elapsed(),
        }
    }
}

/// One port, for those who accept.
struct Door {
    shared: Arc<Shared>,
    kind: PortKind,
}

impl Host for Door {
    fn serve(&self, (socket, peer): (Socket, Peer), place: Option<OwnedSemaphorePermit>) {
        let connections = *self.shared.connections.borrow();
        socket.prepare(Some(self.shared.options.send_buffer(connections)));
        let connection = Connection::new(Arc::clone(&self.shared), socket, peer);
        match &self.kind {
            PortKind::Protocol => drop(tokio::spawn(connection.serve(place))),
            PortKind::Plain(plain) => {
                drop(tokio::spawn(connection.serve_plain(Arc::clone(plain))));
            }
        }
    }

    fn failed(&self, error: io::Error) {
        self.shared.counters.accept_failed();
        warn!(%error, "cannot accept a connection");
    }
}
