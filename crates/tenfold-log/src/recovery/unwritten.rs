//! What a recovery has concluded and has to write down.

use std::io;
use std::sync::Arc;

use crate::aside;
use crate::channel::Channel;
use crate::directory::{remove, sync_dir};
use crate::draft::Draft;
use crate::names;
use crate::renewal::Renewal;
use crate::report::Report;
use crate::segment::{Files, Segment};
use crate::storage::{File, Storage};
use crate::whole::{synced, uninterrupted};

/// A recovered channel of which the disk may not have everything.
#[derive(Debug)]
pub(crate) struct Unwritten {
    pub(crate) channel: Arc<Channel>,
    /// Its history was given a name by this recovery.
    pub(crate) has_new_epoch: bool,
    pub(super) tidying: Tidying,
    /// The newest segment, and those that the journal or a rescue has written to.
    pub(super) segments: Vec<Drafted>,
    /// The name of its directory may have got lost.
    pub(super) renewal: Renewal,
    /// Its snapshot is to be written.
    pub(super) is_due: bool,
    pub(super) is_written: bool,
}

/// A segment whose files are drafts.
#[derive(Debug)]
pub(crate) struct Drafted {
    pub(crate) segment: Segment,
    pub(crate) frames: Arc<Draft>,
    pub(crate) index: Arc<Draft>,
}

/// What is to be done beside writing segments.
#[derive(Debug, Default)]
pub(crate) struct Tidying {
    /// Paths of files that nothing needs.
    pub(crate) removed: Vec<String>,
    /// The snapshot is damaged, and is to be put aside.
    pub(crate) has_bad_snapshot: bool,
    /// What is to be put aside under these names.
    pub(crate) put: Vec<(String, Vec<u8>)>,
    /// Paths of files that have to be there, without contents.
    pub(crate) missing: Vec<String>,
}

impl Unwritten {
    /// Writes everything down, durably but for the name of the channel's directory. Returns whether there
    /// was anything. It can be repeated after an error.
    pub(crate) fn write(&mut self, storage: &dyn Storage, report: &mut Report) -> io::Result<bool> {
        if self.is_written {
            return Ok(false);
        }
        let name = Arc::clone(&self.channel.name);
        let mut has_written = self.renewal.end(storage, &name)?;
        for path in &self.tidying.removed {
            remove(storage, path)?;
        }
        if self.tidying.has_bad_snapshot {
            aside::move_file(storage, &name, "snapshot")?;
        }
        for (name, bytes) in &self.tidying.put {
            aside::put(storage, name, bytes)?;
        }
        let directory = names::channel(&name);
        if self.is_due || self.segments.iter().any(Drafted::is_changed) {
            uninterrupted(|| storage.create_dir(&directory))?;
        }
        for path in &self.tidying.missing {
            uninterrupted(|| storage.open(path, true))?;
        }
        has_written |= self.is_due || !self.tidying.missing.is_empty();
        while let Some(drafted) = self.segments.last() {
            has_written |= drafted.is_changed();
            let files = drafted.write(storage, &self.channel, report)?;
            let Some(drafted) = self.segments.pop() else {
                break;
            };
            if let Some(files) = files {
                replace_files(&self.channel, drafted.segment, files);
            }
        }
        if self.is_due {
            self.channel.snapshot().save_on_a_full_disk(storage)?;
        } else if has_written {
            sync_dir(storage, &directory)?;
        }
        has_written |= self.renewal.run(storage, &name)?;
        self.is_written = true;
        Ok(has_written)
    }
}

impl Drafted {
    fn is_changed(&self) -> bool {
        self.frames.is_changed() || self.index.is_changed()
    }

    /// The segment's frames are fewer than its index says: nothing is written to it any more.
    fn is_cut(&self) -> io::Result<bool> {
        Ok(self.frames.length()? < self.segment.length)
    }

    /// Writes what it has into new files that take the place of the old ones. What was not changed stays
    /// in its files. `None`: retention has removed the segment, or it is left as it is.
    fn write(
        &self,
        storage: &dyn Storage,
        channel: &Channel,
        report: &mut Report,
    ) -> io::Result<Option<Files>> {
        let first = self.segment.first;
        if self.is_cut()? || !channel.state().segments.contains_key(&first) {
            return Ok(None);
        }
        if !self.is_changed() {
            let files = self.frames.base().zip(self.index.base());
            return Ok(
                files.map(|(frames, index)| Files::new(Arc::clone(frames), Arc::clone(index)))
            );
        }
        let name = channel.name();
        for (draft, path) in [
            (&self.frames, names::frames(name, first)),
            (&self.index, names::index(name, first)),
        ] {
            let unreadable = write_anew(storage, name, &path, draft)?;
            if unreadable > 0 {
                let text = format!(
                    "the disk cannot read {unreadable} bytes of {path}: the old file is kept in {}",
                    aside::path_of(name, file_name(&path))
                );
                report.push(true, Some(&channel.name), None, text);
            }
        }
        Files::open(storage, name, first, false).map(Some)
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Writes a file that takes the place of the one at a path. Returns how many bytes of that one the disk could
/// not read; if there are any, it is put aside.
fn write_anew(storage: &dyn Storage, channel: &str, path: &str, draft: &Draft) -> io::Result<u64> {
    let new = names::new(path);
    #[cfg(feature = "planted")]
    let new = if crate::planted::is(crate::planted::Mistake::ReplayInPlace) {
        path.to_owned()
    } else {
        new
    };
    let write = || {
        let file = uninterrupted(|| storage.open(&new, true))?;
        let unreadable = draft.copy_to(&*file)?;
        uninterrupted(|| file.set_length(draft.length()?))?;
        synced(file.sync())?;
        if unreadable > 0 {
            // Another disk, or another day, may read more of it.
            aside::move_file(storage, channel, file_name(path))?;
        }
        uninterrupted(|| storage.rename(&new, path))?;
        Ok(unreadable)
    };
    // What could not be written takes no space, and is not written on.
    write().inspect_err(|_| drop(storage.remove(&new)))
}

/// Goes on with the files of a segment that has become durable.
fn replace_files(channel: &Channel, mut segment: Segment, files: Files) {
    segment.files = Arc::new(files);
    segment.files.note_synced(segment.extent());
    let mut newest = channel.newest();
    channel.publish(&segment);
    if let Some(newest) = newest
        .as_mut()
        .filter(|newest| newest.first == segment.first)
    {
        *newest = segment;
    }
}
