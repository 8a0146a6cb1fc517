//! Which channels of a follower have something for it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::idle::Idle;

/// The channels of one follower that were appended to since it looked, by their numbers, and its task.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    called: Mutex<Vec<u32>>,
    task: OnceLock<Weak<dyn Idle>>,
}

/// A follower, as it is on the list of one channel's tail.
#[derive(Debug)]
pub(crate) struct Mark {
    number: u32,
    ready: Arc<Ready>,
    /// It is on the list. Marks are taken from there to be woken.
    is_listed: AtomicBool,
}

impl Ready {
    /// Who is served or woken when a channel has something. The first call counts.
    pub(crate) fn set_task(&self, task: Weak<dyn Idle>) {
        let _ = self.task.set(task);
    }

    /// Notes that a channel has something, and wakes the task.
    pub(crate) fn call(&self, number: u32) {
        self.note(number);
        self.wake();
    }

    /// Wakes the task.
    pub(crate) fn wake(&self) {
        if let Some(task) = self.task() {
            task.wake();
        }
    }

    /// Moves the numbers of the channels that have something.
    pub(crate) fn take(&self, into: &mut Vec<u32>) {
        into.append(&mut self.lock());
    }

    fn note(&self, number: u32) {
        self.lock().push(number);
    }

    fn task(&self) -> Option<Arc<dyn Idle>> {
        self.task.get()?.upgrade()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    pub(crate) fn new(number: u32, ready: Arc<Ready>) -> Self {
        Self {
            number,
            ready,
            is_listed: AtomicBool::new(false),
        }
    }

    /// Whether it has to be put on the list: it is on it from now on.
    pub(crate) fn lists(&self) -> bool {
        !self.is_listed.swap(true, SeqCst)
    }
}

impl Idle for Mark {
    fn serve(&self) -> bool {
        self.ready.note(self.number);
        self.ready.task().is_some_and(|task| task.serve())
    }

    fn wake(&self) {
        self.is_listed.store(false, SeqCst);
        self.ready.call(self.number);
    }
}
