//! What happens to the disk is told in the hub's log: once, when it begins and when it is over.

use std::time::Duration;

use tenfold_log::{Fault, Health, Log, Refused, Stall};
use tokio::time::sleep;
use tracing::{debug, error, info, warn};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

/// Looks at a log, and tells what has changed.
#[derive(Debug)]
pub(crate) struct Watch {
    log: Log,
    is_full: bool,
    removed: u64,
    stall: Option<Stall>,
}

impl Watch {
    /// Faults are told as soon as they are met, also after the hub has ended.
    pub(crate) fn new(log: Log) -> Self {
        log.on_fault(tell);
        Self {
            log,
            is_full: false,
            removed: 0,
            stall: None,
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
        if self.is_full && !matches!(health, Health::Full | Health::ReadOnly) {
            warn!("there is space on the disk again");
        }
        self.is_full = health == Health::Full;
        let removed = self.log.removed();
        if removed > self.removed {
            let segments = removed - self.removed;
            debug!(segments, "retention has deleted the oldest messages");
            self.removed = removed;
        }
        let stall = self.log.stall();
        match (self.stall, stall) {
            (None, Some(Stall::Batch(_))) => {
                warn!("the disk is slow: a batch has not been made durable for more than a second");
            }
            (None, Some(Stall::Lock(_))) => {
                warn!(
                    path = "CHECKPOINT",
                    "a checkpoint has waited for more than 10 s: another program holds the lock, a backup for example"
                );
            }
            (Some(Stall::Batch(time)), None) => {
                info!(seconds = time.as_secs(), "the disk goes on");
            }
            (Some(Stall::Lock(time)), None) => {
                info!(seconds = time.as_secs(), "a checkpoint has got its lock");
            }
            _ => {}
        }
        self.stall = stall;
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
            "what needs it is refused, and it is tried again with the next messages"
        ),
        _ => error!(
            %fault,
            "the disk has failed: the hub is read-only until it is started again"
        ),
    }
}
