//! What all senders of a command may hold in memory together.
//!
//! Each sender may hold one message of --max-message that is not whole yet. A thousand of them would take all memory
//! that there is, and need send nothing more after that. So what they hold beyond a little of their own comes from one
//! budget. A sender that wants more than is left waits. While one waits, another one that holds memory and sends
//! nothing is ended.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::flow::input::Input;

/// The least that there is for all senders, in bytes.
const LEAST: usize = 256 << 20;
/// What each may hold beside that, in bytes, and the unit in which more is given.
const OWN: usize = 64 * 1024;
/// How long a sender may hold memory that another waits for, and send nothing.
const STALL: Duration = Duration::from_secs(10);
/// How long a sender waits for memory.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a sender that holds memory looks whether another one waits for it.
const LOOK: Duration = Duration::from_millis(500);

/// Memory for all senders.
#[derive(Debug)]
pub(crate) struct Budget {
    free: Mutex<usize>,
    freed: Condvar,
    /// How many senders wait for memory.
    waiting: AtomicUsize,
    most: usize,
}

/// What one sender holds of it.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: usize,
    /// Since when it waits.
    waits: Option<Instant>,
}

impl Budget {
    /// For messages of at most so many bytes: two of the largest fit, whatever they are.
    pub(crate) fn new(max_message: u64) -> Arc<Self> {
        let largest = usize::try_from(max_message).unwrap_or(usize::MAX);
        let most = LEAST.max(largest.saturating_add(OWN).saturating_mul(2));
        Arc::new(Self {
            free: Mutex::new(most),
            freed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            most,
        })
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: Arc::clone(self),
            held: 0,
            waits: None,
        }
    }
}

impl Share {
    /// Takes what is missing to hold so many bytes, or gives back what is too much. False: there is not so much.
    pub(crate) fn try_hold(&mut self, bytes: usize) -> bool {
        let needed = match bytes {
            0..=OWN => 0,
            _ => bytes.saturating_sub(OWN).next_multiple_of(OWN),
        };
        let mut free = self
            .budget
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if needed > self.held {
            if *free < needed - self.held {
                return false;
            }
            *free -= needed - self.held;
        } else if needed < self.held {
            *free += self.held - needed;
            self.budget.freed.notify_all();
        }
        self.held = needed;
        true
    }

    /// Notes that there is not so much. An error when that has lasted too long.
    pub(crate) fn wait_on(&mut self) -> Result<(), String> {
        let since = *self.waits.get_or_insert_with(|| {
            self.budget.waiting.fetch_add(1, Relaxed);
            Instant::now()
        });
        if since.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(format!(
            "all senders together hold {} MiB in messages that are not whole, and this one has no room in them",
            self.budget.most >> 20
        ))
    }

    /// Notes that it does not wait any more.
    pub(crate) fn waited(&mut self) {
        if self.waits.take().is_some() {
            self.budget.waiting.fetch_sub(1, Relaxed);
        }
    }

    /// Whether it holds what others may come to wait for.
    pub(crate) fn is_any(&self) -> bool {
        self.held > 0
    }

    /// An error if others wait for what it holds, and nothing has come since a moment.
    pub(crate) fn check(&self, since: Instant) -> Result<(), String> {
        if self.budget.waiting.load(Relaxed) > 0 && since.elapsed() >= STALL {
            return Err(format!(
                "it has sent nothing for {STALL:?}, and other senders wait for the memory of its message"
            ));
        }
        Ok(())
    }

    /// [`try_hold`](Self::try_hold) on a thread that may wait.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Failure> {
        while !self.try_hold(bytes) {
            self.wait_on().map_err(Failure::Other)?;
            let free = self.budget.free.lock();
            let free = free.unwrap_or_else(PoisonError::into_inner);
            // Another one may be faster, so it is tried again.
            drop(self.budget.freed.wait_timeout(free, LOOK));
        }
        self.waited();
        Ok(())
    }

    /// Waits until an input has something, for as long as nobody waits for what is held.
    pub(crate) fn wait_for(&self, input: &Input) -> Result<(), Failure> {
        let since = Instant::now();
        while self.is_any() && !input.is_ready_within(LOOK)? {
            self.check(since).map_err(Failure::Other)?;
            input.overdue(since).map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}

/// How often a task that waits for memory, or holds some, looks again.
pub(crate) const TICK: Duration = LOOK;

impl Drop for Share {
    fn drop(&mut self) {
        self.waited();
        self.try_hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_a_little_of_its_own_and_the_rest_is_shared_and_comes_back() {
        let budget = Budget::new(1 << 20);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.try_hold(LEAST + OWN));
        assert!(second.try_hold(OWN) && !second.is_any());
        assert!(!second.try_hold(OWN + 1));
        assert!(first.try_hold(LEAST));
        assert!(second.try_hold(OWN + 1) && second.is_any());
        assert!(!second.try_hold(2 * OWN + 1));
        drop(first);
        assert!(second.try_hold(LEAST + OWN));
        drop(second);
        assert_eq!(*budget.free.lock().unwrap(), LEAST);
    }

    #[test]
    fn who_sends_nothing_is_ended_only_while_another_one_waits() {
        let budget = Budget::new(1 << 20);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.try_hold(LEAST + OWN));
        let long_ago = Instant::now().checked_sub(STALL).unwrap();
        assert!(first.check(long_ago).is_ok());
        assert!(!second.try_hold(LEAST));
        second.wait_on().unwrap();
        assert!(first.check(long_ago).is_err());
        assert!(first.check(Instant::now()).is_ok());
        drop(second);
        assert!(first.check(long_ago).is_ok());
    }

    #[test]
    fn two_of_the_largest_messages_always_fit() {
        let budget = Budget::new(1 << 30);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.try_hold(1 << 30) && second.try_hold(1 << 30));
    }
}
