//! What all connections of a hub share.

use std::fmt::Write as _;
use std::sync::Arc;

use tenfold::protocol::Epoch;
use tenfold_log::{Health, Log, Numbers};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::draining::Draining;
use crate::hub_options::HubOptions;
use crate::intake::Intake;
use crate::memory::{Means, UNIT};
use crate::registry::Registry;
use crate::stats::{Counters, HubStats};

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

impl Shared {
    pub(crate) fn new(options: HubOptions, epoch: Epoch, log: Option<Log>) -> Self {
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
