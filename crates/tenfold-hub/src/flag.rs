//! What is raised once, and not lowered again.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::change::Change;

/// A flag that is raised once: that the hub ends, or that a channel is being deleted. Connections look at it
/// before they receive, and wait for it.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    raised: AtomicBool,
    changed: Change,
}

impl Flag {
    pub(crate) fn raise(&self) {
        self.raised.store(true, SeqCst);
        self.changed.tell();
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(SeqCst)
    }

    /// Waits until it is raised.
    pub(crate) async fn raised(&self) {
        self.changed.until(|| self.is_raised()).await;
    }
}
