//! The hand holds the committer of a log that runs. A thread that has the hand's lock may commit: the
//! committer's own thread, or one that has just queued a submission.
//!
//! To wake the committer's thread and to be woken by it takes a good part of the time that a fast disk
//! needs. So a thread that is the only one to submit, on a fast disk, commits by itself. As soon as two
//! submit at once, or the disk is slow, the committer's thread commits and the others go on. So it does while a
//! checkpoint is being made, or a channel is shut: the checkpointer can have a channel locked then, for as long as
//! the disk takes to make its files again.

use std::io;
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

    /// Commits until the queue is empty. Returns whether submissions were taken from the queue that have
    /// to wait for a checkpoint.
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

    /// Commits one batch. False: there was nothing, or it has to wait for a checkpoint.
    pub(crate) fn step(&self) -> bool {
        self.lock().as_mut().is_some_and(Committer::step)
    }

    /// Whether submissions were taken from the queue that have to wait for a checkpoint.
    pub(crate) fn has_taken(&self) -> bool {
        self.lock().as_ref().is_some_and(Committer::has_taken)
    }

    /// Commits one batch on this thread, if no other thread commits and the batch is likely to be a light
    /// one. False: the committer's thread has to do it.
    fn help(&self) -> bool {
        let mut hand = match self.committer.try_lock() {
            Ok(hand) => hand,
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return false,
        };
        let is_light = |committer: &&mut Committer| committer.is_light();
        let Some(committer) = hand.as_mut().filter(is_light) else {
            return false;
        };
        // No checkpoint begins while this thread has the hand, and of a channel nothing is made again without one.
        if self.common.duties().is_pending || self.common.has_shut() {
            return false;
        }
        committer.step();
        let is_stuck = committer.has_taken();
        // The hand is let go before the queue is looked at. A thread that found the hand taken had queued
        // its submission before, so either it is seen here, or that thread calls the committer's.
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
            // A thread has panicked in the middle of a commit: nothing may be written after that.
            self.common.fail(&panicked());
            poisoned.into_inner()
        })
    }
}

/// What the log fails with when one of its threads has panicked.
pub(crate) fn panicked() -> io::Error {
    io::Error::other("a commit has panicked, which is a mistake in the hub")
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

    /// Commits the frames on this thread, which then waits for the disk, if four things hold: no other
    /// thread commits, nothing else was queued, the last batch was one submission that took less than
    /// a millisecond, and the checkpointer has no reason to lock a channel: no checkpoint is being made, and
    /// no channel is shut. Otherwise the committer's thread commits them.
    pub fn commit(mut self) {
        if self.is_first && self.hand.help() {
            self.is_first = false;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // If it is not the first one in the queue, the thread that queued the first one calls the
        // committer's thread, or commits.
        if self.is_first {
            self.hand.common.call();
        }
    }
}
