//! How many channels a follower may have.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many channels a follower may have, and its share of what all may have.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) each: usize,
    pub(crate) all: Arc<Semaphore>,
    pub(crate) share: Option<OwnedSemaphorePermit>,
}

impl Limit {
    /// Takes a share for one more than so many channels. False if there is none.
    pub(super) fn grow(&mut self, channels: usize) -> bool {
        if channels >= self.each {
            return false;
        }
        let Ok(one) = Arc::clone(&self.all).try_acquire_owned() else {
            return false;
        };
        match &mut self.share {
            Some(share) => share.merge(one),
            None => self.share = Some(one),
        }
        true
    }

    /// Gives back the share of one channel.
    pub(super) fn shrink(&mut self) {
        drop(self.share.as_mut().and_then(|share| share.split(1)));
    }
}
