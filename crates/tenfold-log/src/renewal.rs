//! The name of a channel's directory, written once more.
//!
//! After a sync of `channels/` has failed, a later one succeeds, and what the first one was about may still not be on
//! the disk: then a power cut takes a whole new channel away. A change that is made after the failure is not concerned.
//! So a start gives such a directory another name, and its own name back.

use std::collections::BTreeSet;
use std::io;

use crate::names;
use crate::storage::Storage;
use crate::whole::uninterrupted;

/// How far that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Renewal {
    #[default]
    NotDue,
    Due,
    /// The directory has the other name.
    Begun,
}

impl Renewal {
    /// Writes the name once more, if that is due. It is durable when `channels/` is synced. Returns whether anything
    /// was done. After an error it can be tried again.
    pub(crate) fn run(&mut self, storage: &dyn Storage, name: &str) -> io::Result<bool> {
        if *self == Self::Due {
            uninterrupted(|| storage.rename(&names::channel(name), &names::renamed(name)))?;
            *self = Self::Begun;
        }
        self.end(storage, name)
    }

    /// Gives the directory its own name back, if it has the other one. Returns whether it had.
    pub(crate) fn end(&mut self, storage: &dyn Storage, name: &str) -> io::Result<bool> {
        if *self != Self::Begun {
            return Ok(false);
        }
        uninterrupted(|| storage.rename(&names::renamed(name), &names::channel(name)))?;
        *self = Self::NotDue;
        Ok(true)
    }
}

/// Gives the directories their own names back that an earlier start has left with others.
pub(crate) fn end_all(storage: &dyn Storage) -> io::Result<()> {
    let found: BTreeSet<String> = uninterrupted(|| storage.list(names::CHANNELS))?
        .into_iter()
        .collect();
    for name in found.iter().filter_map(|name| names::before_renamed(name)) {
        if !found.contains(name) {
            Renewal::Begun.end(storage, name)?;
        }
    }
    Ok(())
}
