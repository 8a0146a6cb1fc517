//! What a broadcast is doing, for people.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::peer::Peer;

/// A broadcast's numbers at one moment. They only grow, except `clients`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Clients that are connected now.
    pub clients: usize,
    /// Clients that ever were.
    pub clients_total: u64,
    /// Messages of the source.
    pub messages: u64,
    /// Messages given to the system for sending, over all clients.
    pub delivered: u64,
    /// Bytes given to the system for sending, over all clients.
    pub bytes: u64,
    /// Messages dropped for slow clients, over all of these.
    pub skipped: u64,
    /// Clients closed because they were too slow.
    pub closed_slow: u64,
    /// Clients cut at the end of the source because they took nothing any more.
    pub stalled: u64,
    /// Attempts to accept a client that the system refused, for lack of file descriptors mostly.
    pub accept_errors: u64,
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
    /// Bytes given to the system for sending, over all subscribers.
    pub sent_bytes: u64,
    /// Subscribers closed because their place was no longer kept.
    pub closed_slow: u64,
    /// Attempts to accept a client that the system refused.
    pub accept_errors: u64,
    /// How long the hub has been running.
    pub uptime: Duration,
}

/// How a client's stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The source has ended, and everything was handed over.
    Complete,
    /// The client was too slow: the tail could not keep its place any longer.
    Slow,
    /// The next message is damaged on disk, or cannot be read.
    Damaged,
    /// The source has ended, but the client took nothing for the whole drain time.
    Stalled,
    /// The client went away.
    Gone(io::ErrorKind),
    /// A channel appeared that it would follow, and it follows as many as it may.
    TooManyChannels,
    /// The client had half-closed, and its place was needed for another one.
    GaveWay,
    /// The client may not have the messages any more.
    Revoked,
}

/// What became of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientReport {
    /// The client.
    pub peer: Peer,
    /// How it ended.
    pub end: End,
    /// Messages given to the system for sending in full.
    pub messages: u64,
    /// Bytes given to the system for sending.
    pub bytes: u64,
    /// Messages dropped for this client.
    pub skipped: u64,
    /// The stream was cut inside a block, because the client did not take the rest of it.
    pub torn: bool,
}

/// Something happened to a client. Told as it happens, from the engine's threads.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A client has connected.
    Connected(Peer),
    /// A client's connection has ended.
    Ended(ClientReport),
    /// A client could not be accepted; the next attempt comes soon.
    AcceptFailed(io::Error),
}

/// The counters behind [`Stats`]. Each is updated once per write or per connection. No decision
/// depends on them, so they need no order among each other.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    delivered: AtomicU64,
    bytes: AtomicU64,
    /// Calls that have given the system something to send.
    writes: AtomicU64,
    skipped: AtomicU64,
    closed_slow: AtomicU64,
    stalled: AtomicU64,
    accept_errors: AtomicU64,
}

impl Counters {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }

    /// One write. Without bytes it is only noted that messages were sent before.
    pub(crate) fn sent(&self, messages: u64, bytes: u64) {
        self.delivered.fetch_add(messages, Relaxed);
        if bytes > 0 {
            self.bytes.fetch_add(bytes, Relaxed);
            self.writes.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    pub(crate) fn skipped(&self, messages: u64) {
        self.skipped.fetch_add(messages, Relaxed);
    }

    pub(crate) fn ended(&self, end: End) {
        match end {
            End::Slow => self.closed_slow.fetch_add(1, Relaxed),
            End::Stalled => self.stalled.fetch_add(1, Relaxed),
            End::Complete
            | End::Damaged
            | End::Gone(_)
            | End::GaveWay
            | End::Revoked
            | End::TooManyChannels => 0,
        };
    }

    pub(crate) fn read(&self, clients: usize, messages: u64) -> Stats {
        Stats {
            clients,
            clients_total: self.accepted.load(Relaxed),
            messages,
            delivered: self.delivered.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            closed_slow: self.closed_slow.load(Relaxed),
            stalled: self.stalled.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
        }
    }
}
