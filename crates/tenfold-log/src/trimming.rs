//! Deleting the oldest segments of channels, once it is durable that nobody needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::channel::Channel;
use crate::common::Common;
use crate::directory::{remove, sync_dir};
use crate::names;
use crate::options::Notice;
use crate::side_by_side::each;
use crate::storage::Storage;
use crate::whole::{is_failed_sync_of_names, is_full, is_momentary};

/// Names of channels.
pub(crate) type Names = BTreeSet<Arc<str>>;

/// Channels that need nothing before a seq, by their names.
pub(crate) type Trims = BTreeMap<Arc<str>, (Arc<Channel>, u64)>;

impl Common {
    /// Deletes all segments of channels before some seqs. Before that, snapshots make durable that they are
    /// trimmed, of many channels at a time. If there is no space for one of them, those before it are deleted all
    /// the same. It notes of which channels nothing can be deleted.
    ///
    /// Returns the channels that are left. The journal goes on only after a checkpoint, so one that is waited for does
    /// not wait for the snapshots of ten thousand channels.
    pub(crate) fn trim(
        &self,
        trims: Trims,
        failed: &mut BTreeMap<Arc<str>, io::Error>,
    ) -> io::Result<Names> {
        let storage = &*self.storage;
        let trimming = self.trimming();
        let mut saved = Vec::new();
        let mut want = None;
        let mut left = trims.into_values();
        loop {
            let group = left.by_ref().take(storage.flushes_at_once().max(1));
            let group = save_each(storage, group.collect());
            for (channel, to, result) in group {
                match result {
                    Ok(()) => saved.push((channel, to)),
                    Err(error) if is_full(&error) || is_momentary(&error) => {
                        want = want.or(Some(error));
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
            if want.is_some() || left.len() == 0 || self.duties().is_pending {
                break;
            }
        }
        if !saved.is_empty() {
            sync_dir(storage, names::CHANNELS)?;
        }
        let (mut gone, mut removed) = (Vec::new(), 0);
        for (channel, to) in saved {
            let segments = channel.give_up(to);
            // Whatever becomes of the files: nobody gets the messages any more.
            (self.options.notice)(&Notice::Trimmed {
                channel: Arc::clone(&channel.name),
                first: to,
                segments: segments.len(),
            });
            removed += segments.len() as u64;
            gone.push((channel, segments));
        }
        drop(trimming);
        for (channel, error) in remove_each(storage, gone) {
            // The next start removes what is left.
            failed.insert(Arc::clone(&channel.name), error);
        }
        self.counters.removed.fetch_add(removed, Relaxed);
        match want {
            Some(error) => Err(error),
            None => Ok(left.map(|(channel, _)| Arc::clone(&channel.name)).collect()),
        }
    }
}

/// Removes the files of segments, those of several channels side by side. Returns the channels of which some are left.
fn remove_each(
    storage: &dyn Storage,
    gone: Vec<(Arc<Channel>, Vec<u64>)>,
) -> impl Iterator<Item = (Arc<Channel>, io::Error)> {
    let remove_all = |(channel, segments): (Arc<Channel>, Vec<u64>)| {
        let name = channel.name();
        let mut result = Ok(());
        for segment in segments {
            let removed = remove(storage, &names::frames(name, segment))
                .and_then(|()| remove(storage, &names::index(name, segment)));
            result = result.and(removed);
        }
        Ok::<_, Infallible>((channel, result))
    };
    let Ok(removed) = each(gone.into_iter(), storage.flushes_at_once(), remove_all);
    let removed = removed.into_iter();
    removed.filter_map(|(channel, result)| Some((channel, result.err()?)))
}

/// Saves the snapshots of channels side by side; on a full disk one after the other, with the space of `SPARE`.
fn save_each(
    storage: &dyn Storage,
    trims: Vec<(Arc<Channel>, u64)>,
) -> Vec<(Arc<Channel>, u64, io::Result<()>)> {
    let snapshot = |channel: &Channel, to| {
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::DropProducerCounts) {
            channel.state().producers.clear();
        }
        let mut snapshot = channel.snapshot();
        snapshot.first = to;
        snapshot
    };
    let save = |(channel, to): (Arc<Channel>, u64)| {
        let result = snapshot(&channel, to).save(storage);
        Ok::<_, Infallible>((channel, to, result))
    };
    let at_once = trims.len();
    let Ok(mut saved) = each(trims.into_iter(), at_once, save);
    for (channel, to, result) in &mut saved {
        if result.as_ref().is_err_and(is_full) {
            *result = snapshot(channel, *to).save_on_a_full_disk(storage);
        }
    }
    saved
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
