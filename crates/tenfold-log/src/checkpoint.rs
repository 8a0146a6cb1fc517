//! What makes a journal file free: its batches are made durable in their segments.

use std::io;
use std::sync::Arc;

use crate::channel::Channel;
use crate::directory::sync_dir;
use crate::journal::JournalFiles;
use crate::names;
use crate::rebuild;
use crate::segment::{Extent, Files, Segment};
use crate::side_by_side::each;
use crate::storage::Storage;

/// What is done between two syncs of a checkpoint.
pub(crate) type Between<'a> = dyn FnMut() -> io::Result<()> + 'a;

/// Everything that batches before a number have left unsynced.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) upto: u64,
    pub(crate) dirty: Vec<Dirty>,
}

/// What is not synced of a channel.
#[derive(Debug)]
pub(crate) struct Dirty {
    pub(crate) channel: Arc<Channel>,
    /// Segments that have ended, and whether a sync of the files has failed: the files are made anew then.
    sealed: Vec<(Segment, bool)>,
    /// The newest one, and the files that are written.
    newest: Option<(u64, Arc<Files>)>,
    /// A sync of its files has failed.
    is_newest_broken: bool,
    /// How far the newest one is at the checkpoint.
    pub(crate) extent: Extent,
    /// There are files whose names are not durable.
    has_new_names: bool,
}

impl Dirty {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self {
            channel,
            sealed: Vec::new(),
            newest: None,
            is_newest_broken: false,
            extent: Extent::default(),
            has_new_names: false,
        }
    }

    /// Notes that the newest segment is being written.
    pub(crate) fn touch(&mut self, segment: &Segment) {
        self.has_new_names |= segment.files.synced() == Extent::default();
        self.newest = Some((segment.first, Arc::clone(&segment.files)));
    }

    /// Notes that the newest segment has ended. Those that retention has removed since are let go.
    pub(crate) fn seal(&mut self, ended: Segment) {
        self.newest = None;
        self.sealed.push((ended, false));
        let state = self.channel.state();
        self.sealed
            .retain(|(segment, _)| state.segments.contains_key(&segment.first));
    }

    /// May be repeated after an error. What is done is not done again, and no sync that failed is repeated:
    /// a second one would say that all is well.
    fn sync(&mut self, journal: &JournalFiles, between: &mut Between<'_>) -> io::Result<()> {
        // Of what retention has removed since, nothing is synced or made anew.
        let channel = Arc::clone(&self.channel);
        let is_kept = |first: u64| channel.state().segments.contains_key(&first);
        while let Some((full, is_broken)) = self.sealed.last_mut() {
            if !is_kept(full.first) {
                self.sealed.pop();
                continue;
            }
            *is_broken = *is_broken || full.cut().and_then(|()| full.files.sync()).is_err();
            if *is_broken {
                rebuild::rebuild(journal, &channel, full)?;
                rebuild::forget_files(&channel, full);
            }
            self.sealed.pop();
            between()?;
        }
        let newest = self.newest.as_ref().filter(|newest| is_kept(newest.0));
        let Some((first, files)) = newest else {
            return Ok(());
        };
        self.is_newest_broken = self.is_newest_broken || files.sync().is_err();
        if self.is_newest_broken {
            self.rebuild_newest(journal, *first, files)?;
        } else {
            files.note_synced(self.extent);
        }
        self.newest = None;
        Ok(())
    }

    /// The committer may be writing on, or be in the next segment already.
    fn rebuild_newest(
        &self,
        journal: &JournalFiles,
        first: u64,
        files: &Arc<Files>,
    ) -> io::Result<()> {
        let channel = &self.channel;
        let mut newest = channel.newest();
        if let Some(segment) = newest.as_mut().filter(|newest| newest.first == first) {
            rebuild::rebuild(journal, channel, segment)?;
            channel.publish(segment);
            return Ok(());
        }
        let mut full = rebuild::sealed(channel, first, files)?;
        rebuild::rebuild(journal, channel, &mut full)?;
        rebuild::forget_files(channel, &full);
        Ok(())
    }

    fn save(&self, storage: &dyn Storage) -> io::Result<()> {
        let is_due = std::mem::take(&mut self.channel.state().snapshot_is_due);
        if is_due {
            let saved = self.channel.snapshot().save(storage);
            self.channel.state().snapshot_is_due |= saved.is_err();
            saved
        } else if self.has_new_names {
            sync_dir(storage, &names::channel(&self.channel.name))
        } else {
            Ok(())
        }
    }
}

impl Checkpoint {
    /// Makes it durable. The older journal file is not needed after that. Between syncs it lets something
    /// else be done, which may remove segments that need not be synced any more.
    pub(crate) fn run(
        &mut self,
        storage: &dyn Storage,
        journal: &JournalFiles,
        between: &mut Between<'_>,
    ) -> io::Result<()> {
        let at_once = storage.flushes_at_once();
        for group in self.dirty.chunks_mut(at_once.max(1)) {
            if let [alone] = group {
                alone.sync(journal, between)?;
            } else {
                let work = |dirty: &mut Dirty| dirty.sync(journal, &mut || Ok(()));
                each(group.iter_mut(), at_once, work)?;
            }
            between()?;
        }
        each(self.dirty.iter(), at_once, |dirty| dirty.save(storage))?;
        if self.dirty.iter().any(|dirty| dirty.has_new_names) {
            sync_dir(storage, names::CHANNELS)?;
        }
        Ok(())
    }
}
