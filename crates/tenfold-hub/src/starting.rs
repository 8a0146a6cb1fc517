//! A hub whose log is being opened.

use std::io;
use std::sync::Arc;

use tenfold_log::{Log, Opening};
use tokio::task::JoinSet;

use crate::accepting::accept;
use crate::acceptor::Acceptor;
use crate::deadline::while_running;
use crate::doors::{Door, doors};
use crate::hub::{Hub, random_epoch};
use crate::hub_options::HubOptions;
use crate::port::{Port, PortKind};
use crate::shared::{Shared, Start};
use crate::task::of_hub;

/// A hub whose log is being opened, which can take long. Clients can connect from the beginning: the system
/// keeps them until the hub accepts. If that takes longer than somebody wants to wait without a word,
/// [`answer`](Self::answer) has clients of the protocol answered; those of plain ports go on waiting, because
/// nothing can be said to them.
///
/// ```
/// use std::net::TcpListener;
/// use std::sync::Arc;
/// use tenfold_hub::{HubOptions, Port, Starting};
/// use tenfold_log::{Options, open, storage::Disk};
///
/// # fn random() -> u64 { 7 }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let options = Options::new(random);
/// let ports = [Port::protocol(TcpListener::bind("127.0.0.1:0")?)];
/// let opening = Arc::clone(&options.opening);
/// let mut starting = Starting::new(ports, HubOptions::default(), opening)?;
/// starting.answer()?;
/// let disk = Arc::new(Disk::open(path)?);
/// let (log, _report, threads) = open(disk, options)?.start()?;
/// let hub = starting.hub(log).await?;
/// hub.drain().await;
/// assert!(threads.stop());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Starting {
    doors: Vec<(Arc<Acceptor>, PortKind)>,
    options: HubOptions,
    opening: Arc<Opening>,
    answering: Option<Answering>,
}

/// Clients are told.
#[derive(Debug)]
struct Answering {
    shared: Arc<Shared>,
    accepting: JoinSet<()>,
}

impl Starting {
    /// Takes the ports, and leaves their clients to the system. To be called inside a tokio runtime with I/O and
    /// time. `opening` is that of the log.
    pub fn new(
        ports: impl IntoIterator<Item = Port>,
        options: HubOptions,
        opening: Arc<Opening>,
    ) -> io::Result<Self> {
        Ok(Self {
            doors: doors(ports, &options)?,
            options,
            opening,
            answering: None,
        })
    }

    /// From now on clients of the protocol are answered: `HEALTH` says how far the start is, at once. Every other
    /// request waits for the hub, but no longer than three seconds, and then it is told that the hub is starting.
    pub fn answer(&mut self) -> io::Result<()> {
        if self.answering.is_some() {
            return Ok(());
        }
        let shared = Shared {
            starting: Some(Start::new(Arc::clone(&self.opening))),
            ..Shared::new(self.options.clone(), random_epoch()?, None)
        };
        let shared = Arc::new(shared);
        let mut accepting = JoinSet::new();
        for (acceptor, kind) in &self.doors {
            if matches!(kind, PortKind::Protocol) {
                let door = Door {
                    shared: Arc::clone(&shared),
                    kind: kind.clone(),
                    acceptor: Arc::clone(acceptor),
                };
                accepting.spawn(of_hub(accept(Arc::clone(acceptor), door)));
            }
        }
        self.answering = Some(Answering { shared, accepting });
        Ok(())
    }

    /// The log is open: the hub begins, with the requests that have waited for it.
    pub async fn hub(mut self, log: Log) -> io::Result<Hub> {
        if let Some(answering) = &mut self.answering {
            answering.accepting.shutdown().await;
        }
        let hub = Hub::open(self.doors, self.options, random_epoch()?, Some(log));
        let start = self.answering.as_ref();
        if let Some(start) = start.and_then(|it| it.shared.starting.as_ref()) {
            start.over(hub.shared());
        }
        Ok(hub)
    }

    /// The log will not be open: nobody is accepted any more, and who has not asked yet is told that the hub
    /// ends.
    pub async fn end(self) {
        let Some(mut answering) = self.answering else {
            return;
        };
        let shared = &answering.shared;
        answering.accepting.shutdown().await;
        shared.draining.raise();
        let time = shared.options.now().drain;
        while_running(time, shared.connections.until(|count| count == 0)).await;
    }
}
