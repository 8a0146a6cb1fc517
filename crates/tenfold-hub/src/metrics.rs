//! A hub's numbers, for whoever watches it over time.
//!
//! They are read from what the hub counts anyway, when somebody asks: nothing is done for them as messages pass, but for
//! the counters of `tally.rs` and `stats.rs`. Nothing that is read here waits for the disk or for a client.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tenfold::protocol::{ChannelName, Code};
use tenfold_log::{Log, Numbers, Stall, SyncTimes};
use tokio::task::yield_now;

use crate::channel::{Channel, ChannelNumbers};
use crate::shared::Shared;
use crate::stats::HubStats;

/// A hub's numbers at one moment; those that count only grow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// When the hub was started.
    pub started: SystemTime,
    /// How it is, in the words of `HEALTH`.
    pub status: &'static str,
    /// Its numbers.
    pub stats: HubStats,
    /// How many connections there are of each kind, as `CLIENTS` names them.
    pub connections: BTreeMap<&'static str, u64>,
    /// How many connections may publish or subscribe.
    pub max_connections: usize,
    /// How often publishers were told how much of theirs is kept.
    pub acks: u64,
    /// Calls that have given the system something to send to a subscriber.
    pub writes: u64,
    /// What clients were refused with, or would have been if they could be told.
    pub refusals: Vec<(Code, u64)>,
    /// What clients have done wrong.
    pub mistakes: Vec<(&'static str, u64)>,
    /// Channels that are told under their names, by name. Once a channel is one of these, it is until it is deleted.
    pub channels: Vec<(ChannelName, ChannelNumbers)>,
    /// All others together, with those that were deleted.
    pub others: ChannelNumbers,
    /// The memory for messages that is taken, and how much there is.
    pub memory: usize,
    /// The same that may be taken.
    pub max_memory: usize,
    /// Of a hub with a log.
    pub log: Option<LogMetrics>,
}

/// The numbers of a hub's log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogMetrics {
    /// Its numbers.
    pub numbers: Numbers,
    /// What all channels may take on disk together, in bytes.
    pub max_disk: u64,
    /// How long batches took to be written to the journal and synced.
    pub syncs: SyncTimes,
    /// For how long the disk has been waited for, if that is too long.
    pub waiting: Duration,
    /// Calls to the disk that have failed: the call, the name of its error, and how often that was met.
    pub faults: Vec<(&'static str, String, u64)>,
}

impl Shared {
    /// Its numbers now. It lets others run in between.
    pub(crate) async fn metrics(&self) -> Metrics {
        let mut lags = HashMap::new();
        let mut connections = BTreeMap::new();
        for part in self.clients.parts() {
            for client in part {
                *connections.entry(client.kind()).or_default() += 1;
                client.lags(|channel, lag| {
                    let largest: &mut u64 = lags.entry(identity(channel)).or_default();
                    *largest = lag.max(*largest);
                });
            }
            yield_now().await;
        }
        let (told, mut others) = self.registry.told();
        let mut channels = Vec::new();
        for channel in told {
            let mut numbers = channel.numbers();
            numbers.lag = lags.get(&identity(&channel)).copied().unwrap_or_default();
            if channel.is_told_apart.get() == Some(&true) {
                channels.push((channel.name().clone(), numbers));
            } else {
                others += numbers;
            }
        }
        let options = self.options.now();
        Metrics {
            started: self.started_at,
            status: self.status(),
            stats: self.stats(),
            connections,
            max_connections: options.max_connections,
            acks: self.tally.acks(),
            writes: self.counters.writes(),
            refusals: self.tally.refusals(),
            mistakes: self.mistakes.counts(),
            channels,
            others,
            memory: self.registry.total(),
            max_memory: options.memory,
            log: self
                .registry
                .on_disk()
                .map(|durable| self.log(&durable.log)),
        }
    }

    fn log(&self, log: &Log) -> LogMetrics {
        let waiting = match log.stall() {
            Some(Stall::Batch(time) | Stall::Lock(time)) => time,
            _ => Duration::ZERO,
        };
        LogMetrics {
            numbers: log.numbers(),
            max_disk: log.max_disk(),
            syncs: log.sync_times(),
            waiting,
            faults: self.tally.faults(),
        }
    }
}

/// One of the channels that there are now, whatever had its name before.
fn identity(channel: &Arc<Channel>) -> usize {
    Arc::as_ptr(channel).addr()
}
