//! Whether the hub is ending.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::Notify;

/// Raised once, and seen by everybody who looks or waits.
#[derive(Debug, Default)]
pub(crate) struct Draining {
    raised: AtomicBool,
    changed: Notify,
}

impl Draining {
    pub(crate) fn raise(&self) {
        self.raised.store(true, SeqCst);
        self.changed.notify_waiters();
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(SeqCst)
    }

    /// Waits until it is raised.
    pub(crate) async fn raised(&self) {
        let mut changed = pin!(self.changed.notified());
        // Enlisted before looking, so that nothing falls between the two.
        changed.as_mut().enable();
        if !self.is_raised() {
            changed.await;
        }
    }
}
