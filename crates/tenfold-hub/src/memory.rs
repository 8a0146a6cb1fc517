//! Who may hold how many bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::intake::Intake;

/// What the publishers of a hub share.
#[derive(Debug)]
pub(crate) struct Means {
    /// The memory for what is received and not committed, in units of [`UNIT`] bytes.
    pub(crate) uncommitted: Arc<Semaphore>,
    pub(crate) large: Arc<Semaphore>,
    /// How long a peer may take for the last words.
    pub(crate) drain: Duration,
    /// How long a message waits for its share of the memory.
    pub(crate) patience: Duration,
}

/// Memory is shared in these portions. The first one needs no share, so that everybody gets on.
pub(crate) const UNIT: usize = Intake::FIRST_ROOM;

/// Memory for a block on its way to the disk.
#[derive(Debug)]
pub(crate) struct Room {
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) of_channel: Option<OwnedSemaphorePermit>,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) of_all: Option<OwnedSemaphorePermit>,
}
