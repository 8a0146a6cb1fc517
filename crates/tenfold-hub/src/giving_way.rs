//! Subscribers that give their places to others.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use crate::change::Change;

/// The subscribers of a hub whose peers have half-closed.
///
/// Over TCP a close looks like a half-close to the other side, so a subscriber of a quiet channel may
/// have been gone for a minute. When a place is needed, the one gives way that has half-closed first among
/// those that wait for a message.
#[derive(Debug, Default)]
pub(crate) struct GivingWay {
    half_closed: Mutex<VecDeque<Weak<Leaver>>>,
    changed: Change,
}

/// A subscriber that has half-closed, as the hub sees it.
#[derive(Debug)]
pub(crate) struct Leaver {
    of: Arc<GivingWay>,
    /// It has taken everything, and waits for a message.
    is_idle: AtomicBool,
    asked: AtomicBool,
    told: Notify,
}

impl GivingWay {
    /// Enters a subscriber that has half-closed.
    pub(crate) fn enter(self: &Arc<Self>) -> Arc<Leaver> {
        let leaver = Arc::new(Leaver {
            of: Arc::clone(self),
            is_idle: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            told: Notify::new(),
        });
        let mut half_closed = self
            .half_closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if half_closed.len() == half_closed.capacity() {
            // Those that have gone are left out before the list grows, so it does not grow for them.
            half_closed.retain(|leaver| leaver.strong_count() > 0);
        }
        half_closed.push_back(Arc::downgrade(&leaver));
        leaver
    }

    /// Asks one subscriber to give way, and waits until there is one that can.
    pub(crate) async fn ask(&self) {
        self.changed.until(|| self.ask_one()).await;
    }

    fn ask_one(&self) -> bool {
        let mut half_closed = self
            .half_closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        half_closed.retain(|leaver| leaver.strong_count() > 0);
        let leavers = half_closed.iter().filter_map(Weak::upgrade);
        for leaver in leavers {
            if leaver.is_idle.load(SeqCst) && !leaver.asked.swap(true, SeqCst) {
                leaver.told.notify_one();
                return true;
            }
        }
        false
    }
}

impl Leaver {
    /// Waits, while there is nothing to be sent, until it is to give way.
    pub(crate) async fn asked(&self) {
        let _idle = Idle::begin(self);
        while !self.asked.load(SeqCst) {
            self.told.notified().await;
        }
    }
}

/// While this is held, the subscriber has nothing else to do.
struct Idle<'a>(&'a Leaver);

impl<'a> Idle<'a> {
    fn begin(leaver: &'a Leaver) -> Self {
        leaver.is_idle.store(true, SeqCst);
        leaver.of.changed.tell();
        Self(leaver)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.is_idle.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_asked(leaver: &Leaver) -> bool {
        tokio::select! {
            biased;
            () = leaver.asked() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_waits_and_has_half_closed_first_gives_way_and_only_one() {
        let giving_way = Arc::new(GivingWay::default());
        let [busy, first, second] = [(); 3].map(|()| giving_way.enter());
        let never = timeout(Duration::from_secs(3600), giving_way.ask()).await;
        assert!(never.is_err(), "nobody is idle");
        let asking = async {
            giving_way.ask().await;
            // The others go on waiting meanwhile.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = asking => {}
            () = first.asked() => {}
            () = second.asked() => panic!("the second was asked"),
        }
        assert!(!is_asked(&second).await && !is_asked(&busy).await);
        drop(first);
        let mut waiting = Box::pin(second.asked());
        tokio::select! {
            biased;
            () = &mut waiting => panic!("nobody needs a place"),
            () = giving_way.ask() => {}
        }
        waiting.await;
    }
}
