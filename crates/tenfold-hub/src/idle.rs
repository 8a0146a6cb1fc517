//! Who waits for the next block, and how it gets to him.

use std::sync::{Mutex, PoisonError, Weak};

/// Somebody who has taken everything that a tail has.
pub(crate) trait Idle: Send + Sync + std::fmt::Debug {
    /// Takes what there is now, without waiting. False if that is more than a moment's work, or
    /// somebody else is at it: then he is to be woken.
    fn serve(&self) -> bool;

    /// Makes him look for himself.
    fn wake(&self);
}

/// All who wait at one tail.
///
/// Who enlists looks at the tail once more before he waits. So either he sees a new block, or who
/// has appended it finds him here.
#[derive(Debug, Default)]
pub(crate) struct IdleList(Mutex<Vec<Weak<dyn Idle>>>);

/// Who appends serves so many himself: to wake a thread and to let it run takes about as long as to
/// write a small block to a socket, so it is done for the others, and there is time for it.
const SERVED_AT_ONCE: usize = 128;

/// A block that is written in less time than a thread is woken, in bytes.
const SMALL: usize = 4096;

impl IdleList {
    pub(crate) fn enlist(&self, idle: Weak<dyn Idle>) {
        let mut list = self.lock();
        if list.len() == list.capacity() {
            // Those who have gone are left out before the list grows, so it does not grow for them.
            list.retain(|idle| idle.strong_count() > 0);
        }
        list.push(idle);
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&self) {
        for idle in self.take() {
            if let Some(idle) = idle.upgrade() {
                idle.wake();
            }
        }
    }

    /// Brings a block of so many bytes to everybody. `end` tells how far the tail goes: if it moves
    /// in the meantime, those who were served already are served again.
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

/// Whether he has taken everything and waits on.
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
