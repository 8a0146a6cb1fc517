//! What the channels of a hub with a log share.

use std::sync::Arc;

use tenfold::protocol::Refusal;
use tenfold_log::{Log, Refused};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::memory::{OnItsWay, SHARE, permits};
use crate::refusals::not_stored;
use crate::task::blocking;

/// The log, and how much of it is used at once.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) log: Log,
    /// Memory for what is on its way to the disk, of all channels.
    pub(crate) on_its_way: OnItsWay,
    /// Reads that wait for the disk.
    pub(crate) reads: Semaphore,
    /// Places for what was read and is kept for a while for a subscriber that takes nothing.
    kept: Arc<Semaphore>,
}

/// What is on its way to the disk, of all channels, in bytes: some batches, so that the next one is
/// full when one is done.
const ON_ITS_WAY: usize = 64 << 20;
/// Reads that wait for the disk at once. Each needs a thread, and a disk has a queue of its own.
const READS: usize = 32;
/// How much is read at once: as much as an index has an entry for.
pub(crate) const READ_SIZE: usize = 256 * 1024;
/// Blocks from files that are kept at once, each of 256 KiB at the most.
const KEPT_BLOCKS: usize = 256;

impl Durable {
    pub(crate) fn new(log: Log, memory: usize) -> Self {
        let kept = memory / SHARE / READ_SIZE;
        Self {
            log,
            on_its_way: OnItsWay::new(ON_ITS_WAY.min(memory / SHARE)),
            reads: Semaphore::new(READS),
            kept: permits(KEPT_BLOCKS.min(kept)),
        }
    }

    /// A place to keep a block that was read from a file, if there is one.
    pub(crate) fn keep(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.kept).try_acquire_owned().ok()
    }

    /// Whether a publisher may begin. If the disk was full, the log tries whether there is space now,
    /// which waits for the disk.
    pub(crate) async fn may_publish(&self) -> Result<(), Refusal> {
        if self.log.health() == tenfold_log::Health::Ok {
            return Ok(());
        }
        let log = self.log.clone();
        let asked = blocking(move || log.may_publish()).await;
        let told = |why| not_stored(why, self.log.why().as_ref());
        asked.unwrap_or(Err(Refused::Storage)).map_err(told)
    }
}
