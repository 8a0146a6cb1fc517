//! What happens to the disk is told in the hub's log: once, when it begins and when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tenfold_log::{Fault, Health, Log, Refused, Stall};
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::registry::Registry;
use crate::tally::Tally;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

/// Looks at a log, and tells what has changed.
#[derive(Debug)]
pub(crate) struct Watch {
    log: Log,
    /// It was told that there is no space, and not yet that there is some again.
    is_full: Arc<AtomicBool>,
    /// A look since then has found space. The first one can come before the log is full.
    has_space: bool,
    stall: Option<Stall>,
    registry: Arc<Registry>,
    /// How many channels could be read only after the start.
    read_late: u64,
}

impl Watch {
    /// Faults are told as soon as they are met, also after the hub has ended.
    pub(crate) fn new(log: Log, registry: Arc<Registry>, tally: Arc<Tally>) -> Self {
        let is_full = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_full);
        log.on_fault(move |fault| {
            if fault.refused == Refused::Full {
                told.store(true, Relaxed);
            }
            tally.failed(fault);
            tell(fault);
        });
        Self {
            log,
            is_full,
            has_space: false,
            stall: None,
            registry,
            read_late: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            self.look();
            sleep(LOOK).await;
        }
    }

    fn look(&mut self) {
        let health = self.log.health();
        let has_space = !matches!(health, Health::Full | Health::ReadOnly);
        if has_space && self.has_space {
            self.is_full.store(false, Relaxed);
            warn!("there is space on the disk again");
        }
        self.has_space = has_space && self.is_full.load(Relaxed);
        let read_late = self.log.read_late();
        if read_late > self.read_late {
            self.registry.adopt();
            info!("what could not be read at the start is there now");
            self.read_late = read_late;
        }
        let stall = self.log.stall();
        tell_of_stalls(self.stall, stall);
        self.stall = stall;
    }
}

/// A batch that waits for a checkpoint is told to be slow first, and then why: so the one can follow the other.
fn tell_of_stalls(before: Option<Stall>, now: Option<Stall>) {
    match (before, now) {
        (None, Some(Stall::Batch(_))) => {
            warn!("the disk is slow: a batch has not been made durable for more than a second");
        }
        (None | Some(Stall::Batch(_)), Some(Stall::Lock(_))) => {
            warn!(
                path = "CHECKPOINT",
                "a checkpoint has waited for more than 10 s: another program holds the lock, a backup for example"
            );
        }
        (Some(Stall::Lock(time)), None | Some(Stall::Batch(_))) => {
            info!(seconds = time.as_secs(), "a checkpoint has got its lock");
        }
        (Some(Stall::Batch(time)), None) => {
            info!(seconds = time.as_secs(), "the disk goes on");
        }
        _ => {}
    }
}

fn tell(fault: &Fault) {
    match fault.refused {
        Refused::Full => warn!(
            %fault,
            "there is no space left on the disk: publishers are told FULL until there is some again"
        ),
        Refused::Busy | Refused::Hindered => error!(
            %fault,
            "what needs it is refused, and it is tried again"
        ),
        _ => error!(
            %fault,
            "the disk has failed: the hub is read-only until it is started again"
        ),
    }
}
