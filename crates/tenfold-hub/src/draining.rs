//! Whether the hub is ending.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::change::Change;

/// A flag that is raised once: connections look at it before they receive, and wait for it.
#[derive(Debug, Default)]
pub(crate) struct Draining {
    raised: AtomicBool,
    changed: Change,
}

impl Draining {
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
