//! The committer of a log that runs, and who may step it: its own thread, or who has just queued
//! something.
//!
//! To wake a thread and to be woken by it takes a good part of the time that a fast disk needs. So
//! somebody who is alone with the log, and whose disk is fast, commits by itself. As soon as two come at
//! once, or the disk is slow, it is the thread that commits, and everybody else goes on.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crate::committer::Committer;
use crate::common::Common;

/// Where the committer is while a log runs.
#[derive(Debug)]
pub(crate) struct Hand {
    common: Arc<Common>,
    committer: Mutex<Option<Committer>>,
}

impl Hand {
    pub(crate) fn new(common: Arc<Common>) -> Self {
        Self {
            common,
            committer: Mutex::default(),
        }
    }

    pub(crate) fn give(&self, committer: Committer) {
        *self.lock() = Some(committer);
    }

    pub(crate) fn take(&self) -> Option<Committer> {
        self.lock().take()
    }

    /// Commits what there is until there is nothing. Returns whether something was taken from the queue
    /// that waits for a checkpoint.
    pub(crate) fn work(&self) -> bool {
        loop {
            let mut hand = self.lock();
            let Some(committer) = &mut *hand else {
                return false;
            };
            if !committer.step() {
                return committer.has_taken();
            }
        }
    }

    /// Commits one batch, if nobody does and it is likely to be a light one. False: the thread is to do
    /// it.
    fn help(&self) -> bool {
        let mut hand = match self.committer.try_lock() {
            Ok(hand) => hand,
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return false,
        };
        let Some(committer) = hand.as_mut().filter(|committer| committer.is_light()) else {
            return false;
        };
        committer.step();
        let is_stuck = committer.has_taken();
        // First let go, then look: who finds the hand taken has queued before that, or calls the thread.
        drop(hand);
        if is_stuck {
            self.common.call();
        } else {
            self.common.call_if_queued();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<Committer>> {
        self.committer.lock().unwrap_or_else(|poisoned| {
            // Somebody has panicked in the middle of a commit: nothing may be written after that.
            self.common.fail();
            poisoned.into_inner()
        })
    }
}

/// Frames that are queued. Dropped, they are left to the committer's thread.
#[derive(Debug)]
pub struct Pending {
    hand: Arc<Hand>,
    is_first: bool,
}

impl Pending {
    pub(crate) fn new(hand: Arc<Hand>, is_first: bool) -> Self {
        Self { hand, is_first }
    }

    /// Commits them on this thread, which waits for the disk, if nobody else commits or has queued
    /// something, and the last batch was one submission and took less than a millisecond. Otherwise the
    /// committer's thread does it.
    pub fn commit(mut self) {
        if self.is_first && self.hand.help() {
            self.is_first = false;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Who has queued the first one has told the thread, or commits it.
        if self.is_first {
            self.hand.common.call();
        }
    }
}
