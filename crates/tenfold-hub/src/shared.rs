//! What all connections of a hub share.

use std::sync::Arc;
use std::time::SystemTime;

use tenfold::protocol::Epoch;
use tenfold_gate::Visitor;
use tenfold_log::{Health, Log, Numbers, Opening, Progress, Stall};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::clients::Clients;
use crate::flag::Flag;
use crate::giving_way::GivingWay;
use crate::health::HubHealth;
use crate::hub_options::HubOptions;
use crate::live::{Live, Resizable};
use crate::memory::{Receiving, permits};
use crate::mistakes::Mistakes;
use crate::pending::Pending;
use crate::presence::Present;
use crate::refusal_log::RefusalLog;
use crate::registry::Registry;
use crate::shares::Shares;
use crate::stats::{Counters, HubStats};
use crate::tally::Tally;
use crate::upstream::Upstream;

/// Connections that are told at once how the hub is. An answer is a line, so each needs its place for
/// a moment only.
const ASKING: usize = 64;
/// Connections that are sent a list of channels or of connections at once. They may take it slowly.
const LISTING: usize = 64;
/// Connections that are answered late at once.
const PUNISHED: usize = 256;
/// Mirrors of a hub. Each may be sent one large message.
const MIRRORS: usize = 64;
/// Channels that are deleted at once.
const DELETING: usize = 64;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The log is still being opened: there are no channels, and clients are told.
    pub(crate) starting: Option<Start>,
    pub(crate) options: Arc<Live>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) receiving: Arc<Receiving>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) mistakes: Arc<Mistakes>,
    pub(crate) refusals: Arc<RefusalLog>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) shares: Arc<Shares>,
    /// Whoever connects, as long as nobody is asked.
    pub(crate) anybody: Visitor,
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
    /// Connections that have not said what they want.
    pub(crate) pending: Arc<Pending>,
    /// The same of other protocols, of those that neither publish nor subscribe yet.
    pub(crate) guests: Arc<Pending>,
    /// Places for publishers and subscribers.
    pub(crate) places: Resizable,
    /// Places in channels, for connections that follow many.
    pub(crate) followed: Arc<Semaphore>,
    /// Places for connections that wait for the place of another one.
    pub(crate) waiting: Semaphore,
    /// Subscribers that may have to give their places to others.
    pub(crate) giving_way: Arc<GivingWay>,
    /// Places for those that ask how the hub is, and for those that ask for its channels or clients.
    pub(crate) asking: Semaphore,
    pub(crate) listing: Semaphore,
    /// The hub is a mirror of this one.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Places for mirrors of this hub.
    pub(crate) mirroring: Arc<Semaphore>,
    /// Places for those that delete a channel.
    pub(crate) deleting: Semaphore,
    /// Places for those that are answered late, because of credentials that are not valid.
    pub(crate) punished: Semaphore,
    /// How many connections there are.
    pub(crate) connections: Present,
    /// How many publishers may still append.
    pub(crate) appending: Present,
    pub(crate) draining: Flag,
}

impl Shared {
    pub(crate) fn new(options: HubOptions, epoch: Epoch, log: Option<Log>) -> Self {
        let live = Arc::new(Live::new(options));
        let options = live.now();
        let registry = Arc::new(match log {
            Some(log) => Registry::durable(epoch, Arc::clone(&live), log),
            None => Registry::new(epoch, Arc::clone(&live)),
        });
        Self {
            starting: None,
            receiving: Arc::clone(registry.receiving()),
            registry,
            counters: Arc::default(),
            tally: Arc::default(),
            mistakes: Arc::default(),
            refusals: Arc::default(),
            clients: Arc::default(),
            shares: Arc::default(),
            punished: Semaphore::new(PUNISHED),
            anybody: Visitor::anybody(),
            started: Instant::now(),
            started_at: (options.clock)(),
            pending: Arc::new(Pending::new(options.max_pending)),
            guests: Arc::new(Pending::new(options.max_pending)),
            places: Resizable::new(options.max_connections),
            followed: permits(options.max_followed_in_all),
            waiting: Semaphore::new(options.max_pending),
            giving_way: Arc::default(),
            asking: Semaphore::new(ASKING),
            listing: Semaphore::new(LISTING),
            deleting: Semaphore::new(DELETING),
            upstream: options
                .mirror
                .clone()
                .map(|mirror| Arc::new(Upstream::new(mirror))),
            mirroring: Arc::new(Semaphore::new(MIRRORS)),
            connections: Present::default(),
            appending: Present::default(),
            draining: Flag::default(),
            options: live,
        }
    }

    /// Changes those of the options that can be changed while the hub runs.
    pub(crate) async fn change(&self, to: &HubOptions) {
        self.options.change(to);
        self.look_again();
        self.registry.limits_changed();
        self.places.resize(to.max_connections).await;
    }

    /// Disconnects whoever may not do any more what its connection is for.
    pub(crate) fn look_again(&self) {
        let options = self.options.now();
        let admissions = self.clients.admissions();
        if admissions.is_empty() {
            return;
        }
        let channels = self.registry.channels();
        let names: Vec<_> = channels
            .iter()
            .map(|channel| channel.name().clone())
            .collect();
        let now = (options.clock)();
        for admission in admissions {
            admission.look_again(&options, now, &names);
        }
    }

    /// What `HEALTH` says to a visitor.
    pub(crate) fn health_for(&self, visitor: &Visitor) -> HubHealth {
        let health = self.health();
        if visitor.identity().is_admin() {
            health
        } else {
            health.for_anybody()
        }
    }

    /// How it is, in one word.
    pub(crate) fn status(&self) -> &'static str {
        let log = self.registry.on_disk().map(|durable| &durable.log);
        match log.map(Log::health) {
            _ if self.starting.is_some() => "starting",
            None | Some(Health::Ok) => "ok",
            Some(Health::Slow) => "slow",
            Some(Health::Degraded) => "degraded",
            Some(Health::Full) => "full",
            Some(_) => "read-only",
        }
    }

    /// What `HEALTH` says.
    pub(crate) fn health(&self) -> HubHealth {
        let HubStats {
            connections,
            channels,
            messages,
            bytes,
            uptime,
            ..
        } = self.stats();
        let log = self.registry.on_disk().map(|durable| &durable.log);
        let status = self.status();
        let mut health = HubHealth::new(status);
        health.add("version", env!("CARGO_PKG_VERSION"));
        health.add("uptime", uptime.as_secs());
        health.add("connections", connections);
        health.add("channels", channels);
        health.add("messages", messages);
        health.add("bytes", bytes);
        if let Some(start) = &self.starting {
            let Progress { step, done, of, .. } = start.progress();
            health.add("step", step);
            health.add("done", done);
            health.add("of", of);
        }
        if let Some(upstream) = &self.upstream {
            health.add(
                "mirror",
                if upstream.is_current() {
                    "current"
                } else {
                    "away"
                },
            );
            health.add("behind", self.behind(upstream));
            if let Some(seconds) = upstream.away() {
                health.add("away", seconds);
            }
        }
        if let Some(log) = log {
            let Numbers {
                batches,
                checkpoints,
                removed,
                ..
            } = log.numbers();
            health.add("batches", batches);
            health.add("checkpoints", checkpoints);
            health.add("removed", removed);
            if let Some(fault) = log.why().filter(|_| status != "ok") {
                health.add("why", fault.why());
            }
            if let Some(Stall::Batch(time) | Stall::Lock(time)) = log.stall() {
                health.add("waiting", time.as_secs());
            }
        }
        health
    }

    /// By how many messages a mirror is behind what its source has told.
    pub(crate) fn behind(&self, upstream: &Upstream) -> u64 {
        upstream.behind(|name| {
            let channel = self.registry.find(name);
            channel.map_or(0, |channel| channel.tail().next_seq())
        })
    }

    pub(crate) fn stats(&self) -> HubStats {
        let connections = self.connections.count();
        let numbers = self.counters.read(connections, 0);
        let (channels, mut messages) = self.registry.channels_and_past();
        let mut bytes = 0;
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
            sent_bytes: numbers.bytes,
            closed_slow: numbers.closed_slow,
            accept_errors: numbers.accept_errors,
            uptime: self.started.elapsed(),
        }
    }
}

/// The log is being opened. Requests wait for the hub that comes after it.
#[derive(Debug)]
pub(crate) struct Start {
    opening: Arc<Opening>,
    hub: watch::Sender<Option<Arc<Shared>>>,
}

impl Start {
    pub(crate) fn new(opening: Arc<Opening>) -> Self {
        Self {
            opening,
            hub: watch::Sender::default(),
        }
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        self.opening.progress()
    }

    /// It is over: the hub is there.
    pub(crate) fn over(&self, hub: &Arc<Shared>) {
        self.hub.send_replace(Some(Arc::clone(hub)));
    }

    /// Waits for the hub.
    pub(crate) async fn hub(&self) -> Arc<Shared> {
        let mut hub = self.hub.subscribe();
        let found = hub.wait_for(Option::is_some).await;
        match found.ok().and_then(|hub| hub.clone()) {
            Some(hub) => hub,
            // Its sender is this, which is still there.
            None => std::future::pending().await,
        }
    }
}
