//! Channels that are deleted and whose files are still there.

use std::io;

use crate::directory::sync_dir;
use crate::names;
use crate::storage::Storage;
use crate::whole::uninterrupted;

/// Moves a channel's directory to `deleted/`, durably, and removes it there.
pub(crate) fn put_away(storage: &dyn Storage, name: &str) -> io::Result<()> {
    uninterrupted(|| storage.create_dir(names::DELETED))?;
    sync_dir(storage, "")?;
    let to = format!("{}/{name}", names::DELETED);
    uninterrupted(|| storage.rename(&names::channel(name), &to))?;
    sync_dir(storage, names::DELETED)?;
    sync_dir(storage, names::CHANNELS)?;
    sweep(storage)
}

/// Removes the files of channels that are deleted.
pub(crate) fn sweep(storage: &dyn Storage) -> io::Result<()> {
    let channels = match uninterrupted(|| storage.list(names::DELETED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        channels => channels?,
    };
    for channel in channels {
        let directory = format!("{}/{channel}", names::DELETED);
        for file in uninterrupted(|| storage.list(&directory))? {
            uninterrupted(|| storage.remove(&format!("{directory}/{file}")))?;
        }
        uninterrupted(|| storage.remove_dir(&directory))?;
    }
    uninterrupted(|| storage.remove_dir(names::DELETED))?;
    sync_dir(storage, "")
}
