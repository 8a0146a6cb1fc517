//! A log that has the histories of another one, its *source*: a mirror.
//!
//! ```text
//!   source: starts, lineage of each channel, frames with times and counts
//!                 |                |                    |
//!   mirror: follow_starts    begin, follow         committed_elsewhere
//! ```
//!
//! A mirror gives seqs, as each log does, and whoever feeds it makes sure that they are those of the source: one feeder
//! for each channel, which begins where the channel ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::chain::{Chain, Lineage};
use crate::channel::Channel;
use crate::directory::sync_dir;
use crate::log::Log;
use crate::names;
use crate::starts::{Start, Starts};
use crate::whole::uninterrupted;

impl Log {
    /// The starts that the log has had, the oldest first: 1,000 at the most.
    pub fn starts(&self) -> Vec<Start> {
        self.common.starts().all()
    }

    /// Has a [mirror](crate::Options::is_mirror) go on with the starts of its source: durably, before anything is
    /// committed that the source has committed in the newest of them. The caller then has each channel
    /// [`follow`](Self::follow), and [`note`](Self::note) it, and makes sure that nothing is queued until it has. False: no log can have had these
    /// starts, and nothing is changed. Waits for the disk.
    pub fn follow_starts(&self, starts: &[Start]) -> io::Result<bool> {
        let Some(starts) = Starts::given(starts) else {
            return Ok(false);
        };
        if starts != *self.common.starts() {
            starts.replace(&*self.common.storage)?;
            self.common.set_starts(Arc::new(starts));
        }
        Ok(true)
    }

    /// Has a channel of a mirror go on with the epochs that it has in the source, after
    /// [`follow_starts`](Self::follow_starts).
    ///
    /// # Panics
    ///
    /// If it is another history, which begins with another birth.
    pub fn follow(&self, channel: &Channel, lineage: &Lineage) {
        assert_eq!(
            channel.lineage().birth,
            lineage.birth,
            "channel {} has another history",
            channel.name()
        );
        channel.set_chain(Chain::given(lineage, &self.common.starts()));
    }

    /// Writes down what [`follow`](Self::follow) has told: durably, before anything is committed after it. Does nothing if
    /// nothing is new. Waits for the disk.
    pub fn note(&self, channel: &Channel) -> io::Result<()> {
        if channel.is_shut.load(SeqCst) {
            return Err(io::Error::other("the channel's files fail"));
        }
        if channel.chain_is_due.load(SeqCst) {
            let _trimming = self.common.trimming();
            let _saving = channel.saving();
            channel.snapshot().save(&*self.common.storage)?;
            channel.chain_is_due.store(false, SeqCst);
        }
        Ok(())
    }

    /// Begins a channel of a mirror, with the epochs that it has in the source, at a seq: what comes before that the source
    /// does not keep, or cannot read. Durable when it returns. Waits for the disk.
    ///
    /// # Panics
    ///
    /// If the channel has messages already, or cannot have the name.
    pub fn begin(&self, name: &str, lineage: &Lineage, first: u64) -> io::Result<Arc<Channel>> {
        let channel = self.channel(name, lineage.birth);
        assert!(channel.next() == 0, "channel {name} has messages already");
        if channel.is_shut.load(SeqCst) {
            return Err(io::Error::other("the channel cannot be read"));
        }
        channel.set_chain(Chain::given(lineage, &self.common.starts()));
        let storage = &*self.common.storage;
        uninterrupted(|| storage.create_dir(&names::channel(name)))?;
        let mut snapshot = channel.snapshot();
        (snapshot.first, snapshot.next) = (first, first);
        snapshot.save(storage)?;
        sync_dir(storage, names::CHANNELS)?;
        let mut state = channel.state();
        (state.first, state.next) = (first, first);
        drop(state);
        channel.chain_is_due.store(false, SeqCst);
        Ok(channel)
    }
}
