//! A channel that a start could not read.

use std::io;
use std::sync::Arc;

use crate::carry::records_of;
use crate::journal::JournalFiles;
use crate::options::Opens;
use crate::report::Report;
use crate::starts::Starts;
use crate::storage::Storage;

use super::channel::Recovering;
use super::records::Placed;
use super::unwritten::Unwritten;

/// A channel that a start could not read. What the journal has of it stays there, and it is recovered when it
/// can be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) name: Arc<str>,
    /// The starts before the one that could not read it.
    pub(super) starts: Arc<Starts>,
    /// Batches were lost that may have had something for it.
    pub(super) is_uncertain: bool,
    /// Bytes of the frames that the journal has of it.
    pub(super) bytes: u64,
}

impl Unread {
    /// Recovers it now; `None` if it has never had a message.
    pub(crate) fn read(
        &self,
        storage: &Arc<dyn Storage>,
        journal: &JournalFiles,
        starts: &Arc<Starts>,
        opens: Opens,
    ) -> io::Result<(Option<Unwritten>, Report)> {
        let mut report = Report::default();
        let channel = Recovering::look(storage, &self.name, &self.starts, &mut report)?;
        let deleted =
            || io::Error::other("it was deleted: the next start removes what is left of it");
        let mut channel = channel.ok_or_else(deleted)?;
        let carried = records_of(journal, u64::MAX, |name| *name == *self.name)?;
        let bytes: u64 = carried.iter().map(|(record, _)| record.length).sum();
        if bytes != self.bytes {
            let words = "the journal is being begun again while a channel is recovered from it";
            return Err(io::Error::other(words));
        }
        for (record, frames) in carried {
            if record.tells_birth() {
                channel.carried_birth = Some(record.epoch);
                continue;
            }
            channel.replay(&record, Some(frames), &mut report)?;
        }
        channel.is_uncertain = self.is_uncertain;
        channel.conclude(&mut report)?;
        Ok((channel.into_unwritten(opens, starts), report))
    }
}

/// Bytes of the frames that can be carried.
pub(super) fn bytes_of(records: &[Placed]) -> u64 {
    let sound = records.iter().filter(|placed| placed.frames.is_some());
    sound.map(|placed| placed.record.length).sum()
}
