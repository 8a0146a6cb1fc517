//! Deleting the oldest segments of channels, once it is durable that nobody needs them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::channel::Channel;
use crate::common::Common;
use crate::directory::{remove, sync_dir};
use crate::names;
use crate::options::Notice;
use crate::whole::{is_failed_sync_of_names, is_full, is_momentary};

/// Channels that need nothing before a seq, by their names.
pub(crate) type Trims = BTreeMap<Arc<str>, (Arc<Channel>, u64)>;

impl Common {
    /// Deletes all segments of channels before some seqs. Before that, snapshots make durable that they are
    /// trimmed. If there is no space for one of them, those before it are deleted all the same. It notes of which
    /// channels nothing can be deleted.
    pub(crate) fn trim(
        &self,
        trims: Trims,
        failed: &mut BTreeMap<Arc<str>, io::Error>,
    ) -> io::Result<()> {
        let storage = &*self.storage;
        let mut saved = Vec::new();
        let mut result = Ok(());
        for (channel, to) in trims.into_values() {
            #[cfg(feature = "planted")]
            if crate::planted::is(crate::planted::Mistake::DropProducerCounts) {
                channel.state().producers.clear();
            }
            let mut snapshot = channel.snapshot();
            snapshot.first = to;
            match snapshot.save_on_a_full_disk(storage) {
                Ok(()) => saved.push((channel, to)),
                Err(error) if is_full(&error) || is_momentary(&error) => {
                    result = Err(error);
                    break;
                }
                Err(error) => {
                    if is_failed_sync_of_names(&error) {
                        // The names of segments that no checkpoint has synced yet can be lost with it.
                        self.shut(&channel.name, None, Vec::new(), &error);
                    }
                    failed.insert(Arc::clone(&channel.name), error);
                }
            }
        }
        if !saved.is_empty() {
            sync_dir(storage, names::CHANNELS)?;
        }
        for (channel, to) in saved {
            let gone = channel.give_up(to);
            // Whatever becomes of the files: nobody gets the messages any more.
            (self.options.notice)(&Notice::Trimmed {
                channel: Arc::clone(&channel.name),
                first: to,
                segments: gone.len(),
            });
            for &segment in &gone {
                let name = channel.name();
                let removed = remove(storage, &names::frames(name, segment))
                    .and_then(|()| remove(storage, &names::index(name, segment)));
                if let Err(error) = removed {
                    // The next start removes what is left.
                    failed.insert(Arc::clone(&channel.name), error);
                }
            }
            self.counters.removed.fetch_add(gone.len() as u64, Relaxed);
        }
        result
    }
}

impl Channel {
    /// Makes a seq the first one, and returns the segments before it.
    fn give_up(&self, to: u64) -> Vec<u64> {
        let mut state = self.state();
        state.first = state.first.max(to);
        let kept = state.segments.split_off(&to);
        std::mem::replace(&mut state.segments, kept)
            .into_keys()
            .collect()
    }
}
