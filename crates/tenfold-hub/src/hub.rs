//! Named channels behind listening sockets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tenfold::protocol::Epoch;
use tenfold_log::Log;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::accepting::accept;
use crate::acceptor::Acceptor;
use crate::deadline::while_running;
use crate::doors::{Door, doors};
use crate::hub_options::HubOptions;
use crate::mirror;
use crate::port::{Port, PortKind};
use crate::shared::Shared;
use crate::stats::HubStats;
use crate::task::of_hub;
use crate::watch::Watch;

/// A server of named channels: `docs/hub-protocol.md`.
///
/// It runs until it is [drained](Self::drain). Nothing that one client does reaches another, except
/// through the channels.
///
/// ```
/// use std::net::TcpListener;
/// use tenfold_hub::{Hub, HubOptions, Port};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let hub = Hub::start([Port::protocol(listener)], HubOptions::default())?;
/// // Clients publish and subscribe, until:
/// let stats = hub.drain().await;
/// assert_eq!(stats.connections, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    accepting: JoinSet<()>,
    watching: JoinSet<()>,
}

impl Hub {
    /// Starts to accept clients. To be called inside a tokio runtime with I/O and time.
    pub fn start(ports: impl IntoIterator<Item = Port>, options: HubOptions) -> io::Result<Self> {
        Ok(Self::open(
            doors(ports, &options)?,
            options,
            random_epoch()?,
            None,
        ))
    }

    /// [`start`](Self::start) with a log, in which all channels are kept. The program
    /// that started the log ends it after the hub.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use std::sync::Arc;
    /// use tenfold_hub::{Hub, HubOptions, Port};
    /// use tenfold_log::storage::Disk;
    ///
    /// # fn random() -> u64 { 7 }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let disk = Arc::new(Disk::open(path)?);
    /// let (log, _report, threads) =
    ///     tenfold_log::open(disk, tenfold_log::Options::new(random))?.start()?;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let hub = Hub::with_log([Port::protocol(listener)], HubOptions::default(), log)?;
    /// hub.drain().await;
    /// assert!(threads.stop());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_log(
        ports: impl IntoIterator<Item = Port>,
        options: HubOptions,
        log: Log,
    ) -> io::Result<Self> {
        Ok(Self::open(
            doors(ports, &options)?,
            options,
            random_epoch()?,
            Some(log),
        ))
    }

    pub(crate) fn open(
        doors: Vec<(Arc<Acceptor>, PortKind)>,
        options: HubOptions,
        epoch: Epoch,
        log: Option<Log>,
    ) -> Self {
        let shared = Arc::new(Shared::new(options, epoch, log));
        let mut accepting = JoinSet::new();
        for (acceptor, kind) in doors {
            let door = Door {
                shared: Arc::clone(&shared),
                kind,
                acceptor: Arc::clone(&acceptor),
            };
            accepting.spawn(of_hub(accept(acceptor, door)));
        }
        let mut watching = JoinSet::new();
        if shared.options.now().policy.is_some() {
            watching.spawn(expire(Arc::clone(&shared)));
        }
        if let Some(durable) = shared.registry.on_disk() {
            accepting.spawn(of_hub(hold(Arc::clone(&shared))));
            let watch = Watch::new(
                durable.log.clone(),
                Arc::clone(&shared.registry),
                Arc::clone(&shared.tally),
            );
            watching.spawn(of_hub(watch.run()));
            if let Some(upstream) = &shared.upstream {
                let upstream = Arc::clone(upstream);
                watching.spawn(of_hub(mirror::run(Arc::clone(&shared), upstream)));
            }
        }
        Self {
            shared,
            accepting,
            watching,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How it is, in one word, as `HEALTH` says it: `ok`, or what is wrong with its log.
    pub fn status(&self) -> &'static str {
        self.shared.status()
    }

    /// Its numbers now.
    pub fn stats(&self) -> HubStats {
        self.shared.stats()
    }

    /// Changes options while the hub runs, all at once: the timeouts, `drain`, `max_connections`, the numbers of
    /// channels and producers, `policy` and `allow_delete`. The others stay as they were at the start.
    ///
    /// What is over a limit that has become smaller is not ended: nothing more is admitted until it is within it.
    /// Timeouts count for what begins now. Whoever has lost a right by another policy is disconnected.
    pub async fn change_options(&self, to: &HubOptions) {
        self.shared.change(to).await;
    }

    /// Ends the hub: accepts and receives nothing any more, commits and acknowledges what
    /// was received whole, gives subscribers the committed messages to the end, and closes each
    /// connection on a frame boundary. Connections that are left after the time of the options are
    /// cut; [`connections`](HubStats::connections) says how many.
    pub async fn drain(mut self) -> HubStats {
        let shared = &self.shared;
        let time = shared.options.now().drain;
        self.accepting.shutdown().await;
        shared.draining.raise();
        // What can still be appended is appended before the channels end; but a publisher may not hold
        // them open until there is no time left to deliver.
        let start = Instant::now();
        while_running(time / 2, shared.appending.until(|count| count == 0)).await;
        let left = time.saturating_sub(start.elapsed()).max(time / 2);
        shared.registry.close();
        while_running(left, shared.connections.until(|count| count == 0)).await;
        self.watching.shutdown().await;
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

/// How often the hub looks where the slow subscribers stand.
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

/// How often the hub looks whether an identity has expired.
const EXPIRY: Duration = Duration::from_millis(500);

/// Ends the connections of identities that have expired.
async fn expire(shared: Arc<Shared>) {
    let now = || (shared.options.now().clock)();
    let mut seen = now();
    loop {
        tokio::time::sleep(EXPIRY).await;
        let policy = shared.options.now().policy.clone();
        let next = policy.and_then(|policy| policy.next_expiry(seen));
        seen = now();
        if next.is_some_and(|next| next <= seen) {
            shared.look_again();
        }
    }
}

pub(crate) fn random_epoch() -> io::Result<Epoch> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Epoch(u64::from_ne_bytes(bytes)))
}
