//! What the channels of a hub with a log share.

use tenfold::protocol::Refusal;
use tenfold_log::{Log, Refused};
use tokio::sync::Semaphore;

use crate::memory::{FromFiles, OnItsWay, SHARE};
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
    /// Memory for what was read, until it is sent or let go.
    pub(crate) from_files: FromFiles,
}

/// What is on its way to the disk, of all channels, in bytes: some batches, so that the next one is
/// full when one is done.
const ON_ITS_WAY: usize = 64 << 20;
/// Reads that wait for the disk at once. Each needs a thread, and a disk has a queue of its own.
const READS: usize = 32;
/// How much is read at once: as much as an index has an entry for.
pub(crate) const READ_SIZE: usize = 256 * 1024;
/// What was read from files and is neither sent nor let go, of all channels, in bytes.
const FROM_FILES: usize = 64 << 20;

impl Durable {
    pub(crate) fn new(log: Log, memory: usize) -> Self {
        Self {
            log,
            on_its_way: OnItsWay::new(ON_ITS_WAY.min(memory / SHARE)),
            reads: Semaphore::new(READS),
            from_files: FromFiles::new(FROM_FILES.min(memory / SHARE)),
        }
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
