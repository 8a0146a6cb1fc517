//! What channels that are shut wait for.
//!
//! A channel is shut while something of it is in the journal alone because its files fail, or while they cannot
//! even be read. What is published to it is refused, the others go on, and it is tried again by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::checkpoint::Dirty;
use crate::recovery::{Unread, Unwritten};
use crate::submission::Receipt;

/// The channels that are shut, by name.
pub(crate) type Shut = BTreeMap<Arc<str>, Waiting>;

/// What a channel that is shut waits for.
#[derive(Default)]
pub(crate) struct Waiting {
    /// What is to be done before it is open again, in this order.
    pub(crate) remedies: Vec<Remedy>,
    /// Are told when what they wait for can be read from the files.
    pub(crate) receipts: Vec<Box<dyn Receipt>>,
    /// The channel could not be read at the start, and is not known yet.
    pub(crate) is_unread: bool,
    /// The sync of its directory has failed. A second one would say that all is well, so it is not tried again:
    /// the next start takes everything from the journal.
    pub(crate) is_given_up: bool,
}

/// What is to be done before a channel is open again.
#[derive(Debug)]
pub(crate) enum Remedy {
    /// Its segments are to be synced, or made again.
    Sync(Dirty),
    /// What a start has recovered is to be written down.
    Write(Box<Unwritten>),
    /// It is to be recovered.
    Read(Unread),
}

impl Waiting {
    pub(crate) fn add(&mut self, remedy: Remedy) {
        self.is_unread |= matches!(remedy, Remedy::Read(_));
        match (self.remedies.last_mut(), remedy) {
            (Some(Remedy::Sync(dirty)), Remedy::Sync(later)) => dirty.merge(later),
            (_, remedy) => self.remedies.push(remedy),
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("remedies", &self.remedies)
            .field("receipts", &self.receipts.len())
            .finish_non_exhaustive()
    }
}
