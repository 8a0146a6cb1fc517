//! Subscribers that wait for the next block, and how it gets to them.

use std::sync::{Mutex, PoisonError, Weak};

/// A subscriber that has taken everything that a tail has.
pub(crate) trait Idle: Send + Sync + std::fmt::Debug {
    /// Sends the subscriber what there is now, without waiting. False if that is more than a moment's
    /// work, or another task is at it: then the subscriber's own task is to be woken.
    fn serve(&self) -> bool;

    /// Wakes the subscriber's own task, which looks at the tail.
    fn wake(&self);
}

/// All subscribers that wait at one tail.
///
/// A subscriber's task enlists, and looks at the tail once more before it waits. So either it sees a
/// new block, or the task that has appended the block finds it here.
#[derive(Debug, Default)]
pub(crate) struct IdleList(Mutex<Vec<Weak<dyn Idle>>>);

/// The task that appends serves so many subscribers itself: to wake a thread and to let it run takes about as long as to
/// write a small block to a socket, so it is done for the others, and there is time for it.
const SERVED_AT_ONCE: usize = 128;

/// A block that is written in less time than a thread is woken, in bytes.
const SMALL: usize = 4096;

impl IdleList {
    pub(crate) fn enlist(&self, idle: Weak<dyn Idle>) {
        let mut list = self.lock();
        if list.len() == list.capacity() {
            // Subscribers that have gone are left out before the list grows, so it does not grow for
            // them.
            list.retain(|idle| idle.strong_count() > 0);
        }
        list.push(idle);
    }

    /// Wakes all of them.
    pub(crate) fn wake_all(&self) {
        for idle in self.take() {
            if let Some(idle) = idle.upgrade() {
                idle.wake();
            }
        }
    }

    /// Brings a block of so many bytes to all of them. `end` tells how far the tail goes: if that has
    /// moved in the meantime, the subscribers that were served already are served again.
    pub(crate) fn deliver(&self, bytes: usize, end: impl Fn() -> u64) {
        if bytes > SMALL {
            return self.wake_all();
        }
        loop {
            let before = end();
            let mut list = self.take();
            if list.is_empty() {
                return;
            }
            for idle in list.drain(SERVED_AT_ONCE.min(list.len())..) {
                if let Some(idle) = idle.upgrade() {
                    idle.wake();
                }
            }
            list.retain(serve);
            self.lock().append(&mut list);
            if end() == before {
                return;
            }
        }
    }

    fn take(&self) -> Vec<Weak<dyn Idle>> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn Idle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the subscriber has taken everything and waits on.
fn serve(idle: &Weak<dyn Idle>) -> bool {
    let Some(idle) = idle.upgrade() else {
        return false;
    };
    let served = idle.serve();
    if !served {
        idle.wake();
    }
    served
}
