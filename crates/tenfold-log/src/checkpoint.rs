//! What makes a journal file free: its batches are made durable in their segments.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::convert::Infallible;
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
use crate::whole::{is_full, is_momentary};

/// What is done between two syncs of a checkpoint.
pub(crate) type Between<'a> = dyn FnMut() + 'a;

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
    /// Segments that have ended, and whether a sync of the files has failed: the files are made again then.
    sealed: VecDeque<(Segment, bool)>,
    /// The newest one, and the files that are written.
    newest: Option<(u64, Arc<Files>)>,
    /// A sync of its files has failed.
    is_newest_broken: bool,
    /// How far the newest one is at the checkpoint.
    pub(crate) extent: Extent,
    /// There are files whose names are not durable.
    pub(crate) has_new_names: bool,
    /// What has failed when it was tried the last time.
    fault: Option<io::Error>,
}

impl Dirty {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self {
            channel,
            sealed: VecDeque::new(),
            newest: None,
            is_newest_broken: false,
            extent: Extent::default(),
            has_new_names: false,
            fault: None,
        }
    }

    /// How many segments are not synced.
    pub(crate) fn segments(&self) -> usize {
        self.sealed.len() + usize::from(self.newest.is_some())
    }

    /// Notes that the newest segment is being written.
    pub(crate) fn touch(&mut self, segment: &Segment) {
        self.has_new_names |= segment.files.synced() == Extent::default();
        self.newest = Some((segment.first, Arc::clone(&segment.files)));
    }

    /// Notes that the newest segment's files do not have what they should.
    pub(crate) fn break_newest(&mut self) {
        self.is_newest_broken = true;
    }

    /// Notes that the newest segment has ended, and whether its files do not have what they should. Those that
    /// retention has removed since are let go.
    pub(crate) fn seal(&mut self, ended: Segment, is_broken: bool) {
        self.newest = None;
        let is_broken = std::mem::take(&mut self.is_newest_broken) || is_broken;
        self.sealed.push_back((ended, is_broken));
        let state = self.channel.state();
        self.sealed
            .retain(|(segment, _)| state.keeps(segment.first));
    }

    /// Takes over what was left unsynced before or later: the committer can have shut the channel while an older
    /// checkpoint waited, which adds its part after that.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.has_new_names |= other.has_new_names;
        let mut sealed = std::mem::take(&mut self.sealed);
        sealed.append(&mut other.sealed);
        sealed
            .make_contiguous()
            .sort_by_key(|(segment, _)| segment.first);
        for dirty in [&mut *self, &mut other] {
            dirty.newest_has_ended(&mut sealed);
        }
        self.sealed = sealed;
        let first = |dirty: &Self| dirty.newest.as_ref().map(|(first, _)| *first);
        match first(self).cmp(&first(&other)) {
            Ordering::Less => {
                self.newest = other.newest;
                self.is_newest_broken = other.is_newest_broken;
                self.extent = other.extent;
            }
            Ordering::Equal => {
                if let Some((_, files)) = &self.newest
                    && files.is_replaced()
                {
                    self.newest = other.newest;
                }
                self.is_newest_broken |= other.is_newest_broken;
                self.extent = self.extent.max(other.extent);
            }
            // Retention has removed that of the other one.
            Ordering::Greater => {}
        }
    }

    /// If the newest segment is among those that have ended meanwhile, it is dealt with as one of them.
    fn newest_has_ended(&mut self, sealed: &mut VecDeque<(Segment, bool)>) {
        let Some((first, _)) = &self.newest else {
            return;
        };
        let mut ended = sealed.iter_mut();
        if let Some((_, is_broken)) = ended.find(|(segment, _)| segment.first == *first) {
            *is_broken |= std::mem::take(&mut self.is_newest_broken);
            self.newest = None;
        }
    }

    /// Syncs it and saves the snapshot, with the same rules as a checkpoint does.
    pub(crate) fn finish(
        &mut self,
        storage: &dyn Storage,
        journal: &JournalFiles,
    ) -> io::Result<()> {
        self.sync(journal, &mut || {})?;
        self.save(storage)
    }

    /// May be repeated after an error. What is done is not done again, and no sync that failed is repeated:
    /// a second one would say that all is well.
    fn sync(&mut self, journal: &JournalFiles, between: &mut Between<'_>) -> io::Result<()> {
        // Of what retention has removed since, nothing is synced or rebuilt. Neither are files in the place of which
        // an earlier checkpoint has put others: the journal has only what is newer.
        let channel = Arc::clone(&self.channel);
        let is_due =
            |first: u64, files: &Files| channel.state().keeps(first) && !files.is_replaced();
        while let Some((full, is_broken)) = self.sealed.front_mut() {
            if !is_due(full.first, &full.files) {
                self.sealed.pop_front();
                continue;
            }
            *is_broken = *is_broken || has_failed(full.cut().and_then(|()| full.files.sync()))?;
            if *is_broken {
                rebuild::rebuild(journal, &channel, full)?;
                rebuild::forget_files(&channel, full);
            }
            self.sealed.pop_front();
            between();
        }
        let newest = self.newest.as_ref();
        let newest = newest.filter(|(first, files)| is_due(*first, files));
        let Some((first, files)) = newest else {
            return Ok(());
        };
        self.is_newest_broken = self.is_newest_broken || has_failed(files.sync())?;
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
            let saving = self.channel.saving();
            let saved = self.channel.snapshot().save(storage);
            drop(saving);
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
    /// Makes it durable, but for the channels that are returned with what has failed. The older journal file is
    /// needed for these alone after that. Between syncs it lets something else be done, which may remove
    /// segments that need not be synced any more. An error: all of it is to be tried again.
    pub(crate) fn run(
        &mut self,
        storage: &dyn Storage,
        journal: &JournalFiles,
        between: &mut Between<'_>,
    ) -> io::Result<Vec<(Dirty, io::Error)>> {
        let at_once = storage.flushes_at_once();
        for group in self.dirty.chunks_mut(at_once.max(1)) {
            if let [alone] = group {
                alone.fault = alone.sync(journal, between).err();
            } else {
                attempt(group, at_once, |dirty| dirty.sync(journal, &mut || {}));
            }
            between();
        }
        self.look_for_want()?;
        let mut sound: Vec<_> = self
            .dirty
            .iter_mut()
            .filter(|dirty| dirty.fault.is_none())
            .collect();
        attempt(&mut sound, at_once, |dirty| dirty.save(storage));
        self.look_for_want()?;
        if self.dirty.iter().any(|dirty| dirty.has_new_names) {
            sync_dir(storage, names::CHANNELS)?;
        }
        let failed = |mut dirty: Dirty| dirty.fault.take().map(|fault| (dirty, fault));
        Ok(std::mem::take(&mut self.dirty)
            .into_iter()
            .filter_map(failed)
            .collect())
    }

    /// Of what all channels need, such as space, one has not found enough.
    fn look_for_want(&mut self) -> io::Result<()> {
        let is_want = |error: &mut io::Error| is_full(error) || is_momentary(error);
        let want = self
            .dirty
            .iter_mut()
            .find_map(|dirty| dirty.fault.take_if(is_want));
        want.map_or(Ok(()), Err)
    }
}

/// Whether a sync has failed. An error: it has not begun, because the files could not be opened at the moment.
fn has_failed(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Err(error) if is_momentary(&error) => Err(error),
        result => Ok(result.is_err()),
    }
}

/// Does some work for several channels side by side, and notes what has failed.
fn attempt<D: std::borrow::BorrowMut<Dirty> + Send>(
    some: &mut [D],
    at_once: usize,
    work: impl Fn(&mut Dirty) -> io::Result<()> + Sync,
) {
    let work = |dirty: &mut D| {
        let dirty = dirty.borrow_mut();
        dirty.fault = work(dirty).err();
        Ok::<_, Infallible>(())
    };
    let Ok(_) = each(some.iter_mut(), at_once, work);
}
